package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const source = `package p

func Less(a, b int) bool { return a <= b }

func unheld(a int) int {
	if a > 3 && a != 5 {
		return a &^ 1
	}
	return -a
}

func Text() string { return "a" + "b" }
`

// Each kind of mutant is resolved to the token that stands there, the longest
// that does.
func TestParse(t *testing.T) {
	mutants, err := parse("d", []byte(`{"files": [{"file_name": "p.go", "mutations": [
		{"type": "CONDITIONALS_NEGATION", "status": "RUNNABLE", "line": 6, "column": 16},
		{"type": "CONDITIONALS_BOUNDARY", "line": 3, "column": 37},
		{"type": "CONDITIONALS_NEGATION", "line": 3, "column": 37},
		{"type": "INVERT_LOGICAL", "line": 6, "column": 11},
		{"type": "INVERT_BITWISE", "line": 7, "column": 12},
		{"type": "INVERT_NEGATIVES", "line": 9, "column": 9}]}]}`),
		func(string) ([]byte, error) { return []byte(source), nil })
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range mutants {
		got = append(got, m.String())
	}
	want := `d/p.go:3:37 <= -> <
d/p.go:3:37 <= -> >
d/p.go:6:11 && -> ||
d/p.go:6:16 != -> ==
d/p.go:7:12 &^ -> &
d/p.go:9:9 - -> +`
	if got := strings.Join(got, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	text, err := mutants[4].apply([]byte(source))
	if want := strings.Replace(source, "a &^ 1", "a & 1", 1); err != nil || string(text) != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, text, want)
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{"files": [{"file_name": "p.go", "mutations": [{"type": "INVERT_LOGICAL", "line": 6, "column": 12345}]}]}`: "no column",
		`{"files": [{"file_name": "p.go", "mutations": [{"type": "INVERT_LOGICAL", "line": 99, "column": 1}]}]}`:    "no line",
		`{"files": [{"file_name": "p.go", "mutations": [{"type": "INVERT_LOGICAL", "line": 6, "column": 1}]}]}`:     "no token",
		`{"files": [{"file_name": "p.go", "mutations": [{"type": "NEW", "line": 6, "column": 11}]}]}`:               "no token",
		`{"files": []}`: "no mutants",
		`{`:             "JSON",
	} {
		_, err := parse("d", []byte(text), func(string) ([]byte, error) { return []byte(source), nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// A mutant is noticed by its own package's tests or by another's, by a test, a
// part of one, or the end of all; or it survives, or it is none.
func TestTry(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"go.mod": "module example.org/m\n\ngo 1.26.0\n",
		"p/p.go": source + `
func Exit(code int) int { return code + 0 }
func Other(a int) int   { return a * 2 }
`,
		"p/p_test.go": `package p
import ("os"; "testing")
func TestLess(t *testing.T) {
	t.Run("the same", func(t *testing.T) { if !Less(1, 1) { t.Error("1 > 1") } })
	if Exit(-1) != -1 { os.Exit(3) }
}`,
		"q/q.go": `package q
import "example.org/m/p"
func Four() int { return p.Other(2) }`,
		"q/q_test.go": `package q
import "testing"
func TestFour(t *testing.T) { if Four() != 4 { t.Error("not four") } }`,
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tests, err := newTester([]string{"p"}, t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		m    mutant
		want string
	}{
		{mutant{line: 3, column: 37, from: "<=", to: "<"}, "TestLess/the_same of example.org/m/p"},
		{mutant{line: 14, column: 39, from: "+ 0", to: "+ 1"}, "the end of the tests of example.org/m/p"},
		{mutant{line: 15, column: 36, from: "*", to: "+ 1 +"}, "TestFour of example.org/m/q"},
		{mutant{line: 6, column: 11, from: "&&", to: "||"}, noticedByNone},
		{mutant{line: 12, column: 32, from: "+", to: "-"}, notViable},
	} {
		c.m.file = "p/p.go"
		if got, err := tests.try(c.m); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.m, got, err, c.want)
		}
	}
}

// Tests that fail without a mutant say nothing about one.
func TestNewTesterWhereTestsFail(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"go.mod":    "module example.org/m\n\ngo 1.26.0\n",
		"p_test.go": "package p\n\nimport \"testing\"\n\nfunc TestBad(t *testing.T) { t.Fail() }\n",
		"p.go":      "package p\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err := newTester([]string{"."}, t.TempDir(), false)
	if err == nil || !strings.Contains(err.Error(), "TestBad of example.org/m fails") {
		t.Errorf("%v", err)
	}
}
