package cli

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"boothook/initramfs/archive"
)

func TestIncludes(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := errors.Join(os.WriteFile(script, []byte("#!/bin/sh\n"), 0o750),
		os.Symlink("script", filepath.Join(dir, "link")), os.Symlink("loop", filepath.Join(dir, "loop"))); err != nil {
		t.Fatal(err)
	}
	got, err := readIncludes([]string{script + "=/usr/bin/other", filepath.Join(dir, "link"), filepath.Join(dir, "link")})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b archive.File) int { return int(a.Mode) - int(b.Mode) })
	want := map[string]string{"/usr/bin/other": "#!/bin/sh\n", filepath.Join(dir, "link"): "script", script: "#!/bin/sh\n"}
	for _, f := range got {
		if string(f.Data) != want[f.Name] {
			t.Errorf("%s is %q, want %q", f.Name, f.Data, want[f.Name])
		}
		if link := f.Mode&archive.TypeMask == archive.TypeSymlink; link != (filepath.Base(f.Name) == "link") || !link && f.Mode&0o777 != 0o750 {
			t.Errorf("%s has mode %o", f.Name, f.Mode)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
	for _, bad := range []string{"/nowhere", dir, filepath.Join(dir, "loop")} {
		if _, err := readIncludes([]string{bad}); err == nil {
			t.Errorf("%s was included", bad)
		}
	}
}
