package archive

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// A rawEntry is written as it is, right or wrong.
type rawEntry struct {
	name             string
	ino, links, mode uint32
	body             string
	size             string // eight digits; the body's if empty
	nameSize         string // likewise
	magic            string
	noNUL            bool
	checksum         uint32
}

func raw(entries ...rawEntry) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		if e.magic == "" {
			e.magic = "070701"
		}
		if e.size == "" {
			e.size = fmt.Sprintf("%08X", len(e.body))
		}
		name := e.name + "\x00"
		if e.noNUL {
			name = e.name
		}
		if e.nameSize == "" {
			e.nameSize = fmt.Sprintf("%08X", len(name))
		}
		fmt.Fprintf(&b, "%s%08X%08X%08X%08X%08X%08X%s%08X%08X%08X%08X%s%08X%s", e.magic, e.ino, e.mode, 0, 0, e.links, 0,
			e.size, 0, 0, 0, 0, e.nameSize, e.checksum, name)
		b.Write(make([]byte, -b.Len()&3))
		b.WriteString(e.body)
		b.Write(make([]byte, -b.Len()&3))
	}
	return b.Bytes()
}

func TestMalformed(t *testing.T) {
	const file = TypeRegular | 0o644
	good := cpioOf(t, reg("/a", strings.Repeat("text ", 2000)))
	zst, gz, x, lz, lzm := compressed(t, Zstd, good), compressed(t, Gzip, good), compressed(t, XZ, good), compressed(t, LZ4, good), compressed(t, LZMA, good)
	half := func(b []byte) []byte { return b[:len(b)/2] }
	with := func(b []byte, at int, v byte) []byte {
		b = bytes.Clone(b)
		b[at] = v
		return b
	}
	tests := []struct {
		name string
		data []byte
		want string
		is   error
	}{
		{"cut in a header", good[:60], "cut off", ErrMalformed},
		{"cut in a name", good[:111], "cut off", ErrMalformed},
		{"cut in a body", good[:500], "cut off", ErrMalformed},
		{"trailing junk", append(bytes.Clone(good), "junk!"...), "neither cpio nor a known compression", ErrMalformed},
		{"one byte of junk", append(bytes.Clone(good), 'x'), "1 bytes of junk", ErrMalformed},
		{"wrong magic", with(good, 5, '9'), "no cpio magic", ErrMalformed},
		{"old cpio", []byte("070707" + strings.Repeat("0", 120)), "old cpio format", ErrMalformed},
		{"no number", with(good, 20, 'g'), "not a hexadecimal number", ErrMalformed},
		{"4 GiB body", raw(rawEntry{name: "a", mode: file, size: "FFFFFFFF"}), "cut off", ErrMalformed},
		{"4 GiB name", raw(rawEntry{name: "a", mode: file, nameSize: "FFFFFFFF"}), "name of 4294967295 bytes", ErrMalformed},
		{"no name", raw(rawEntry{mode: file, nameSize: "00000000"}), "name of 0 bytes", ErrMalformed},
		{"name without end", raw(rawEntry{name: "abc", mode: file, noNUL: true}), "does not end in NUL", ErrMalformed},
		{"huge link", raw(rawEntry{name: "a", mode: TypeSymlink | 0o777, size: "00010000"}), "symbolic link of 65536", ErrMalformed},
		{"no such type", raw(rawEntry{name: "a", mode: 0o150644}), "no file type", ErrMalformed},
		{"wrong checksum", raw(rawEntry{magic: "070702", name: "a", mode: file, body: "abc", checksum: 1}, rawEntry{name: newcTrailer}), "checksum", ErrMalformed},
		{"plain at an odd place", append(append(bytes.Clone(zst), make([]byte, 5-len(zst)&3)...), good...), "must start at a multiple of 4", ErrMalformed},
		{"zstd cut", half(zst), "zstd: ", ErrMalformed},
		{"zstd header cut", zst[:4], "zstd frame header", ErrMalformed},
		{"zstd damaged", with(zst, len(zst)/2, zst[len(zst)/2]^0xff), "zstd: ", nil},
		{"gzip cut", half(gz), "gzip: ", nil},
		{"gzip damaged", with(gz, len(gz)-6, gz[len(gz)-6]^1), "gzip: ", nil},
		{"xz cut", half(x), "xz stream is cut off", ErrMalformed},
		{"xz that the kernel cannot check", pipe(t, good, "xz", "-c"), "--check=crc32", ErrUnsupported},
		{"xz with another filter", pipe(t, good, "xz", "-c", "--check=crc32", "--x86", "--lzma2"), "2 filters", ErrUnsupported},
		{"xz with a giant dictionary", pipe(t, good, "xz", "-c", "--check=crc32", "--lzma2=dict=1GiB"), "dictionary of more than", ErrTooLarge},
		{"lz4 cut", half(lz), "is cut off", ErrMalformed},
		{"lz4 and something right behind", append(bytes.Clone(lz), good...), "4 zero bytes", ErrMalformed},
		{"lz4, not legacy", []byte("\x02\x21\x4c\x19\x00\x00\x00\x00"), "legacy", ErrMalformed},
		{"lzma cut", half(lzm), "lzma: ", nil},
		{"lzma of a giant dictionary", with(lzm, 4, 0xff), "lzma: ", nil},
		{"bzip2 cut", half(pipe(t, good, "bzip2", "-c")), "bzip2 stream is cut off", ErrMalformed},
		{"lzo", []byte("\x89LZO\x00\r\n\x1a\n"), "lzo cannot be read", ErrUnsupported},
		{"compressed and not ended", compressed(t, Zstd, good[:500]), "cut off", ErrMalformed},
		{"segments without end", bytes.Repeat(raw(rawEntry{name: newcTrailer}), MaxSegments+1), "more than 64 segments", ErrTooLarge},
		{"a deep path", []byte(deep()), "path deeper than", ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := read(t, tt.data)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
		})
	}
}

