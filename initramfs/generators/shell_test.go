package generators

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"boothook/initramfs/archive"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// Each case is a script and what becomes of it; a shell must take the result.
func TestShellScripts(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d cases, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			in, want := string(ar.Files[0].Data), string(ar.Files[1].Data)
			base := []archive.File{script("/init", in)}
			g, err := Detect(treeOf(t, base...))
			if err != nil {
				t.Fatal(err)
			}
			if alpine := strings.Contains(name, "alpine"); alpine != (g.Name() == "mkinitfs") {
				t.Errorf("taken for %s", g.Name())
			}
			if err := g.Check(treeOf(t, base...)); err == nil {
				t.Error("an unbaked initrd passes the check")
			}
			files, err := g.Calls(treeOf(t, base...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, string(files[0].Data)); diff != "" {
				t.Error(diff)
			}
			if err := g.Check(extended(t, base, files...)); err != nil {
				t.Error(err)
			}
			cmd := exec.Command("sh", "-n")
			cmd.Stdin = strings.NewReader(string(files[0].Data))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("sh -n: %v: %s", err, out)
			}
		})
	}
}

func TestShellRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"#!/bin/sh\nif switch_root\n":                                       "not understood as a shell script",
		"#!/bin/sh\nmount -t proc proc /proc\n# switch_root /r\nexec sh\n":  "no switch_root",
		"#!/bin/sh\nmount /dev/vda /r\nexec switch_root /r /init\n":         "no place for the early call",
		"#!/bin/sh\nswitch_root /r /init\nmount -t proc proc /proc\nexit\n": "pivots before",
	} {
		if _, err := (anyShell().Calls(treeOf(t, script("/init", text)))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzShell(f *testing.F) {
	f.Add("#!/bin/sh\nmount -t proc proc /proc\nmount /dev/vda /r && exec switch_root /r /init\n")
	f.Add("mount /proc; { umount /x; switch_root -c a \"$b\" c </d || e; }")
	f.Fuzz(func(t *testing.T, text string) {
		out, err := addCalls([]byte(text))
		if err != nil {
			return
		}
		p, err := findPlaces(out)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, out, err)
		}
		if n := strings.Count(string(out), Agent+" late"); n < len(p.late) {
			t.Fatalf("%d pivots, %d calls: %q", len(p.late), n, out)
		}
	})
}
