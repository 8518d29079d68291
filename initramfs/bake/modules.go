package bake

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"boothook/initramfs/archive"
	"boothook/initramfs/generators"
	"boothook/initramfs/modules"
	"boothook/initramfs/modules/closure"
)

// DefaultModules lists what a cloud's or hypervisor's guest may need to reach
// its metadata. What a kernel does not have, or has built in, is left out.
func DefaultModules() []string {
	cards, others := generators.Modules()
	return append(cards, others...)
}

// rootModules are what a root can be on beside what DefaultModules has: disks,
// file systems, and what lies between them. No device asks for VLANs' module.
const rootModules = "8021q ahci ata_piix mptspi mptsas megaraid_sas mpt3sas virtio_console xen_scsifront " +
	"ext4 xfs btrfs squashfs erofs overlay loop dm_mod dm_crypt dm_verity dm_snapshot dm_thin_pool crc32c_intel crc32c"

// BuildModules lists what any of the machines may need that a whole initramfs
// is to boot.
func BuildModules() []string { return append(DefaultModules(), strings.Fields(rootModules)...) }

// A tree's modules of one kernel version.
type installed struct {
	dir   string            // /lib/modules/VERSION
	paths map[string]string // name → path in dir
}

func modulesOf(t *archive.Tree, version string) installed {
	in := installed{dir: path.Join("/lib/modules", version), paths: map[string]string{}}
	var walk func(rel string, depth int)
	walk = func(rel string, depth int) {
		for _, name := range t.List(path.Join(in.dir, rel)) {
			at := path.Join(rel, name)
			n, _, err := t.Lstat(path.Join(in.dir, at))
			switch {
			case err == nil && n.IsDir() && depth < archive.MaxDepth:
				walk(at, depth+1)
			case strings.Contains(name, ".ko"):
				in.paths[modules.Name(at)] = at
			}
		}
	}
	walk("", 0)
	return in
}

// moduleFiles returns the modules among names that the initrd lacks, with all
// that they need, uncompressed, and depmod's text files with their lines
// added. Dir is a folder like /lib/modules/VERSION of the initrd's kernel.
func (in *Initrd) moduleFiles(dir string, names []string) ([]archive.File, error) {
	version, err := in.versionOf(dir)
	if err != nil {
		return nil, err
	}
	have := modulesOf(in.Tree, version)
	index, err := modules.ReadIndex(dir)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return index.Path(name) == "" || have.paths[modules.Name(name)] != ""
	})
	if len(names) == 0 {
		return nil, nil
	}
	collected, err := closure.Collect(dir, names)
	if err != nil {
		return nil, err
	}
	var files []archive.File
	for _, f := range collected {
		data := f.Data
		switch {
		case strings.HasPrefix(path.Base(f.Path), "modules."):
			if data, err = have.merge(in.Tree, f); err != nil {
				return nil, err
			}
		case have.paths[modules.Name(f.Path)] != "":
			continue
		}
		files = append(files, archive.File{Name: path.Join(have.dir, f.Path), Mode: archive.TypeRegular | 0o644, Data: data})
	}
	return files, nil
}

// lacksNetwork tells whether a kernel of the initrd has its modules there, but
// no network card's: nothing could be fetched then.
func (in *Initrd) lacksNetwork(version string) bool {
	have := modulesOf(in.Tree, version)
	builtin, err := in.Tree.ReadFile(path.Join(have.dir, "modules.builtin"))
	if err != nil {
		builtin = nil
	}
	for line := range strings.Lines(string(builtin)) {
		have.paths[modules.Name(strings.TrimSpace(line))] = line
	}
	cards, _ := generators.Modules()
	return !slices.ContainsFunc(cards, func(name string) bool { return have.paths[name] != "" })
}

// versionOf makes sure that a folder of modules is of the initrd's kernel.
func (in *Initrd) versionOf(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	version := filepath.Base(abs)
	if len(in.Kernels) > 0 && !slices.Contains(in.Kernels, version) {
		return "", fmt.Errorf("modules of %s do not fit: the initrd is for %s", version, strings.Join(in.Kernels, ", "))
	}
	return version, nil
}

// merge adds to one of depmod's files in the initrd the lines that it lacks.
// In modules.dep a module that the initrd has keeps its line and its path.
func (have installed) merge(t *archive.Tree, f closure.File) ([]byte, error) {
	old, err := t.ReadFile(path.Join(have.dir, f.Path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	known := map[string]bool{}
	for line := range strings.Lines(string(old)) {
		known[strings.TrimSpace(line)] = true
	}
	out := slices.Clone(old)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	for line := range strings.Lines(string(f.Data)) {
		if f.Path == "modules.dep" {
			line = have.depLine(line)
		}
		if line != "" && !known[strings.TrimSpace(line)] {
			out = append(out, line...)
		}
	}
	return out, nil
}

// depLine is a line of modules.dep with the paths that modules have in the
// initrd; none for a module that is there already.
func (have installed) depLine(line string) string {
	file, deps, ok := strings.Cut(line, ":")
	if !ok || have.paths[modules.Name(file)] != "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(file + ":")
	for _, dep := range strings.Fields(deps) {
		if there := have.paths[modules.Name(dep)]; there != "" {
			dep = there
		}
		b.WriteString(" " + dep)
	}
	b.WriteByte('\n')
	return b.String()
}
