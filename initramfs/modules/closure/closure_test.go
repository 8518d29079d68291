package closure

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"boothook/initramfs/modules"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// pack compresses as the ending of the name says.
func pack(t *testing.T, name string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch filepath.Ext(name) {
	case ".gz":
		w = gzip.NewWriter(&b)
	case ".xz":
		w, err = xz.NewWriter(&b)
	case ".zst":
		w, err = zstd.NewWriter(&b)
	default:
		return data
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, pack(t, name, []byte(text)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCollect(t *testing.T) {
	dir := writeTree(t, map[string]string{
		"modules.dep":       "k/a.ko.xz: k/b-c.ko.zst k/d.ko.gz\nk/b-c.ko.zst: k/d.ko.gz\nk/d.ko.gz:\nk/e.ko:\n",
		"modules.softdep":   "# comment\nsoftdep a post: e\nsoftdep x pre: a\n",
		"modules.alias":     "# comment\nalias pci:v1* a\nalias pci:v2* x\nalias fs-b b_c\n",
		"modules.builtin":   "k/built.ko\n",
		"k/a.ko.xz":         "module a",
		"k/b-c.ko.zst":      "module b",
		"k/d.ko.gz":         "module d",
		"k/e.ko":            "module e",
		"modules.alias.bin": "not read",
	})
	got, err := Collect(dir, []string{"a", "built"})
	if err != nil {
		t.Fatal(err)
	}
	want := []File{
		{"k/d.ko", []byte("module d")},
		{"k/b-c.ko", []byte("module b")},
		{"k/a.ko", []byte("module a")},
		{"k/e.ko", []byte("module e")},
		{"modules.dep", []byte("k/a.ko: k/b-c.ko k/d.ko\nk/b-c.ko: k/d.ko\nk/d.ko:\nk/e.ko:\n")},
		{"modules.softdep", []byte("softdep a post: e\n")},
		{"modules.alias", []byte("alias pci:v1* a\nalias fs-b b_c\n")},
		{"modules.builtin", []byte("k/built.ko\n")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	// The image's index reads back to the same order.
	image := map[string]string{}
	for _, f := range got {
		image[f.Path] = string(f.Data)
	}
	x, err := modules.ReadIndex(writeTree(t, image))
	if err != nil {
		t.Fatal(err)
	}
	order, err := x.Closure("a")
	if diff := cmp.Diff([]string{"d", "b_c", "a", "e"}, order); diff != "" || err != nil {
		t.Errorf("%v, order (-want +got):\n%s", err, diff)
	}
}

func TestCollectFails(t *testing.T) {
	dir := writeTree(t, map[string]string{"modules.dep": "k/a.ko.xz:\nk/b.ko:\n"})
	if err := os.MkdirAll(filepath.Join(dir, "k"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "k/a.ko.xz"), []byte("no xz at all"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Collect(dir, []string{"a"}); err == nil {
		t.Error("a broken module is accepted")
	}
	if _, err := Collect(dir, []string{"b"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Collect(dir, []string{"c"}); !errors.Is(err, modules.ErrUnknown) {
		t.Errorf("unknown name: %v", err)
	}
}

func TestReadBounds(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "big.ko.zst")
	if err := os.WriteFile(p, pack(t, p, make([]byte, maxModule+1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(p); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, want %v", err, ErrTooLarge)
	}
}
