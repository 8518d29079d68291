package jinja

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Values are what JSON has, and the following. A whole number of JSON is a
// whole number here; one that a template makes is an int64 or a float.
type (
	float float64
	tuple []any
	// markup is a string that Jinja2 takes for HTML: what is added to it is
	// escaped there, which is refused here.
	markup string
	// undefined is what a missing variable is.
	undefined struct {
		name string
		// plain is what an inline "if" without "else" gives: unlike cloud-init's
		// it prints as nothing.
		plain bool
	}
	// method is a function of a string or mapping, not called yet.
	method struct {
		of   any
		name string
	}
	// dict is a mapping with its keys in their order.
	dict struct {
		keys   []string
		values map[string]any
	}
	// loopVars are what "loop" has.
	loopVars map[string]any
	// stream is what can be gone through and is no list: a range, the view of
	// a mapping, or what Python makes an element at a time. What the text of
	// one is, is refused.
	stream struct {
		items []any
		// sized is false for the last kind, which can be gone through once.
		sized, indexed, used bool
	}
)

func (d *dict) set(key string, v any) {
	if _, ok := d.values[key]; !ok {
		d.keys = append(d.keys, key)
	}
	d.values[key] = v
}

// nameless gives what is missing and has no name, as Jinja2 and cloud-init
// together call it.
func nameless() any { return undefined{name: "None"} }

// truth is Python's bool.
func truth(v any) bool {
	if f, _, ok := toNumber(v); ok {
		return f != 0
	}
	n, ok := length(v)
	return n > 0 || !ok && v != nil
}

// textOf gives a string, marked or not.
//
//go:noinline
func textOf(v any) (string, bool) {
	if s, ok := v.(markup); ok {
		return string(s), true
	}
	s, ok := v.(string)
	return s, ok
}

// mappingOf gives the keys of a mapping, in order, and its values.
//
//go:noinline
func mappingOf(v any) (keys []string, values map[string]any, ok bool) {
	switch v := v.(type) {
	case *dict:
		return v.keys, v.values, true
	case map[string]any:
		return sortedKeys(v), v, true
	}
	return nil, nil, false
}

// listOf gives the elements of a list or tuple.
//
//go:noinline
func listOf(v any) ([]any, bool) {
	if t, ok := v.(tuple); ok {
		return t, true
	}
	l, ok := v.([]any)
	return l, ok
}

// length is Python's len, false for what has none; of a string it is the
// bytes, since counting its letters takes time.
//
//go:noinline
func length(v any) (int, bool) {
	if s, ok := textOf(v); ok {
		return len(s), true
	}
	if l, ok := listOf(v); ok {
		return len(l), true
	}
	if keys, _, ok := mappingOf(v); ok {
		return len(keys), true
	}
	if s, ok := v.(*stream); ok {
		return len(s.items), s.sized
	}
	_, missing := v.(undefined)
	return 0, missing
}

// elements gives what iterating over v gives.
func (m *machine) elements(v any) []any {
	if l, ok := listOf(v); ok {
		return l
	}
	var out []any
	if s, ok := textOf(v); ok {
		for _, r := range s {
			out = append(out, string(r))
		}
	} else if keys, _, ok := mappingOf(v); ok {
		for _, k := range keys {
			out = append(out, k)
		}
	} else if s, ok := v.(*stream); ok {
		if s.used {
			m.unsupported("to go a second time through", "what Jinja2 makes once")
		}
		s.used = !s.sized
		return s.items
	} else if _, ok := v.(undefined); !ok && !m.skip {
		m.fail(typeName(v) + " cannot be gone through")
	}
	m.spend(len(out))
	return out
}

//go:noinline
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "none"
	case bool:
		return "a boolean"
	case int, int64, float64, float:
		return "a number"
	case string, markup:
		return "a string"
	case []any:
		return "a list"
	case tuple:
		return "a tuple"
	case map[string]any, *dict:
		return "a mapping"
	case undefined:
		return "an undefined value"
	case *stream:
		return "a stream"
	}
	return "a method"
}

// str is Python's str. What is undefined is noted.
func (m *machine) str(v any) string {
	if s, ok := textOf(v); ok {
		return s
	}
	if u, ok := v.(undefined); ok {
		if u.plain {
			return ""
		}
		m.sized(len(u.name))
		if !m.noted[u.name] {
			m.noted[u.name] = true
			m.missing = append(m.missing, u.name)
		}
		return MissingPrefix + u.name
	}
	var sb strings.Builder
	m.repr(&sb, v, false)
	m.sized(sb.Len())
	return sb.String()
}

