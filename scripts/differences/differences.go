// Package differences reads a file that says which differences from a reference
// are none of boothook's faults, and why.
//
// A line that begins in the first column is a regular expression; lines below
// it that are indented give the reason, in words that they quote. Expressions
// with one reason stand together above it. Lines that begin with # are comments.
package differences

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// A Reason explains the differences that its pattern matches.
type Reason struct {
	Line, Why string
	Used      int

	pattern *regexp.Regexp
}

// Reasons are those of one file.
type Reasons []*Reason

// Read reads the file of that name.
func Read(name string) (Reasons, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var out Reasons
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if len(out) == 0 {
				return nil, fmt.Errorf("%s: a reason without a pattern: %s", name, line)
			}
			out[len(out)-1].Why += strings.TrimSpace(line) + " "
		default:
			p, err := regexp.Compile(line)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			out = append(out, &Reason{Line: line, pattern: p})
		}
	}
	for i := len(out) - 1; i >= 0; i-- {
		if out[i].Why == "" && i+1 < len(out) {
			out[i].Why = out[i+1].Why
		}
		if out[i].Why == "" {
			return nil, fmt.Errorf("%s: no reason for %s", name, out[i].Line)
		}
	}
	return out, nil
}

// Of gives the reason for a difference and counts its use; nil for none.
func (r Reasons) Of(difference string) *Reason {
	for _, reason := range r {
		if reason.pattern.MatchString(difference) {
			reason.Used++
			return reason
		}
	}
	return nil
}
