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
		var kept []int
		for _, k := range on[key] {
			earlier := &p.Steps[k]
			switch {
			case drop[i], stands(earlier, s):
				kept = append(kept, k)
			case same(earlier, s):
				drop[i] = true // the earlier one keeps its place in the order
				kept = append(kept, k)
			case s.KeepExisting && earlier.Kind != Remove:
				drop[i] = true
				problems = append(problems, conflict(s, earlier))
				kept = append(kept, k)
			default:
				drop[k] = true
				problems = append(problems, conflict(earlier, s))
			}
		}
		if !drop[i] {
			kept = append(kept, i)
		}
		on[key] = kept
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

// stands says whether a step remains useful when a later one is about the
// same path.
func stands(earlier, later *Step) bool {
	return later.Append || earlier.Kind == Remove && later.Kind != Remove
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
