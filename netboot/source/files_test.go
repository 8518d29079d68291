package source

import (
	"errors"
	"io/fs"
	"testing"
)

// Files in memory are read as those of a volume are.
func TestFiles(t *testing.T) {
	files := Files{"openstack/2015-10-15/meta_data.json": []byte("{}"), "openstack/2020-01-01/a": nil, "openstack/2020-01-01/b": nil, "openstack/x": []byte("y")}
	entries, err := fs.ReadDir(files, "openstack")
	var got string
	for _, e := range entries {
		info, _ := e.Info()
		got += e.Name() + " " + e.Type().String() + " " + info.Mode().String() + "\n"
	}
	if want := "2015-10-15 d--------- d---------\n2020-01-01 d--------- d---------\nx ---------- ----------\n"; got != want || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if info, err := fs.Stat(files, "openstack/x"); err != nil || info.Size() != 1 || info.IsDir() || info.Name() != "x" || !info.ModTime().IsZero() || info.Sys() != nil {
		t.Errorf("%v, %v", info, err)
	}
	for _, name := range []string{"openstack", "absent"} {
		if _, err := fs.ReadFile(files, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := fs.ReadDir(files, "absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
