package jinja

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	filterNames = " default d string safe upper lower capitalize trim replace indent tojson int float " +
		"length count first last list join reverse sort unique min max map items dictsort "
	listNames     = " length count first last list join reverse sort unique min max map range split "
	mappingNames  = " items keys values get dictsort "
	stringMethods = " upper lower capitalize strip lstrip rstrip replace split startswith endswith join "
	testNames     = " defined undefined none boolean true false string integer float number mapping sequence iterable " +
		"odd even eq equalto == ne != lt lessthan < le <= gt greaterthan > ge >= in "
)

//go:noinline
func listed(names, name string) bool { return strings.Contains(names, " "+name+" ") }

func isMethod(v any, name string) bool {
	switch v.(type) {
	case string:
		return listed(stringMethods, name)
	case map[string]any:
		return name != "dictsort" && listed(mappingNames, name)
	}
	return false
}

// call calls a method, or range.
func (m *machine) call(v any, a *arguments) any {
	fn, ok := v.(method)
	if u, missing := v.(undefined); missing {
		m.unsupported("the function", string(u))
	}
	if !ok {
		m.fail(typeName(v) + " cannot be called")
	}
	return m.filter(fn.name, fn.of, a)
}

// filter applies a filter or method to v, and refuses arguments that it does
// not have.
func (m *machine) filter(name string, v any, a *arguments) any {
	m.spend(1)
	out := v
	_, missing := v.(undefined)
	switch {
	case listed(listNames, name):
		out = m.listFilter(name, v, a)
	case listed(mappingNames, name):
		d, ok := v.(map[string]any)
		if !ok && !missing {
			m.fail(typeName(v) + " is no mapping")
		}
		out = m.mappingFilter(name, d, a)
	case name == "int" || name == "float":
		out = m.numberFilter(name, v, a)
	case name == "default" || name == "d":
		fallback := a.get(0, "default_value", "")
		if truth(a.get(1, "boolean", false)) && !truth(v) || missing {
			out = fallback
		}
	case name == "tojson":
		var sb strings.Builder
		m.repr(&sb, v, true)
		out = sb.String()
	default:
		out = m.textFilter(name, m.str(v), a)
	}
	if len(a.list) > a.used || len(a.named) > 0 {
		m.unsupported("an argument of", name)
	}
	return out
}

// text is an argument that has to be a string.
func (m *machine) text(v any) string {
	s, ok := v.(string)
	if !ok && v != nil {
		m.fail(typeName(v) + " where a string should be")
	}
	return s
}

// whole is an argument that has to be a whole number.
func (m *machine) whole(v any) int {
	f, _, ok := toNumber(v)
	if !ok || f > 1<<31 || f < -1<<31 {
		m.fail(typeName(v) + " where a number should be")
	}
	return int(f)
}

// textFilter is a filter or method of a string.
func (m *machine) textFilter(name, s string, a *arguments) any {
	m.sized(len(s))
	switch name {
	case "upper":
		return upper(s)
	case "lower":
		return strings.ToLower(s)
	case "capitalize":
		_, n := utf8.DecodeRuneInString(s)
		return upper(s[:n]) + strings.ToLower(s[n:])
	case "indent":
		return m.indented(s, a)
	case "replace":
		old, by, n := m.text(a.get(0, "old", nil)), m.text(a.get(1, "new", nil)), m.whole(a.get(2, "count", int64(-1)))
		m.sized(len(s) + strings.Count(s, old)*len(by))
		return strings.Replace(s, old, by, n)
	case "string", "safe":
		return s
	}
	arg := m.text(a.get(0, "chars", blank))
	switch name {
	case "lstrip":
		return strings.TrimLeft(s, arg)
	case "rstrip":
		return strings.TrimRight(s, arg)
	case "startswith":
		return strings.HasPrefix(s, arg)
	case "endswith":
		return strings.HasSuffix(s, arg)
	}
	return strings.Trim(s, arg) // trim and strip
}

