package jinja

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	filterNames = " default d string safe upper lower capitalize trim replace indent tojson int float " +
		"length count first last list join reverse sort unique min max map items dictsort "
	listNames     = " length count first last list join reverse sort unique min max map "
	mappingNames  = " items keys values get "
	stringMethods = " upper lower capitalize strip lstrip rstrip replace split startswith endswith join "
	testNames     = " defined undefined none boolean true false string integer float number mapping sequence iterable " +
		"odd even eq equalto ne lessthan lt le greaterthan gt ge in "
)

//go:noinline
func listed(names, name string) bool { return strings.Contains(names, " "+name+" ") }

// call calls a method, or range.
func (m *machine) call(v any, a *arguments) any {
	fn, ok := v.(method)
	if u, missing := v.(undefined); missing {
		m.unsupported("the function", u.name)
	}
	if !ok {
		m.fail(typeName(v) + " cannot be called")
	}
	m.spend(1)
	var out any
	keys, values, isMapping := mappingOf(fn.of)
	s, _ := fn.of.(string)
	switch {
	case fn.of == nil:
		out = m.numbers(a)
	case isMapping && fn.name == "get":
		key, absent := a.get(0, "", nil), a.get(1, "", nil)
		m.hashable(key)
		out = absent
		if name, ok := textOf(key); ok {
			if found, ok := values[name]; ok {
				out = m.known(found)
			}
		}
	case isMapping:
		out = &stream{items: m.view(fn.name, keys, values), sized: true}
	case fn.name == "split":
		out = m.split(s, a)
	case fn.name == "join":
		items := m.elements(a.get(0, "", nil))
		for _, item := range items {
			if _, ok := textOf(item); !ok {
				m.fail(typeName(item) + " where a string should be")
			}
		}
		out = m.joined(items, s)
	case fn.name == "replace":
		out = m.replaced(s, m.text(a.get(0, "", nil)), m.text(a.get(1, "", nil)), a.get(2, "", int64(-1)))
	default:
		out = m.textFilter(fn.name, s, a)
	}
	m.finish(fn.name, a)
	return out
}

// finish refuses arguments that a filter or method does not have.
func (m *machine) finish(name string, a *arguments) {
	if len(a.list) > a.used || len(a.named) > 0 {
		m.unsupported("an argument of", name)
	}
}

// filter applies a filter to v.
func (m *machine) filter(name string, v any, a *arguments) any {
	m.spend(1)
	out := v
	_, missing := v.(undefined)
	s, isMarkup := v.(markup)
	switch {
	case listed(listNames, name):
		out = m.listFilter(name, v, a)
	case name == "items" || name == "dictsort":
		keys, values, ok := mappingOf(v)
		if !ok && !(missing && name == "items") {
			m.fail(typeName(v) + " is no mapping")
		}
		pairs := m.view("items", keys, values)
		if out = any(&stream{items: pairs}); name == "dictsort" {
			exact, by, down := truth(a.get(0, "case_sensitive", false)), m.str(a.get(1, "by", "key")), truth(a.get(2, "reverse", false))
			at := slices.Index([]string{"key", "value"}, by)
			if at < 0 {
				m.fail("dictsort is by key or by value")
			}
			var sorted []pair
			for _, p := range pairs {
				sorted = m.insert(sorted, pair{m.folded(p.(tuple)[at], exact), p}, down)
			}
			out = itemsOf(sorted)
		}
	case name == "int" || name == "float":
		if missing {
			m.missingValue(v, nil)
		}
		out = m.numberFilter(name, v, a)
	case name == "default" || name == "d":
		fallback := a.get(0, "default_value", "")
		if truth(a.get(1, "boolean", false)) && !truth(v) || missing {
			out = fallback
		}
	case name == "tojson":
		var sb strings.Builder
		m.repr(&sb, v, true)
		m.sized(sb.Len())
		out = markup(sb.String())
	case name == "string" && isMarkup:
		out = s
	case name == "safe":
		out = markup(m.str(v))
	case name == "replace":
		out = m.replaced(m.str(v), m.str(a.get(0, "old", nil)), m.str(a.get(1, "new", nil)), a.get(2, "count", nil))
	default:
		if _, isText := textOf(v); name == "indent" && !isText {
			m.fail(typeName(v) + " cannot be indented")
		}
		text := m.textFilter(name, m.str(v), a)
		if out = text; isMarkup {
			out = markup(text.(string))
		}
	}
	m.finish(name, a)
	return out
}

