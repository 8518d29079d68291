package plan

import (
	"bytes"
	"fmt"
	"path"

	"boothook/netboot/instance"
)

// Normalize settles the conflicts among the steps of p and leaves out those
// that cannot mean anything. It knows no root: that two paths lead to one
// place by a link is for package root to find out, where the later step wins
// likewise. The rules, for steps on one path:
//
//   - The later of two steps that say what shall stand there wins, and the
//     earlier one is left out: reported, unless both say the same.
//   - A step that keeps what exists is left out if an earlier step puts
//     something there.
//   - An append adds to what an earlier step writes. A later whole file, link
//     or removal makes earlier appends void: they are left out.
//   - A removal stays if something else is put there later, since it can make
//     room where a directory is in the way.
//   - Steps on accounts never conflict; nor do directories that agree.
func Normalize(p Plan) (Plan, []instance.Problem) {
	var problems []instance.Problem
	drop := make([]bool, len(p.Steps))
	on := map[string][]int{} // the steps standing on each path, in order
	for i := range p.Steps {
		s := &p.Steps[i]
		if err := s.Validate(); err != nil {
			drop[i] = true
			problems = append(problems, s.Problem(err.Error()))
			continue
		}
		key := place(s)
		if key == "" {
			continue
		}
		if s.Append { // nothing that stands there is in its way
			on[key] = append(on[key], i)
			continue
		}
		// A row of steps on one path is removals, then one that puts something
		// there, then appends to it.
		row := on[key]
		n := 0
		for n < len(row) && p.Steps[row[n]].Kind == Remove {
			n++
		}
		first := (*Step)(nil)
		if n < len(row) {
			first = &p.Steps[row[n]]
		}
		switch {
		case first != nil && s.KeepExisting:
			problems = append(problems, conflict(s, first))
			drop[i] = true
			continue
		case first != nil && same(first, s):
			drop[i] = true // the earlier one keeps its place in the order
			continue
		}
		for _, k := range row[n:] {
			drop[k] = true
			problems = append(problems, conflict(&p.Steps[k], s))
		}
		if s.Kind == Remove && n > 0 {
			drop[i] = true
			on[key] = row[:n]
			continue
		}
		on[key] = append(row[:n:n], i)
	}
	out := p
	out.Steps = nil
	for i, s := range p.Steps {
		if !drop[i] {
			out.Steps = append(out.Steps, s)
		}
	}
	return out, problems
}

// place is the path that a step puts something at; empty for none.
func place(s *Step) string {
	switch s.Kind {
	case File, Dir, Link, Remove:
		return path.Clean(s.Path)
	case Hostname:
		return "/etc/hostname"
	}
	return ""
}

// same says whether two steps ask for the same.
func same(a, b *Step) bool {
	return a.Kind == b.Kind && bytes.Equal(a.Body, b.Body) && !a.Append && !b.Append && a.KeepExisting == b.KeepExisting &&
		a.Mode == b.Mode && a.Owner == b.Owner && a.Group == b.Group && a.Target == b.Target && a.Frequency == b.Frequency
}

// conflict says that one step was left out for another.
func conflict(loser, winner *Step) instance.Problem {
	by := winner.Why.Part
	if winner.Why.Line > 0 {
		by = fmt.Sprintf("%s:%d", by, winner.Why.Line)
	}
	if by == "" {
		by = "another step"
	}
	p := loser.Problem("left out, because " + by + " is about the same path")
	p.Warning = true
	return p
}
