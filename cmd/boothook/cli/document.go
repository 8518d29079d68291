package cli

import (
	"io"
	"os"

	"github.com/spf13/cobra"
)

// readDocument reads a file, or standard input for "-".
func readDocument(cmd *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(cmd.InOrStdin())
	}
	return os.ReadFile(name)
}

// readOptional reads a document, or nothing when no name is given.
func readOptional(cmd *cobra.Command, name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	return readDocument(cmd, name)
}
