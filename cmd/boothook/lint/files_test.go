package lint

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boothook/injector/plan"
)

// TestRealFiles: what this machine's distribution ships is understood.
func TestRealFiles(t *testing.T) {
	checked := map[string]int{}
	for _, p := range places() {
		if p.check == nil || p.name == "systemd-sysusers" || p.name == "systemd-networkd or udev" {
			continue // these look into a root
		}
		for _, dir := range p.dirs[1:3] {
			files, err := filepath.Glob(dir + "/*")
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				body, err := os.ReadFile(file)
				if err != nil || !slices.Contains(p.kinds, path.Ext(file)) {
					continue
				}
				checked[p.name]++
				l := &rootLint{version: 1000}
				p.check(l, &plan.Step{Kind: plan.File, Path: file, Body: body}, strings.TrimPrefix(path.Ext(file), "."))
				for _, f := range l.found {
					t.Errorf("%s: %s", p.name, f.Message)
				}
			}
		}
	}
	for _, name := range []string{"systemd", "udev", "systemd-tmpfiles"} {
		if checked[name] < 5 {
			t.Errorf("only %d files of %s here", checked[name], name)
		}
	}
	t.Log(checked)
}

// The table of settings knows what it should, by kind.
func TestSince(t *testing.T) {
	for _, c := range []struct {
		kind, name string
		version    int
	}{{"unit", "ExecCondition", 243}, {"unit", "ProtectProc", 247}, {"network", "DHCP", 0}, {"network", "KeepConfiguration", 243}, {"link", "AlternativeName", 245}} {
		if got, ok := since(c.kind)[c.name]; !ok || got != c.version {
			t.Errorf("%s %s: %d, %v, want %d", c.kind, c.name, got, ok, c.version)
		}
	}
}

// FuzzFiles: no body of a file is too odd to be checked.
func FuzzFiles(f *testing.F) {
	f.Add("[A]\nb=c\\\n\\\n")
	f.Add("KERNEL==\"a\", ENV{b}=\"\\\"\"\n\\")
	f.Fuzz(func(t *testing.T, body string) {
		for _, p := range places() {
			if p.check != nil && p.name != "systemd-sysusers" && p.name != "systemd-networkd or udev" {
				p.check(&rootLint{version: 200}, &plan.Step{Kind: plan.File, Path: "/x", Body: []byte(body)}, "service")
			}
		}
	})
}
