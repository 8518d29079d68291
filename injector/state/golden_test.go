package state

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/plan"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestLayoutGolden compares all steps of a first boot with a listing.
func TestLayoutGolden(t *testing.T) {
	r := image()
	boot(t, r, "i-1", AgainInstance)
	_, steps := boot(t, r, "a/b", AgainInstance)
	got := listing(steps)
	const golden = "testdata/layout.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// listing shows steps with their contents, one line each.
func listing(steps []plan.Step) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "%-6s %04o %s", s.Kind, s.Mode, s.Path)
		switch {
		case s.Kind == plan.Link:
			fmt.Fprintf(&b, " -> %s", s.Target)
		case s.Kind == plan.File:
			fmt.Fprintf(&b, " %q", s.Body)
		}
		if s.Secret {
			b.WriteString(" (secret)")
		}
		b.WriteByte('\n')
	}
	return b.String()
}
