package main

import (
	"os/exec"
	"strings"
	"testing"
)

const file = `
jobs:
  test:
    runs-on: x
    steps:
      - &first {name: one, run: "echo 'a b' $HOME\n"}
      - uses: actions/checkout@v4
        with: {fetch-depth: 0}
      - run: |
          echo two
          read x || echo nothing to read
      - *first
  conditional:
    steps: [{run: "true", if: "always()"}]
  expression:
    steps: [{run: "echo ${{ github.ref }}"}]
  injected:
    steps: [{uses: "a/b@v1; rm x"}]
  both:
    steps: [{run: "true", uses: a/b@v1}]
  none: {}
`

// The script runs each step by itself, in order, as the shell reads it.
func TestScript(t *testing.T) {
	var out strings.Builder
	if err := script(&out, []byte(file), "test"); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("sh", "-euc", "uses() { echo \"uses $1\"; }\nstep() { text=$(cat); sh -ec \"$text\" </dev/null; }\n"+out.String())
	shell.Env = []string{"HOME=/h", "PATH=/usr/bin:/bin"}
	got, err := shell.CombinedOutput()
	if want := "a b /h\nuses actions/checkout@v4\ntwo\nnothing to read\na b /h\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q\nof\n%s", got, err, want, &out)
	}
}

func TestScriptRefuses(t *testing.T) {
	for job, want := range map[string]string{
		"conditional": "field if not found",
		"expression":  "step 1: its commands have an expression",
		"injected":    "not the name of an action",
		"both":        "either run or use",
		"none":        "no steps",
		"missing":     `no job "missing"`,
	} {
		if err := script(&strings.Builder{}, []byte(file), job); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", job, err, want)
		}
	}
}