// upper knows the one common letter whose capital is two.
func upper(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "ß", "SS")) }

// indented puts blanks before every line but the first and the blank ones.
func (m *machine) indented(s string, a *arguments) string {
	n, first := m.whole(a.get(0, "width", int64(4))), truth(a.get(1, "first", false))
	var sb strings.Builder
	for i, l := range strings.Split(s, "\n") {
		if i > 0 {
			put(&sb, "\n")
		}
		for range n {
			if i == 0 && first || i > 0 && l != "" {
				put(&sb, " ")
			}
			m.grown(&sb)
		}
		put(&sb, l)
	}
	return sb.String()
}

// numberFilter is int or float.
func (m *machine) numberFilter(name string, v any, a *arguments) any {
	f, _, ok := toNumber(v)
	absent := any(int64(0))
	if name == "float" {
		absent = float(0)
	}
	absent = a.get(0, "default", absent)
	if s, isText := v.(string); isText {
		var err error
		f, err = strconv.ParseFloat(strings.TrimSpace(s), 64)
		ok = err == nil
	}
	switch {
	case !ok || f > 1<<53 || f < -1<<53:
		return absent
	case name == "int":
		return int64(f)
	}
	return float(f)
}

// listFilter is a filter or method of a list or mapping, or split or range.
func (m *machine) listFilter(name string, v any, a *arguments) any {
	s, isText := v.(string)
	switch name {
	case "range":
		return m.numbers(a)
	case "split":
		return m.split(s, a)
	case "join":
		if sep := a.get(0, "d", ""); isText { // the method of a string
			return m.joined(m.elements(sep), s)
		} else if path := a.get(1, "attribute", nil); true {
			return m.joined(m.attributes(m.elements(v), path), m.str(sep))
		}
	}
	items := m.elements(v)
	m.spend(len(items))
	switch name {
	case "length", "count":
		return int64(len(items))
	case "first", "last":
		if len(items) == 0 {
			return nameless
		}
		if name == "last" {
			return items[len(items)-1]
		}
		return items[0]
	case "reverse":
		var out []any
		for i := range items {
			out = append(out, items[len(items)-1-i])
		}
		if isText {
			return m.joined(out, "")
		}
		return out
	case "sort", "min", "max", "unique":
		return m.ordered(name, items, a)
	case "map":
		path, absent := a.get(1, "attribute", nil), a.get(2, "default", nil)
		if len(a.list) > 0 || path == nil {
			m.unsupported("map without", "attribute=")
		}
		out := m.attributes(items, path)
		for i, v := range out {
			if _, missing := v.(undefined); missing && absent != nil {
				out[i] = absent
			}
		}
		return out
	}
	return items
}

// ordered is a filter that compares items or an attribute of them, strings in
// any case unless told otherwise.
func (m *machine) ordered(name string, items []any, a *arguments) any {
	down, n := false, 0
	if name == "sort" {
		down, n = truth(a.get(0, "reverse", false)), 1
	}
	exact := truth(a.get(n, "case_sensitive", false))
	keys := m.attributes(items, a.get(n+1, "attribute", nil))
	var pairs []pair
	for i, item := range items {
		p := pair{keys[i], item}
		if s, ok := p.key.(string); ok && !exact {
			p.key = strings.ToLower(s)
		}
		pairs = m.insert(pairs, p, name == "unique", down)
	}
	var out []any
	for _, p := range pairs {
		out = append(out, p.item)
	}
	switch {
	case name == "sort" || name == "unique":
		return out
	case len(out) == 0:
		return nameless
	case name == "max":
		return out[len(out)-1]
	}
	return out[0]
}

// A pair is an item and what it is compared by.
type pair struct{ key, item any }

