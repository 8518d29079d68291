package jinja

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

func (e literalExpr) eval(*renderer, *scope) (any, error) { return e.value, nil }

func (e nameExpr) eval(_ *renderer, s *scope) (any, error) {
	if v, ok := s.get(string(e)); ok {
		return v, nil
	}
	return undefined{string(e)}, nil
}

// evalAll evaluates a list of expressions.
func evalAll(r *renderer, s *scope, exprs []expr) ([]any, error) {
	out := make([]any, len(exprs))
	for i, e := range exprs {
		var err error
		if out[i], err = e.eval(r, s); err != nil {
			return nil, err
		}
	}
	return out, r.spend(1 + len(exprs))
}

func (e listExpr) eval(r *renderer, s *scope) (any, error) {
	items, err := evalAll(r, s, e.items)
	if e.tuple {
		return tuple(items), err
	}
	return list(items), err
}

func (e dictExpr) eval(r *renderer, s *scope) (any, error) {
	keys, err := evalAll(r, s, e.keys)
	if err != nil {
		return nil, err
	}
	values, err := evalAll(r, s, e.values)
	if err != nil {
		return nil, err
	}
	d := &dict{vals: map[string]any{}}
	for i, k := range keys {
		text, ok := k.(string)
		if !ok {
			return nil, fmt.Errorf("%w: a mapping whose key is %s", ErrUnsupported, typeName(k))
		}
		d.set(text, values[i])
	}
	return d, nil
}

// errUndefined says that something was done with a missing variable that
// needs a value.
func errUndefined(u undefined) error { return fmt.Errorf("%q is undefined", u.name) }

func (e attrExpr) eval(r *renderer, s *scope) (any, error) {
	of, err := e.of.eval(r, s)
	if err != nil {
		return nil, err
	}
	switch of := of.(type) {
	case undefined:
		return nil, errUndefined(of)
	case *dict:
		if v, ok := of.vals[e.name]; ok {
			return v, r.spend(1)
		}
	}
	if isMethod(of, e.name) {
		return method{of, e.name}, r.spend(1)
	}
	return undefined{e.name}, r.spend(1)
}

func (e indexExpr) eval(r *renderer, s *scope) (any, error) {
	of, err := e.of.eval(r, s)
	if err != nil {
		return nil, err
	}
	key, err := e.key.eval(r, s)
	if err != nil {
		return nil, err
	}
	if err := r.spend(1); err != nil {
		return nil, err
	}
	switch of := of.(type) {
	case undefined:
		return nil, errUndefined(of)
	case *dict:
		if name, ok := key.(string); ok {
			if v, ok := of.vals[name]; ok {
				return v, nil
			}
		}
	case string, list, tuple:
		i, _, isInt, _ := number(key)
		if !isInt {
			break
		}
		items, err := elements(of)
		if err != nil {
			return nil, err
		}
		if i < 0 {
			i += int64(len(items))
		}
		if i >= 0 && i < int64(len(items)) {
			return items[i], r.spend(len(items) >> 10)
		}
	}
	return undefined{r.str(key)}, nil
}

func (e sliceExpr) eval(r *renderer, s *scope) (any, error) {
	of, err := e.of.eval(r, s)
	if err != nil {
		return nil, err
	}
	if u, ok := of.(undefined); ok {
		return nil, errUndefined(u)
	}
	bounds := [3]*int64{}
	for i, b := range []expr{e.from, e.to, e.step} {
		if b == nil {
			continue
		}
		v, err := b.eval(r, s)
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue
		}
		n, _, isInt, _ := number(v)
		if !isInt {
			return nil, errors.New("a slice whose bound is not a whole number")
		}
		bounds[i] = &n
	}
	switch of.(type) {
	case string, list, tuple:
	default:
		return nil, fmt.Errorf("%s cannot be sliced", typeName(of))
	}
	items, err := elements(of)
	if err != nil {
		return nil, err
	}
	if err := r.spend(1 + len(items)); err != nil {
		return nil, err
	}
	cut, err := slice(items, bounds[0], bounds[1], bounds[2])
	if err != nil {
		return nil, err
	}
	switch of.(type) {
	case string:
		var sb strings.Builder
		for _, c := range cut {
			sb.WriteString(c.(string))
		}
		return sb.String(), nil
	case tuple:
		return tuple(cut), nil
	}
	return list(cut), nil
}

