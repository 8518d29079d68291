package jinja

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A function is a filter, test, method or global function. params names its
// parameters after the value it is applied to, with commas between them;
// those that a call leaves out are absent.
type function struct {
	params string
	call   func(r *renderer, v any, args []any) (any, error)
}

// absent is an argument that was not given.
type absent struct{}

// or gives an argument, or its default.
func or[T any](arg any, def T) (T, error) {
	switch arg := arg.(type) {
	case absent:
		return def, nil
	case T:
		return arg, nil
	case nil:
		return def, nil
	}
	return def, fmt.Errorf("%s where another kind of argument should be", typeName(arg))
}

// apply evaluates arguments and calls fn on v.
func (r *renderer) apply(name string, fn *function, v any, a arguments, s *scope) (any, error) {
	var params []string
	if fn.params != "" {
		params = strings.Split(fn.params, ",")
	}
	list, err := evalAll(r, s, a.list)
	if err != nil {
		return nil, err
	}
	variadic := len(params) > 0 && params[len(params)-1] == "..."
	if variadic {
		params = params[:len(params)-1]
	}
	if len(list) > len(params) && !variadic {
		return nil, fmt.Errorf("%s: too many arguments", name)
	}
	args := make([]any, max(len(params), len(list)))
	for i := range args {
		args[i] = absent{}
	}
	copy(args, list)
	for i, e := range a.named {
		at := slices.Index(params, a.names[i])
		if at < 0 {
			return nil, fmt.Errorf("%w: the argument %s of %s", ErrUnsupported, a.names[i], name)
		}
		if args[at], err = e.eval(r, s); err != nil {
			return nil, err
		}
	}
	out, err := fn.call(r, v, args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, r.spend(1)
}

func (e filterExpr) eval(r *renderer, s *scope) (any, error) {
	v, err := e.of.eval(r, s)
	if err != nil {
		return nil, err
	}
	return r.apply(e.name, filterNamed(e.name), v, e.args, s)
}

func (e testExpr) eval(r *renderer, s *scope) (any, error) {
	v, err := e.of.eval(r, s)
	if err != nil {
		return nil, err
	}
	return r.apply(e.name, testNamed(e.name), v, e.args, s)
}

func isFilter(name string) bool { return filterNamed(name) != nil }
func isTest(name string) bool   { return testNamed(name) != nil }

func (e callExpr) eval(r *renderer, s *scope) (any, error) {
	if name, ok := e.fn.(nameExpr); ok {
		if _, shadowed := s.get(string(name)); !shadowed && name == "range" {
			return r.apply("range", &function{"start,stop,step", rangeOf}, nil, e.args, s)
		}
	}
	fn, err := e.fn.eval(r, s)
	if err != nil {
		return nil, err
	}
	switch fn := fn.(type) {
	case method:
		return r.apply(fn.name, methodNamed(fn.of, fn.name), fn.of, e.args, s)
	case undefined:
		return nil, fmt.Errorf("%w: the function %q", ErrUnsupported, fn.name)
	}
	return nil, fmt.Errorf("%s cannot be called", typeName(fn))
}

// maxRange is the longest range that Jinja2's sandbox makes.
const maxRange = 100000

func rangeOf(r *renderer, _ any, args []any) (any, error) {
	first, err := or[int64](args[0], 0)
	if _, missing := args[0].(absent); missing || err != nil {
		return nil, errors.New("a number is needed")
	}
	start, stop := int64(0), first
	if _, one := args[1].(absent); !one {
		start = first
		if stop, err = or(args[1], first); err != nil {
			return nil, err
		}
	}
	step, err := or[int64](args[2], 1)
	if err != nil {
		return nil, err
	}
	if step == 0 {
		return nil, errors.New("a step of 0")
	}
	var out list
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if len(out) >= maxRange {
			return nil, fmt.Errorf("%w: more than %d numbers", ErrLimit, maxRange)
		}
		out = append(out, i)
		if step > 0 && i > i+step || step < 0 && i < i+step {
			break // it would wrap around
		}
	}
	return out, r.spend(len(out))
}

