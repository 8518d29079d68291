// Package modules reads what depends on what among a kernel's modules, and
// which module drives which device, and loads modules into the running kernel.
//
// In goes a directory like /lib/modules/6.1.0-56-cloud-amd64 with the text
// files that depmod(8) writes there; a file that is missing says nothing, as
// on a kernel that has everything built in. Index is that knowledge as plain
// data, used at bake time for closures and at boot for loading. Loader loads,
// by name or for the devices that sysfs shows without a driver, so that the
// agent need not wait for udev.
//
// It never runs modprobe or any other program and never writes a file.
// Modules are decompressed when an initrd is baked, by the package closure
// below: the agent would be larger by what that needs.
package modules

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxIndexFile bounds each of depmod's files in bytes; the largest
// distribution's modules.alias has under 4 MiB.
const maxIndexFile = 32 << 20

// ErrUnknown marks a name that is neither a module, nor built in, nor an alias.
var ErrUnknown = errors.New("unknown module")

// An Index is what depmod(8) has written about one kernel's modules. Names are in the
// kernel's own form, with underscores. It is not changed after ReadIndex.
type Index struct {
	dir     string
	path    map[string]string   // name → file, relative to dir
	needs   map[string]string   // name → the files of all modules it needs, the first needed last
	pre     map[string][]string // soft dependencies: wanted before, by name or alias
	post    map[string][]string // and after
	builtin map[string]bool
	aliases []alias // in the file's order
}

// An alias says that a device whose modalias matches pattern wants a module,
// here with its name as the file has it. There are thousands, and a boot asks
// for a handful of devices: what can be done when one matches is done then.
type alias struct{ pattern, module string }

// indexFiles are depmod's files and what reads a line of each.
var indexFiles = [...]struct {
	name string
	line func(*Index, string) error
}{
	{"modules.dep", (*Index).depLine},
	{"modules.softdep", (*Index).softdepLine},
	{"modules.alias", (*Index).aliasLine},
	{"modules.builtin", (*Index).builtinLine},
}

// ReadIndex reads depmod's files in dir.
func ReadIndex(dir string) (*Index, error) {
	x := newIndex(dir)
	for _, f := range indexFiles {
		path := filepath.Join(dir, f.name)
		data, err := readBounded(path)
		if err != nil {
			return nil, err
		}
		if err := x.parse(data, f.line); err != nil {
			return nil, fmt.Errorf("%s:%w", path, err)
		}
	}
	return x, nil
}

func newIndex(dir string) *Index {
	return &Index{
		dir:     dir,
		path:    map[string]string{},
		needs:   map[string]string{},
		pre:     map[string][]string{},
		post:    map[string][]string{},
		builtin: map[string]bool{},
	}
}

// readBounded reads a file; one that does not exist is empty.
func readBounded(path string) (string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.Size() > maxIndexFile {
		return "", fmt.Errorf("%s: larger than %d bytes", path, maxIndexFile)
	}
	var text strings.Builder
	text.Grow(int(info.Size()))
	_, err = io.Copy(&text, io.LimitReader(f, info.Size()))
	return text.String(), err
}

// parse reads a file line by line; an error begins with the line's number.
func (x *Index) parse(text string, parseLine func(*Index, string) error) error {
	for n := 1; text != ""; n++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if err := parseLine(x, line); err != nil {
			return fmt.Errorf("%d: %w", n, err)
		}
	}
	return nil
}

// depLine reads "kernel/a.ko: kernel/b.ko kernel/c.ko".
func (x *Index) depLine(line string) error {
	file, deps, ok := strings.Cut(line, ":")
	if !ok {
		return errors.New("no colon")
	}
	if file == "" || file[0] == '/' || slices.Contains(strings.Split(file, "/"), "..") {
		return fmt.Errorf("path %q leaves the directory", file)
	}
	name := Name(file)
	x.path[name] = file
	if deps != "" {
		x.needs[name] = deps
	}
	return nil
}

// deps gives the names of all modules that one needs, the first needed last.
func (x *Index) deps(name string) []string {
	all := strings.Fields(x.needs[name])
	for i := range all {
		all[i] = Name(all[i])
	}
	return all
}