// slice is items[from:to:step] with Python's meaning of what is left out,
// negative or out of range.
func slice(items []any, from, to, step *int64) ([]any, error) {
	n := int64(len(items))
	by := int64(1)
	if step != nil {
		by = *step
	}
	if by == 0 {
		return nil, errors.New("a slice with a step of 0")
	}
	low, high := int64(0), n
	if by < 0 {
		low, high = -1, n-1
	}
	bound := func(b *int64, absent int64) int64 {
		switch {
		case b == nil:
			return absent
		case *b < 0:
			return max(*b+n, low)
		}
		return min(*b, high)
	}
	i, end := bound(from, low), bound(to, high)
	if by < 0 {
		i, end = bound(from, high), bound(to, low)
	}
	var out []any
	for ; by > 0 && i < end || by < 0 && i > end; i += by {
		out = append(out, items[i])
		if by > n || by < -n {
			break
		}
	}
	return out, nil
}

func (e notExpr) eval(r *renderer, s *scope) (any, error) {
	v, err := e.of.eval(r, s)
	return !truth(v), err
}

func (e minusExpr) eval(r *renderer, s *scope) (any, error) {
	v, err := e.of.eval(r, s)
	if err != nil {
		return nil, err
	}
	switch i, f, isInt, ok := number(v); {
	case !ok:
		return nil, fmt.Errorf("%s cannot be negative", typeName(v))
	case isInt:
		return -i, nil
	default:
		return -f, nil
	}
}

func (e logicExpr) eval(r *renderer, s *scope) (any, error) {
	left, err := e.left.eval(r, s)
	if err != nil || truth(left) != e.and {
		return left, err
	}
	if err := r.spend(1); err != nil {
		return nil, err
	}
	return e.right.eval(r, s)
}

func (e condExpr) eval(r *renderer, s *scope) (any, error) {
	cond, err := e.cond.eval(r, s)
	switch {
	case err != nil:
		return nil, err
	case truth(cond):
		return e.then.eval(r, s)
	case e.other == nil:
		return "", nil // Jinja2 gives an undefined value that prints as nothing
	}
	return e.other.eval(r, s)
}

func (e compareExpr) eval(r *renderer, s *scope) (any, error) {
	left, err := e.first.eval(r, s)
	if err != nil {
		return nil, err
	}
	for i, op := range e.ops {
		right, err := e.rest[i].eval(r, s)
		if err != nil {
			return nil, err
		}
		ok, err := r.compare(op, left, right)
		if err != nil || !ok {
			return false, err
		}
		left = right
	}
	return true, nil
}

// compare is one comparison.
func (r *renderer) compare(op string, a, b any) (bool, error) {
	n, _ := length(b)
	if err := r.spend(1 + n); err != nil {
		return false, err
	}
	switch op {
	case "==":
		return r.equal(a, b), nil
	case "!=":
		return !r.equal(a, b), nil
	case "in":
		return r.contains(b, a)
	case "not in":
		ok, err := r.contains(b, a)
		return !ok, err
	}
	for _, v := range []any{a, b} {
		if u, ok := v.(undefined); ok {
			return false, errUndefined(u)
		}
	}
	c, err := r.order(a, b)
	switch op {
	case "<":
		return c < 0, err
	case "<=":
		return c <= 0, err
	case ">":
		return c > 0, err
	}
	return c >= 0, err
}

// contains is Python's "v in of".
func (r *renderer) contains(of, v any) (bool, error) {
	switch of := of.(type) {
	case string:
		s, ok := v.(string)
		if !ok {
			return false, fmt.Errorf("%s is not part of a string", typeName(v))
		}
		return strings.Contains(of, s), nil
	case *dict:
		s, _ := v.(string)
		_, ok := of.vals[s]
		return ok, nil
	}
	items, err := elements(of)
	for _, item := range items {
		if r.equal(item, v) {
			return true, nil
		}
	}
	return false, err
}

func (e binaryExpr) eval(r *renderer, s *scope) (any, error) {
	left, err := e.left.eval(r, s)
	if err != nil {
		return nil, err
	}
	right, err := e.right.eval(r, s)
	if err != nil {
		return nil, err
	}
	if err := r.spend(1); err != nil {
		return nil, err
	}
	if e.op == "~" {
		a, b := r.str(left), r.str(right)
		return a + b, r.sized(len(a) + len(b))
	}
	if u, ok := left.(undefined); ok {
		if e.op == "-" {
			other := strings.TrimPrefix(r.str(right), MissingPrefix)
			return nil, fmt.Errorf("undefined variable %q: this is a subtraction; perhaps %q is meant", u.name+"-"+other, u.name+"_"+other)
		}
		return nil, errUndefined(u)
	}
	if u, ok := right.(undefined); ok {
		return nil, errUndefined(u)
	}
	return r.arithmetic(e.op, left, right)
}

