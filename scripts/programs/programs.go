// Package programs builds the project's programs for the tests that run them,
// so that no test runs what an earlier build has left behind.
//
// The programs are built as "make build" builds them, with the flags that the
// agent is shipped with, once for each run of a package's tests. With
// BOOTHOOK_RACE=1 in the environment the agent is built with Go's race detector
// instead: a race that it finds fails the test during which it was found.
package programs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A Set is the programs of one run of a package's tests. They are built when
// the first is asked for.
type Set struct {
	once sync.Once
	dir  string // "" until they are built
	err  error
}

// Main runs the tests and removes what they had built; for TestMain. It gives
// the status to exit with.
func (s *Set) Main(m *testing.M) int {
	status := m.Run()
	if s.dir != "" {
		if err := os.RemoveAll(s.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return status
}

// Path gives the absolute path of a program: boothook, boothook-agent or
// boothook-extra. All three lie in one directory.
func (s *Set) Path(t testing.TB, name string) string {
	t.Helper()
	s.once.Do(func() {
		if s.dir, s.err = os.MkdirTemp("", "boothook-programs"); s.err == nil {
			s.err = s.build()
		}
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	t.Cleanup(func() { s.failOnRaces(t) })
	return filepath.Join(s.dir, name)
}

func (s *Set) build() error {
	race := os.Getenv("BOOTHOOK_RACE") == "1"
	if err := Build(s.dir, nil, race); err != nil || !race {
		return err
	}
	// Programs inherit where the race detector writes to. It need not wait at
	// the end for a race to happen: the tests have their own end.
	return os.Setenv("GORACE", "atexit_sleep_ms=0 log_path="+s.races())
}

// races is where the race detector writes its findings to; it adds a process's
// number.
func (s *Set) races() string { return filepath.Join(s.dir, "race") }

// failOnRaces fails a test for each process in which there was a race, once.
func (s *Set) failOnRaces(t testing.TB) {
	t.Helper()
	found, err := filepath.Glob(s.races() + ".*")
	if err != nil {
		t.Error(err)
	}
	for _, file := range found {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		t.Errorf("the agent has a data race:\n%s", text)
		if err := os.Remove(file); err != nil {
			t.Error(err)
		}
	}
}

// Build builds the programs into a directory. Of the overlay (go help build)
// the compiler reads files in place of others, whose paths are absolute. The
// agent may be built with the race detector; it is static even then, because
// it also runs where a root has no libraries.
func Build(dir string, overlay map[string]string, race bool) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	goflags, err := goEnv("GOFLAGS")
	if err != nil {
		return err
	}
	if len(overlay) > 0 {
		file, err := writeOverlay(dir, overlay)
		if err != nil {
			return err
		}
		goflags += " -overlay=" + file
	}
	cmd := exec.Command("make", "--no-print-directory", "-C", root, "build", "OUT="+dir)
	if race {
		cmd.Args = append(cmd.Args, "RACE=1")
	}
	// What a make that runs the tests was told is not for this one.
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=", "GOFLAGS="+strings.TrimSpace(goflags))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return nil
}
