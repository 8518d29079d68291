package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/u-root/u-root/pkg/ldd"

	"boothook/initramfs/archive"
	"boothook/initramfs/bake"
	"boothook/initramfs/generators"
)

// inputs are the files that bake and build put in.
type inputs struct {
	agent, extra, ca, rescue, seed string
}

func (in *inputs) declare(fs *flag.FlagSet) {
	fs.StringVar(&in.agent, "agent", "", "the agent (default: boothook-agent beside this program, or where the package has it)")
	fs.StringVar(&in.extra, "extra", "", "the boothook-extra to include, for https addresses; \"none\" for none (default: boothook-extra beside the agent, if it is there)")
	fs.StringVar(&in.ca, "ca", "", "a file of CA certificates (PEM) to include")
	fs.StringVar(&in.seed, "seed", "", "a `directory` with NoCloud's files, read as a volume cidata would be where none is attached")
}

// find fills in what was not given: what lies beside this program, or where
// the package has it, which is also where an initrd has it.
func (in *inputs) find(rescue bool) error {
	if in.agent == "" {
		self, err := os.Executable()
		if err != nil { // no /proc, as in a chroot where an image is made
			self, err = exec.LookPath(os.Args[0])
		}
		if err != nil {
			return fmt.Errorf("find the agent: %w", err)
		}
		in.agent = filepath.Join(filepath.Dir(self), filepath.Base(generators.Agent))
		if _, err := os.Stat(in.agent); errors.Is(err, os.ErrNotExist) {
			in.agent = generators.Agent
		}
	}
	if in.extra == "" {
		in.extra = filepath.Join(filepath.Dir(in.agent), "boothook-extra")
		if _, err := os.Stat(in.extra); errors.Is(err, os.ErrNotExist) {
			in.extra = "none"
		}
	}
	if in.extra == "none" {
		in.extra = ""
	}
	if rescue && in.rescue == "" {
		in.rescue = filepath.Join(filepath.Dir(in.agent), "boothook-rescue")
		if _, err := os.Stat(in.rescue); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("--rescue: %w\nboothook: hint: \"make rescue\" builds it from u-root", err)
		}
	}
	return nil
}

// read reads them; rescue may be nil.
func (in *inputs) read(o *bake.Options, rescue *[]byte) error {
	for _, f := range []struct {
		name string
		to   *[]byte
	}{{in.agent, &o.Agent}, {in.extra, &o.Extra}, {in.ca, &o.CAs}, {in.rescue, rescue}} {
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
	o.Seed, err = in.readSeed()
	return err
}

// readSeed reads the files of a NoCloud seed.
func (in *inputs) readSeed() ([]archive.File, error) {
	if in.seed == "" {
		return nil, nil
	}
	var files []archive.File
	for _, name := range bake.SeedFiles() {
		data, err := os.ReadFile(filepath.Join(in.seed, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, archive.File{Name: name, Data: data})
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("--seed %s: none of %s is there", in.seed, strings.Join(bake.SeedFiles(), ", "))
	}
	return files, nil
}

func splitNames(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// maxIncluded bounds all included files in bytes.
const maxIncluded = 256 << 20

// readIncludes reads what --include names, as FILE or FILE=PATH, and the
// libraries that the programs among them need, which the system's own dynamic
// linker lists. A symbolic link comes with what it leads to.
func readIncludes(includes []string) ([]archive.File, error) {
	c := included{files: map[string]archive.File{}}
	for _, include := range includes {
		name, at, _ := strings.Cut(include, "=")
		name, err := filepath.Abs(name)
		if err != nil {
			return nil, err
		}
		if at == "" {
			at = name
		}
		if err := c.add(name, at); err != nil {
			return nil, fmt.Errorf("--include %s: %w", name, err)
		}
		needed, err := ldd.FList(name)
		if err != nil {
			return nil, fmt.Errorf("--include %s: list its libraries: %w", name, err)
		}
		for _, library := range needed {
			if library == name {
				continue
			}
			if err := c.add(library, library); err != nil {
				return nil, fmt.Errorf("--include %s: %w", name, err)
			}
		}
	}
	files := make([]archive.File, 0, len(c.files))
	for _, f := range c.files {
		files = append(files, f)
	}
	return files, nil
}

// included are files by their place.
type included struct {
	files map[string]archive.File
	size  int
}

// add reads a file and gives it its place. A link that is to have the same
// name stays one, and brings along what it leads to.
func (c *included) add(name, at string) error {
	at = filepath.Clean("/" + at)
	if _, there := c.files[at]; there {
		return nil
	}
	if target, err := os.Readlink(name); err == nil && at == name {
		// As the image will have it, where no directory is a link.
		to := target
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(name), to)
		}
		if _, err := os.Stat(to); err == nil {
			c.files[at] = archive.File{Name: at, Mode: archive.TypeSymlink | 0o777, Data: []byte(target)}
			return c.add(to, to)
		}
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "include", Path: name, Err: errors.New("not a regular file")}
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if c.size += len(data); c.size > maxIncluded {
		return fmt.Errorf("%w: more than %d bytes", archive.ErrTooLarge, maxIncluded)
	}
	c.files[at] = archive.File{Name: at, Mode: archive.TypeRegular | uint32(info.Mode().Perm()), Data: data}
	return nil
}
