package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"boothook/initramfs/archive"
	"boothook/initramfs/bake"
	"boothook/initramfs/generators"
)

const bakeSynopsis = "bake --initrd IN --out OUT [OPTIONS]"

const bakeLong = `Puts the agent into an existing initrd, by appending one segment to it, and
reads the result back as the kernel will. IN is never changed; OUT appears
only when it is complete. The image that the initrd boots needs no change.
IN may also be a unified kernel image (UKI), or an add-on with an initrd.

Examples:
  boothook bake --initrd initrd.img --out initrd-boothook.img
  boothook bake --initrd initrd.img --out new.img --cmdline 'boothook.source=ec2'
  boothook bake --initrd initrd.img --out new.img --modules /lib/modules/6.1.0-56-cloud-amd64
  boothook bake --initrd new.img --check
  boothook bake --initrd new.img --undo --out initrd.img

The next regeneration of the initrd (update-initramfs, dracut, a new kernel)
makes it anew, without boothook: bake that one again, or install boothook for
the generator; the last line of the output says how.`

type bakeFlags struct {
	inputs
	initrd, out, moduleNames string
	check, undo, json        bool
	opts                     bake.Options
}

func runBake(_ context.Context, e env, args []string) error {
	b, err := parseBake(e, args)
	if err != nil {
		return err
	}
	switch {
	case b.check:
		return bakeCheck(e.stdout, b)
	case b.undo:
		if err := bake.Undo(b.initrd, b.out); err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "%s is what %s was before it was baked\n", b.out, b.initrd)
		return nil
	}
	if err := b.inputs.find(false); err != nil {
		return err
	}
	if err := b.inputs.read(&b.opts, nil); err != nil {
		return err
	}
	rep, err := bake.File(b.initrd, b.out, b.opts)
	if err != nil {
		return bakeHint(err)
	}
	return printBaked(e.stdout, b, rep)
}

func parseBake(e env, args []string) (*bakeFlags, error) {
	b := &bakeFlags{opts: bake.Options{Version: version, Now: time.Now()}}
	var compress string
	fs := newFlags(e, "bake", bakeSynopsis, bakeLong)
	fs.StringVar(&b.initrd, "initrd", "", "the initrd to start from")
	fs.StringVar(&b.out, "out", "", "where the result goes")
	b.inputs.declare(fs)
	fs.StringVar(&b.opts.Cmdline, "cmdline", "", "kernel words that hold unless the real ones say otherwise")
	fs.StringVar(&b.opts.Modules, "modules", "", "a folder like /lib/modules/VERSION: add what the initrd lacks of network and seed drivers")
	fs.StringVar(&b.moduleNames, "module-names", "", "the modules to add, separated by commas, instead of the usual ones")
	fs.StringVar(&compress, "compress", "", "compression of the segment: "+compressions()+" (default: as the initrd's own)")
	fs.BoolVar(&b.opts.Replace, "replace", false, "drop what an earlier bake has added")
	fs.BoolVar(&b.check, "check", false, "only say what the initrd has")
	fs.BoolVar(&b.undo, "undo", false, "restore the initrd as it was before it was baked")
	fs.BoolVar(&b.json, "json", false, "print JSON")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil, err
	} else if err != nil {
		return nil, usagef("bake: %v", err)
	}
	b.opts.Compress = archive.Compression(compress)
	b.opts.ModuleNames = splitNames(b.moduleNames)
	switch {
	case fs.NArg() > 0:
		return nil, usagef("bake takes no argument %q", fs.Arg(0))
	case b.initrd == "":
		return nil, usagef("bake needs --initrd")
	case b.moduleNames != "" && b.opts.Modules == "":
		return nil, usagef("--module-names needs --modules")
	case b.check && b.undo:
		return nil, usagef("--check and --undo exclude each other")
	case b.out == "" && !b.check:
		return nil, usagef("bake needs --out")
	case compress != "" && !strings.Contains(" "+compressions()+" ", " "+compress+" "):
		return nil, usagef("--compress %s: not one of %s", compress, compressions())
	}
	return b, nil
}

func compressions() string {
	names := []string{}
	for _, c := range archive.Writable() {
		names = append(names, string(c))
	}
	return strings.Join(names, " ")
}

func bakeHint(err error) error {
	if errors.Is(err, bake.ErrBaked) {
		return fmt.Errorf("%w\nboothook: hint: --replace drops the earlier one, --check says what is there", err)
	}
	return err
}

func printBaked(w io.Writer, b *bakeFlags, rep bake.Report) error {
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

// bakeCheck says what an initrd has; it fails if the agent is in it and
// could not be called.
func bakeCheck(w io.Writer, b *bakeFlags) error {
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
