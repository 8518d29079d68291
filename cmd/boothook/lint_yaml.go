package main

import (
	"bytes"
	"errors"
	"slices"

	goccy "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
	"go.yaml.in/yaml/v3"

	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// A located problem also has a column, 1-based, where the part is YAML; the
// agent's reader does without, for the bytes that it would cost.
type located struct {
	instance.Problem
	Column int `json:"column,omitempty"`
}

// withColumns finds the columns of the problems in YAML parts, and puts the
// problems in the order of parts and lines.
func withColumns(problems []instance.Problem, parts []userdata.Part) []located {
	columns := map[string]func(line int) int{}
	order := map[string]int{}
	for i, p := range parts {
		key := p.Origin + "\x00" + p.Name
		order[key] = i
		if p.Type == userdata.TypeCloudConfig {
			columns[key] = columnsOf(p.Body)
		}
	}
	var out []located
	for _, p := range problems {
		l := located{Problem: p}
		if column, ok := columns[p.Origin+"\x00"+p.Part]; ok && p.Line > 0 {
			l.Column = column(p.Line)
		}
		out = append(out, l)
	}
	slices.SortStableFunc(out, func(a, b located) int {
		if d := order[a.Origin+"\x00"+a.Part] - order[b.Origin+"\x00"+b.Part]; d != 0 {
			return d
		}
		return a.Line - b.Line
	})
	return out
}

// columnsOf gives a function from a line to the column of what stands first
// on it; for a document that cannot be read, to that of the error.
func columnsOf(body []byte) func(line int) int {
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(body)).Decode(&doc); err != nil {
		// A second reader knows where on the line the error is.
		_, err := parser.ParseBytes(body, 0)
		var syntax *goccy.SyntaxError
		if !errors.As(err, &syntax) || syntax.Token == nil {
			return func(int) int { return 0 }
		}
		at := syntax.Token.Position
		return func(line int) int {
			if line == at.Line {
				return at.Column
			}
			return 0
		}
	}
	first := map[int]int{}
	var visit func(n *yaml.Node)
	visit = func(n *yaml.Node) {
		if c, ok := first[n.Line]; n.Column > 0 && (!ok || n.Column < c) {
			first[n.Line] = n.Column
		}
		for _, child := range n.Content {
			visit(child)
		}
	}
	visit(&doc)
	return func(line int) int { return first[line] }
}
