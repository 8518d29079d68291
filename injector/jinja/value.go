package jinja

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Values are nil, bool, int64, float64, string, list, tuple, *dict and
// undefined, with the behaviour of their Python namesakes.
type (
	list  []any
	tuple []any
	// dict keeps its keys in order.
	dict struct {
		keys []string
		vals map[string]any
	}
	// undefined is what a missing variable is.
	undefined struct{ name string }
	// method is a function of a string or mapping, not called yet.
	method struct {
		of   any
		name string
	}
)

// nameless is what is missing and has no name, as Jinja2 and cloud-init
// together call it.
var nameless = undefined{"None"}

// importTree turns a JSON tree into values.
func importTree(vars map[string]any) (*dict, error) {
	v, err := importValue(vars, 0)
	if err != nil {
		return nil, err
	}
	return v.(*dict), nil
}

func importValue(v any, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("%w: variables nested deeper than %d", ErrLimit, MaxDepth)
	}
	switch v := v.(type) {
	case nil, bool, int64, string:
		return v, nil
	case int:
		return int64(v), nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), nil // JSON has but one kind of number
		}
		return v, nil
	case []any:
		l := make(list, len(v))
		for i := range v {
			var err error
			if l[i], err = importValue(v[i], depth+1); err != nil {
				return nil, err
			}
		}
		return l, nil
	case map[string]any:
		d := &dict{slices.Sorted(maps.Keys(v)), make(map[string]any, len(v))}
		for k := range v {
			var err error
			if d.vals[k], err = importValue(v[k], depth+1); err != nil {
				return nil, err
			}
		}
		return d, nil
	}
	return nil, fmt.Errorf("a variable of type %T", v)
}

func (d *dict) set(key string, v any) {
	if _, ok := d.vals[key]; !ok {
		d.keys = append(d.keys, key)
	}
	d.vals[key] = v
}

// truth is Python's bool.
func truth(v any) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	}
	n, ok := length(v)
	return !ok || n > 0
}

// length is Python's len, false for what has none.
func length(v any) (int, bool) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), true
	case list:
		return len(v), true
	case tuple:
		return len(v), true
	case *dict:
		return len(v.keys), true
	case undefined:
		return 0, true
	}
	return 0, false
}

// elements gives what iterating over v gives.
func elements(v any) ([]any, error) {
	switch v := v.(type) {
	case list:
		return v, nil
	case tuple:
		return v, nil
	case *dict:
		out := make([]any, len(v.keys))
		for i, k := range v.keys {
			out[i] = k
		}
		return out, nil
	case string:
		out := make([]any, 0, len(v))
		for _, r := range v {
			out = append(out, string(r))
		}
		return out, nil
	case undefined:
		return nil, nil
	}
	return nil, fmt.Errorf("%s cannot be gone through", typeName(v))
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "none"
	case bool:
		return "a boolean"
	case int64, float64:
		return "a number"
	case string:
		return "a string"
	case list, tuple:
		return "a list"
	case *dict:
		return "a mapping"
	case undefined:
		return "an undefined value"
	}
	return "a method"
}

// str is Python's str; the renderer hears of what is undefined.
func (r *renderer) str(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case undefined:
		if !slices.Contains(r.missing, v.name) {
			r.missing = append(r.missing, v.name)
		}
		return MissingPrefix + v.name
	}
	var sb strings.Builder
	r.repr(&sb, v)
	return sb.String()
}

// repr writes Python's repr, and stops when it grows beyond MaxOutput.
func (r *renderer) repr(sb *strings.Builder, v any) {
	if sb.Len() > MaxOutput {
		return
	}
	switch v := v.(type) {
	case nil:
		sb.WriteString("None")
	case bool:
		if v {
			sb.WriteString("True")
		} else {
			sb.WriteString("False")
		}
	case int64:
		sb.WriteString(strconv.FormatInt(v, 10))
	case float64:
		sb.WriteString(floatText(v))
	case string:
		quote(sb, v)
	case undefined:
		sb.WriteString("Undefined")
	case list:
		r.reprItems(sb, "[", v, "]")
	case tuple:
		end := ")"
		if len(v) == 1 {
			end = ",)"
		}
		r.reprItems(sb, "(", v, end)
	case *dict:
		sb.WriteByte('{')
		for i, k := range v.keys {
			if i > 0 {
				sb.WriteString(", ")
			}
			quote(sb, k)
			sb.WriteString(": ")
			r.repr(sb, v.vals[k])
		}
		sb.WriteByte('}')
	case method:
		sb.WriteString("<built-in method " + v.name + ">")
	}
}

