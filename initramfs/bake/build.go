package bake

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"boothook/initramfs/archive"
	"boothook/initramfs/generators"
	"boothook/initramfs/modules"
	"boothook/initramfs/modules/closure"
)

// initAt is what the kernel starts in an initramfs.
const initAt = "/init"

// MaxRescue bounds the program of --rescue in bytes.
const MaxRescue = 64 << 20

// BuildOptions say what a whole initramfs is made of. Of Options, Modules may
// be empty, for a kernel that has everything built in; Replace has no meaning.
type BuildOptions struct {
	Options
	// Kernel is the version, as uname -r says it; it names the folder of
	// modules.
	Kernel string
	// MoreModules are modules beside ModuleNames, each of which must exist.
	MoreModules []string
	// Rescue is u-root's commands in one program; empty for none.
	Rescue []byte
	// Include are further files, under the paths that are their names.
	Include []archive.File
}

// A Built says what an initramfs holds.
type Built struct {
	Kernel      string              `json:"kernel"`
	Compression archive.Compression `json:"compression"`
	Size        int64               `json:"size"`     // in bytes
	Unpacked    int64               `json:"unpacked"` // in bytes
	Files       []string            `json:"files"`
	Modules     []string            `json:"modules"` // names of kernel modules among them
	Warnings    []string            `json:"warnings"`
}

// Build makes an initramfs whose init is the agent, and reads it back by the
// kernel's own rules. The same options give the same bytes.
func Build(o *BuildOptions) ([]byte, Built, error) {
	b := Built{Kernel: o.Kernel, Compression: o.Compress, Warnings: []string{}}
	if b.Compression == "" {
		b.Compression = usualCompression(o.Kernel)
	}
	files, err := o.files()
	if err != nil {
		return nil, b, err
	}
	if files, err = archive.NewTree().Overlay(files); err != nil {
		return nil, b, err
	}
	for _, f := range files {
		if f.Mode&archive.TypeMask == archive.TypeDir {
			continue
		}
		b.Files = append(b.Files, f.Name)
		if name, ok := strings.CutSuffix(path.Base(f.Name), ".ko"); ok {
			b.Modules = append(b.Modules, modules.Name(name))
		}
	}
	if strings.Contains(o.Cmdline, "boothook.onerror=shell") && len(o.Rescue) == 0 {
		b.Warnings = append(b.Warnings, "boothook.onerror=shell has no shell without --rescue")
	}
	var plain, out bytes.Buffer
	if err := archive.Write(&plain, files); err != nil {
		return nil, b, err
	}
	if err := archive.Compress(&out, b.Compression, plain.Bytes()); err != nil {
		return nil, b, err
	}
	b.Size, b.Unpacked = int64(out.Len()), int64(plain.Len())
	return out.Bytes(), b, verifyWhole(out.Bytes(), files)
}

// usualCompression is the best that a kernel surely has: zstd since 5.9.
func usualCompression(version string) archive.Compression {
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n == 2 && (major < 5 || major == 5 && minor < 9) {
		return archive.Gzip
	}
	return archive.Zstd
}

func (o *BuildOptions) files() ([]archive.File, error) {
	if err := checkBinary(o.Agent, elf.EM_NONE); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	machine := elf.Machine(binary.LittleEndian.Uint16(o.Agent[18:]))
	files, err := programs(initAt, machine, o.Options)
	if err != nil {
		return nil, err
	}
	drivers, notBefore, err := o.drivers(machine)
	if err != nil {
		return nil, fmt.Errorf("modules: %w", err)
	}
	m := Mark{Schema: 1, Boothook: o.Version, Generator: generators.Whole}
	if notBefore <= o.Now.Unix() {
		m.NotBefore = notBefore
	}
	texts, err := settings(m, o.Options)
	if err != nil {
		return nil, err
	}
	rescue, err := rescueFiles(o.Rescue, machine)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"/sbin/modprobe", generators.Agent} {
		files = append(files, archive.File{Name: name, Mode: archive.TypeSymlink | 0o777, Data: []byte(initAt)})
	}
	return slices.Concat(files, texts, drivers, rescue, o.Include, emptyDirs(o.Include)), nil
}

// emptyDirs are mount points. The kernel has made /dev and /root.
func emptyDirs(others []archive.File) []archive.File {
	var dirs []archive.File
	for _, name := range []string{"/proc", "/sys", "/run", "/tmp", "/sysroot"} {
		taken := func(f archive.File) bool { return strings.HasPrefix(path.Clean("/"+f.Name)+"/", name+"/") }
		if !slices.ContainsFunc(others, taken) {
			dirs = append(dirs, archive.File{Name: name, Mode: archive.TypeDir | 0o755})
		}
	}
	return dirs
}

// drivers are the modules with all they need, and depmod's files for them. The
// time is that of the kernel's own list.
func (o *BuildOptions) drivers(machine elf.Machine) ([]archive.File, int64, error) {
	if o.Modules == "" {
		return nil, 0, nil
	}
	info, err := os.Stat(filepath.Join(o.Modules, "modules.dep"))
	if err != nil {
		return nil, 0, err
	}
	index, err := modules.ReadIndex(o.Modules)
	if err != nil {
		return nil, 0, err
	}
	names := o.ModuleNames
	if len(names) == 0 {
		names = slices.DeleteFunc(BuildModules(), func(name string) bool { return index.Path(name) == "" })
	}
	collected, err := closure.Collect(o.Modules, append(slices.Clone(names), o.MoreModules...))
	if err != nil {
		return nil, 0, err
	}
	var files []archive.File
	for _, f := range collected {
		if strings.HasSuffix(f.Path, ".ko") {
			if err := checkModule(f.Data, machine); err != nil {
				return nil, 0, fmt.Errorf("%s: %w", f.Path, err)
			}
		}
		files = append(files, archive.File{Name: path.Join("/lib/modules", o.Kernel, f.Path), Mode: archive.TypeRegular | 0o644, Data: f.Data})
	}
	return files, info.ModTime().Unix(), nil
}

// checkModule makes sure that modules and agent are for the same machine.
func checkModule(data []byte, machine elf.Machine) error {
	if len(data) < 20 || !bytes.HasPrefix(data, []byte(elf.ELFMAG)) {
		return errors.New("not a kernel module")
	}
	if m := elf.Machine(binary.LittleEndian.Uint16(data[18:])); m != machine {
		return fmt.Errorf("is for %v, but the agent is for %v", m, machine)
	}
	return nil
}

// verifyWhole reads an initramfs as the kernel will.
func verifyWhole(whole []byte, files []archive.File) error {
	keep := func(string, int64, []byte) bool { return true }
	tree, segments, err := archive.Read(bytes.NewReader(whole), int64(len(whole)), keep)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if len(segments) != 1 {
		return fmt.Errorf("verify: the kernel would find %d segments", len(segments))
	}
	for _, f := range files {
		n, _, err := tree.Lstat(f.Name)
		switch {
		case err != nil:
			return fmt.Errorf("verify: %w", err)
		case n.Mode != f.Mode, n.IsRegular() && n.Size != int64(len(f.Data)), n.Kept && !bytes.Equal(n.Data, f.Data):
			return fmt.Errorf("verify: %s is not what was put in", f.Name)
		}
	}
	g, err := generators.Detect(tree)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return g.Check(tree)
}