// text is an argument that has to be a string.
func (m *machine) text(v any) string {
	s, ok := textOf(v)
	if !ok {
		m.fail(typeName(v) + " where a string should be")
	}
	return s
}

// whole is an argument that has to be a whole number.
func (m *machine) whole(v any) int {
	f, whole, ok := toNumber(v)
	if !ok || !whole || f > 1<<31 || f < -1<<31 {
		m.fail(typeName(v) + " where a whole number should be")
	}
	return int(f)
}

// isSpace is what Python takes for blank.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// textFilter is a filter or method of a string.
func (m *machine) textFilter(name, s string, a *arguments) any {
	m.sized(len(s))
	switch name {
	case "upper", "lower", "capitalize":
		m.caseless(s)
		if name == "capitalize" {
			r, n := utf8.DecodeRuneInString(s)
			first := string(unicode.ToTitle(r))
			if r == 'ß' {
				first = "Ss"
			}
			return either(n == 0, "", first) + strings.ToLower(s[n:])
		}
		return either(name == "lower", strings.ToLower(s), strings.ToUpper(strings.ReplaceAll(s, "ß", "SS")))
	case "indent":
		return m.indented(s, a)
	case "string":
		return s
	}
	arg := a.get(0, "chars", nil)
	if name == "startswith" || name == "endswith" {
		part := m.text(arg)
		return name == "startswith" && strings.HasPrefix(s, part) || name == "endswith" && strings.HasSuffix(s, part)
	}
	if arg == nil {
		if name != "rstrip" {
			s = strings.TrimLeftFunc(s, isSpace)
		}
		if name != "lstrip" {
			s = strings.TrimRightFunc(s, isSpace)
		}
		return s
	}
	chars := m.text(arg)
	if name != "rstrip" {
		s = strings.TrimLeft(s, chars)
	}
	if name != "lstrip" {
		s = strings.TrimRight(s, chars)
	}
	return s
}

// caseless refuses the letters whose capital or small form is several in
// Python, or depends on those around them. "ß" is the one that is common.
func (m *machine) caseless(s string) {
	for _, r := range s {
		if r == 0x130 || r == 0x149 || r == 0x1f0 || r == 0x390 || r == 0x3a3 || r == 0x3b0 || r == 0x587 || r >= 0x1e96 && r <= 0x1e9e ||
			r >= 0x1f50 && r <= 0x1fff || r >= 0xfb00 && r <= 0xfb17 {
			m.unsupported("the case of", string(r))
		}
	}
}

// replaced replaces n times, or wherever it can.
func (m *machine) replaced(s, old, by string, count any) string {
	n := -1
	if count != nil {
		n = m.whole(count)
	}
	m.sized(len(s) + strings.Count(s, old)*len(by))
	return strings.Replace(s, old, by, n)
}

// indented puts blanks before every line but the first and the empty ones.
func (m *machine) indented(s string, a *arguments) string {
	width, first, all := a.get(0, "width", int64(4)), truth(a.get(1, "first", false)), truth(a.get(2, "blank", false))
	by, ok := textOf(width)
	if !ok {
		n := max(m.whole(width), 0)
		m.sized(n)
		by = strings.Repeat(" ", n)
	}
	if strings.ContainsAny(s, "\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029") {
		m.unsupported("to indent other line ends than", "\n")
	}
	var sb strings.Builder
	for i, l := range strings.Split(s, "\n") {
		if i > 0 {
			put(&sb, "\n")
		}
		if i == 0 && first || i > 0 && (all || l != "") {
			put(&sb, by)
		}
		put(&sb, l)
		m.grown(&sb)
	}
	m.sized(sb.Len())
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
	if s, isText := textOf(v); isText {
		s = digits(strings.TrimFunc(s, isSpace))
		if strings.IndexFunc(s, func(r rune) bool { return r > '~' && unicode.IsDigit(r) }) >= 0 {
			m.unsupported("a number in", s)
		}
		if f, ok = 0, strings.Trim(s, "0123456789.eE+-") == ""; ok {
			var err error
			f, err = strconv.ParseFloat(s, 64)
			if ok = err == nil; !ok && strings.Contains(err.Error(), "range") {
				m.fail("a number out of range")
			}
		} else if low := strings.ToLower(strings.TrimLeft(s, "+-")); low == "nan" || low == "inf" || low == "infinity" {
			m.unsupported("the number", low)
		}
	}
	switch {
	case !ok:
		return absent
	case name == "int" && (f > maxWhole || f < -maxWhole):
		m.fail("a number out of range")
	case name == "int":
		return int64(f)
	}
	return float(f)
}

