package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

const applyHelp = `Do to the root in DIR what the user-data in FILE asks for, as the agent would
at boot, and list what was done. DIR is a directory or a mounted image.

Boothooks and bootcmd are left to the boot: they are kept and said, not run.
A root that is mounted read-only is made writable meanwhile, if it can be. A
second apply with the same instance-id changes nothing.`

func newApply() *cobra.Command {
	var a applyCommand
	cmd := a.command("apply", a.run)
	cmd.Short = "do to a root what user-data asks for"
	cmd.Long = applyHelp
	cmd.Example = "  boothook apply --root /mnt/image --instance-id i-0abc --hostname web1 my.yaml"
	cmd.Flags().BoolVar(&a.apply.AnyOwner, "any-owner", false, "leave new files to whoever runs this, for use without root")
	return cmd
}

// An applyCommand is what "boothook apply" was asked for.
type applyCommand struct{ request }

func (a *applyCommand) run(cmd *cobra.Command, file string) error {
	result, err := a.inject(cmd, file, false)
	if err != nil {
		return err
	}
	for i, s := range result.Steps {
		fmt.Fprintf(cmd.OutOrStdout(), "%-9s  %s\n", s.Status, result.Plan.Steps[i])
	}
	return tellProblems(cmd.ErrOrStderr(), result.Outcome.Problems)
}