func (r *renderer) reprItems(sb *strings.Builder, open string, items []any, end string) {
	sb.WriteString(open)
	for i, item := range items {
		if i > 0 {
			sb.WriteString(", ")
		}
		r.repr(sb, item)
	}
	sb.WriteString(end)
}

// quote writes a string as a Python literal.
func quote(sb *strings.Builder, s string) {
	q := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	sb.WriteByte(q)
	for _, r := range s {
		switch {
		case r == rune(q) || r == '\\':
			sb.WriteByte('\\')
			sb.WriteRune(r)
		case r == '\n':
			sb.WriteString(`\n`)
		case r == '\r':
			sb.WriteString(`\r`)
		case r == '\t':
			sb.WriteString(`\t`)
		case unicode.IsPrint(r):
			sb.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(sb, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(sb, `\u%04x`, r)
		default:
			fmt.Fprintf(sb, `\U%08x`, r)
		}
	}
	sb.WriteByte(q)
}

// floatText is Python's repr of a float.
func floatText(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case f != f:
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// number gives v as a number: bool counts as 0 or 1, as in Python.
func number(v any) (i int64, f float64, isInt, ok bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, 1, true, true
		}
		return 0, 0, true, true
	case int64:
		return v, float64(v), true, true
	case float64:
		return 0, v, false, true
	}
	return 0, 0, false, false
}

// equal is Python's ==. It counts its steps, as a few values can be put
// together to very many.
func (r *renderer) equal(a, b any) bool {
	if r.steps++; r.steps > MaxSteps {
		return false // and the next step fails
	}
	if ai, af, aInt, ok := number(a); ok {
		bi, bf, bInt, ok := number(b)
		if aInt && bInt {
			return ok && ai == bi
		}
		return ok && af == bf
	}
	switch a := a.(type) {
	case nil:
		return b == nil
	case string:
		s, ok := b.(string)
		return ok && a == s
	case list:
		l, ok := b.(list)
		return ok && slices.EqualFunc(a, l, r.equal)
	case tuple:
		t, ok := b.(tuple)
		return ok && slices.EqualFunc(a, t, r.equal)
	case *dict:
		d, ok := b.(*dict)
		return ok && len(a.keys) == len(d.keys) && maps.EqualFunc(a.vals, d.vals, r.equal)
	case undefined:
		_, ok := b.(undefined)
		return ok
	}
	return false
}

var errOrder = errors.New("values of different kinds have no order")

// order compares as Python's < does.
func (r *renderer) order(a, b any) (int, error) {
	if ai, af, aInt, ok := number(a); ok {
		bi, bf, bInt, ok := number(b)
		switch {
		case !ok:
			return 0, errOrder
		case aInt && bInt:
			return compareOf(ai, bi), nil
		}
		return compareOf(af, bf), nil
	}
	switch a := a.(type) {
	case string:
		if s, ok := b.(string); ok {
			return strings.Compare(a, s), nil
		}
	case list:
		if l, ok := b.(list); ok {
			return r.orderItems(a, l)
		}
	case tuple:
		if t, ok := b.(tuple); ok {
			return r.orderItems(a, t)
		}
	}
	return 0, errOrder
}

func (r *renderer) orderItems(a, b []any) (int, error) {
	for i := range min(len(a), len(b)) {
		if !r.equal(a[i], b[i]) {
			return r.order(a[i], b[i])
		}
	}
	return compareOf(int64(len(a)), int64(len(b))), nil
}

func compareOf[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
