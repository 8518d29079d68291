package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"boothook/initramfs/bake"
)

const buildHelp = `Makes a whole initramfs, with the agent as its init and nothing else needed:
drivers and file systems for that kernel, from /lib/modules/VERSION. It finds
the root by root= (UUID, LABEL, PARTUUID, PARTLABEL or a path), has it
customized, and pivots into it. docs/build.md has the kernel's words.`

const buildExample = `  boothook build --kernel 6.1.0-56-cloud-amd64 --out initramfs.img
  boothook build --kernel 6.1.0-56-cloud-amd64 --out small.img --module-names virtio_blk,virtio_net,ext4
  boothook build --kernel 6.12.0 --modules root/lib/modules/6.12.0 --out initramfs.img
  boothook build --kernel 6.12.0 --out initramfs.img --rescue --cmdline boothook.onerror=shell
  boothook build --kernel 6.12.0 --out initramfs.img --include /sbin/fsck.ext4`

// modulesDir is where a machine has the modules of its kernels.
const modulesDir = "/lib/modules"

// A buildCommand is what "boothook build" was asked for.
type buildCommand struct {
	inputs
	kernel, moreModules string
	rescue              bool
	rescueProgram       string
	include             []string
}

func newBuild(version string) *cobra.Command {
	var b buildCommand
	cmd := &cobra.Command{
		Use:               "build --kernel VERSION --out FILE [flags]",
		Short:             "make a whole initramfs with the agent as its init",
		Long:              buildHelp,
		Example:           buildExample,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return b.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&b.kernel, "kernel", "", "the kernel's `version`, as uname -r says it")
	b.declare(cmd, version, inputsHelp{
		out:         "the `file` that is written, the initramfs",
		modules:     "the `directory` of the kernel's modules; \"none\" for a kernel without any (default: " + modulesDir + "/VERSION)",
		moduleNames: "the `modules` to take, separated by commas, instead of the usual ones",
		compress:    "the compression, a `name` of " + strings.Join(compressions(), ", ") + " (default: zstd, or gzip for kernels before 5.9)",
	})
	flags.StringVar(&b.moreModules, "include-modules", "", "`modules` to take beside those, separated by commas")
	flags.StringArrayVar(&b.include, "include", nil, "another `FILE[=PATH]`, with the libraries that it needs; may be repeated")
	flags.BoolVar(&b.rescue, "rescue", false, "include u-root's commands and shell, for boothook.onerror=shell")
	flags.StringVar(&b.rescueProgram, "rescue-program", "", "the `file` that is the program with these commands (default: boothook-rescue beside the agent)")
	completesBy(cmd, "kernel", installedKernels)
	completesNothing(cmd, "include-modules")
	return cmd
}

// installedKernels completes the versions of the kernels that this machine
// has modules for.
func installedKernels(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	entries, err := os.ReadDir(modulesDir)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp // there are none
	}
	var versions []cobra.Completion
	for _, e := range entries {
		versions = append(versions, e.Name())
	}
	return versions, cobra.ShellCompDirectiveNoFileComp
}

func (b *buildCommand) run(cmd *cobra.Command) error {
	if err := b.validate(); err != nil {
		return err
	}
	opts, err := b.options()
	if err != nil {
		return err
	}
	image, built, err := bake.Build(opts)
	if err != nil {
		return fmt.Errorf("build for %s: %w", b.kernel, err)
	}
	if err := writeFile(b.out, image); err != nil {
		return err
	}
	return b.print(cmd.OutOrStdout(), &built)
}

func (b *buildCommand) validate() error {
	switch {
	case b.kernel == "" || strings.ContainsAny(b.kernel, "/ ") || b.kernel[0] == '.':
		return usagef("build needs --kernel VERSION, as uname -r says it")
	case b.out == "":
		return usagef("build needs --out")
	case b.opts.Modules == none && b.moduleNames+b.moreModules != "":
		return usagef("--modules none has no modules to name")
	case b.rescueProgram != "" && !b.rescue:
		return usagef("--rescue-program needs --rescue")
	}
	return b.inputs.validate()
}

// options reads the files that go in.
func (b *buildCommand) options() (*bake.BuildOptions, error) {
	if err := b.read(); err != nil {
		return nil, err
	}
	opts := &bake.BuildOptions{Options: b.opts, Kernel: b.kernel, MoreModules: splitNames(b.moreModules)}
	switch opts.Modules {
	case "":
		opts.Modules = filepath.Join(modulesDir, b.kernel)
	case none:
		opts.Modules = ""
	}
	var err error
	if b.rescue {
		if opts.Rescue, err = b.readRescue(); err != nil {
			return nil, err
		}
	}
	opts.Include, err = readIncludes(b.include)
	return opts, err
}

func (b *buildCommand) readRescue() ([]byte, error) {
	name := b.rescueProgram
	if name == "" {
		name = filepath.Join(filepath.Dir(b.agent), "boothook-rescue")
	}
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && b.rescueProgram == "" {
		return nil, fmt.Errorf("--rescue: %w\nboothook: hint: \"make rescue\" builds it from u-root", err)
	}
	return data, err
}

// writeFile writes a file that has its name only when it is complete.
func writeFile(name string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, errors.Join(err, os.Remove(tmp.Name())))
	}
	return nil
}

func (b *buildCommand) print(w io.Writer, built *bake.Built) error {
	if b.json {
		return json.NewEncoder(w).Encode(built)
	}
	fmt.Fprintf(w, "%s: %d bytes (%s), %d unpacked, for %s\n", b.out, built.Size, built.Compression, built.Unpacked, built.Kernel)
	for _, name := range built.Files {
		if !strings.HasSuffix(name, ".ko") && !strings.HasPrefix(name, "/bin/") {
			fmt.Fprintf(w, "  %s\n", name)
		}
	}
	fmt.Fprintf(w, "modules: %s\n", strings.Join(built.Modules, " "))
	for _, warning := range built.Warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	return nil
}
