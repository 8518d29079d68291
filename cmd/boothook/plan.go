package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"boothook/injector"
	"boothook/injector/cloudconfig/hostkey"
	"boothook/injector/plan"
	"boothook/injector/root"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

const planHelp = `Show what the user-data in FILE would write to the root in DIR, in order and
with what asked for each step. Nothing is written and no hook is run.

The default is a list; --diff gives a unified diff against what is there,
--json the plan as data. Secrets are left out of the list and the diff.

Example:
  boothook plan --root /srv/image --diff my.yaml`

const applyHelp = `Do to the root in DIR what the user-data in FILE asks for, as the agent would
at boot, and list what was done. DIR is a directory or a mounted image.

Boothooks and bootcmd are left to the boot: they are kept and said, not run.
A root that is mounted read-only is made writable meanwhile, if it can be. A
second apply with the same instance-id changes nothing.

Example:
  boothook apply --root /mnt/image --instance-id i-0abc --hostname web1 my.yaml`

// defaultID is the instance-id of a root that is planned for without one.
const defaultID = "i-by-hand"

// A request is what plan and apply have in common.
type request struct {
	root, id, hostname string
	keys, network      string
	fetch, anyOwner    bool
	file               string
}

// parse reads the command line of plan and apply; more adds flags.
func (r *request) parse(e env, name, help string, args []string, more func(*flag.FlagSet)) error {
	fs := newFlags(e, name, name+" --root DIR [OPTIONS] FILE|-", help)
	fs.StringVar(&r.root, "root", "", "the `directory` that is the root")
	fs.StringVar(&r.id, "instance-id", defaultID, "the instance's `id`")
	fs.StringVar(&r.hostname, "hostname", "", "the `name` that the metadata give")
	fs.StringVar(&r.keys, "public-key", "", "a `file` of SSH keys that the metadata give")
	fs.StringVar(&r.network, "network-config", "", "a `file` of network-config, version 1 or 2, that the source gives")
	fs.BoolVar(&r.fetch, "fetch", false, "fetch what #include names")
	if more != nil {
		more(fs)
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return usagef("%v", err)
	}
	if r.root == "" {
		return usagef("%s: --root is needed", name)
	}
	if fs.NArg() != 1 {
		return usagef("%s: exactly one FILE is needed", name)
	}
	r.file = fs.Arg(0)
	return nil
}

// inject does the injector's work on the root, for real or not.
func (r *request) inject(ctx context.Context, e env, dryRun bool) (injector.Result, error) {
	doc, err := readDocument(e, r.file)
	if err != nil {
		return injector.Result{}, err
	}
	inst := instance.Instance{Source: "none", ID: r.id, Hostname: r.hostname, UserData: doc}
	if r.keys != "" {
		keys, err := os.ReadFile(r.keys)
		if err != nil {
			return injector.Result{}, err
		}
		inst.PublicKeys = []string{string(keys)}
	}
	if r.network != "" {
		if inst.NetworkConfig, err = os.ReadFile(r.network); err != nil {
			return injector.Result{}, err
		}
	}
	var get injector.Getter
	if r.fetch {
		get = webGetter{}
	}
	prepared := injector.Prepare(ctx, inst, get)
	var result injector.Result
	err = withRoot(r.root, dryRun, func(dir *root.Root) error {
		result = injector.Inject(ctx, dir, prepared, injector.Options{
			DryRun: dryRun, NoHooks: true, Get: get, NewHostKey: hostkey.Generate,
			Apply: root.Options{AnyOwner: r.anyOwner},
		})
		return nil
	})
	return result, err
}

// withRoot opens a root and calls work with it. If it is to be written and is
// mounted read-only, it is made writable meanwhile, as the agent does.
func withRoot(path string, dryRun bool, work func(*root.Root) error) error {
	dir, err := root.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if dryRun || !dir.ReadOnly() {
		return work(dir)
	}
	err = root.WithWritable(path, root.MountOptions{}, work)
	switch {
	case errors.Is(err, os.ErrPermission) && os.Geteuid() != 0:
		return fmt.Errorf("%w (it is mounted read-only, and remounting needs root)", err)
	case errors.Is(err, root.ErrReadOnly):
		return fmt.Errorf("%w (apply to what it is made from; at boot the agent lays volatile overlays over such a root)", err)
	}
	return err
}

// webGetter fetches what user-data includes.
type webGetter struct{}

func (webGetter) Get(ctx context.Context, url string) ([]byte, error) {
	return fetchDocument(ctx, url, int64(userdata.DefaultLimits().Total))
}

func runPlan(ctx context.Context, e env, args []string) error {
	var r request
	var asJSON, asDiff bool
	err := r.parse(e, "plan", planHelp, args, func(fs *flag.FlagSet) {
		fs.BoolVar(&asJSON, "json", false, "print the plan as JSON")
		fs.BoolVar(&asDiff, "diff", false, "print a unified diff against the root")
	})
	if err != nil {
		return err
	}
	result, err := r.inject(ctx, e, true)
	if err != nil {
		return fmt.Errorf("plan %s: %w", r.file, err)
	}
	switch {
	case asJSON:
		err = plan.Encode(e.stdout, result.Plan)
	case asDiff:
		err = plan.Diff(e.stdout, result.Changes)
	default:
		err = plan.List(e.stdout, result.Plan)
	}
	if err != nil {
		return fmt.Errorf("plan %s: %w", r.file, err)
	}
	return tellProblems(e.stderr, "plan "+r.file, result.Outcome.Problems)
}

func runApply(ctx context.Context, e env, args []string) error {
	var r request
	err := r.parse(e, "apply", applyHelp, args, func(fs *flag.FlagSet) {
		fs.BoolVar(&r.anyOwner, "any-owner", false, "leave new files to whoever runs this, for use without root")
	})
	if err != nil {
		return err
	}
	result, err := r.inject(ctx, e, false)
	if err != nil {
		return fmt.Errorf("apply %s: %w", r.file, err)
	}
	for i, s := range result.Steps {
		step := result.Plan.Steps[i]
		fmt.Fprintf(e.stdout, "%-9s  %s\n", s.Status, step)
	}
	return tellProblems(e.stderr, "apply "+r.file, result.Outcome.Problems)
}

// tellProblems lists problems, and is an error if any of them lost something.
func tellProblems(w io.Writer, what string, problems []instance.Problem) error {
	lost := 0
	for _, p := range problems {
		label := "warning"
		if !p.Warning {
			label = "error"
			lost++
		}
		fmt.Fprintf(w, "boothook: %s: %s\n", label, p)
	}
	if lost > 0 {
		return fmt.Errorf("%s: %d errors", what, lost)
	}
	return nil
}
