package jinja

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Values are what JSON has, and the following. A whole number of JSON is a
// whole number here; one that a template makes is an int64 or a float.
type (
	float float64
	// undefined is what a missing variable is: its name.
	undefined string
	// method is a function of a string or mapping, not called yet.
	method struct {
		of   any
		name string
	}
)

// nameless is what is missing and has no name, as Jinja2 and cloud-init
// together call it.
const nameless = undefined("None")

// truth is Python's bool.
func truth(v any) bool {
	if f, _, ok := toNumber(v); ok {
		return f != 0
	}
	n, ok := length(v)
	return n > 0 || !ok && v != nil
}

// length is Python's len, false for what has none.
//
//go:noinline
func length(v any) (int, bool) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), true
	case []any:
		return len(v), true
	case map[string]any:
		return len(v), true
	case undefined:
		return 0, true
	}
	return 0, false
}

// elements gives what iterating over v gives.
func (m *machine) elements(v any) []any {
	var out []any
	switch v := v.(type) {
	case []any:
		return v
	case map[string]any:
		for _, k := range sortedKeys(v) {
			out = append(out, k)
		}
	case string:
		for _, r := range v {
			out = append(out, string(r))
		}
	case undefined:
	default:
		if !m.skip {
			m.fail(typeName(v) + " cannot be gone through")
		}
	}
	m.spend(len(out))
	return out
}

func sortedKeys(d map[string]any) []string { return slices.Sorted(maps.Keys(d)) }

//go:noinline
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "none"
	case bool:
		return "a boolean"
	case int, int64, float64, float:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "a list"
	case map[string]any:
		return "a mapping"
	case undefined:
		return "an undefined value"
	}
	return "a method"
}

// str is Python's str. What is undefined is noted.
func (m *machine) str(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case undefined:
		if !slices.Contains(m.missing, string(v)) {
			m.missing = append(m.missing, string(v))
		}
		return MissingPrefix + string(v)
	}
	var sb strings.Builder
	m.repr(&sb, v, false)
	return sb.String()
}

// repr writes Python's repr of a value, or JSON that is safe in HTML.
func (m *machine) repr(sb *strings.Builder, v any, json bool) {
	m.grown(sb)
	switch v := v.(type) {
	case nil:
		put(sb, either(json, "null", "None"))
	case bool:
		s := strconv.FormatBool(v)
		if !json {
			s = strings.ToUpper(s[:1]) + s[1:]
		}
		put(sb, s)
	case int, int64, float64, float:
		f, whole, _ := toNumber(v)
		put(sb, numberText(f, whole))
	case string:
		quote(sb, v, json)
	case []any:
		put(sb, "[")
		for i, item := range v {
			if i > 0 {
				put(sb, ", ")
			}
			m.repr(sb, item, json)
		}
		put(sb, "]")
	case map[string]any:
		put(sb, "{")
		for i, k := range sortedKeys(v) {
			if i > 0 {
				put(sb, ", ")
			}
			m.repr(sb, k, json)
			put(sb, ": ")
			m.repr(sb, v[k], json)
		}
		put(sb, "}")
	default:
		if json {
			m.fail(typeName(v) + " has no JSON form")
		}
		put(sb, "Undefined")
	}
}

func either(cond bool, a, b string) string {
	if cond {
		return a
	}
	return b
}

// quote writes a string as a Python or a JSON literal.
func quote(sb *strings.Builder, s string, json bool) {
	q := either(json || strings.Contains(s, "'") && !strings.Contains(s, `"`), `"`, "'")
	put(sb, q)
	for _, r := range s {
		c := string(r)
		switch {
		case c == q || r == '\\':
			c = `\` + c
		case json && r >= 0x10000:
			c = fmt.Sprintf(`\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		case json && (r < ' ' && r != '\n' && r != '\r' && r != '\t' || r > '~' || strings.Contains("<>&'", c)):
			c = fmt.Sprintf(`\u%04x`, r)
		case !strconv.IsPrint(r): // Go and Python escape these alike
			c = strings.Trim(strconv.QuoteRune(r), "'")
		}
		put(sb, c)
	}
	put(sb, q)
}

// numberText is Python's repr of a number.
func numberText(f float64, whole bool) string {
	if whole {
		return strconv.FormatInt(int64(f), 10)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(f, 'e', -1, 64), "+"))
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") && f == f {
		s += ".0"
	}
	return s
}

// toNumber gives v as a number: bool counts as 0 or 1, as in Python.
//
//go:noinline
func toNumber(v any) (f float64, whole, ok bool) {
	switch v := v.(type) {
	case bool:
		if v {
			f = 1
		}
		return f, true, true
	case int:
		return float64(v), true, true
	case int64:
		return float64(v), true, true
	case float64:
		return v, v == math.Trunc(v) && math.Abs(v) < 1<<53, true
	case float:
		return float64(v), false, true
	}
	return 0, false, false
}

// equal is Python's ==. It counts its steps, as a few values can be put
// together to very many.
func (m *machine) equal(a, b any) bool {
	m.spend(1)
	x, _, xok := toNumber(a)
	y, _, yok := toNumber(b)
	if xok || yok {
		return xok && yok && x == y
	}
	switch a := a.(type) {
	case []any:
		l, ok := b.([]any)
		same := ok && len(a) == len(l)
		for i := 0; same && i < len(a); i++ {
			same = m.equal(a[i], l[i])
		}
		return same
	case map[string]any:
		d, ok := b.(map[string]any)
		same := ok && len(a) == len(d)
		for k, v := range a {
			w, ok := d[k]
			same = same && ok && m.equal(v, w)
		}
		return same
	case undefined:
		_, ok := b.(undefined)
		return ok
	case method:
		return false
	}
	switch b.(type) {
	case []any, map[string]any, method:
		return false
	}
	return a == b
}

// less is Python's <.
func (m *machine) less(a, b any) bool {
	x, _, xok := toNumber(a)
	y, _, yok := toNumber(b)
	if xok && yok {
		return x < y
	}
	s, sok := a.(string)
	t, tok := b.(string)
	if !sok || !tok {
		m.fail(typeName(a) + " and " + typeName(b) + " have no order")
	}
	return s < t
}

// compare is one comparison.
func (m *machine) compare(op string, a, b any) bool {
	switch op {
	case "==":
		return m.equal(a, b)
	case "!=":
		return !m.equal(a, b)
	case "<":
		return m.less(a, b)
	case "<=":
		return !m.less(b, a)
	case ">":
		return m.less(b, a)
	case ">=":
		return !m.less(a, b)
	case "not in":
		return !m.compare("in", a, b)
	}
	if s, ok := b.(string); ok {
		part, ok := a.(string)
		if !ok {
			m.fail(typeName(a) + " is not part of a string")
		}
		m.sized(len(s))
		return strings.Contains(s, part)
	}
	for _, item := range m.elements(b) {
		if m.equal(item, a) {
			return true
		}
	}
	return false
}
