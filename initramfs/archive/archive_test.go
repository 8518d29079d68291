package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/cpio"
)

func dir(name string) File { return File{Name: name, Mode: TypeDir | 0o755} }
func reg(name, data string) File {
	return File{Name: name, Mode: TypeRegular | 0o644, Data: []byte(data)}
}
func link(name, target string) File {
	return File{Name: name, Mode: TypeSymlink | 0o777, Data: []byte(target)}
}

// cpioOf is one plain archive.
func cpioOf(t testing.TB, files ...File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, files); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compressed(t testing.TB, c Compression, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Compress(&b, c, data); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// chain appends segments as bake does: at a multiple of 4, behind a word of
// zeros.
func chain(segments ...[]byte) []byte {
	var b []byte
	for i, s := range segments {
		if i > 0 {
			b = append(b, make([]byte, -len(b)&3+4)...)
		}
		b = append(b, s...)
	}
	return b
}

func read(t testing.TB, data []byte) (*Tree, []Segment, error) {
	t.Helper()
	return Read(bytes.NewReader(data), int64(len(data)), KeepSmall(1<<20))
}

// listing prints what the segments made, one line for each file.
func listing(t *Tree) string {
	var b strings.Builder
	var walk func(dir string, n *Node)
	walk = func(dir string, n *Node) {
		for _, name := range t.List(dir) {
			c := n.children[name]
			if c.Segment < 0 {
				continue // the kernel's own
			}
			fmt.Fprintf(&b, "%s%s %o", dir, name, c.Mode)
			switch {
			case c.IsSymlink():
				fmt.Fprintf(&b, " -> %s", c.Link)
			case c.IsRegular():
				fmt.Fprintf(&b, " %q", c.Data)
			}
			b.WriteByte('\n')
			if c.IsDir() {
				walk(dir+name+"/", c)
			}
		}
	}
	walk("/", t.root)
	return b.String()
}

func TestMergeByTheKernelsRules(t *testing.T) {
	tests := []struct {
		name     string
		segments [][]File
		want     string
	}{
		{"later entries override",
			[][]File{{dir("/etc"), reg("/etc/a", "1")}, {reg("/etc/a", "22")}},
			"/etc 40755\n/etc/a 100644 \"22\"\n"},
		{"a directory over a link empties what it stood for",
			[][]File{{dir("/usr"), dir("/usr/lib"), link("/lib", "usr/lib"), reg("/lib/x", "1")}, {dir("/lib")}},
			"/lib 40755\n/usr 40755\n/usr/lib 40755\n/usr/lib/x 100644 \"1\"\n"},
		{"names lead through links",
			[][]File{{dir("/usr"), dir("/usr/lib"), link("/lib", "/usr/lib")}, {reg("/lib/y", "2")}},
			"/lib 120777 -> /usr/lib\n/usr 40755\n/usr/lib 40755\n/usr/lib/y 100644 \"2\"\n"},
		{"a file without its directory is lost",
			[][]File{{reg("/no/such", "1")}},
			""},
		{"a file does not replace a full directory, but an empty one",
			[][]File{{dir("/a"), reg("/a/b", "1"), dir("/e")}, {reg("/a", "2"), reg("/e", "3")}},
			"/a 40755\n/a/b 100644 \"1\"\n/e 100644 \"3\"\n"},
		{"a link to a file is replaced, not followed",
			[][]File{{reg("/t", "old"), link("/l", "t")}, {reg("/l", "new")}},
			"/l 100644 \"new\"\n/t 100644 \"old\"\n"},
		{"links upwards end at the root",
			[][]File{{link("/up", "../../.."), reg("/up/z", "1")}},
			"/up 120777 -> ../../..\n/z 100644 \"1\"\n"},
		{"a name below a loop is lost",
			[][]File{{link("/a", "b"), link("/b", "a"), reg("/a/x", "1")}},
			"/a 120777 -> b\n/b 120777 -> a\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var segments [][]byte
			for _, files := range tt.segments {
				segments = append(segments, cpioOf(t, files...))
			}
			tree, _, err := read(t, chain(segments...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, listing(tree)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEveryCompression(t *testing.T) {
	early := cpioOf(t, dir("/kernel"), reg("/kernel/microcode", strings.Repeat("u", 5000)))
	for _, c := range Writable() {
		t.Run(string(c), func(t *testing.T) {
			main := compressed(t, c, cpioOf(t, reg("/one", strings.Repeat("long ", 100000))))
			last := compressed(t, c, cpioOf(t, reg("/two", "2")))
			if !bytes.Equal(last, compressed(t, c, cpioOf(t, reg("/two", "2")))) {
				t.Error("not the same bytes twice")
			}
			initrd := chain(early, main, last, cpioOf(t, reg("/three", "3")))
			tree, segments, err := read(t, initrd)
			if err != nil {
				t.Fatal(err)
			}
			if got := tree.List("/"); !cmp.Equal(got, []string{"dev", "kernel", "one", "root", "three", "two"}) {
				t.Errorf("got %v", got)
			}
			want := []Compression{None, c, c, None}
			for i, s := range segments {
				if s.Compression != want[i] {
					t.Errorf("segment %d is %s, want %s", i, s.Compression, want[i])
				}
			}
			if s := segments[1]; s.Offset+s.Size > segments[2].Offset || s.Size != int64(len(main)) {
				t.Errorf("segment 1 is %+v, %d bytes were written", s, len(main))
			}
		})
	}
}

// The kernel's own tools are the reference for streams that are only read,
// and for those that we write.
func TestToolsAgree(t *testing.T) {
	plain := cpioOf(t, dir("/d"), reg("/d/f", strings.Repeat("some text ", 9999)), link("/l", "d/f"))
	tests := []struct {
		c       Compression
		pack    []string
		unpack  []string
		foreign Compression
	}{
		{Zstd, []string{"zstd", "-19", "-c"}, []string{"zstd", "-dc"}, Zstd},
		{Gzip, []string{"gzip", "-c"}, []string{"gzip", "-dc"}, Gzip},
		{XZ, []string{"xz", "--check=crc32", "-c"}, []string{"xz", "-dc"}, XZ},
		{LZMA, []string{"xz", "--format=lzma", "-c"}, []string{"xz", "--format=lzma", "-dc"}, LZMA},
		{None, []string{"bzip2", "-c"}, []string{"cat"}, Bzip2},
	}
	for _, tt := range tests {
		t.Run(string(tt.foreign), func(t *testing.T) {
			foreign := pipe(t, plain, tt.pack...)
			tree, segments, err := read(t, chain(foreign, plain))
			if err != nil || len(segments) != 2 || segments[0].Compression != tt.foreign || !tree.Has("/l") {
				t.Errorf("%v gives %v, %v", tt.pack, segments, err)
			}
			if got := pipe(t, compressed(t, tt.c, plain), tt.unpack...); !bytes.Equal(got, plain) {
				t.Errorf("%v does not give back what we wrote", tt.unpack)
			}
		})
	}
	if out := string(pipe(t, plain, "cpio", "-t", "--quiet")); out != "d\nd/f\nl\n" {
		t.Errorf("cpio -t lists %q", out)
	}
}

func pipe(t *testing.T, in []byte, command ...string) []byte {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", command, err)
	}
	return out
}

func TestURootReadsTheSame(t *testing.T) {
	files := []File{dir("/d"), reg("/d/empty", ""), reg("/d/f", "hello"), link("/l", "d/f")}
	records, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(cpioOf(t, files...))))
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != len(files) {
		t.Fatalf("%d records", len(records))
	}
	for i, r := range records {
		data, err := io.ReadAll(io.NewSectionReader(r, 0, int64(r.FileSize)))
		if err != nil && r.FileSize > 0 {
			t.Fatal(err)
		}
		got := File{Name: "/" + r.Name, Mode: uint32(r.Mode), Data: data}
		if diff := cmp.Diff(files[i], got, cmp.Transformer("text", func(b []byte) string { return string(b) })); diff != "" {
			t.Error(diff)
		}
		if r.MTime != 0 || r.Ino != uint64(i+1) {
			t.Errorf("%s: time %d, inode %d", r.Name, r.MTime, r.Ino)
		}
	}
}

// Hard links as u-root and GNU cpio write them: the body with the first or
// with the last name.
func TestHardLinks(t *testing.T) {
	names := func(first, last string) []byte {
		return raw(
			rawEntry{name: "a", ino: 7, links: 2, mode: TypeRegular | 0o644, body: first},
			rawEntry{name: "b", ino: 7, links: 2, mode: TypeRegular | 0o644, body: last},
			rawEntry{name: newcTrailer},
			rawEntry{name: "c", ino: 7, links: 2, mode: TypeRegular | 0o644, body: "other"})
	}
	for _, data := range [][]byte{names("body", ""), names("", "body")} {
		tree, _, err := read(t, data)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"/a": "body", "/b": "body", "/c": "other"} {
			if got, err := tree.ReadFile(name); err != nil || string(got) != want {
				t.Errorf("%s is %q, %v; want %q", name, got, err, want)
			}
		}
	}
}

func TestOverlay(t *testing.T) {
	base := cpioOf(t, dir("/usr"), dir("/usr/lib"), link("/lib", "usr/lib"), link("/dangling", "nowhere"), reg("/file", ""), dir("/etc"))
	tree, _, err := read(t, base)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tree.Overlay([]File{reg("/lib/boothook/x", "1"), reg("/etc/z", "2")})
	if err != nil {
		t.Fatal(err)
	}
	want := []File{reg("/etc/z", "2"), dir("/usr/lib/boothook"), reg("/usr/lib/boothook/x", "1")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"/dangling/x": "a symbolic link to nothing",
		"/file/x":     "not a directory",
		"/etc":        "is a directory",
		"/":           "the root",
	} {
		if _, err := tree.Overlay([]File{reg(name, "")}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := tree.Overlay([]File{reg("/lib/a", ""), reg("/usr/lib/a", "")}); err == nil {
		t.Error("one file under two names was taken")
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, f := range []File{
		{Name: "/", Mode: TypeDir},
		{Name: "/" + strings.Repeat("n", MaxName), Mode: TypeRegular},
		{Name: "/d", Mode: TypeDir, Data: []byte("x")},
		{Name: "/l", Mode: TypeSymlink},
		{Name: "/c", Mode: TypeChar},
	} {
		if err := Write(io.Discard, []File{f}); err == nil {
			t.Errorf("%.20s was written", f.Name)
		}
	}
	if err := Compress(io.Discard, LZO, nil); !errors.Is(err, ErrUnsupported) {
		t.Errorf("lzo: %v", err)
	}
}
