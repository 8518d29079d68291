package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newVersion makes "boothook version", which is "boothook --version".
func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:               "version",
		Short:             "say which version this is",
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "boothook %s\n", cmd.Root().Version)
			return err
		},
	}
}
