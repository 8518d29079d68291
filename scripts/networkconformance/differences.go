package main

import (
	"fmt"
	"iter"
	"os"
	"regexp"
	"strings"
)

// A reason is a line of the file of differences: a pattern that differences
// match, and below it, indented, why they are none of ours, quoted.
type reason struct {
	line    string
	pattern *regexp.Regexp
	why     string
	used    int
}

func readReasons(file string) ([]*reason, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out []*reason
	open := 0 // the patterns that wait for their reason
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "" || line[0] == '#':
			if open > 0 {
				return nil, fmt.Errorf("%s: a pattern without a reason: %s", file, out[len(out)-1].line)
			}
		case line[0] == ' ' || line[0] == '\t':
			if len(out) == 0 {
				return nil, fmt.Errorf("%s: a reason without a pattern: %s", file, line)
			}
			out[len(out)-1].why += strings.TrimSpace(line) + " "
			open = 0
		default:
			p, err := regexp.Compile(line)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			out = append(out, &reason{line: line, pattern: p})
			open++
		}
	}
	// Lines with one reason stand together above it.
	for i := len(out) - 2; i >= 0; i-- {
		if out[i].why == "" {
			out[i].why = out[i+1].why
		}
	}
	return out, nil
}

func mapsKeys[V any](m map[string]V) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
