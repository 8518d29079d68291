package bake

import (
	"bytes"
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"boothook/initramfs/archive"
	"boothook/initramfs/generators"
)

// buildModules is a small /lib/modules/VERSION: a module is the header of a
// program for the machine.
func buildModules(t *testing.T, machine elf.Machine) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "6.1.0-1-amd64")
	for name, text := range map[string]string{
		"modules.dep":      "kernel/virtio_blk.ko: kernel/virtio.ko\nkernel/virtio.ko:\nkernel/odd.ko:\n",
		"modules.builtin":  "kernel/fs/ext4/ext4.ko\n",
		"modules.alias":    "alias virtio:d00000002v* virtio_blk\nalias odd-alias odd\n",
		"kernel/virtio.ko": string(program(machine, elf.PT_LOAD)), "kernel/virtio_blk.ko": string(program(machine, elf.PT_LOAD)),
		"kernel/odd.ko": string(program(machine, elf.PT_LOAD)),
	} {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	// The time of the kernel's list is the initramfs' own.
	at := time.Unix(1700000000, 0)
	if err := os.Chtimes(filepath.Join(dir, "modules.dep"), at, at); err != nil {
		t.Fatal(err)
	}
	return dir
}

func buildOptions(t *testing.T) *BuildOptions {
	return &BuildOptions{Kernel: "6.1.0-1-amd64", Options: Options{Agent: program(elf.EM_X86_64, elf.PT_LOAD), Version: "test",
		Now: time.Unix(1800000000, 0), Modules: buildModules(t, elf.EM_X86_64), Cmdline: "boothook.source=ec2"}}
}

func TestBuild(t *testing.T) {
	o := buildOptions(t)
	o.Rescue, o.MoreModules = program(elf.EM_X86_64, elf.PT_LOAD), []string{"odd-alias"}
	o.Include = []archive.File{{Name: "/sbin/fsck.ext4", Mode: archive.TypeRegular | 0o755, Data: []byte("checker")}}
	image, built, err := Build(o)
	if err != nil {
		t.Fatal(err)
	}
	if again, _, err := Build(o); err != nil || !bytes.Equal(image, again) {
		t.Errorf("the same options gave other bytes, %v", err)
	}
	tree, segments, err := archive.Read(bytes.NewReader(image), int64(len(image)), archive.KeepSmall(1<<20))
	if err != nil || len(segments) != 1 || segments[0].Compression != archive.Zstd {
		t.Fatalf("segments %v, %v", segments, err)
	}
	for name, want := range map[string]string{
		"/init":                                  string(o.Agent),
		"/sbin/modprobe":                         string(o.Agent), // through its link
		"/bin/sh":                                string(o.Rescue),
		"/bin/mount":                             string(o.Rescue),
		"/sbin/fsck.ext4":                        "checker",
		"/etc/boothook/cmdline":                  "boothook.source=ec2\n",
		"/proc/../sysroot/.":                     "",
		generators.MarkAt:                        `{"schema":1,"boothook":"test","generator":"boothook build","initrd_size":0,"not_before":1700000000}` + "\n",
		"/lib/modules/6.1.0-1-amd64/modules.dep": "kernel/virtio.ko:\nkernel/odd.ko:\nkernel/virtio_blk.ko: kernel/virtio.ko\n",
	} {
		got, err := tree.ReadFile(name)
		if n, _, lerr := tree.Lookup(name); lerr == nil && n.IsDir() {
			got, err = nil, nil
		}
		if err != nil || sorted(got) != sorted([]byte(want)) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	slices.Sort(built.Modules)
	if got := strings.Join(built.Modules, " "); got != "odd virtio virtio_blk" {
		t.Errorf("modules %s", got)
	}
	st, err := Check(writeTemp(t, image))
	if err != nil || st.Generator != generators.Whole || len(st.Kernels) != 1 {
		t.Errorf("check: %+v, %v", st, err)
	}
	if _, _, _, err := Bake(bytes.NewReader(image), int64(len(image)), o.Options); !errors.Is(err, ErrBaked) {
		t.Errorf("it was baked again: %v", err)
	}
}

// sorted are lines in no order of their own.
func sorted(text []byte) string {
	lines := strings.Split(string(text), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func writeTemp(t *testing.T, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestBuildRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*BuildOptions)
		want   string
	}{
		"modules that are not there":    {func(o *BuildOptions) { o.Modules = "/nowhere" }, "modules: stat /nowhere/modules.dep"},
		"an unknown module":             {func(o *BuildOptions) { o.MoreModules = []string{"gone"} }, "modules: unknown module: gone"},
		"modules for another machine":   {func(o *BuildOptions) { o.Modules = buildModules(t, elf.EM_AARCH64) }, "is for EM_AARCH64, but the agent is for EM_X86_64"},
		"a dynamic agent":               {func(o *BuildOptions) { o.Agent = program(elf.EM_X86_64, elf.PT_INTERP) }, "agent: not static"},
		"no agent":                      {func(o *BuildOptions) { o.Agent = []byte("#!/bin/sh\n") }, "agent: not an ELF program"},
		"rescue for another machine":    {func(o *BuildOptions) { o.Rescue = program(elf.EM_AARCH64, elf.PT_LOAD) }, "rescue: is for EM_AARCH64"},
		"a file in the place of init":   {func(o *BuildOptions) { o.Include = []archive.File{file("/init", 0o755, "")} }, "two files are called /init"},
		"a file below a program":        {func(o *BuildOptions) { o.Include = []archive.File{file("/init/x", 0o755, "")} }, "/init is a file"},
		"kernel words with a line feed": {func(o *BuildOptions) { o.Cmdline = "a\nb" }, "kernel words with a control character"},
	} {
		o := buildOptions(t)
		tt.change(o)
		if image, _, err := Build(o); err == nil || image != nil && err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	o := buildOptions(t)
	o.Modules = "/nowhere"
	if _, _, err := Build(o); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestBuildForAKernelWithoutModules(t *testing.T) {
	o := buildOptions(t)
	o.Modules = ""
	_, built, err := Build(o)
	if err != nil || len(built.Modules) > 0 || slices.Contains(built.Files, "/lib/modules") {
		t.Errorf("%+v, %v", built, err)
	}
}

func TestUsualCompression(t *testing.T) {
	for version, want := range map[string]archive.Compression{"5.8.0-1": archive.Gzip, "4.19": archive.Gzip, "5.9.1": archive.Zstd, "6.1.0-56-cloud-amd64": archive.Zstd, "odd": archive.Zstd} {
		if got := usualCompression(version); got != want {
			t.Errorf("%s: %s, want %s", version, got, want)
		}
	}
}

func TestBuildWarnsOfAShellThatIsNotThere(t *testing.T) {
	o := buildOptions(t)
	o.Cmdline = "boothook.onerror=shell"
	if _, built, err := Build(o); err != nil || len(built.Warnings) != 1 {
		t.Errorf("%v, %v", built.Warnings, err)
	}
	o.Rescue = o.Agent
	if _, built, err := Build(o); err != nil || len(built.Warnings) != 0 {
		t.Errorf("%v, %v", built.Warnings, err)
	}
}
