package vm

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"boothook/netboot/volume"
)

// TestMakeVolume reads a volume back as the agent does.
func TestMakeVolume(t *testing.T) {
	for _, tool := range []string{"mkfs.vfat", "mcopy"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	files := map[string][]byte{
		"meta-data":                       []byte("instance-id: i-1\n"),
		"openstack/latest/meta_data.json": []byte("{}"),
		"large":                           bytes.Repeat([]byte("0123456789abcdef"), 1<<16),
		"empty":                           {},
	}
	path := filepath.Join(t.TempDir(), "image")
	if err := MakeVolume(t.Context(), path, "CLOUDMD", files); err != nil {
		t.Fatal(err)
	}
	image, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	v, err := volume.Open(image)
	if err != nil || v.Type != "vfat" || v.Label != "CLOUDMD" {
		t.Fatalf("got %+v, %v", v, err)
	}
	for name, want := range files {
		if got, err := fs.ReadFile(v.FS, name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v, want %d", name, len(got), err, len(want))
		}
	}
	if err := MakeVolume(t.Context(), path, "LONGER THAN ELEVEN", files); err == nil {
		t.Error("a label that does not fit is no error")
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
