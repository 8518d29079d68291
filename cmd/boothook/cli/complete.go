package cli

import (
	"github.com/spf13/cobra"
)

// oneFile completes the name of a file where none was given yet.
func oneFile(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveDefault
}

// exactlyOneFile is what a command that reads one document takes.
func exactlyOneFile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("%s: exactly one FILE is needed", cmd.Name())
	}
	return nil
}

// noArguments is what a command takes that has flags only.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s: unexpected argument %q", cmd.Name(), args[0])
	}
	return nil
}

// completes lets shells complete the values of a flag from names.
func completes(cmd *cobra.Command, flag string, names ...string) {
	completesBy(cmd, flag, cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
}

// completesNothing keeps shells from offering files for the flags' values.
func completesNothing(cmd *cobra.Command, flags ...string) {
	for _, flag := range flags {
		completesBy(cmd, flag, cobra.NoFileCompletions)
	}
}

// completesDirectories lets shells offer only directories for the flags' values.
func completesDirectories(cmd *cobra.Command, flags ...string) {
	for _, flag := range flags {
		completesBy(cmd, flag, cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs))
	}
}

func completesBy(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // a misspelt name of a flag, here in the program
	}
}
