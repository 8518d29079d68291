package state

import (
	"fmt"
	"strings"
	"testing"

	"boothook/injector/internal/golden"
	"boothook/injector/plan"
)

// TestLayoutGolden compares all steps of a first boot with a listing.
func TestLayoutGolden(t *testing.T) {
	r := image()
	boot(t, r, "i-1", AgainInstance)
	_, steps := boot(t, r, "a/b", AgainInstance)
	golden.File(t, "testdata/layout.txt", []byte(listing(steps)))
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
