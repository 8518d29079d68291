package lint

import (
	"errors"
	"slices"

	"boothook/injector/userdata"
	"boothook/netboot/instance"
	"boothook/netboot/yaml"
)

// withColumns finds the columns of the problems in YAML parts, and puts the
// problems in the order of parts and lines.
func withColumns(problems []instance.Problem, parts []userdata.Part) []Finding {
	columns := map[string]map[int]int{}
	order := map[string]int{}
	for i, p := range parts {
		key := p.Origin + "\x00" + p.Name
		order[key] = i
		if p.Type == userdata.TypeCloudConfig {
			columns[key] = columnsOf(p.Body)
		}
	}
	var out []Finding
	for _, p := range problems {
		out = append(out, Finding{p, columns[p.Origin+"\x00"+p.Part][p.Line]})
	}
	slices.SortStableFunc(out, func(a, b Finding) int {
		if d := order[a.Origin+"\x00"+a.Part] - order[b.Origin+"\x00"+b.Part]; d != 0 {
			return d
		}
		return a.Line - b.Line
	})
	return out
}

// columnsOf gives the column of what stands first on each line, and of the
// error on its line.
func columnsOf(body []byte) map[int]int {
	first := map[int]int{}
	root, err := yaml.Parse(body)
	if at := (*yaml.Error)(nil); errors.As(err, &at) {
		first[at.Line] = at.Column
		return first
	}
	seen := map[*yaml.Node]bool{}
	var visit func(n *yaml.Node)
	visit = func(n *yaml.Node) {
		if seen[n] {
			return
		}
		seen[n] = n.Shared
		if c, ok := first[n.Line]; !ok || n.Column < c {
			first[n.Line] = n.Column
		}
		for _, child := range n.Content {
			visit(child)
		}
	}
	if root != nil {
		visit(root)
	}
	return first
}
