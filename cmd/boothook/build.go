package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"boothook/initramfs/archive"
	"boothook/initramfs/bake"
)

const buildSynopsis = "build --kernel VERSION --out FILE [OPTIONS]"

const buildLong = `Makes a whole initramfs, with the agent as its init and nothing else needed:
drivers and file systems for that kernel, from /lib/modules/VERSION. It finds
the root by root= (UUID, LABEL, PARTUUID, PARTLABEL or a path), has it
customized, and pivots into it. docs/build.md has the kernel's words.

Examples:
  boothook build --kernel 6.1.0-56-cloud-amd64 --out initramfs.img
  boothook build --kernel 6.1.0-56-cloud-amd64 --out small.img --module-names virtio_blk,virtio_net,ext4
  boothook build --kernel 6.12.0 --modules root/lib/modules/6.12.0 --out initramfs.img
  boothook build --kernel 6.12.0 --out initramfs.img --rescue --cmdline boothook.onerror=shell
  boothook build --kernel 6.12.0 --out initramfs.img --include /sbin/fsck.ext4`

// A buildCommand is what "boothook build" was asked for.
type buildCommand struct {
	inputs
	kernel, out, moduleNames, moreModules string
	withRescue, json                      bool
	include                               []string
	opts                                  bake.BuildOptions
}

func runBuild(_ context.Context, e env, args []string) error {
	b, err := parseBuild(e, args)
	if err != nil {
		return err
	}
	if err := b.read(); err != nil {
		return err
	}
	image, built, err := bake.Build(&b.opts)
	if err != nil {
		return fmt.Errorf("build for %s: %w", b.kernel, err)
	}
	if err := writeFile(b.out, image); err != nil {
		return err
	}
	return b.print(e.stdout, &built)
}

func parseBuild(e env, args []string) (*buildCommand, error) {
	b := &buildCommand{opts: bake.BuildOptions{Options: bake.Options{Version: version, Now: time.Now()}}}
	var compress string
	fs := newFlags(e, "build", buildSynopsis, buildLong)
	fs.StringVar(&b.kernel, "kernel", "", "the kernel's version, as uname -r says it")
	fs.StringVar(&b.out, "out", "", "where the initramfs goes")
	fs.StringVar(&b.opts.Modules, "modules", "", "the kernel's modules; \"none\" for a kernel without any (default: /lib/modules/VERSION)")
	fs.StringVar(&b.moduleNames, "module-names", "", "the modules to take, separated by commas, instead of the usual ones")
	fs.StringVar(&b.moreModules, "include-modules", "", "modules to take beside those, separated by commas")
	fs.Func("include", "another `FILE[=PATH]`, with the libraries that it needs; may stand several times", func(s string) error {
		b.include = append(b.include, s)
		return nil
	})
	fs.BoolVar(&b.withRescue, "rescue", false, "include u-root's commands and shell, for boothook.onerror=shell")
	fs.StringVar(&b.rescue, "rescue-program", "", "the program with these commands (default: boothook-rescue beside the agent)")
	b.inputs.declare(fs)
	fs.StringVar(&b.opts.Cmdline, "cmdline", "", "kernel words that hold unless the real ones say otherwise")
	fs.StringVar(&compress, "compress", "", "compression: "+compressions()+" (default: zstd, or gzip for kernels before 5.9)")
	fs.BoolVar(&b.json, "json", false, "print JSON")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil, err
	} else if err != nil {
		return nil, usagef("build: %v", err)
	}
	b.opts.Compress = archive.Compression(compress)
	b.opts.ModuleNames = splitNames(b.moduleNames)
	b.opts.MoreModules = splitNames(b.moreModules)
	switch {
	case fs.NArg() > 0:
		return nil, usagef("build takes no argument %q", fs.Arg(0))
	case b.kernel == "" || strings.ContainsAny(b.kernel, "/ ") || b.kernel[0] == '.':
		return nil, usagef("build needs --kernel VERSION, as uname -r says it")
	case b.out == "":
		return nil, usagef("build needs --out")
	case b.opts.Modules == "none" && b.moduleNames+b.moreModules != "":
		return nil, usagef("--modules none has no modules to name")
	case b.rescue != "" && !b.withRescue:
		return nil, usagef("--rescue-program needs --rescue")
	case compress != "" && !strings.Contains(" "+compressions()+" ", " "+compress+" "):
		return nil, usagef("--compress %s: not one of %s", compress, compressions())
	}
	switch b.opts.Modules {
	case "":
		b.opts.Modules = filepath.Join("/lib/modules", b.kernel)
	case "none":
		b.opts.Modules = ""
	}
	b.opts.Kernel = b.kernel
	return b, nil
}

// read reads the files that go in.
func (b *buildCommand) read() error {
	if err := b.inputs.find(b.withRescue); err != nil {
		return err
	}
	if err := b.inputs.read(&b.opts.Options, &b.opts.Rescue); err != nil {
		return err
	}
	var err error
	b.opts.Include, err = readIncludes(b.include)
	return err
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
