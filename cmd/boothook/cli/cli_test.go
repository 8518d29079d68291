package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// runTool runs the tool and gives what it printed and its exit status.
func runTool(t *testing.T, stdin string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	tool := New("test")
	tool.SetIn(strings.NewReader(stdin))
	tool.SetOut(&out)
	tool.SetErr(&errs)
	status = Main(t.Context(), tool, args)
	return out.String(), errs.String(), status
}

// Help is a result: it goes to standard output, alone, and nothing failed. It
// is the same in every way to ask for it, and names every flag.
func TestHelp(t *testing.T) {
	for _, cmd := range append(New("test").Commands(), New("test")) {
		ways := [][]string{{cmd.Name(), "--help"}, {cmd.Name(), "-h"}, {"help", cmd.Name()}}
		if !cmd.HasParent() {
			ways = [][]string{{"--help"}, {"-h"}, {"help"}}
		}
		first := ""
		for _, args := range ways {
			stdout, stderr, status := runTool(t, "", args...)
			if status != 0 || stderr != "" || !strings.Contains(stdout, "Usage:\n  "+cmd.CommandPath()) {
				t.Errorf("%q: exit status %d, standard error %q, standard output:\n%s", args, status, stderr, stdout)
			}
			if first == "" {
				first = stdout
			} else if stdout != first {
				t.Errorf("%q differs from %q", args, ways[0])
			}
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !strings.Contains(first, "--"+f.Name) {
				t.Errorf("the help of %s does not name --%s", cmd.Name(), f.Name)
			}
		})
		if cmd.Short == "" {
			t.Errorf("%s says nothing of itself in the list of commands", cmd.Name())
		}
		for line := range strings.Lines(first) {
			// The wrapping of flags lets the last word be a little long.
			if len(line) > 86 && !strings.HasPrefix(line, "  boothook ") {
				t.Errorf("the help of %s has a line of %d columns: %s", cmd.Name(), len(line), line)
			}
		}
	}
}

// A call that is wrong has exit status 2, prints nothing on standard output,
// and says on standard error what is wrong and where to read on.
func TestUsageErrors(t *testing.T) {
	for _, c := range []struct{ call, says, hint string }{
		{"", "no command given", `"boothook help" lists`},
		{"bak", "Did you mean this?\n\tbake\n", `"boothook help" lists`},
		{"--json", "unknown flag: --json", `"boothook help" lists`},
		{"help bak", "Did you mean this?\n\tbake\n", `"boothook help" lists`},
		{"help frobnicate", `unknown command "frobnicate"`, `"boothook help" lists`},
		{"help bake build", "accepts at most 1 arg", `"boothook help" lists`},
		{"bake --initr x", "Did you mean this?\n\t--initrd\n", `"boothook help bake" explains`},
		{"bake --agent", "flag needs an argument: --agent", `"boothook help bake" explains`},
		{"bake --json=maybe", `invalid argument "maybe"`, `"boothook help bake" explains`},
		{"plan -root x y", "unknown flag: -root\n\nDid you mean this?\n\t--root\n", `"boothook help plan" explains`},
		{"plan -root=x y", "unknown flag: -root\n\nDid you mean this?\n\t--root\n", `"boothook help plan" explains`},
		{"plan --frobnicate", "unknown flag: --frobnicate\nboothook: hint", `"boothook help plan" explains`},
		{"plan x", "--root is needed", `"boothook help plan" explains`},
		{"version x", `unexpected argument "x"`, `"boothook help version" explains`},
		{"completion", "exactly one shell", `"boothook help completion" explains`},
		{"completion tcsh", "not one of bash, zsh, fish", `"boothook help completion" explains`},
		{"lint --as upstart_job -", `--as "upstart_job": not one of cloud-config, `, `"boothook help lint" explains`},
		{"lint --as text/plain -", `--as "plain": not one of cloud-config, `, `"boothook help lint" explains`},
		{"serve --cloud nimbus", `no cloud "nimbus"`, `"boothook help serve" explains`},
	} {
		stdout, stderr, status := runTool(t, "", strings.Fields(c.call)...)
		if status != 2 || stdout != "" || !strings.Contains(stderr, c.says) || !strings.Contains(stderr, "boothook: hint: "+c.hint) {
			t.Errorf("boothook %s: exit status %d, standard output %q, standard error:\n%s", c.call, status, stdout, stderr)
		}
	}
}

// Flags stand anywhere, and their values after a space or an equals sign.
func TestFlagForms(t *testing.T) {
	want, _, _ := runTool(t, "#!/bin/sh\n", "parts", "--origin", "doc", "--json", "-")
	for _, call := range []string{"parts - --json --origin=doc", "parts --json=true --origin=doc -- -", "parts --fetch=false --origin doc - --json"} {
		if got, stderr, status := runTool(t, "#!/bin/sh\n", strings.Fields(call)...); got != want || status != 0 {
			t.Errorf("boothook %s: exit status %d, %s%s", call, status, got, stderr)
		}
	}
}

// What the documents of the project write down as calls of the tool are
// commands and flags that it has.
func TestDocumentedCalls(t *testing.T) {
	root := "../../.."
	var documents []string
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/examples/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, found...)
	}
	call := regexp.MustCompile("(?m)(?:^|[ \t`(/])boothook ([a-z]+)((?: +[^\n`|;&]+|\\\\\n)*)")
	flag := regexp.MustCompile(`(?:^|[\s\[])--([a-z][a-z-]*)`)
	seen := 0
	for _, name := range documents {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(text), -1) {
			cmd, _, err := New("test").Find(m[1:2])
			if err != nil {
				continue // a word of a sentence: "boothook runs …"
			}
			for _, f := range flag.FindAllStringSubmatch(m[2], -1) {
				seen++
				if cmd.Flags().Lookup(f[1]) == nil {
					t.Errorf("%s: %q: %s has no flag --%s", name, strings.TrimSpace(m[0]), cmd.Name(), f[1])
				}
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d flags found in %d documents", seen, len(documents))
	}
	t.Logf("%d flags in %d documents", seen, len(documents))
}

// Examples in the help are calls that the tool understands.
func TestExamples(t *testing.T) {
	for _, cmd := range New("test").Commands() {
		for line := range strings.Lines(cmd.Example) {
			words := strings.Fields(line)
			if len(words) < 2 || words[0] != "boothook" {
				continue // a comment, or a pipe
			}
			if err := parses(words[1:]); err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(line), err)
			}
		}
	}
}

// parses reports whether the words are those of a command, up to a comment,
// and flags that it has.
func parses(words []string) error {
	cmd, rest, err := New("test").Find(words)
	if err != nil {
		return err
	}
	cmd.RunE = func(*cobra.Command, []string) error { return nil }
	for i, word := range rest {
		if word == "#" {
			rest = rest[:i]
			break
		}
	}
	return cmd.ParseFlags(rest)
}
