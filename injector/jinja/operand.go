package jinja

import (
	"strconv"
	"strings"
)

func (m *machine) primary() any {
	t := m.advance()
	switch t.kind {
	case stringToken:
		if m.peek().kind != stringToken {
			return t.text
		}
		var sb strings.Builder
		for put(&sb, t.text); m.peek().kind == stringToken; {
			put(&sb, m.advance().text)
		}
		m.sized(sb.Len())
		return sb.String()
	case numberToken:
		return m.number(t.text)
	case nameToken:
		switch t.text {
		case "true", "True":
			return true
		case "false", "False":
			return false
		case "none", "None":
			return nil
		case "if", "else", "and", "or", "in", "is", "not", "elif", "for":
		default:
			return m.variable(t.text)
		}
	case opToken:
		switch t.text {
		case "(":
			var v any = tuple(nil)
			if !m.is(")") {
				v = m.list()
			}
			m.expect(")")
			return v
		case "[":
			var items []any
			for !m.accept("]") {
				items = append(items, m.expr())
				m.separator("]")
			}
			return items
		case "{":
			d := &dict{values: map[string]any{}}
			for !m.accept("}") {
				k := m.expr()
				m.expect(":")
				v := m.expr()
				m.separator("}")
				if s, ok := k.(string); ok {
					d.set(s, v)
				} else if !m.skip {
					m.unsupported("a key that is", typeName(k))
				}
			}
			return d
		}
	}
	m.pos--
	m.unexpected("an expression")
	return nil
}

// separator passes over a comma, unless the closing bracket follows.
func (m *machine) separator(end string) {
	if !m.is(end) {
		m.expect(",")
	}
}

func (m *machine) number(text string) any {
	base := 10
	if len(text) > 1 && text[0] == '0' && text[1] > '9' && text[1]|0x20 != 'e' && text[1] != '_' {
		base = 0
	}
	plain := strings.ReplaceAll(text, "_", "")
	n, err := strconv.ParseInt(plain, base, 64)
	marks := strings.Contains(text, "__") || strings.HasSuffix(text, "_")
	if err == nil && !marks && (base == 0 || n == 0 || text[0] != '0') {
		return n
	}
	f, err := strconv.ParseFloat(plain, 64)
	if err != nil || marks || base == 0 || !strings.ContainsAny(plain, ".eE") {
		m.fail(text + " is no number")
	}
	return float(f)
}

func (m *machine) variable(name string) any {
	for s := m.scope; s != nil; s = s.outer {
		if v, ok := s.vars[name]; ok {
			return m.known(v)
		}
	}
	switch name {
	case "range":
		return method{nil, name}
	case "dict", "lipsum", "cycler", "joiner", "namespace", "self":
		m.unsupported("the function", name)
	}
	return undefined{name: name}
}

// postfix evaluates attributes, subscripts and calls after v.
func (m *machine) postfix(v any) any {
	for {
		switch {
		case m.accept("."):
			t := m.advance()
			switch t.kind {
			case nameToken:
				v = m.attribute(v, t.text)
			case numberToken:
				for part := range strings.SplitSeq(t.text, ".") {
					v = m.index(v, m.number(part))
				}
			default:
				m.pos--
				m.unexpected("a name")
			}
		case m.accept("["):
			v = m.subscript(v)
		case m.accept("("):
			args := m.arguments()
			if !m.skip {
				v = m.call(v, args)
			}
		default:
			return v
		}
	}
}

// attribute is v.name: what Python has under that name, or else a value.
func (m *machine) attribute(v any, name string) any {
	if m.skip {
		return nil
	}
	if fn, ok := m.member(v, name); ok {
		return fn
	}
	return m.index(v, name)
}

// member is what Python has under the name: a method, or something that is
// refused.
func (m *machine) member(v any, name string) (any, bool) {
	_, isText := v.(string)
	_, _, isMapping := mappingOf(v)
	switch {
	case isText && listed(stringMethods, name), isMapping && listed(mappingNames, name):
		return method{v, name}, true
	case listed(members(typeName(v)), name), strings.HasPrefix(name, "__"):
		m.unsupported("the function", name)
	}
	return nil, false
}

// members are what Python has in a value of that kind, and this package has
// not.
func members(kind string) string {
	const numeric = " as_integer_ratio bit_count bit_length conjugate denominator from_bytes fromhex hex imag is_integer numerator real to_bytes "
	switch kind {
	case "a string":
		return stringMethods + "casefold center count encode expandtabs find format format_map index isalnum isalpha isascii isdecimal isdigit " +
			"isidentifier islower isnumeric isprintable isspace istitle isupper ljust maketrans partition removeprefix removesuffix rfind rindex " +
			"rjust rpartition rsplit splitlines swapcase title translate zfill striptags unescape "
	case "a list":
		return " append clear copy count extend index insert pop remove reverse sort "
	case "a tuple":
		return " count index "
	case "a mapping":
		return " clear copy fromkeys pop popitem setdefault update "
	case "a number", "a boolean":
		return numeric
	case "a stream":
		return " mapping isdisjoint start stop step count index send throw close gi_code gi_frame gi_running gi_suspended gi_yieldfrom "
	}
	return ""
}

