package jinja

import (
	"errors"
	"fmt"
	"strings"
)

// A renderer holds what one rendering has written and spent.
type renderer struct {
	out     strings.Builder
	missing []string
	steps   int
}

// A scope holds the variables of a loop's body or of the whole template.
type scope struct {
	vars  map[string]any
	outer *scope
}

func (s *scope) get(name string) (any, bool) {
	for ; s != nil; s = s.outer {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

// spend counts n steps.
func (r *renderer) spend(n int) error {
	if r.steps += n; r.steps > MaxSteps || r.steps < 0 {
		return fmt.Errorf("%w: more than %d steps", ErrLimit, MaxSteps)
	}
	return nil
}

// sized counts the work of making a string and checks its size.
func (r *renderer) sized(n int) error {
	if n > MaxOutput {
		return fmt.Errorf("%w: a value of more than %d bytes", ErrLimit, MaxOutput)
	}
	return r.spend(1 + n>>10)
}

func (r *renderer) write(s string) error {
	if r.out.Len()+len(s) > MaxOutput {
		return fmt.Errorf("%w: more than %d bytes of output", ErrLimit, MaxOutput)
	}
	r.out.WriteString(s)
	return r.spend(1 + len(s)>>10)
}

// at gives an error its line, unless it has one.
func at(line int, err error) error {
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &Error{line, err}
}

// run renders nodes. Errors have their line.
func (r *renderer) run(nodes []node, s *scope) error {
	for _, n := range nodes {
		var err error
		line := 1
		switch n := n.(type) {
		case textNode:
			err = r.write(string(n))
		case printNode:
			line = n.line
			var v any
			if v, err = n.expr.eval(r, s); err == nil {
				err = r.write(r.str(v))
			}
		case ifNode:
			line = n.line
			var v any
			if v, err = n.cond.eval(r, s); err == nil {
				if truth(v) {
					err = r.run(n.then, s)
				} else {
					err = r.run(n.otherwise, s)
				}
			}
		case setNode:
			line = n.line
			var v any
			if v, err = n.value.eval(r, s); err == nil {
				err = assign(s, n.names, v)
			}
		case forNode:
			line = n.line
			err = r.loop(n, s)
		}
		if err != nil {
			return at(line, err)
		}
	}
	return nil
}

// assign sets one name to v, or several to the elements of v.
func assign(s *scope, names []string, v any) error {
	if len(names) == 1 {
		s.vars[names[0]] = v
		return nil
	}
	items, err := elements(v)
	if err != nil {
		return err
	}
	if len(items) != len(names) {
		return fmt.Errorf("%d names for %d values", len(names), len(items))
	}
	for i, name := range names {
		s.vars[name] = items[i]
	}
	return nil
}

func (r *renderer) loop(n forNode, s *scope) error {
	over, err := n.over.eval(r, s)
	if err != nil {
		return err
	}
	items, err := elements(over)
	if err != nil {
		return err
	}
	if err := r.spend(len(items)); err != nil {
		return err
	}
	if n.only != nil {
		if items, err = r.filterItems(n, items, s); err != nil {
			return err
		}
	}
	if len(items) == 0 {
		return r.run(n.empty, s)
	}
	for i, item := range items {
		inner := &scope{map[string]any{"loop": loopValue(items, i)}, s}
		if err := r.spend(1); err != nil {
			return err
		}
		if err := assign(inner, n.names, item); err != nil {
			return err
		}
		if err := r.run(n.body, inner); err != nil {
			return err
		}
	}
	return nil
}

// filterItems gives the items for which the loop's own condition holds.
func (r *renderer) filterItems(n forNode, items []any, s *scope) ([]any, error) {
	var out []any
	for _, item := range items {
		inner := &scope{map[string]any{}, s}
		if err := assign(inner, n.names, item); err != nil {
			return nil, err
		}
		v, err := n.only.eval(r, inner)
		if err != nil {
			return nil, err
		}
		if truth(v) {
			out = append(out, item)
		}
	}
	return out, nil
}

// loopValue is the variable loop in the ith round.
func loopValue(items []any, i int) *dict {
	d := &dict{vals: map[string]any{
		"index": int64(i + 1), "index0": int64(i), "length": int64(len(items)),
		"revindex": int64(len(items) - i), "revindex0": int64(len(items) - i - 1),
		"first": i == 0, "last": i == len(items)-1,
		"previtem": nameless, "nextitem": nameless,
	}}
	if i > 0 {
		d.vals["previtem"] = items[i-1]
	}
	if i+1 < len(items) {
		d.vals["nextitem"] = items[i+1]
	}
	return d
}
