package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/initramfs/agent"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestImports holds every package that the agent is made of against a list,
// so that a new one is looked at: its bytes are read and unpacked at each
// boot. Before accepting one with -update, see what it costs (make size).
func TestImports(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", ".")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		// What the standard library has inside is its own affair.
		if !strings.Contains(line, "internal") && !strings.HasPrefix(line, "vendor/") {
			got = append(got, line)
		}
	}
	slices.Sort(got)
	const golden = "testdata/imports.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(strings.Join(got, "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Collect(strings.Lines(string(want))), got); diff != "" {
		t.Errorf("imports (-%s +now); after a review: go test ./cmd/boothook-agent -update\n%s", golden, diff)
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string // root|run
		ok   bool
	}{
		{"", "|", true},
		{"--root /sysroot --run=/run/x", "/sysroot|/run/x", true},
		{"-root /a --root=/b=c", "/b=c|", true},
		{"--root=", "|", true},
		{"--root", "|", false},
		{"--rot /a", "|", false},
		{"root /a", "|", false},
		{"--root /a more", "/a|", false},
		{"--", "|", false},
	} {
		var root, run string
		err := options(strings.Fields(tt.args), map[string]*string{"root": &root, "run": &run})
		if got := root + "|" + run; got != tt.want || (err == nil) != tt.ok {
			t.Errorf("options(%q): %s, %v; want %s", tt.args, got, err, tt.want)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"nonsense"}, {"late"}, {"run"}, {"run", "--root", "/a", "more"}, {"work"}, {"work", "x"}} {
		if err := run(t.Context(), agent.Env{}, args); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v, want the usage", args, err)
		}
	}
}