// index is v[key].
func (m *machine) index(v, key any) any {
	if m.skip {
		return nil
	}
	s, isText := textOf(key)
	i, whole, isNumber := toNumber(key)
	if _, ok := v.(undefined); ok {
		m.missingValue(v, nil)
	}
	if vars, ok := v.(loopVars); ok {
		found, ok := vars[s]
		if !ok {
			m.unsupported("of loop", m.str(key))
		}
		return found
	}
	switch v.(type) {
	case method, markup:
		m.unsupported("an attribute of", typeName(v))
	}
	_, values, isMapping := mappingOf(v)
	_, isString := textOf(v)
	_, isList := listOf(v)
	lazy, isStream := v.(*stream)
	switch {
	case isMapping && isText:
		if found, ok := values[s]; ok {
			return m.known(found)
		}
	case isNumber && whole && (isString || isList || isStream && lazy.indexed):
		items := m.elements(v)
		m.spend(len(items) / 64)
		if i < 0 {
			i += float64(len(items))
		}
		if i >= 0 && i < float64(len(items)) {
			return m.known(items[int(i)])
		}
	}
	if isText {
		if fn, ok := m.member(v, s); ok {
			return fn
		}
	}
	return undefined{name: m.str(key)}
}

// subscript is an index or a slice, after its opening bracket.
func (m *machine) subscript(v any) any {
	var bounds [2]any
	n := 0
	for {
		if !m.is(":") && (n == 0 || !m.is("]")) {
			bounds[n] = m.expr()
		}
		if !m.accept(":") {
			break
		}
		if n++; n > 1 {
			m.unsupported("a slice with", "a step")
		}
	}
	m.expect("]")
	switch {
	case m.skip:
		return nil
	case n == 0:
		return m.index(v, bounds[0])
	}
	_, isText := v.(string)
	_, isList := listOf(v)
	if !isText && !isList {
		m.unsupported("a slice of", typeName(v))
	}
	items := m.elements(v)
	places := [2]int{0, len(items)}
	for i, bound := range bounds {
		if bound != nil {
			at := m.whole(bound)
			if at < 0 {
				at += len(items)
			}
			places[i] = min(max(at, 0), len(items))
		}
	}
	items = items[places[0]:max(places[0], places[1])]
	if isText {
		return m.joined(items, "")
	}
	if _, ok := v.(tuple); ok {
		return tuple(items)
	}
	return items
}

// arguments are those of a call, a filter or a test.
type arguments struct {
	list  []any
	named map[string]any
	used  int
}

// get gives the ith argument, which may be given by name, or its default.
//
//go:noinline
func (a *arguments) get(i int, name string, absent any) any {
	a.used = max(a.used, i+1)
	if i < len(a.list) {
		return a.list[i]
	}
	if v, ok := a.named[name]; ok {
		delete(a.named, name)
		return v
	}
	return absent
}

// arguments evaluates those of a call, after its opening parenthesis.
func (m *machine) arguments() *arguments {
	a := &arguments{named: map[string]any{}}
	for !m.accept(")") {
		switch {
		case m.is("*"), m.is("**"):
			m.unsupported("an argument with", m.peek().text)
		case m.peek().kind == nameToken && m.tokens[m.pos+1].kind == opToken && m.tokens[m.pos+1].text == "=":
			name := m.advance().text
			m.advance()
			a.named[name] = m.expr()
		default:
			a.list = append(a.list, m.expr())
		}
		m.separator(")")
	}
	return a
}

// filtered evaluates the filters and tests after v.
func (m *machine) filtered(v any) any {
	for {
		switch {
		case m.accept("|"):
			name := m.name("the name of a filter")
			a := &arguments{}
			if m.accept("(") {
				a = m.arguments()
			}
			if !listed(filterNames, name) {
				m.unsupported("the filter", name)
			}
			if !m.skip {
				v = m.filter(name, v, a)
			}
		case m.accept("is"):
			negated := m.accept("not")
			name := m.name("the name of a test")
			a := &arguments{}
			next := m.peek()
			switch {
			case m.accept("("):
				a = m.arguments()
			case next.kind == stringToken, next.kind == numberToken, m.is("["), m.is("{"),
				next.kind == nameToken && next.text != "else" && next.text != "or" && next.text != "and":
				a.list = []any{m.postfix(m.primary())}
			}
			if !m.skip || !listed(testNames, name) {
				v = m.test(name, v, a) != negated
			}
		default:
			return v
		}
	}
}
