package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"boothook/cmd/boothook/cli"
)

func write(t *testing.T) string {
	t.Helper()
	readme, err := os.Open("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	defer readme.Close()
	var b strings.Builder
	if err := run([]string{"2026-01-02"}, readme, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPage: every command, flag and kernel word is in it.
func TestPage(t *testing.T) {
	page := write(t)
	for _, cmd := range cli.New("").Commands() {
		_, section, ok := strings.Cut(page, "\n.SS "+cmd.Name()+"\n")
		if !ok {
			t.Errorf("no section on %s", cmd.Name())
			continue
		}
		section, _, _ = strings.Cut(section, "\n.S")
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !strings.Contains(section, "\n\\fB"+roff("--"+f.Name)+"\\fR") {
				t.Errorf("%s: --%s is missing", cmd.Name(), f.Name)
			}
		})
	}
	for _, want := range []string{`\fBboothook=on|off|dry\-run\fR`, "\\fBboothook.timeout=DURATION\\fR\nthe whole budget for network and fetch (60s)", ".TH BOOTHOOK 1 \"2026-01-02\""} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

// TestGroff has the page read by the formatter, with all its warnings.
func TestGroff(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("no groff here")
	}
	cmd := exec.Command(groff, "-man", "-Tutf8", "-Kutf8", "-ww", "-z")
	cmd.Stdin = strings.NewReader(write(t))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		args   []string
		readme string
	}{{nil, "| `boothook=on` | run | on |"}, {[]string{"2026-01-02"}, "no table"}} {
		if err := run(c.args, strings.NewReader(c.readme), new(strings.Builder)); err == nil {
			t.Errorf("%q, %q was accepted", c.args, c.readme)
		}
	}
}

func TestRoff(t *testing.T) {
	if got, want := roff(".a\n'b\n c\\d -e"), "\\&.a\n\\&'b\n c\\ed \\-e"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
