package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newVersion makes "boothook version", which is "boothook --version".
func newVersion(version string) *cobra.Command {
	return &cobra.Command{
		Use:               "version",
		Short:             "say which version this is",
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return printVersion(cmd, version) },
	}
}

func printVersion(cmd *cobra.Command, version string) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "boothook %s\n", version)
	return err
}
