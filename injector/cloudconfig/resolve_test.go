package cloudconfig

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// testdata/resolve.tsv holds plain scalars and what PyYAML 6.0.3's SafeLoader
// makes of each: written down from it, not from this package.
func TestResolveAsPyYAML(t *testing.T) {
	data, err := os.ReadFile("testdata/resolve.tsv")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		text, want, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		v := resolvePlain(text)
		if got := resolved(v); got != want && !sameFloat(got, want) {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
		n++
	}
	if n < 500 {
		t.Errorf("only %d scalars", n)
	}
}

func resolved(v *Value) string {
	switch v.Kind {
	case Null:
		return "null"
	case Bool:
		return "bool " + strconv.FormatBool(v.Bool)
	case Int:
		return "int " + strconv.FormatInt(v.Int, 10)
	case Float:
		if math.IsNaN(v.Float) {
			return "float nan"
		}
		return "float " + strconv.FormatFloat(v.Float, 'g', -1, 64)
	case Timestamp:
		return "time"
	}
	return "str"
}

// sameFloat compares two "float …" words by value: Python writes 1e+16 and
// Go 1e+16 or 10000000000000000.
func sameFloat(a, b string) bool {
	a, okA := strings.CutPrefix(a, "float ")
	b, okB := strings.CutPrefix(b, "float ")
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return okA && okB && err1 == nil && err2 == nil && (x == y || math.Abs(x-y) <= math.Abs(x)*1e-12)
}
