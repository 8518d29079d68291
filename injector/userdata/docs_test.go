package userdata_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const moduleRoot = "../.."

// knownProofs gives the names of all cases, tests and fuzz targets.
func knownProofs(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, dir := range []string{"injector/userdata/testdata/cases", "scripts/conformance/cases", "injector/cloudconfig/testdata/plan"} {
		files, err := filepath.Glob(filepath.Join(moduleRoot, dir, "*.txtar"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no cases in %s: %v", dir, err)
		}
		for _, f := range files {
			known[strings.TrimSuffix(filepath.Base(f), ".txtar")] = true
		}
	}
	tests := func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		for line := range bytes.Lines(src) {
			if name, ok := strings.CutPrefix(string(line), "func "); ok {
				name, _, _ = strings.Cut(name, "(")
				known[name] = true
			}
		}
		return err
	}
	err := errors.Join(filepath.WalkDir(filepath.Join(moduleRoot, "injector"), tests),
		filepath.WalkDir(filepath.Join(moduleRoot, "netboot"), tests))
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// Every row of docs/userdata.md names what proves it, and that exists; every
// case is named in a row.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(moduleRoot, "docs/userdata.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := knownProofs(t)
	named := map[string]bool{}
	rows, section := 0, ""
	sections := map[string]int{}
	for line := range strings.Lines(string(text)) {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			section, _, _ = strings.Cut(strings.TrimSpace(heading), " ")
		}
		if !strings.HasPrefix(section, "§") || !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || strings.HasPrefix(line, "| what |") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 {
			t.Errorf("%d cells in %s", len(cells), line)
			continue
		}
		rows++
		sections[section]++
		proofs := strings.Fields(strings.ReplaceAll(cells[3], "`", " "))
		if len(proofs) == 0 {
			t.Errorf("nothing proves %s", line)
		}
		for _, p := range proofs {
			named[p] = true
			if !known[p] {
				t.Errorf("%s is no case and no test", p)
			}
		}
	}
	for _, s := range []string{"§1.1", "§1.2", "§1.3", "§1.4", "§1.5", "§1.6", "§1.7", "§1.8", "§2"} {
		if sections[s] == 0 {
			t.Errorf("no row in %s", s)
		}
	}
	cases, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if name := strings.TrimSuffix(filepath.Base(c), ".txtar"); !named[name] {
			t.Errorf("no row names the case %s", name)
		}
	}
	if rows < 50 {
		t.Errorf("only %d rows were found", rows)
	}
}
