// Package cli is the command line of the tool: the commands, their flags and
// their help, one file for each command. The work itself is done elsewhere.
//
// The commands are a tree of [cobra.Command], from which come the help, the
// completion of shells and the manual page (scripts/release/man), so that
// none of them can contradict another. A command reads and writes the streams
// of its cobra.Command, never the process's own.
package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// New gives the command line of the tool of that version.
func New(version string) *cobra.Command {
	var sayVersion bool
	root := &cobra.Command{
		Use:   "boothook COMMAND [flags] [ARGUMENTS]",
		Short: "customize cloud images in the initramfs, before their first service",
		Long: `Puts the agent into an initramfs, where it customizes the real root by the
instance's user-data before the first service starts; and shows, without
booting anything, what user-data would do to a root.

"-" stands for standard input. Results go to standard output, everything else
to standard error. The exit status is 0 when it is done, 1 when it failed and
2 when it was called wrongly.`,
		SilenceErrors: true, // Main prints them, by kind
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if sayVersion {
				return printVersion(cmd, version)
			}
			return usagef("no command given")
		},
	}
	root.Flags().BoolVar(&sayVersion, "version", false, "say which version this is")
	root.SetUsageFunc(usage)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(newHelp())
	root.AddCommand(newApply(), newBake(version), newBoot(), newBuild(version), newCompletion(),
		newLint(), newParts(), newPlan(), newReport(), newServe(), newVersion(version))
	root.InitDefaultHelpFlag()
	for _, cmd := range root.Commands() {
		cmd.InitDefaultHelpFlag()
	}
	return root
}

// Main runs the command that args ask for, and returns the exit status.
func Main(ctx context.Context, root *cobra.Command, args []string) int {
	ran := noteRuns(root)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if !*ran && !errors.Is(err, errUsage) {
		err = usageError(err) // of cobra's own: no such command, too many arguments …
	}
	cmd.PrintErrf("boothook: %v\n", err)
	if !errors.Is(err, errUsage) {
		return 1
	}
	if cmd == root || cmd.Name() == "help" {
		cmd.PrintErrln(`boothook: hint: "boothook help" lists the commands`)
	} else {
		cmd.PrintErrf("boothook: hint: \"boothook help %s\" explains it\n", cmd.Name())
	}
	return 2
}

// noteRuns tells whether a command has got as far as to run.
func noteRuns(root *cobra.Command) *bool {
	ran := new(bool)
	for _, cmd := range root.Commands() {
		run := cmd.RunE
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*ran = true
			return run(cmd, args)
		}
	}
	return ran
}

// errUsage marks an error in how the tool was called: exit status 2.
var errUsage = errors.New("usage")

// usagef says what is wrong with the call.
func usagef(format string, args ...any) error {
	return usageError(fmt.Errorf(format, args...))
}

func usageError(err error) error { return fmt.Errorf("%w: %w", errUsage, err) }
