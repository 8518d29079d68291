package differences

import (
	"os"
	"path/filepath"
	"testing"
)

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "differences.txt")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestOf(t *testing.T) {
	r, err := Read(write(t, "# comment\n^a: .*x\n^b: y$\n\tThe manual: \"why\".\n"))
	if err != nil {
		t.Fatal(err)
	}
	for difference, want := range map[string]bool{"a: 1 x": true, "b: y": true, "b: y z": false} {
		got := r.Of(difference)
		if (got != nil) != want {
			t.Errorf("Of(%q) = %v", difference, got)
		}
		if got != nil && got.Why != "The manual: \"why\". " {
			t.Errorf("Of(%q) has the reason %q", difference, got.Why)
		}
	}
	if r[0].Used != 1 || r[1].Used != 1 {
		t.Errorf("used %d and %d times", r[0].Used, r[1].Used)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, text := range []string{"\treason alone\n", "pattern without reason\n", "(\n\twhy\n"} {
		if _, err := Read(write(t, text)); err == nil {
			t.Errorf("Read took %q", text)
		}
	}
}
