package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"boothook/initramfs/archive"
	"boothook/initramfs/bake"
	"boothook/initramfs/generators"
)

const bakeHelp = `Puts the agent into an existing initrd, by appending one segment to it, and
reads the result back as the kernel will. IN is never changed; OUT appears
only when it is complete. The image that the initrd boots needs no change.
IN may also be a unified kernel image (UKI), or an add-on with an initrd.

The next regeneration of the initrd (update-initramfs, dracut, a new kernel)
makes it anew, without boothook: bake that one again, or install boothook for
the generator; the last line of the output says how.`

const bakeExample = `  boothook bake --initrd initrd.img --out initrd-boothook.img
  boothook bake --initrd initrd.img --out new.img --cmdline 'boothook.source=ec2'
  boothook bake --initrd initrd.img --out new.img --modules /lib/modules/6.1.0-56-cloud-amd64
  boothook bake --initrd initrd.img --out new.img --extra none  # smaller, without https
  boothook bake --initrd new.img --check
  boothook bake --initrd new.img --undo --out initrd.img`

// A bakeCommand is what "boothook bake" was asked for.
type bakeCommand struct {
	inputs
	initrd      string
	check, undo bool
}

func newBake(version string) *cobra.Command {
	var b bakeCommand
	cmd := &cobra.Command{
		Use:               "bake --initrd IN --out OUT [flags]",
		Short:             "put the agent into an initrd",
		Long:              bakeHelp,
		Example:           bakeExample,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return b.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&b.initrd, "initrd", "", "the `file` to start from: an initrd or a UKI")
	b.declare(cmd, version, inputsHelp{
		out:         "the `file` that is written",
		modules:     "a `directory` like /lib/modules/VERSION: add what the initrd lacks of network and seed drivers",
		moduleNames: "the `modules` to add, separated by commas, instead of the usual ones",
		compress:    "the compression of the segment, a `name` of " + strings.Join(compressions(), ", ") + " (default: as the initrd's own)",
	})
	flags.BoolVar(&b.opts.Replace, "replace", false, "drop what an earlier bake has added")
	flags.BoolVar(&b.check, "check", false, "only say what the initrd has")
	flags.BoolVar(&b.undo, "undo", false, "restore the initrd as it was before it was baked")
	return cmd
}

func (b *bakeCommand) run(cmd *cobra.Command) error {
	switch {
	case b.initrd == "":
		return usagef("bake needs --initrd")
	case b.moduleNames != "" && b.opts.Modules == "":
		return usagef("--module-names needs --modules")
	case b.check && b.undo:
		return usagef("--check and --undo exclude each other")
	case b.out == "" && !b.check:
		return usagef("bake needs --out")
	}
	if err := b.inputs.validate(); err != nil {
		return err
	}
	switch out := cmd.OutOrStdout(); {
	case b.check:
		return b.say(out)
	case b.undo:
		return b.restore(out)
	default:
		return b.bake(out)
	}
}

// bake puts the agent in.
func (b *bakeCommand) bake(w io.Writer) error {
	if err := b.read(); err != nil {
		return err
	}
	rep, err := bake.File(b.initrd, b.out, b.opts)
	if errors.Is(err, bake.ErrBaked) {
		return fmt.Errorf("%w\nboothook: hint: --replace drops the earlier one, --check says what is there", err)
	}
	if err != nil {
		return err
	}
	return b.print(w, rep)
}

// restore takes the agent out.
func (b *bakeCommand) restore(w io.Writer) error {
	if err := bake.Undo(b.initrd, b.out); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s is what %s was before it was baked\n", b.out, b.initrd)
	return err
}

func (b *bakeCommand) print(w io.Writer, rep bake.Report) error {
	if b.json {
		return json.NewEncoder(w).Encode(rep)
	}
	fmt.Fprintf(w, "%s: made by %s, %s\n", b.initrd, rep.Generator, kernelList(rep.Kernels))
	printSegments(w, rep.Segments)
	if rep.Replaced {
		fmt.Fprintln(w, "an earlier bake was dropped")
	}
	fmt.Fprintf(w, "%s: appended %d bytes, %s:\n", b.out, rep.Added, rep.Compression)
	for _, name := range rep.Files {
		fmt.Fprintf(w, "  %s\n", name)
	}
	if len(rep.Modules) > 0 {
		fmt.Fprintf(w, "modules added: %s\n", strings.Join(rep.Modules, " "))
	}
	for _, warning := range rep.Warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	if rep.Signed {
		fmt.Fprintf(w, "The image's signature is gone, for it would not hold. Sign it anew: sbsign --key KEY --cert CERT --output %[1]s %[1]s\n", b.out)
	}
	fmt.Fprintf(w, "The next regeneration of the initrd drops this segment. To keep it, %s.\n", rep.Install)
	return nil
}

func printSegments(w io.Writer, segments []archive.Segment) {
	for _, s := range segments {
		fmt.Fprintf(w, "  segment %d at byte %d: %s, %d bytes, %d entries\n", s.Index, s.Offset, s.Compression, s.Size, s.Entries)
	}
}

func kernelList(kernels []string) string {
	if len(kernels) == 0 {
		return "no kernel modules"
	}
	return "modules for " + strings.Join(kernels, ", ")
}

// say says what an initrd has; it fails if the agent is in it and
// could not be called.
func (b *bakeCommand) say(w io.Writer) error {
	rep, err := bake.Check(b.initrd)
	if err != nil && len(rep.Segments) == 0 {
		return err
	}
	if b.json {
		return errors.Join(json.NewEncoder(w).Encode(rep), err)
	}
	fmt.Fprintf(w, "%s: made by %s, %s\n", b.initrd, rep.Generator, kernelList(rep.Kernels))
	printSegments(w, rep.Segments)
	if rep.Baked == nil {
		fmt.Fprintln(w, "boothook is not baked in")
		return err
	}
	how := fmt.Sprintf("is baked in; before that it had %d bytes", rep.Baked.InitrdSize)
	if rep.Baked.Generator == generators.Installed {
		how = "was put in by its package"
	}
	fmt.Fprintf(w, "boothook %s %s\n", rep.Baked.Boothook, how)
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "the agent is called, early and late")
	return nil
}