// insert adds p at the end if none is equal to it, or else where it belongs.
// Lists are short here, and longer ones run out of steps.
func (m *machine) insert(pairs []pair, p pair, unique, down bool) []pair {
	at := len(pairs)
	for i := len(pairs) - 1; i >= 0; i-- {
		m.spend(1)
		x, y := p.key, pairs[i].key
		if unique {
			if m.equal(x, y) {
				return pairs
			}
			continue
		}
		if down {
			x, y = y, x
		}
		if !m.less(x, y) {
			break
		}
		at = i
	}
	pairs = append(pairs, p)
	copy(pairs[at+1:], pairs[at:])
	pairs[at] = p
	return pairs
}

// joined puts items together with sep between them.
func (m *machine) joined(items []any, sep string) string {
	var sb strings.Builder
	for i, item := range items {
		if i > 0 {
			put(&sb, sep)
		}
		put(&sb, m.str(item))
		m.grown(&sb)
	}
	return sb.String()
}

// numbers is range.
func (m *machine) numbers(a *arguments) any {
	i, second, step := 0, a.get(1, "", nil), m.whole(a.get(2, "", int64(1)))
	end := m.whole(a.get(0, "", nil))
	if second != nil {
		i, end = end, m.whole(second)
	}
	if step == 0 {
		m.fail("a range with a step of 0")
	}
	var out []any
	for ; step > 0 && i < end || step < 0 && i > end; i += step {
		m.spend(8)
		out = append(out, int64(i))
	}
	return out
}

func (m *machine) split(s string, a *arguments) any {
	m.spend(len(s))
	sep, n := a.get(0, "", nil), m.whole(a.get(1, "", int64(-1)))
	pieces := strings.Fields(s)
	if sep != nil {
		if n++; n == 0 {
			n = -1 // all
		}
		pieces = strings.SplitN(s, m.text(sep), n)
	}
	var out []any
	for _, p := range pieces {
		out = append(out, p)
	}
	return out
}

func (m *machine) mappingFilter(name string, d map[string]any, a *arguments) any {
	if name == "get" {
		key, absent := m.str(a.get(0, "", nil)), a.get(1, "", nil)
		if found, ok := d[key]; ok {
			return found
		}
		return absent
	}
	var out []any
	for _, k := range sortedKeys(d) { // which is what dictsort does
		m.spend(2)
		switch name {
		case "keys":
			out = append(out, k)
		case "values":
			out = append(out, d[k])
		default:
			out = append(out, []any{k, d[k]})
		}
	}
	return out
}

// attributes gives the attribute of each item, or the items for none.
func (m *machine) attributes(items []any, path any) []any {
	if path == nil {
		return items
	}
	out := make([]any, len(items))
	for i, v := range items {
		for _, name := range strings.Split(m.text(path), ".") {
			m.spend(1)
			v = m.index(v, name)
		}
		out[i] = v
	}
	return out
}

// test is "v is name(arguments)".
func (m *machine) test(name string, v any, a *arguments) bool {
	if !listed(testNames, name) {
		m.unsupported("the test", name)
	}
	m.spend(1)
	_, missing := v.(undefined)
	_, isText := v.(string)
	_, isBool := v.(bool)
	_, whole, isNumber := toNumber(v)
	_, hasLength := length(v)
	switch name {
	case "defined":
		return !missing
	case "undefined":
		return missing
	case "none":
		return v == nil
	case "boolean":
		return isBool
	case "true":
		return isBool && truth(v)
	case "false":
		return isBool && !truth(v)
	case "string":
		return isText
	case "integer":
		return whole && !isBool
	case "float":
		return isNumber && !whole
	case "number":
		return isNumber
	case "mapping":
		return typeName(v) == "a mapping"
	case "sequence", "iterable":
		return hasLength
	case "odd", "even":
		return m.whole(v)%2 != 0 == (name == "odd")
	}
	if len(a.list) != 1 {
		m.fail("what to compare with is missing")
	}
	for i, word := range [...]string{"equalto", "eq", "ne", "lessthan", "lt", "le", "greaterthan", "gt", "ge"} {
		if name == word {
			name = [...]string{"==", "==", "!=", "<", "<", "<=", ">", ">", ">="}[i]
		}
	}
	return m.compare(name, v, a.list[0])
}