func deep() []byte {
	var entries []rawEntry
	for i := range MaxDepth + 2 {
		entries = append(entries, rawEntry{name: strings.Repeat("d/", i) + "d", mode: TypeDir | 0o755})
	}
	return raw(entries...)
}

// What looks wrong and is not: the kernel takes it.
func TestOddButRight(t *testing.T) {
	const file = TypeRegular | 0o644
	good := cpioOf(t, reg("/a", "text"))
	tests := map[string][]byte{
		"nothing but zeros around":   append(append(make([]byte, 512), good...), make([]byte, 511)...),
		"no trailer":                 raw(rawEntry{name: "a", mode: file, body: "text"}),
		"no padding at the very end": raw(rawEntry{name: "a", mode: file, body: "textt"})[:110+2+5],
		"names padded with NULs":     raw(rawEntry{name: "a\x00\x00\x00\x00", mode: file, body: "text"}),
		"no trailer, then zstd":      append(raw(rawEntry{name: "b", mode: file, body: "x"}), compressed(t, Zstd, good)...),
		"zstd, then zstd, unaligned": append(append(compressed(t, Zstd, good), 0), compressed(t, Zstd, good)...),
		"two lz4 streams":            append(compressed(t, LZ4, good), compressed(t, LZ4, good)...),
		"two archives in one stream": compressed(t, Gzip, append(bytes.Clone(good), good...)),
		"checksums":                  raw(rawEntry{magic: "070702", name: "a", mode: file, body: "abc", checksum: 'a' + 'b' + 'c'}),
		"a directory with a body":    append(raw(rawEntry{name: "d", mode: TypeDir | 0o755, body: "skipped"}), good...),
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			tree, _, err := read(t, data)
			if err != nil || !tree.Has("/a") {
				t.Errorf("%v; %v", err, tree.List("/"))
			}
		})
	}
}

// A bomb of zeros is walked within the bounds, and not held.
func TestBodiesAreNotHeld(t *testing.T) {
	big := raw(rawEntry{name: "a", mode: TypeRegular | 0o644, body: strings.Repeat("\x00", MaxKept/2)}, rawEntry{name: newcTrailer})
	z := compressed(t, Zstd, append(append(bytes.Clone(big), big...), big...))
	tree, _, err := read(t, z)
	if err != nil {
		t.Fatal(err)
	}
	if n, _, _ := tree.Lookup("/a"); n.Kept || n.Size != MaxKept/2 {
		t.Errorf("%+v", n)
	}
	keepAll := func(string, int64, []byte) bool { return true }
	three := raw(
		rawEntry{name: "a", mode: TypeRegular | 0o644, body: strings.Repeat("\x00", MaxKept/2)},
		rawEntry{name: "b", mode: TypeRegular | 0o644, body: strings.Repeat("\x00", MaxKept/2)},
		rawEntry{name: "c", mode: TypeRegular | 0o644, body: "one more"})
	tree, _, err = Read(bytes.NewReader(three), int64(len(three)), keepAll)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.ReadFile("/c"); !errors.Is(err, ErrNotKept) || tree.kept != MaxKept {
		t.Errorf("%d bytes kept: %v", tree.kept, err)
	}
}

func FuzzRead(f *testing.F) {
	good := cpioOf(f, dir("/d"), reg("/d/a", "text"), link("/l", "d"), reg("/l/b", "more"))
	for _, c := range Writable() {
		f.Add(compressed(f, c, good))
	}
	f.Add(chain(good, compressed(f, Zstd, good), compressed(f, LZ4, good)))
	f.Add(raw(rawEntry{name: "a", ino: 7, links: 2, mode: TypeRegular}, rawEntry{name: "b", ino: 7, links: 2, mode: TypeRegular, body: "x"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, segments, err := Read(bytes.NewReader(data), int64(len(data)), KeepSmall(4096))
		var last int64
		for _, s := range segments {
			if s.Offset < last || s.Size <= 0 || s.Offset+s.Size > int64(len(data)) {
				t.Fatalf("segments %+v in %d bytes", segments, len(data))
			}
			last = s.Offset + s.Size
		}
		if err != nil {
			return
		}
		files, err := tree.Overlay([]File{reg("/usr/lib/x/y", "agent")})
		if err != nil {
			return
		}
		again := append(bytes.Clone(data), make([]byte, -len(data)&3+4)...)
		again = append(again, cpioOf(t, files...)...)
		tree, _, err = Read(bytes.NewReader(again), int64(len(again)), KeepSmall(4096))
		if err != nil {
			t.Fatalf("with one segment more: %v", err)
		}
		if got, err := tree.ReadFile("/usr/lib/x/y"); err != nil || string(got) != "agent" {
			t.Fatalf("the file is %q, %v", got, err)
		}
	})
}