// softdepLine reads "softdep NAME pre: A B post: C".
func (x *Index) softdepLine(line string) error {
	f := strings.Fields(line)
	if len(f) < 2 || f[0] != "softdep" {
		return errors.New("not a softdep line")
	}
	name := normal(f[1])
	var list map[string][]string
	for _, w := range f[2:] {
		switch {
		case w == "pre:":
			list = x.pre
		case w == "post:":
			list = x.post
		case list != nil:
			list[name] = append(list[name], w)
		}
	}
	return nil
}

// aliasLine reads "alias PATTERN MODULE". A pattern may hold blanks (DMI
// strings do); the module's name cannot.
func (x *Index) aliasLine(line string) error {
	i := strings.LastIndexByte(line, ' ')
	pattern, ok := strings.CutPrefix(line[:max(i, 0)], "alias ")
	if !ok {
		return errors.New("not an alias line")
	}
	x.aliases = append(x.aliases, alias{pattern, line[i+1:]})
	return nil
}

func (x *Index) builtinLine(line string) error {
	x.builtin[Name(line)] = true
	return nil
}

// Path gives the file of a module, relative to the directory; "" if it has none.
func (x *Index) Path(name string) string { return x.path[normal(name)] }

// Builtin says whether the kernel has a module built in.
func (x *Index) Builtin(name string) bool { return x.builtin[normal(name)] }

// Match gives the modules that want a device with this modalias, in the
// index's order, without repetition.
func (x *Index) Match(modalias string) []string {
	var out []string
	for i := range x.aliases {
		a := &x.aliases[i]
		if !glob(a.pattern, modalias) {
			continue
		}
		if module := normal(a.module); !slices.Contains(out, module) {
			out = append(out, module)
		}
	}
	return out
}

// resolve gives the modules that a name stands for: itself, or those that
// have it as an alias.
func (x *Index) resolve(name string) []string {
	if n := normal(name); x.path[n] != "" || x.builtin[n] {
		return []string{n}
	}
	return x.Match(name)
}

// Closure gives the names of the modules to load so that all of names work,
// in an order in which they can be loaded: dependencies first, soft ones
// included. What is built in is left out. A name may be an alias. A name that
// is nothing is ErrUnknown, and so is a hard dependency without a file.
func (x *Index) Closure(names ...string) ([]string, error) {
	c := closure{index: x, seen: map[string]bool{}}
	var errs []error
	for _, n := range names {
		errs = append(errs, c.add(n))
	}
	return c.order, errors.Join(errs...)
}

// A closure collects modules in the order of their loading.
type closure struct {
	index *Index
	seen  map[string]bool
	order []string
}

// add adds what a name or an alias stands for.
func (c *closure) add(name string) error {
	found := c.index.resolve(name)
	if len(found) == 0 {
		return fmt.Errorf("%w: %s", ErrUnknown, name)
	}
	var errs []error
	for _, m := range found {
		errs = append(errs, c.module(m))
	}
	return errors.Join(errs...)
}

// module adds one module after all it needs. Soft dependencies may be
// circular; seen ends the recursion.
func (c *closure) module(name string) error {
	if c.seen[name] || c.index.builtin[name] {
		return nil
	}
	c.seen[name] = true
	if c.index.path[name] == "" {
		return fmt.Errorf("%w: %s has no file", ErrUnknown, name)
	}
	for _, soft := range c.index.pre[name] {
		c.soft(soft)
	}
	deps := c.index.deps(name)
	for i := len(deps) - 1; i >= 0; i-- {
		if err := c.module(deps[i]); err != nil {
			return fmt.Errorf("%s needs %w", name, err)
		}
	}
	c.order = append(c.order, name)
	for _, soft := range c.index.post[name] {
		c.soft(soft)
	}
	return nil
}

// soft adds what is welcome but may be missing.
func (c *closure) soft(name string) { _ = c.add(name) }

// Name gives the name of the module in a file: "a/b-c.ko.xz" is b_c.
func Name(file string) string {
	base := file[strings.LastIndexByte(file, '/')+1:]
	if i := strings.Index(base, ".ko"); i > 0 {
		base = base[:i]
	}
	return normal(base)
}

// normal writes a module's name as the kernel does.
func normal(name string) string {
	if strings.IndexByte(name, '-') < 0 {
		return name
	}
	return strings.ReplaceAll(name, "-", "_")
}
