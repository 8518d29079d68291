package programs

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// A recorder is a test that notes what it is failed for.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}

func (r *recorder) Error(args ...any) { r.errors = append(r.errors, fmt.Sprint(args...)) }

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// What the race detector has written fails the test once, process by process.
func TestFailOnRaces(t *testing.T) {
	s := Set{dir: t.TempDir()}
	for _, pid := range []string{"17", "23"} {
		if err := os.WriteFile(s.races()+"."+pid, []byte("WARNING: DATA RACE of "+pid), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	first, second := recorder{}, recorder{}
	s.failOnRaces(&first)
	s.failOnRaces(&second)
	if len(first.errors) != 2 || !strings.Contains(first.errors[0], "DATA RACE of 17") || !strings.Contains(first.errors[1], "DATA RACE of 23") {
		t.Errorf("the first test failed for %q", first.errors)
	}
	if len(second.errors) != 0 {
		t.Errorf("the second test failed for %q", second.errors)
	}
}
