package cli

import (
	"bytes"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"boothook/injector/network"
	"boothook/injector/plan"
)

const planHelp = `Show what the user-data in FILE would write to the root in DIR, in order and
with what asked for each step. Nothing is written and no hook is run.

The default is a list; --diff gives a unified diff against what is there,
--json the plan as data. Secrets are left out of the list and the diff.

With --network-config and --renderer, but without FILE and --root, it shows the
files that a network-config becomes for a daemon, and what cannot be done.`

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
	cmd.Example = "  boothook plan --root /srv/image --diff my.yaml\n" +
		"  boothook plan --network-config net.yaml --renderer networkd"
	flags := cmd.Flags()
	flags.BoolVar(&p.json, "json", false, "print the plan as JSON")
	flags.BoolVar(&p.diff, "diff", false, "print a unified diff against the root")
	flags.StringVar(&p.renderer, "renderer", "", "the `name` of what network-config is written for: netplan, networkd, network-manager, eni (ifupdown) or sysconfig; the root's own by default")
	checkArgs := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case p.root != "" || len(args) > 0 || p.network == "" && p.renderer == "":
			return checkArgs(cmd, args)
		case p.network == "" || p.renderer == "":
			return usagef("plan: without --root, --network-config and --renderer go together")
		case p.diff:
			return usagef("plan: --diff needs --root")
		}
		return nil
	}
	runAll := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if p.root != "" {
			return runAll(cmd, args)
		}
		if err := p.runNetwork(cmd); err != nil {
			return fmt.Errorf("plan %s: %w", p.network, err)
		}
		return nil
	}
	completesNothing(cmd, "renderer")
	return cmd
}

// runNetwork shows what a network-config comes to for a daemon, whatever the
// root.
func (p *planCommand) runNetwork(cmd *cobra.Command) error {
	body, err := readOptional(cmd, p.network)
	if err != nil {
		return err
	}
	doc, problems := network.Read(body, p.network)
	result := network.Plan(doc, nil, p.renderer, nil)
	out := cmd.OutOrStdout()
	if p.json {
		err = plan.Encode(out, plan.Plan{Version: plan.Version, Steps: result.Steps})
	} else {
		err = listFiles(out, result.Steps)
	}
	if err != nil {
		return err
	}
	return tellProblems(cmd.ErrOrStderr(), append(problems, result.Problems...))
}

// listFiles prints each file under its name, but for secret ones.
func listFiles(w io.Writer, steps []plan.Step) error {
	for i, s := range steps {
		blank := ""
		if i > 0 {
			blank = "\n"
		}
		group := ""
		if s.Group != "" {
			group = " root:" + s.Group
		}
		body := s.Body
		if s.Secret {
			body = []byte("(secret)\n")
		}
		if _, err := fmt.Fprintf(w, "%s==> %s (%04o%s)\n%s\n", blank, s.Path, s.Mode, group, bytes.TrimSuffix(body, []byte("\n"))); err != nil {
			return err
		}
	}
	return nil
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