// digits takes out each "_" between two digits.
func digits(s string) string {
	isDigit := func(c byte) bool { return c >= '0' && c <= '9' }
	for i := len(s) - 2; i > 0; i-- {
		if s[i] == '_' && isDigit(s[i-1]) && isDigit(s[i+1]) {
			s = s[:i] + s[i+1:]
		}
	}
	return s
}

// listFilter is a filter of what can be gone through.
func (m *machine) listFilter(name string, v any, a *arguments) any {
	s, isText := textOf(v)
	_, isMarkup := v.(markup)
	switch name {
	case "length", "count":
		n, ok := length(v)
		if !ok {
			m.fail(typeName(v) + " has no length")
		}
		if isText {
			m.sized(n)
			n = utf8.RuneCountInString(s)
		}
		return int64(n)
	case "join":
		sep, path := a.get(0, "d", ""), a.get(1, "attribute", nil)
		return m.joined(m.attributes(m.elements(v), path, nil), m.str(sep))
	}
	if lazy, ok := v.(*stream); ok && name == "last" && !lazy.sized {
		m.fail(typeName(v) + " cannot be gone through backwards")
	}
	items := m.elements(v)
	m.spend(len(items))
	switch name {
	case "first", "last":
		if len(items) == 0 {
			return nameless()
		}
		if name == "last" {
			if isMarkup { // Python goes backwards by index, which Markup answers itself
				return markup(items[len(items)-1].(string))
			}
			return items[len(items)-1]
		}
		return items[0]
	case "reverse":
		out := slices.Clone(items)
		slices.Reverse(out)
		if isMarkup {
			return markup(m.joined(out, ""))
		}
		if isText {
			return m.joined(out, "")
		}
		if lazy, ok := v.(*stream); ok && !lazy.sized {
			return out
		}
		return &stream{items: out}
	case "sort", "min", "max", "unique":
		return m.ordered(name, items, a)
	case "map":
		path, absent := a.get(1, "attribute", nil), a.get(2, "default", nil)
		if len(a.list) > 0 || path == nil {
			m.unsupported("map without", "attribute=")
		}
		return &stream{items: m.attributes(items, path, absent)}
	}
	return slices.Clone(items) // list
}

// folded is what a value is compared by, in small letters unless exact.
func (m *machine) folded(v any, exact bool) any {
	if s, ok := textOf(v); ok && !exact {
		m.caseless(s)
		return strings.ToLower(s)
	}
	return v
}

// ordered is a filter that compares items or an attribute of them, strings in
// any case unless told otherwise.
func (m *machine) ordered(name string, items []any, a *arguments) any {
	down, n := false, 0
	if name == "sort" {
		down, n = truth(a.get(0, "reverse", false)), 1
	}
	exact, path := truth(a.get(n, "case_sensitive", false)), a.get(n+1, "attribute", nil)
	paths := []any{path}
	if s, ok := textOf(path); ok && name == "sort" {
		paths = nil
		for part := range strings.SplitSeq(s, ",") {
			paths = append(paths, part)
		}
	}
	var columns [][]any
	for _, path := range paths {
		columns = append(columns, m.attributes(items, path, nil))
	}
	var pairs []pair
	for i, item := range items {
		p := pair{m.folded(columns[0][i], exact), item}
		if name == "sort" { // Jinja2 has a list there, of which what is equal need have no order
			key := tuple{}
			for _, c := range columns {
				key = append(key, m.folded(c[i], exact))
			}
			p.key = key
		}
		switch name {
		case "unique":
			m.hashable(p.key)
			if !slices.ContainsFunc(pairs, func(o pair) bool { return m.equal(o.key, p.key) }) {
				pairs = append(pairs, p)
			}
		case "sort":
			pairs = m.insert(pairs, p, down)
		default: // min and max take the first of those that are equal
			if i == 0 || name == "min" && m.less(p.key, pairs[0].key) || name == "max" && m.less(pairs[0].key, p.key) {
				pairs = []pair{p}
			}
		}
	}
	switch {
	case name == "sort":
		return itemsOf(pairs)
	case name == "unique":
		return &stream{items: itemsOf(pairs)}
	case len(pairs) == 0:
		return nameless()
	}
	return pairs[0].item
}

// A pair is an item and what it is compared by.
type pair struct{ key, item any }

func itemsOf(pairs []pair) []any {
	var out []any
	for _, p := range pairs {
		out = append(out, p.item)
	}
	return out
}

