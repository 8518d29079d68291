package upstart

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// testdata/classes names every class of jobs that upstart is known to accept
// or reject, one a line: the class, "ok" or the error's name and "@OFFSET"
// where that is known, and a job of it as a Go string. The classes are those
// of its grammar (§4), its stanzas (§5), its event expressions (§6), what is
// only read at run time (§7, §8), its files (§9) and its own tests (§10).
func TestClasses(t *testing.T) {
	seen := map[string]bool{}
	for i, line := range lines(t, "testdata/classes") {
		fields := strings.Split(line, "\t")
		if len(fields) != 3 || seen[fields[0]] {
			t.Fatalf("classes:%d: no class, result and job, or a class twice: %s", i+1, line)
		}
		seen[fields[0]] = true
		text, err := strconv.Unquote(fields[2])
		if err != nil {
			t.Fatalf("classes:%d: %v", i+1, err)
		}
		kind, at, _ := strings.Cut(fields[1], " ")
		job, err := Parse([]byte(text))
		if kind == "ok" {
			if err != nil {
				t.Errorf("%s: %s: rejected: %v", fields[0], fields[2], err)
				continue
			}
			stable(t, job)
			continue
		}
		var got *Error
		if !errors.As(err, &got) || got.Kind != kindNamed(kind) || at != "" && at != fmt.Sprintf("@%d", got.Offset) {
			t.Errorf("%s: %s: %#v, want %s", fields[0], fields[2], err, fields[1])
		}
	}
}
