package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// gremlins is the program whose list is drawn from.
const gremlins = "github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0"

// A mutant is one token of the source that becomes another.
type mutant struct {
	file         string // below the module's root
	line, column int    // from 1; the column in bytes
	kind         string // as gremlins calls it
	from, to     string
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d:%d %s -> %s", m.file, m.line, m.column, m.from, m.to)
}

// changes are the tokens that each kind of mutant exchanges: gremlins' list says
// the kind and the place. Two that it has mean the same (x-y and -y become + in
// both), as its list does.
var changes = map[string]map[string]string{
	"ARITHMETIC_BASE":       {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*"},
	"CONDITIONALS_BOUNDARY": {"<": "<=", "<=": "<", ">": ">=", ">=": ">"},
	"CONDITIONALS_NEGATION": {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"},
	"INCREMENT_DECREMENT":   {"++": "--", "--": "++"},
	"INVERT_BITWISE":        {"&": "|", "|": "&", "^": "&", "&^": "&", "<<": ">>", ">>": "<<"},
	"INVERT_LOGICAL":        {"&&": "||", "||": "&&"},
	"INVERT_LOOPCTRL":       {"break": "continue", "continue": "break"},
	"INVERT_NEGATIVES":      {"-": "+"},
	"INVERT_ASSIGNMENTS":    {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*="},
}

// find gives the mutants of a package's directory, in the source's order.
func find(dir, work string) ([]mutant, error) {
	out := filepath.Join(work, "gremlins.json")
	// Directories below are packages of their own.
	cmd := exec.Command("go", "run", gremlins, "unleash", "./"+dir, "--dry-run", "--silent", "--exclude-files", "/", "--output", out,
		"--invert-bitwise", "--invert-logical", "--invert-loopctrl", "--invert-assignments")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("find the mutants of %s: %w\n%s", dir, err, text)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("find the mutants of %s: %w", dir, err)
	}
	return parse(dir, text, os.ReadFile)
}

// parse reads what gremlins found in a directory.
func parse(dir string, text []byte, read func(string) ([]byte, error)) ([]mutant, error) {
	var found struct {
		Files []struct {
			Name      string `json:"file_name"`
			Mutations []struct {
				Type         string
				Line, Column int
			}
		}
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, fmt.Errorf("the mutants of %s: %w", dir, err)
	}
	var mutants []mutant
	for _, f := range found.Files {
		name := filepath.Join(dir, f.Name)
		source, err := read(name)
		if err != nil {
			return nil, err
		}
		for _, at := range f.Mutations {
			m := mutant{file: name, line: at.Line, column: at.Column, kind: at.Type}
			if err := m.resolve(source); err != nil {
				return nil, err
			}
			mutants = append(mutants, m)
		}
	}
	slices.SortFunc(mutants, func(a, b mutant) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column), cmp.Compare(a.kind, b.kind))
	})
	if len(mutants) == 0 {
		return nil, fmt.Errorf("%s has no mutants", dir)
	}
	return mutants, nil
}

// resolve finds which token stands there and what it becomes.
func (m *mutant) resolve(source []byte) error {
	at, err := m.offset(source)
	if err != nil {
		return err
	}
	for from, to := range changes[m.kind] {
		if bytes.HasPrefix(source[at:], []byte(from)) && len(from) > len(m.from) {
			m.from, m.to = from, to
		}
	}
	if m.from == "" {
		return fmt.Errorf("%s:%d:%d: no token that %s changes", m.file, m.line, m.column, m.kind)
	}
	return nil
}

// apply gives the source with the mutant in it.
func (m mutant) apply(source []byte) ([]byte, error) {
	at, err := m.offset(source)
	if err != nil {
		return nil, err
	}
	return slices.Concat(source[:at], []byte(m.to), source[at+len(m.from):]), nil
}

func (m mutant) offset(source []byte) (int, error) {
	at := 0
	for range m.line - 1 {
		end := bytes.IndexByte(source[at:], '\n')
		if end < 0 {
			return 0, fmt.Errorf("%s has no line %d", m.file, m.line)
		}
		at += end + 1
	}
	if at += m.column - 1; at < 0 || at >= len(source) {
		return 0, fmt.Errorf("%s:%d has no column %d", m.file, m.line, m.column)
	}
	return at, nil
}
