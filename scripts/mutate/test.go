package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Verdicts that name no test.
const (
	notViable     = "does not compile"
	noticedByNone = "SURVIVED"
)

// replaced is the file that the compiler reads in place of another.
const replaced = "mutant.go"

// patience is how long one package's tests may take: a mutant that never ends
// is noticed by the test during which this is over.
const patience = "120s"

// contained runs its arguments where wrong code can do no harm: only temporary
// files and Go's cache can be written, and the network is an empty one.
const contained = `
mount --make-rprivate /
for dir in "$1" "$2"; do mount --bind "$dir" "$dir"; done
mount -o remount,bind,ro /
ip link set lo up
shift 2
exec "$@"`

// A tester runs the unit tests with a mutant in the code.
type tester struct {
	work    string
	contain bool                // for root, who can do that and needs it
	cache   string              // Go's
	tests   map[string][]string // for each package's directory, what to test
}

// newTester finds the tests, and makes sure that they pass as things are.
func newTester(dirs []string, work string, contain bool) (*tester, error) {
	t := &tester{work: work, contain: contain, tests: map[string][]string{}}
	out, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	t.cache = strings.TrimSpace(string(out))
	// Each line is a package with tests, and then all that they are built from.
	out, err = exec.Command("go", "list", "-test", "-f", `{{if .ForTest}}{{.ForTest}} {{join .Deps " "}}{{end}}`, "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var all []string
	for _, dir := range dirs {
		text, err := exec.Command("go", "list", "./"+dir).Output()
		if err != nil {
			return nil, fmt.Errorf("go list %s: %w", dir, err)
		}
		name := strings.TrimSpace(string(text))
		names := []string{name} // its own come first
		for line := range strings.Lines(string(out)) {
			fields := strings.Fields(line)
			if slices.Contains(fields, name) && !slices.Contains(names, fields[0]) {
				names = append(names, fields[0])
			}
		}
		t.tests[dir] = names
		all = append(all, names...)
	}
	slices.Sort(all)
	for _, name := range slices.Compact(all) {
		if test, err := t.test(name, ""); err != nil {
			return nil, err
		} else if test != "" {
			return nil, fmt.Errorf("without any mutant, %s fails", test)
		}
	}
	return t, nil
}

// try gives the test that notices a mutant.
func (t *tester) try(m mutant) (verdict string, err error) {
	overlay, err := t.overlay(m)
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(m.file)
	if out, err := exec.Command("go", "build", "-overlay", overlay, "./"+dir).CombinedOutput(); err != nil {
		if bytes.Contains(out, []byte(replaced+":")) {
			return notViable, nil
		}
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	for _, tests := range t.tests[dir] {
		if test, err := t.test(tests, overlay); err != nil || test != "" {
			return test, err
		}
	}
	return noticedByNone, nil
}

// overlay writes what go build -overlay takes for the mutant.
func (t *tester) overlay(m mutant) (string, error) {
	source, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	mutated, err := m.apply(source)
	if err != nil {
		return "", err
	}
	original, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	replacement, file := filepath.Join(t.work, replaced), filepath.Join(t.work, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{original: replacement}})
	if err != nil {
		return "", err
	}
	return file, errors.Join(os.WriteFile(replacement, mutated, 0o644), os.WriteFile(file, text, 0o644))
}

// test runs a package's tests and gives the first that fails, or "".
func (t *tester) test(name, overlay string) (string, error) {
	args := []string{"go", "test", "-count=1", "-json", "-vet=off", "-timeout", patience, "-overlay", overlay, name}
	if t.contain {
		args = slices.Concat([]string{"unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc",
			"sh", "-euc", contained, "contained", os.TempDir(), t.cache}, args)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		return "", nil
	}
	if test := firstFailure(out); test != "" {
		return test, nil
	}
	return "", fmt.Errorf("test %s: %w\n%s%s", name, err, out, &stderr)
}

// firstFailure reads the events of "go test -json". A test's parts end before
// it does, so the first failure is also the one that says most. A package that
// fails without a test that does has ended itself, as by os.Exit.
func firstFailure(events []byte) string {
	var failure string
	lines := bufio.NewScanner(bytes.NewReader(events))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct{ Action, Package, Test, FailedBuild string }
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Action != "fail" {
			continue
		}
		if e.FailedBuild != "" {
			return notViable
		}
		if e.Test != "" {
			return e.Test + " of " + e.Package
		}
		failure = "the end of the tests of " + e.Package
	}
	return failure
}
