package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"boothook/cmd/boothook/includes"
	"boothook/injector"
	"boothook/injector/cloudconfig/hostkey"
	"boothook/injector/root"
	"boothook/netboot/instance"
)

// defaultID is the instance-id of a root that is planned for without one.
const defaultID = "i-by-hand"

// A request is what plan and apply have in common: a document, what else an
// instance would have, and a root.
type request struct {
	root, id, hostname string
	keys, network      string
	renderer           string
	fetch              bool
	apply              root.Options
}

// command makes a command of the request; run does what it is for.
func (r *request) command(name string, run func(cmd *cobra.Command, file string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:               name + " --root DIR [flags] FILE|-",
		ValidArgsFunction: oneFile,
		Args: func(cmd *cobra.Command, args []string) error {
			if r.root == "" {
				return usagef("%s: --root is needed", name)
			}
			return exactlyOneFile(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := run(cmd, args[0]); err != nil {
				return fmt.Errorf("%s %s: %w", name, args[0], err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&r.root, "root", "", "the `directory` that is the root")
	flags.StringVar(&r.id, "instance-id", defaultID, "the instance's `id`")
	flags.StringVar(&r.hostname, "hostname", "", "the `name` that the metadata give")
	flags.StringVar(&r.keys, "public-key", "", "a `file` of SSH keys that the metadata give")
	flags.StringVar(&r.network, "network-config", "", "a `file` of network-config, version 1 or 2, that the source gives")
	flags.BoolVar(&r.fetch, "fetch", false, "fetch what #include names")
	completesDirectories(cmd, "root")
	completesNothing(cmd, "instance-id", "hostname")
	return cmd
}

// inject does the injector's work on the root, for real or not.
func (r *request) inject(cmd *cobra.Command, file string, dryRun bool) (injector.Result, error) {
	doc, err := readDocument(cmd, file)
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
	if inst.NetworkConfig, err = readOptional(cmd, r.network); err != nil {
		return injector.Result{}, err
	}
	var get injector.Getter
	if r.fetch {
		get = includes.Getter{}
	}
	prepared := injector.Prepare(cmd.Context(), inst, get)
	var result injector.Result
	err = withRoot(r.root, dryRun, func(dir *root.Root) error {
		result = injector.Inject(cmd.Context(), dir, prepared, injector.Options{
			DryRun: dryRun, NoHooks: true, Get: get, NewHostKey: hostkey.Generate, Apply: r.apply, Renderer: r.renderer,
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

// tellProblems lists problems, and is an error if any of them lost something.
func tellProblems(w io.Writer, problems []instance.Problem) error {
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
		return fmt.Errorf("%d errors", lost)
	}
	return nil
}
