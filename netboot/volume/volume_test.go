package volume

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem"
	"github.com/diskfs/go-diskfs/filesystem/fat12"
	"github.com/diskfs/go-diskfs/filesystem/fat16"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

// seed is what the images hold: short and long names, upper and lower case, a
// directory, a file of several clusters, an empty one.
func seed() map[string]string {
	return map[string]string{
		"meta-data":                       "instance-id: iid-1\n",
		"user-data":                       strings.Repeat("#!/bin/sh\necho a line of some length\n", 3000),
		"network-config":                  "version: 2\n",
		"README.TXT":                      "short and upper\n",
		"vendor-data":                     "",
		"openstack/latest/meta_data.json": `{"uuid": "u-1"}`,
		"openstack/latest/a rather long name that takes several entries of a directory.txt": "long\n",
	}
}

// An image makes a file system with an independent library.
type image struct {
	name, typ string
	// plain images have upper-case short names only.
	plain bool
	make  func(t testing.TB, path string)
}

func images() []image {
	const mb = 1 << 20
	return []image{
		{"fat12", "vfat", false, func(t testing.TB, path string) {
			b, err := file.CreateFromPath(path, 2*mb)
			check(t, err)
			fsys, err := fat12.Create(b, 2*mb, 0, 512, "CIDATA", true)
			check(t, err)
			fill(t, fsys)
			check(t, b.Close())
		}},
		{"fat16", "vfat", false, func(t testing.TB, path string) {
			b, err := file.CreateFromPath(path, 20*mb)
			check(t, err)
			fsys, err := fat16.Create(b, 20*mb, 0, 512, "CIDATA", true)
			check(t, err)
			fill(t, fsys)
			check(t, b.Close())
		}},
		{"fat32", "vfat", false, func(t testing.TB, path string) {
			b, err := file.CreateFromPath(path, 64*mb)
			check(t, err)
			fsys, err := fat32.Create(b, 64*mb, 0, 512, "CIDATA", true)
			check(t, err)
			fill(t, fsys)
			check(t, b.Close())
		}},
		{"rock ridge", "iso9660", false, func(t testing.TB, path string) {
			makeISO(t, path, iso9660.FinalizeOptions{RockRidge: true, VolumeIdentifier: "CIDATA"})
		}},
		{"joliet", "iso9660", false, func(t testing.TB, path string) {
			makeISO(t, path, iso9660.FinalizeOptions{Joliet: true, VolumeIdentifier: "CIDATA"})
		}},
		{"joliet and rock ridge", "iso9660", false, func(t testing.TB, path string) {
			makeISO(t, path, iso9660.FinalizeOptions{Joliet: true, RockRidge: true, VolumeIdentifier: "CIDATA"})
		}},
		{"plain iso9660", "iso9660", true, func(t testing.TB, path string) {
			makeISO(t, path, iso9660.FinalizeOptions{VolumeIdentifier: "CIDATA"})
		}},
		{"udf and iso9660", "udf", false, makeUDF},
		{"udf", "udf", false, func(t testing.TB, path string) {
			makeUDF(t, path)
			hideISO(t, path)
		}},
		{"udf by Linux, of discs", "udf", false, func(t testing.TB, path string) { unpack(t, "testdata/disc.udf.gz", path) }},
		{"udf by Linux, of disks", "udf", false, func(t testing.TB, path string) { unpack(t, "testdata/disk.udf.gz", path) }},
	}
}

// makeUDF makes a disc that is both UDF and iso9660.
func makeUDF(t testing.TB, path string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range seed() {
		file := filepath.Join(dir, name)
		check(t, os.MkdirAll(filepath.Dir(file), 0o755))
		check(t, os.WriteFile(file, []byte(content), 0o644))
	}
	if out, err := exec.Command("genisoimage", "-quiet", "-udf", "-V", "CIDATA", "-o", path, dir).CombinedOutput(); err != nil {
		t.Fatalf("genisoimage: %v\n%s", err, out)
	}
}

// hideISO overwrites the descriptors of iso9660.
func hideISO(t testing.TB, path string) {
	t.Helper()
	body, err := os.ReadFile(path)
	check(t, err)
	for at := isoFirst * isoSector; string(body[at+1:at+6]) == "CD001"; at += isoSector {
		copy(body[at:], "\x00CDW02")
	}
	check(t, os.WriteFile(path, body, 0o644))
}