func isMethod(of any, name string) bool { return methodNamed(of, name) != nil }

// methodNamed gives a method of a string or mapping.
func methodNamed(of any, name string) *function {
	switch of.(type) {
	case string:
		return stringMethod(name)
	case *dict:
		return dictMethod(name)
	}
	return nil
}

func dictMethod(name string) *function {
	switch name {
	case "items":
		return &function{"", func(r *renderer, v any, _ []any) (any, error) { return pairs(r, v.(*dict)) }}
	case "keys":
		return &function{"", func(r *renderer, v any, _ []any) (any, error) {
			items, err := elements(v)
			return list(items), err
		}}
	case "values":
		return &function{"", func(r *renderer, v any, _ []any) (any, error) {
			var out list
			for _, k := range v.(*dict).keys {
				out = append(out, v.(*dict).vals[k])
			}
			return out, r.spend(len(out))
		}}
	case "get":
		return &function{"key,default", func(r *renderer, v any, args []any) (any, error) {
			if key, ok := args[0].(string); ok {
				if found, ok := v.(*dict).vals[key]; ok {
					return found, nil
				}
			}
			if _, none := args[1].(absent); none {
				return nil, nil
			}
			return args[1], nil
		}}
	}
	return nil
}

// pairs gives the keys and values of a mapping.
func pairs(r *renderer, d *dict) (any, error) {
	out := make(list, len(d.keys))
	for i, k := range d.keys {
		out[i] = tuple{k, d.vals[k]}
	}
	return out, r.spend(2 * len(out))
}

// stringMethod gives a method of a string.
func stringMethod(name string) *function {
	switch name {
	case "upper", "lower", "title", "capitalize":
		return filterNamed(name)
	case "strip":
		return textFunction("chars", func(s string, cut string) any { return strings.Trim(s, cut) })
	case "lstrip":
		return textFunction("chars", func(s string, cut string) any { return strings.TrimLeft(s, cut) })
	case "rstrip":
		return textFunction("chars", func(s string, cut string) any { return strings.TrimRight(s, cut) })
	case "startswith":
		return textFunction("prefix", func(s string, p string) any { return strings.HasPrefix(s, p) })
	case "endswith":
		return textFunction("suffix", func(s string, p string) any { return strings.HasSuffix(s, p) })
	case "replace":
		return &function{"old,new,count", replace}
	case "split":
		return &function{"sep,maxsplit", split}
	case "join":
		return &function{"items", func(r *renderer, v any, args []any) (any, error) {
			return joinText(r, args[0], v.(string))
		}}
	}
	return nil
}

// textFunction is a function of a string and one more, which is blank space
// where it is left out.
func textFunction(param string, f func(s, arg string) any) *function {
	return &function{param, func(r *renderer, v any, args []any) (any, error) {
		arg, err := or(args[0], blank)
		s := r.str(v)
		if err == nil {
			err = r.sized(len(s))
		}
		return f(s, arg), err
	}}
}

func split(r *renderer, v any, args []any) (any, error) {
	s := v.(string)
	sep, err := or(args[0], "")
	if err != nil {
		return nil, err
	}
	n, err := or[int64](args[1], -1)
	if err != nil {
		return nil, err
	}
	if err := r.spend(1 + len(s)); err != nil {
		return nil, err
	}
	var pieces []string
	switch {
	case sep == "" && n >= 0:
		return nil, fmt.Errorf("%w: maxsplit without a separator", ErrUnsupported)
	case sep == "":
		pieces = strings.Fields(s)
	case n >= 0:
		pieces = strings.SplitN(s, sep, int(min(n, MaxSteps))+1)
	default:
		pieces = strings.Split(s, sep)
	}
	out := make(list, len(pieces))
	for i, p := range pieces {
		out[i] = p
	}
	return out, nil
}