// arithmetic is what an operator makes of two defined values.
func (r *renderer) arithmetic(op string, left, right any) (any, error) {
	li, lf, lInt, lok := number(left)
	ri, rf, rInt, rok := number(right)
	switch {
	case lok && rok && lInt && rInt && op != "/" && !(op == "**" && ri < 0):
		return intArithmetic(op, li, ri)
	case lok && rok:
		return floatArithmetic(op, lf, rf)
	case op == "+":
		return r.join(left, right)
	case op == "*" && lok && lInt:
		return r.repeat(right, li)
	case op == "*" && rok && rInt:
		return r.repeat(left, ri)
	}
	if _, ok := left.(string); ok && op == "%" {
		return nil, fmt.Errorf("%w: formatting with %%", ErrUnsupported)
	}
	return nil, fmt.Errorf("%q of %s and %s", op, typeName(left), typeName(right))
}

// join is "+" of two strings or lists.
func (r *renderer) join(left, right any) (any, error) {
	switch a := left.(type) {
	case string:
		if b, ok := right.(string); ok {
			return a + b, r.sized(len(a) + len(b))
		}
	case list:
		if b, ok := right.(list); ok {
			return append(a[:len(a):len(a)], b...), r.spend(len(a) + len(b))
		}
	case tuple:
		if b, ok := right.(tuple); ok {
			return append(a[:len(a):len(a)], b...), r.spend(len(a) + len(b))
		}
	}
	return nil, fmt.Errorf(`"+" of %s and %s`, typeName(left), typeName(right))
}

// repeat is "*" of a string or list and a number.
func (r *renderer) repeat(v any, n int64) (any, error) {
	n = min(max(n, 0), MaxOutput+1)
	switch v := v.(type) {
	case string:
		if err := r.sized(int(n) * len(v)); err != nil {
			return nil, err
		}
		return strings.Repeat(v, int(n)), nil
	case list:
		if err := r.spend(int(n) * len(v)); err != nil {
			return nil, err
		}
		var out list
		for range n {
			out = append(out, v...)
		}
		return out, nil
	}
	return nil, fmt.Errorf(`"*" of %s and a number`, typeName(v))
}

var (
	errRange  = errors.New("a number out of range")
	errDivide = errors.New("division by zero")
)

func intArithmetic(op string, a, b int64) (any, error) {
	switch op {
	case "+":
		if c := a + b; (c > a) == (b > 0) {
			return c, nil
		}
	case "-":
		if c := a - b; (c < a) == (b > 0) {
			return c, nil
		}
	case "*":
		if c := a * b; a == 0 || c/a == b && !(a == -1 && b == math.MinInt64) {
			return c, nil
		}
	case "//", "%":
		if b == 0 {
			return nil, errDivide
		}
		if b == -1 { // MinInt64 / -1 has no result
			return intArithmetic("*", map[string]int64{"//": a, "%": 0}[op], -1)
		}
		q, m := a/b, a%b
		if m != 0 && (m < 0) != (b < 0) {
			q, m = q-1, m+b
		}
		if op == "//" {
			return q, nil
		}
		return m, nil
	case "**":
		result := any(int64(1))
		var err error
		for ; b > 0 && err == nil; b-- {
			if b > 64 && a != 0 && a != 1 && a != -1 {
				return nil, errRange
			}
			if b > 64 {
				b = 64 + b%2 // what follows repeats itself
			}
			result, err = intArithmetic("*", result.(int64), a)
		}
		return result, err
	}
	return nil, errRange
}

func floatArithmetic(op string, a, b float64) (any, error) {
	switch op {
	case "+":
		return a + b, nil
	case "-":
		return a - b, nil
	case "*":
		return a * b, nil
	case "**":
		return math.Pow(a, b), nil
	}
	if b == 0 {
		return nil, errDivide
	}
	switch op {
	case "/":
		return a / b, nil
	case "//":
		return math.Floor(a / b), nil
	}
	m := math.Mod(a, b)
	if m != 0 && (m < 0) != (b < 0) {
		m += b
	}
	return m, nil
}
