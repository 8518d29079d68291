package bake

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"boothook/initramfs/archive"
	"boothook/initramfs/generators"
)

// program is the smallest ELF program that is none: a header and one
// program header, of type PT_LOAD or PT_INTERP.
func program(machine elf.Machine, kind elf.ProgType) []byte {
	var b bytes.Buffer
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	binary.Write(&b, binary.LittleEndian, h)
	binary.Write(&b, binary.LittleEndian, elf.Prog64{Type: uint32(kind)})
	return b.Bytes()
}

func file(name string, perm uint32, data string) archive.File {
	return archive.File{Name: name, Mode: archive.TypeRegular | perm, Data: []byte(data)}
}

// initrd is one like Debian's, of one segment behind early microcode.
func initrd(t *testing.T, c archive.Compression, more ...archive.File) []byte {
	t.Helper()
	var out, plain bytes.Buffer
	placed, err := archive.NewTree().Overlay([]archive.File{file("/kernel/x86/microcode/x.bin", 0o644, "microcode")})
	if err == nil {
		err = archive.Write(&out, placed)
	}
	if err != nil {
		t.Fatal(err)
	}
	usr := archive.File{Name: "/usr/lib", Mode: archive.TypeDir | 0o755}
	placed, err = archive.NewTree().Overlay(append([]archive.File{
		file("/init", 0o755, "#!/bin/sh\n"), file("/scripts/functions", 0o644, ""), file("/conf/initramfs.conf", 0o644, ""),
		file("/scripts/init-bottom/ORDER", 0o644, "/scripts/init-bottom/udev \"$@\"\n"),
		file("/usr/bin/sh", 0o755, string(program(elf.EM_X86_64, elf.PT_LOAD))),
		{Name: "/lib", Mode: archive.TypeSymlink | 0o777, Data: []byte("usr/lib")},
		usr,
		file("/usr/lib/modules/6.1.0-1-amd64/modules.dep", 0o644, ""),
	}, more...))
	if err == nil {
		err = archive.Write(&plain, placed)
	}
	if err == nil {
		err = archive.Compress(&out, c, plain.Bytes())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var (
	agent = program(elf.EM_X86_64, elf.PT_LOAD)
	seed  = []archive.File{{Name: "user-data", Data: []byte("#!/bin/sh\n")}}
)

func bake(t *testing.T, data []byte, o Options) ([]byte, Report, error) {
	t.Helper()
	tail, base, rep, err := Bake(bytes.NewReader(data), int64(len(data)), o)
	return append(slices.Clone(data[:base]), tail...), rep, err
}

func TestBakeEveryCompression(t *testing.T) {
	for _, c := range archive.Writable() {
		t.Run(string(c), func(t *testing.T) {
			in, want := initrd(t, c), c
			if c == archive.XZ || c == archive.LZMA { // slower than reading what they save
				want = archive.None
			}
			out, rep, err := bake(t, in, Options{Agent: agent, Cmdline: "boothook.source=ec2", Seed: seed})
			if err != nil {
				t.Fatal(err)
			}
			if rep.Compression != want || rep.Generator != "initramfs-tools" || rep.Added != int64(len(out)-len(in)) ||
				!slices.Equal(rep.Kernels, []string{"6.1.0-1-amd64"}) || len(rep.Segments) != 2 {
				t.Errorf("report %+v", rep)
			}
			if !bytes.HasPrefix(out, in) {
				t.Error("the initrd's own bytes changed")
			}
			tree, segments, err := archive.Read(bytes.NewReader(out), int64(len(out)), archive.KeepSmall(1<<20))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := tree.ReadFile("/lib/boothook/boothook-agent"); err != nil || !bytes.Equal(got, agent) {
				t.Errorf("through the link: %v", err)
			}
			if got, _ := tree.ReadFile(Seed + "/user-data"); string(got) != "#!/bin/sh\n" {
				t.Errorf("the seed's user-data are %q", got)
			}
			if got, _ := tree.ReadFile(Cmdline); string(got) != "boothook.source=ec2\n" {
				t.Errorf("words %q", got)
			}
			if last := segments[len(segments)-1]; last.Offset%4 != 0 {
				t.Errorf("segment at %d", last.Offset)
			}
			again, _, err := bake(t, in, Options{Agent: agent, Cmdline: "boothook.source=ec2", Seed: seed})
			if err != nil || !bytes.Equal(out, again) {
				t.Errorf("baked again: other bytes, %v", err)
			}
		})
	}
}

// boothook-extra is there for those who need it, and costs the others little.
func TestExtraIsPacked(t *testing.T) {
	out, _, err := bake(t, initrd(t, archive.Zstd), Options{Agent: agent, Extra: agent})
	if err != nil {
		t.Fatal(err)
	}
	tree, _, err := archive.Read(bytes.NewReader(out), int64(len(out)), archive.KeepSmall(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := tree.ReadFile("/usr/lib/boothook/boothook-extra.gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, agent) {
		t.Errorf("unpacked: %d bytes, %v", len(got), err)
	}
}

// Whatever the size of the initrd, the segment is found, and may be chosen
// to be compressed in any way.
func TestBakeAtEveryOffset(t *testing.T) {
	for _, inner := range []archive.Compression{archive.Zstd, archive.LZ4, archive.Gzip} {
		for _, outer := range []archive.Compression{archive.None, archive.Zstd, archive.LZ4} {
			for n := range 4 {
				in := initrd(t, inner, file("/filler", 0o644, strings.Repeat("abcdefgh", n*1000)+strings.Repeat("x", n)))
				if _, rep, err := bake(t, in, Options{Agent: agent, Compress: outer}); err != nil || rep.Compression != outer {
					t.Errorf("%s behind %s at %d: %v", outer, inner, len(in)%4, err)
				}
			}
		}
	}
}

func TestReplaceAndUndo(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	in := initrd(t, archive.Zstd)
	if err := os.WriteFile(path("in"), in, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := File(path("in"), path("baked"), Options{Agent: agent, Version: "1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := File(path("baked"), path("twice"), Options{Agent: agent}); !errors.Is(err, ErrBaked) {
		t.Errorf("baked twice: %v", err)
	}
	if st, err := Check(path("baked")); err != nil || st.Baked == nil || st.Baked.Boothook != "1" || st.Baked.InitrdSize != int64(len(in)) {
		t.Errorf("check: %+v, %v", st, err)
	}
	if _, err := File(path("baked"), path("replaced"), Options{Agent: agent, Version: "2", Replace: true}); err != nil {
		t.Error(err)
	}
	if _, err := File(path("in"), path("fresh"), Options{Agent: agent, Version: "2"}); err != nil {
		t.Error(err)
	}
	if a, b := contents(t, path("replaced")), contents(t, path("fresh")); !bytes.Equal(a, b) {
		t.Error("replaced and freshly baked differ")
	}
	if err := Undo(path("replaced"), path("undone")); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(contents(t, path("undone")), in) {
		t.Error("undone is not the original")
	}
	if info, err := os.Stat(path("undone")); err != nil || info.Mode() != 0o640 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if err := Undo(path("in"), path("x")); !errors.Is(err, ErrNotBaked) {
		t.Errorf("undo of an unbaked initrd: %v", err)
	}
	if err := Undo(path("baked"), path("baked")); err == nil || len(contents(t, path("baked"))) <= len(in) {
		t.Errorf("undo in place: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 5 {
		t.Errorf("left behind: %v", entries)
	}
}

func contents(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Something behind boothook's segment: nothing is cut off.
func TestOriginalRefuses(t *testing.T) {
	baked, _, err := bake(t, initrd(t, archive.Zstd), Options{Agent: agent})
	if err != nil {
		t.Fatal(err)
	}
	var more bytes.Buffer
	if err := archive.Write(&more, []archive.File{file("/x", 0o644, "")}); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"appended": append(append(slices.Clone(baked), make([]byte, -len(baked)&3+4)...), more.Bytes()...),
		"lying":    initrd(t, archive.Zstd, file(generators.MarkAt, 0o644, `{"schema":1,"initrd_size":4}`)),
		"future":   initrd(t, archive.Zstd, file(generators.MarkAt, 0o644, `{"schema":2}`)),
		"broken":   initrd(t, archive.Zstd, file(generators.MarkAt, 0o644, `{`)),
	} {
		if _, _, err := bake(t, data, Options{Agent: agent, Replace: true}); err == nil {
			t.Errorf("%s: replaced", name)
		}
	}
}

func TestRefused(t *testing.T) {
	good := initrd(t, archive.Zstd)
	loop := []archive.File{
		{Name: "/usr/lib/boothook", Mode: archive.TypeSymlink | 0o777, Data: []byte("bh")},
		{Name: "/usr/lib/bh", Mode: archive.TypeSymlink | 0o777, Data: []byte("boothook")},
	}
	tests := []struct {
		name string
		in   []byte
		o    Options
		want string
	}{
		{"empty", nil, Options{Agent: agent}, "no cpio archive"},
		{"zeros", make([]byte, 4096), Options{Agent: agent}, "no cpio archive"},
		{"cut off", good[:len(good)-9], Options{Agent: agent}, "segment 1"},
		{"trailing junk", append(slices.Clone(good), "<html>"...), Options{Agent: agent}, "neither cpio"},
		{"of no generator", cpioOf(t, file("/init", 0o755, "")), Options{Agent: agent}, "by none of"},
		{"no agent", good, Options{}, "not an ELF program"},
		{"dynamic agent", good, Options{Agent: program(elf.EM_X86_64, elf.PT_INTERP)}, "not static"},
		{"agent of another machine", good, Options{Agent: program(elf.EM_AARCH64, elf.PT_LOAD)}, "EM_AARCH64, but the initrd's programs are for EM_X86_64"},
		{"a script as agent", good, Options{Agent: []byte("#!/bin/sh\n")}, "not an ELF program"},
		{"looped links in the way", initrd(t, archive.Zstd, loop...), Options{Agent: agent}, "too many symbolic links"},
		{"a file in the way", initrd(t, archive.Zstd, file("/usr/lib/boothook", 0o644, "")), Options{Agent: agent}, "not a directory"},
		{"a directory in the way", initrd(t, archive.Zstd, archive.File{Name: generators.Agent, Mode: archive.TypeDir | 0o755}), Options{Agent: agent}, "is a directory"},
		{"words without end", good, Options{Agent: agent, Cmdline: strings.Repeat("a", MaxCmdline+1)}, "too large"},
		{"seed without end", good, Options{Agent: agent, Seed: []archive.File{{Name: "user-data", Data: make([]byte, MaxSeed+1)}}}, "too large"},
		{"words on two lines", good, Options{Agent: agent, Cmdline: "a\nb"}, "control character"},
		{"a compression that is not written", good, Options{Agent: agent, Compress: archive.LZO}, "cannot be written"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
			if err := os.WriteFile(in, tt.in, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := File(in, out, tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("something was written: %v", entries)
			}
		})
	}
}

func cpioOf(t *testing.T, files ...archive.File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := archive.Write(&b, files); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The newest file of an initrd tells a machine without a clock the least that
// the time can be, unless it is from the future.
func TestNotBefore(t *testing.T) {
	entry := func(name, mode, mtime string) string {
		zero := "00000000"
		head := "070701" + "00000001" + mode + zero + zero + "00000001" + mtime + zero + zero + zero + zero + zero + fmt.Sprintf("%08X", len(name)+1) + zero + name + "\x00"
		return head + strings.Repeat("\x00", -len(head)&3)
	}
	in := slices.Concat([]byte(entry("dated", "000081A4", "60000000")), initrd(t, archive.None))
	for now, want := range map[int64]int64{0x60000000 - 1: 0, 0x60000000: 0x60000000} {
		out, _, err := bake(t, in, Options{Agent: agent, Now: time.Unix(now, 0)})
		if err != nil {
			t.Fatal(err)
		}
		baked, err := Open(bytes.NewReader(out), int64(len(out)))
		if err != nil || baked.Mark.NotBefore != want {
			t.Errorf("at %#x: %#x, %v; want %#x", now, baked.Mark.NotBefore, err, want)
		}
	}
}
