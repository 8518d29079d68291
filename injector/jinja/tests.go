package jinja

import (
	"errors"
	"strings"
)

// testNamed gives a test, nil for one that is not supported.
func testNamed(name string) *function {
	switch name {
	case "defined":
		return kindTest(func(v any) bool { _, missing := v.(undefined); return !missing })
	case "undefined":
		return kindTest(func(v any) bool { _, missing := v.(undefined); return missing })
	case "none":
		return kindTest(func(v any) bool { return v == nil })
	case "boolean":
		return kindTest(func(v any) bool { _, ok := v.(bool); return ok })
	case "true":
		return kindTest(func(v any) bool { b, ok := v.(bool); return ok && b })
	case "false":
		return kindTest(func(v any) bool { b, ok := v.(bool); return ok && !b })
	case "string":
		return kindTest(func(v any) bool { _, ok := v.(string); return ok })
	case "integer":
		return kindTest(func(v any) bool { _, ok := v.(int64); return ok })
	case "float":
		return kindTest(func(v any) bool { _, ok := v.(float64); return ok })
	case "number":
		return kindTest(func(v any) bool { _, _, _, ok := number(v); return ok })
	case "mapping":
		return kindTest(func(v any) bool { _, ok := v.(*dict); return ok })
	case "sequence", "iterable":
		return kindTest(func(v any) bool { _, ok := length(v); return ok })
	case "upper":
		return kindTest(func(v any) bool {
			s, ok := v.(string)
			return ok && s == strings.ToUpper(s) && s != strings.ToLower(s)
		})
	case "lower":
		return kindTest(func(v any) bool {
			s, ok := v.(string)
			return ok && s == strings.ToLower(s) && s != strings.ToUpper(s)
		})
	case "odd", "even":
		return &function{"", func(_ *renderer, v any, _ []any) (any, error) {
			i, _, isInt, _ := number(v)
			if !isInt {
				return nil, errors.New("a whole number is needed")
			}
			return i%2 != 0 == (name == "odd"), nil
		}}
	case "divisibleby":
		return &function{"num", func(_ *renderer, v any, args []any) (any, error) {
			i, _, isInt, _ := number(v)
			n, _, nInt, _ := number(args[0])
			if !isInt || !nInt || n == 0 {
				return nil, errors.New("whole numbers are needed")
			}
			return i%n == 0, nil
		}}
	}
	return comparisonTest(name)
}

// kindTest is a test of a value alone.
func kindTest(f func(v any) bool) *function {
	return &function{"", func(_ *renderer, v any, _ []any) (any, error) { return f(v), nil }}
}

// comparisonTest is a comparison under its name.
func comparisonTest(name string) *function {
	op := ""
	switch name {
	case "eq", "equalto", "==":
		op = "=="
	case "ne", "!=":
		op = "!="
	case "lt", "lessthan", "<":
		op = "<"
	case "le", "<=":
		op = "<="
	case "gt", "greaterthan", ">":
		op = ">"
	case "ge", ">=":
		op = ">="
	case "in":
		op = "in"
	default:
		return nil
	}
	return &function{"other", func(r *renderer, v any, args []any) (any, error) {
		if _, none := args[0].(absent); none {
			return nil, errors.New("what to compare with is missing")
		}
		return r.compare(op, v, args[0])
	}}
}
