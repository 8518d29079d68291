package cli

import (
	"github.com/spf13/cobra"

	"boothook/injector/plan"
)

const planHelp = `Show what the user-data in FILE would write to the root in DIR, in order and
with what asked for each step. Nothing is written and no hook is run.

The default is a list; --diff gives a unified diff against what is there,
--json the plan as data. Secrets are left out of the list and the diff.`

// A planCommand is what "boothook plan" was asked for.
type planCommand struct {
	request
	json, diff bool
}

func newPlan() *cobra.Command {
	var p planCommand
	cmd := p.command("plan", p.run)
	cmd.Short = "show what user-data would write to a root"
	cmd.Long = planHelp
	cmd.Example = "  boothook plan --root /srv/image --diff my.yaml"
	flags := cmd.Flags()
	flags.BoolVar(&p.json, "json", false, "print the plan as JSON")
	flags.BoolVar(&p.diff, "diff", false, "print a unified diff against the root")
	return cmd
}

func (p *planCommand) run(cmd *cobra.Command, file string) error {
	result, err := p.inject(cmd, file, true)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	switch {
	case p.json:
		err = plan.Encode(out, result.Plan)
	case p.diff:
		err = plan.Diff(out, result.Changes)
	default:
		err = plan.List(out, result.Plan)
	}
	if err != nil {
		return err
	}
	return tellProblems(cmd.ErrOrStderr(), result.Outcome.Problems)
}