// unpack gives an image that mkudffs formatted and Linux wrote the seed to, in
// pieces, so that files have many extents: see testdata/README.md.
func unpack(t testing.TB, packed, path string) {
	t.Helper()
	f, err := os.Open(packed)
	check(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	check(t, err)
	body, err := io.ReadAll(z)
	check(t, err)
	check(t, os.WriteFile(path, body, 0o644))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func makeISO(t testing.TB, path string, o iso9660.FinalizeOptions) {
	t.Helper()
	b, err := file.CreateFromPath(path, 4<<20)
	check(t, err)
	fsys, err := iso9660.Create(b, 4<<20, 0, 2048, t.TempDir())
	check(t, err)
	fill(t, fsys)
	check(t, fsys.Finalize(o))
	check(t, b.Close())
}

func fill(t testing.TB, fsys filesystem.FileSystem) {
	t.Helper()
	check(t, fsys.Mkdir("openstack"))
	check(t, fsys.Mkdir("openstack/latest"))
	for name, content := range seed() {
		f, err := fsys.OpenFile(name, os.O_CREATE|os.O_RDWR)
		check(t, err)
		_, err = f.Write([]byte(content))
		check(t, err)
		check(t, f.Close())
	}
}

func open(t testing.TB, path string) *Volume {
	t.Helper()
	f, err := os.Open(path)
	check(t, err)
	t.Cleanup(func() { f.Close() })
	v, err := Open(f)
	check(t, err)
	return v
}

func TestImages(t *testing.T) {
	for _, i := range images() {
		t.Run(i.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			i.make(t, path)
			v := open(t, path)
			if v.Type != i.typ || v.Label != "CIDATA" {
				t.Errorf("found %s with label %q", v.Type, v.Label)
			}
			if i.plain {
				// Names are cut to eight characters and three: no seed can be
				// found by its name, but nothing breaks.
				if body, err := fs.ReadFile(v.FS, "readme.txt"); err != nil || string(body) != seed()["README.TXT"] {
					t.Errorf("readme.txt: %q, %v", body, err)
				}
				return
			}
			for name, want := range seed() {
				if i.name == "joliet" && strings.Contains(name, "/") {
					continue // the library puts plain names into Joliet's directories
				}
				if body, err := fs.ReadFile(v.FS, name); err != nil || string(body) != want {
					t.Errorf("%s: %d bytes, %v, want %d", name, len(body), err, len(want))
				}
			}
			for _, name := range []string{"nothing", "user-data/x", "openstack/nothing", strings.Repeat("a/", 20) + "a", "../x", "/user-data", ""} {
				if body, err := fs.ReadFile(v.FS, name); err == nil {
					t.Errorf("%q: %d bytes", name, len(body))
				}
			}
			entries, err := fs.ReadDir(v.FS, ".")
			if err != nil || len(entries) != 6 {
				t.Errorf("the top: %v, %v", entries, err)
			}
			if _, err := fs.ReadFile(v.FS, "openstack"); err == nil {
				t.Error("a directory was read as a file")
			}
		})
	}
}

// TestBusybox reads what another program formatted.
func TestBusybox(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	check(t, os.WriteFile(path, nil, 0o600))
	check(t, os.Truncate(path, 40<<20))
	if out, err := exec.Command("busybox", "mkdosfs", "-n", "cidata", path).CombinedOutput(); err != nil {
		t.Fatalf("busybox mkdosfs: %v\n%s", err, out)
	}
	if v := open(t, path); v.Type != "vfat" || v.Label != "cidata" {
		t.Errorf("found %s with label %q", v.Type, v.Label)
	}
}

func TestUnknown(t *testing.T) {
	for name, content := range map[string][]byte{
		"empty": nil, "short": make([]byte, 100), "zeros": make([]byte, 1<<20), "text": bytes.Repeat([]byte("text "), 1<<18),
	} {
		if v, err := Open(bytes.NewReader(content)); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
	if _, err := Open(failing{}); errors.Is(err, ErrUnknown) || err == nil {
		t.Errorf("a device that cannot be read: %v", err)
	}
}

// A failing device cannot be read.
type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("input/output error") }

// TestTruncated: a file of a device that ends too early is never half a file.
func TestTruncated(t *testing.T) {
	for _, i := range images() {
		if i.plain {
			continue
		}
		path := filepath.Join(t.TempDir(), "image")
		i.make(t, path)
		whole, err := os.ReadFile(path)
		check(t, err)
		for cut := len(whole); cut > 0; cut -= len(whole)/97 + 1 {
			v, err := Open(bytes.NewReader(whole[:cut]))
			if err != nil {
				continue
			}
			if body, err := fs.ReadFile(v.FS, "user-data"); err == nil && string(body) != seed()["user-data"] {
				t.Errorf("%s cut to %d bytes: %d bytes of user-data and no error", i.name, cut, len(body))
			}
		}
	}
}

// A patched reader shows an image with some bytes changed: an image is mostly
// empty, and a fuzzer that had to carry it all would get nowhere.
type patched struct {
	image io.ReaderAt
	at    int64
	patch []byte
}

func (p patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.image.ReadAt(b, off)
	if from := p.at - off; from < int64(n) && from > -int64(len(p.patch)) {
		copy(b[max(from, 0):n], p.patch[max(-from, 0):])
	}
	return n, err
}

func FuzzFAT(f *testing.F) {
	// The larger kinds fuzz slowly and share their code with fat12.
	fuzzOpen(f, func(name string) bool { return name == "fat12" })
}

func FuzzISO9660(f *testing.F) {
	fuzzOpen(f, func(name string) bool { return !strings.HasPrefix(name, "fat") && !strings.HasPrefix(name, "udf") })
}

func FuzzUDF(f *testing.F) {
	fuzzOpen(f, func(name string) bool { return strings.HasPrefix(name, "udf by") })
}

// fuzzOpen reads whole volumes in which some bytes are overwritten.
func fuzzOpen(f *testing.F, wanted func(name string) bool) {
	var contents [][]byte
	for n, i := range images() {
		if !wanted(i.name) {
			continue
		}
		path := filepath.Join(f.TempDir(), fmt.Sprint(n))
		i.make(f, path)
		content, err := os.ReadFile(path)
		check(f, err)
		contents = append(contents, content)
	}
	if len(contents) == 0 {
		f.Fatal("no such image")
	}
	f.Add(uint(0), int64(11), []byte{0, 2, 1})
	f.Add(uint(1), int64(16*2048), []byte{1})
	f.Add(uint(2), int64(17*2048+156), []byte{34, 0, 255})
	f.Fuzz(func(t *testing.T, n uint, at int64, patch []byte) {
		content := contents[n%uint(len(contents))]
		v, err := Open(patched{bytes.NewReader(content), at % int64(len(content)), patch})
		if err != nil {
			return
		}
		seen := 0
		fs.WalkDir(v.FS, ".", func(path string, d fs.DirEntry, err error) error {
			if seen++; seen > 30 {
				return fs.SkipAll
			}
			if err != nil || d.IsDir() {
				return nil
			}
			if f, err := v.FS.Open(path); err == nil {
				io.Copy(io.Discard, io.LimitReader(f, 1<<20))
			}
			return nil
		})
	})
}

func TestScan(t *testing.T) {
	sysfs, dev := t.TempDir(), t.TempDir()
	for _, name := range []string{"sr0", "vda", "vdb", "ram0", "cciss!c0d0", "gone"} {
		check(t, os.MkdirAll(filepath.Join(sysfs, "class/block", name), 0o755))
	}
	check(t, os.MkdirAll(filepath.Join(dev, "cciss"), 0o755))
	all := images()
	all[0].make(t, filepath.Join(dev, "vdb"))
	all[3].make(t, filepath.Join(dev, "sr0"))
	all[3].make(t, filepath.Join(dev, "ram0"))
	all[4].make(t, filepath.Join(dev, "cciss/c0d0"))
	check(t, os.WriteFile(filepath.Join(dev, "vda"), make([]byte, 1<<20), 0o600))
	found, err := Scan(sysfs, dev, func(label string) bool { return strings.EqualFold(label, "cidata") })
	check(t, err)
	var got []string
	for _, f := range found {
		body, err := fs.ReadFile(f.FS, "meta-data")
		if err != nil || string(body) != seed()["meta-data"] {
			t.Errorf("%s: %q, %v", f.Device, body, err)
		}
		got = append(got, strings.TrimPrefix(f.Device, dev)+" "+f.Type)
		check(t, f.Close())
	}
	if want := "/cciss/c0d0 iso9660, /sr0 iso9660, /vdb vfat"; strings.Join(got, ", ") != want {
		t.Errorf("found %q, want %q", got, want)
	}
	none, err := Scan(sysfs, dev, func(string) bool { return false })
	if err != nil || len(none) != 0 {
		t.Errorf("nothing is wanted: %v, %v", none, err)
	}
	if _, err := Scan(filepath.Join(sysfs, "nothing"), dev, nil); err == nil {
		t.Error("no sysfs, no error")
	}
}
