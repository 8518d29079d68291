package network

import (
	"fmt"
	"strings"
	"testing"

	"boothook/scripts/cputime"
)

// TestCost: a large document is read and rendered within bounds.
func TestCost(t *testing.T) {
	var s strings.Builder
	s.WriteString("version: 2\nethernets:\n")
	for i := range 64 {
		fmt.Fprintf(&s, "  e%d:\n    routes:\n", i)
		for j := range 60 {
			fmt.Fprintf(&s, "    - {to: 10.%d.%d.0/24, via: 10.0.0.1, metric: 5, table: 7, mtu: 1400}\n", i%256, j)
		}
	}
	for _, re := range renderers() {
		began := cputime.Used()
		r := planned([]byte(s.String()), re.name)
		if took := cputime.Used() - began; took > cputime.Bound || len(r.Steps) == 0 {
			t.Errorf("%s: %v, %d steps", re.name, took, len(r.Steps))
		} else {
			t.Log(re.name, took)
		}
	}
}
