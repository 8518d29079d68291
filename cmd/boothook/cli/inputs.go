package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"boothook/initramfs/archive"
	"boothook/initramfs/bake"
	"boothook/initramfs/generators"
)

// none is the value of a flag that asks for nothing instead of the default.
const none = "none"

// inputs are what bake and build have in common: what goes into an initrd,
// and where the result goes.
type inputs struct {
	agent, extra, ca, seed string // files, and a directory
	moduleNames, compress  string
	out                    string
	json                   bool
	opts                   bake.Options // what read leaves
}

// inputsHelp is what the help of shared flags says differently.
type inputsHelp struct{ out, modules, moduleNames, compress string }

func (in *inputs) declare(cmd *cobra.Command, version string, help inputsHelp) {
	in.opts = bake.Options{Version: version}
	flags := cmd.Flags()
	flags.StringVar(&in.out, "out", "", help.out)
	flags.StringVar(&in.agent, "agent", "", "the `file` that is the agent (default: boothook-agent beside this program, or where the package has it)")
	flags.StringVar(&in.extra, "extra", "", "include boothook-extra, for https addresses: `none|PATH` (default: the one beside the agent, if it is there)")
	flags.StringVar(&in.ca, "ca", "", "a `file` of CA certificates (PEM) to include")
	flags.StringVar(&in.seed, "seed", "", "a `directory` with NoCloud's files, read as a volume cidata would be where none is attached")
	flags.StringVar(&in.opts.Cmdline, "cmdline", "", "kernel `words` that hold unless the real ones say otherwise")
	flags.StringVar(&in.opts.Modules, "modules", "", help.modules)
	flags.StringVar(&in.moduleNames, "module-names", "", help.moduleNames)
	flags.StringVar(&in.compress, "compress", "", help.compress)
	flags.BoolVar(&in.json, "json", false, "print JSON")
	completes(cmd, "compress", compressions()...)
	completesDirectories(cmd, "seed", "modules")
	completesNothing(cmd, "cmdline", "module-names")
}

// validate looks for what is wrong with the flags, before any file is read.
func (in *inputs) validate() error {
	if in.compress != "" {
		if err := oneOf("--compress", in.compress, compressions()); err != nil {
			return err
		}
	}
	in.opts.Compress = archive.Compression(in.compress)
	in.opts.ModuleNames = splitNames(in.moduleNames)
	return nil
}

func compressions() []string {
	names := []string{}
	for _, c := range archive.Writable() {
		names = append(names, string(c))
	}
	return names
}

func splitNames(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// read reads the files into the options. What was not given is what lies
// beside this program, or where the package has it.
func (in *inputs) read() error {
	in.opts.Now = time.Now()
	if in.agent == "" {
		var err error
		if in.agent, err = findAgent(); err != nil {
			return err
		}
	}
	extra := in.extra
	switch extra {
	case "":
		extra = in.beside("boothook-extra")
	case none:
		extra = ""
	}
	for _, f := range []struct {
		name string
		to   *[]byte
	}{{in.agent, &in.opts.Agent}, {extra, &in.opts.Extra}, {in.ca, &in.opts.CAs}} {
		if f.name == "" {
			continue
		}
		data, err := os.ReadFile(f.name)
		if err != nil {
			return err
		}
		*f.to = data
	}
	var err error
	in.opts.Seed, err = readSeed(in.seed)
	return err
}

// findAgent finds the agent beside this program, or else where the package
// has it, which is also where an initrd has it.
func findAgent() (string, error) {
	self, err := os.Executable()
	if err != nil { // no /proc, as in a chroot where an image is made
		self, err = exec.LookPath(os.Args[0])
	}
	if err != nil {
		return "", fmt.Errorf("find the agent: %w", err)
	}
	agent := filepath.Join(filepath.Dir(self), filepath.Base(generators.Agent))
	if _, err := os.Stat(agent); errors.Is(err, fs.ErrNotExist) {
		return generators.Agent, nil
	}
	return agent, nil
}

// beside gives the path of a program that lies beside the agent; empty if
// none does.
func (in *inputs) beside(name string) string {
	path := filepath.Join(filepath.Dir(in.agent), name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return path
}

// readSeed reads the files of a NoCloud seed.
func readSeed(dir string) ([]archive.File, error) {
	if dir == "" {
		return nil, nil
	}
	var files []archive.File
	for _, name := range bake.SeedFiles() {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, archive.File{Name: name, Data: data})
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("--seed %s: none of %s is there", dir, strings.Join(bake.SeedFiles(), ", "))
	}
	return files, nil
}
