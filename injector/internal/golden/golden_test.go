package golden

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestUpper is a test as those that use this package, of a program that writes
// in capitals. It runs where the environment names cases.
func TestUpper(t *testing.T) {
	dir := os.Getenv("GOLDEN_CASES")
	if dir == "" {
		t.Skip("TestCases runs this")
	}
	Cases(t, filepath.Join(dir, "*.txtar"), func(_ *testing.T, files []txtar.File) []txtar.File {
		return []txtar.File{{Name: "out", Data: []byte(strings.ToUpper(string(files[0].Data)))}}
	})
}

// TestCases: what differs fails and stays, what is missing fails, -update
// writes both, and inputs stay as they are.
func TestCases(t *testing.T) {
	const right = "A case.\n-- in --\na\n-- out --\nA\n"
	for _, c := range []struct {
		name, before, after string
		update, pass        bool
	}{
		{"right", right, right, false, true},
		{"right, updated", right, right, true, true},
		{"wrong", "-- in --\na\n-- out --\nB\n", "-- in --\na\n-- out --\nB\n", false, false},
		{"wrong, updated", "-- in --\na\n-- out --\nB\n-- more --\nx\n", "-- in --\na\n-- out --\nA\n-- more --\nx\n", true, true},
		{"missing", "-- in --\na\n", "-- in --\na\n", false, false},
		{"missing, updated", "-- in --\na\n", "-- in --\na\n-- out --\nA\n", true, true},
		{"no case", "", "", false, false},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "case.txtar")
		if c.before != "" {
			if err := os.WriteFile(file, []byte(c.before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		args := []string{"-test.run=^TestUpper$"}
		if c.update {
			args = append(args, "-update")
		}
		cmd := exec.Command(os.Args[0], args...)
		cmd.Env = append(os.Environ(), "GOLDEN_CASES="+dir)
		out, err := cmd.CombinedOutput()
		if pass := err == nil; pass != c.pass {
			t.Errorf("%s: passed: %t, want %t: %s", c.name, pass, c.pass, out)
		}
		if after, err := os.ReadFile(file); string(after) != c.after && !(c.before == "" && os.IsNotExist(err)) {
			t.Errorf("%s: the file is %q afterwards, want %q", c.name, after, c.after)
		}
	}
}