// repr writes Python's repr of a value, or JSON that is safe in HTML.
func (m *machine) repr(sb *strings.Builder, v any, json bool) {
	m.grown(sb)
	m.enter()
	keys, values, isMapping := mappingOf(v)
	items, isList := listOf(v)
	_, isTuple := v.(tuple)
	isTuple = isTuple && !json
	switch v := v.(type) {
	case nil:
		put(sb, either(json, "null", "None"))
	case bool:
		s := strconv.FormatBool(v)
		if !json {
			s = strings.ToUpper(s[:1]) + s[1:]
		}
		put(sb, s)
	case int64:
		put(sb, strconv.FormatInt(v, 10))
	case int, float64, float:
		f, whole, _ := toNumber(v)
		put(sb, numberText(f, whole))
	case string:
		quote(sb, v, json)
	case markup:
		put(sb, either(json, "", "Markup("))
		quote(sb, string(v), json)
		put(sb, either(json, "", ")"))
	case undefined:
		if json {
			m.fail(typeName(v) + " has no JSON form")
		}
		put(sb, "Undefined")
	default:
		switch {
		case isList:
			put(sb, either(isTuple, "(", "["))
			for i, item := range items {
				if i > 0 {
					put(sb, ", ")
				}
				m.repr(sb, item, json)
			}
			put(sb, either(isTuple && len(items) == 1, ",", ""))
			put(sb, either(isTuple, ")", "]"))
		case isMapping:
			if json {
				keys = slices.Sorted(slices.Values(keys))
			}
			put(sb, "{")
			for i, k := range keys {
				if i > 0 {
					put(sb, ", ")
				}
				m.repr(sb, k, json)
				put(sb, ": ")
				m.repr(sb, values[k], json)
			}
			put(sb, "}")
		case json:
			m.fail(typeName(v) + " has no JSON form")
		default:
			m.unsupported("the text of", typeName(v))
		}
	}
	m.depth--
}

//go:noinline
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
		case json && (r < ' ' && !strings.ContainsRune("\n\r\t\b\f", r) || r > '~' || strings.Contains("<>&'", c)):
			c = fmt.Sprintf(`\u%04x`, r)
		case !json && r < ' ' && !strings.ContainsRune("\n\r\t", r):
			c = fmt.Sprintf(`\x%02x`, r)
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
	format, a := byte('f'), math.Abs(f)
	if a != 0 && (a < 1e-4 || a >= 1e16) {
		format = 'e'
	}
	s := strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(f, format, -1, 64), "+"))
	if format == 'f' && !strings.Contains(s, ".") && f == f {
		s += ".0"
	}
	return s
}

// maxWhole is up to where every whole number is exact.
const maxWhole = 1 << 53

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
		return v, v == math.Trunc(v), true
	case float:
		return float64(v), false, true
	}
	return 0, false, false
}

// known gives a value of the instance data, unless it is a number that JSON
// has rounded.
func (m *machine) known(v any) any {
	if f, ok := v.(float64); ok && math.Abs(f) > maxWhole {
		m.unsupported("a number above", "2^53")
	}
	return v
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
	s, aText := textOf(a)
	t, bText := textOf(b)
	k, aList := listOf(a)
	l, bList := listOf(b)
	_, d, aMap := mappingOf(a)
	_, e, bMap := mappingOf(b)
	same := false
	switch {
	case aText || bText:
		m.spend(min(len(s), len(t)) / 64)
		same = aText && bText && s == t
	case aList || bList:
		same = aList && bList && typeName(a) == typeName(b) && len(k) == len(l)
		for i := 0; same && i < len(k); i++ {
			same = m.equal(k[i], l[i])
		}
	case aMap || bMap:
		same = aMap && bMap && len(d) == len(e)
		for k, v := range d {
			w, ok := e[k]
			same = same && ok && m.equal(v, w)
		}
	case a == nil || b == nil:
		same = a == b
	default:
		u, aMissing := a.(undefined)
		v, bMissing := b.(undefined)
		if !aMissing && !bMissing {
			m.unsupported("a comparison of", typeName(a))
		}
		same = aMissing && bMissing && u.plain == v.plain
	}
	return same
}

// hashable says whether Python could look v up, in a mapping or a set.
func (m *machine) hashable(v any) {
	m.spend(1)
	if t, ok := v.(tuple); ok {
		for _, item := range t {
			m.hashable(item)
		}
	} else if n := typeName(v); n == "a list" || n == "a mapping" {
		m.fail(n + " cannot be looked up")
	}
}

// less is Python's <.
func (m *machine) less(a, b any) bool {
	m.spend(1)
	x, _, xok := toNumber(a)
	y, _, yok := toNumber(b)
	if xok && yok {
		return x < y
	}
	s, sok := textOf(a)
	t, tok := textOf(b)
	if sok && tok {
		m.spend(min(len(s), len(t)) / 64)
		return s < t
	}
	k, kok := listOf(a)
	l, lok := listOf(b)
	if kok && lok && typeName(a) == typeName(b) {
		m.enter()
		defer func() { m.depth-- }()
		for i := range min(len(k), len(l)) {
			if !m.equal(k[i], l[i]) {
				return m.less(k[i], l[i])
			}
		}
		return len(k) < len(l)
	}
	m.fail(typeName(a) + " and " + typeName(b) + " have no order")
	return false
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
	if s, ok := textOf(b); ok {
		part, ok := textOf(a)
		if !ok {
			m.fail(typeName(a) + " is not part of a string")
		}
		m.sized(len(s))
		return strings.Contains(s, part)
	}
	if _, _, ok := mappingOf(b); ok {
		m.hashable(a)
	}
	if s, ok := b.(*stream); ok && !s.indexed {
		m.unsupported("a look into", typeName(b))
	}
	for _, item := range m.elements(b) {
		if m.equal(item, a) {
			return true
		}
	}
	return false
}