// insert adds p where it belongs. Lists are short here, and longer ones run
// out of steps.
func (m *machine) insert(pairs []pair, p pair, down bool) []pair {
	at := len(pairs)
	for i := len(pairs) - 1; i >= 0; i-- {
		x, y := p.key, pairs[i].key
		if down {
			x, y = y, x
		}
		if !m.less(x, y) {
			break
		}
		at = i
	}
	return slices.Insert(pairs, at, p)
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
	m.sized(sb.Len())
	return sb.String()
}

// numbers is range.
func (m *machine) numbers(a *arguments) any {
	i, second, step := 0, a.get(1, "", nil), m.whole(a.get(2, "", int64(1)))
	end := m.whole(a.get(0, "", nil))
	if len(a.list) > 1 {
		i, end = end, m.whole(second)
	}
	if step == 0 {
		m.fail("a range with a step of 0")
	}
	out := &stream{sized: true, indexed: true}
	for ; step > 0 && i < end || step < 0 && i > end; i += step {
		m.spend(8)
		out.items = append(out.items, int64(i))
	}
	return out
}

func (m *machine) split(s string, a *arguments) any {
	m.spend(len(s))
	sep, n := a.get(0, "sep", nil), m.whole(a.get(1, "maxsplit", int64(-1)))
	var pieces []string
	if sep != nil {
		by := m.text(sep)
		if by == "" {
			m.fail("split by nothing")
		}
		if n++; n <= 0 {
			n = -1 // all
		}
		pieces = strings.SplitN(s, by, n)
	} else {
		for s = strings.TrimLeftFunc(s, isSpace); s != ""; s = strings.TrimLeftFunc(s, isSpace) {
			end := strings.IndexFunc(s, isSpace)
			if n == 0 || end < 0 {
				pieces = append(pieces, s)
				break
			}
			pieces = append(pieces, s[:end])
			s = s[end:]
			n--
		}
	}
	var out []any
	for _, p := range pieces {
		out = append(out, p)
	}
	return out
}

// view gives the keys, values or items of a mapping.
func (m *machine) view(name string, keys []string, values map[string]any) []any {
	var out []any
	for _, k := range keys {
		m.spend(2)
		switch name {
		case "keys":
			out = append(out, k)
		case "values":
			out = append(out, m.known(values[k]))
		default:
			out = append(out, tuple{k, m.known(values[k])})
		}
	}
	return out
}

// attributes gives the attribute of each item, or the items for none. absent,
// if it is not nil, takes the place of what is missing on the way.
func (m *machine) attributes(items []any, path, absent any) []any {
	if path == nil {
		return items
	}
	names := []any{path}
	if s, ok := textOf(path); ok {
		names = nil
		for name := range strings.SplitSeq(s, ".") {
			names = append(names, name)
			if n, err := strconv.Atoi(name); err == nil && strings.Trim(name, "0123456789") == "" {
				names[len(names)-1] = int64(n)
			}
		}
	} else {
		m.whole(path)
	}
	out := make([]any, len(items))
	for i, v := range items {
		for _, name := range names {
			m.spend(1)
			v = m.index(v, name)
			if _, missing := v.(undefined); missing && absent != nil {
				v = absent
			}
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
	_, isText := textOf(v)
	_, isBool := v.(bool)
	f, whole, isNumber := toNumber(v)
	_, hasLength := length(v)
	s, isStream := v.(*stream)
	_, _, isMapping := mappingOf(v)
	answer, known := map[string]bool{
		"defined": !missing, "undefined": missing, "none": v == nil, "boolean": isBool, "true": isBool && truth(v), "false": isBool && !truth(v),
		"string": isText, "integer": whole && !isBool, "float": isNumber && !whole, "number": isNumber, "mapping": isMapping,
		"sequence": hasLength && (!isStream || s.indexed), "iterable": hasLength || isStream,
	}[name]
	switch {
	case known:
		m.finish(name, a)
		return answer
	case name == "odd" || name == "even":
		m.finish(name, a)
		if !isNumber {
			m.fail(typeName(v) + " is neither odd nor even")
		}
		rest, _, _ := toNumber(m.calculate("%", f, 2, whole))
		return name == "odd" && rest == 1 || name == "even" && rest == 0
	}
	if len(a.list) != 1 || len(a.named) > 0 {
		m.fail("what to compare with is missing")
	}
	for i, word := range [...]string{"equalto", "eq", "ne", "lessthan", "lt", "le", "greaterthan", "gt", "ge"} {
		if name == word {
			name = [...]string{"==", "==", "!=", "<", "<", "<=", ">", ">", ">="}[i]
		}
	}
	return m.compare(name, v, a.list[0])
}
