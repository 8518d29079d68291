package jinja

import (
	"strconv"
	"strings"
)

func (m *machine) primary() any {
	t := m.advance()
	switch t.kind {
	case stringToken:
		s := t.text
		for m.peek().kind == stringToken {
			s += m.advance().text
		}
		return s
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
			var v any = []any(nil)
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
			d := map[string]any{}
			for !m.accept("}") {
				k := m.expr()
				m.expect(":")
				v := m.expr()
				m.separator("}")
				if s, ok := k.(string); ok {
					d[s] = v
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
	if len(text) > 1 && text[0] == '0' && text[1] > '9' {
		base = 0
	}
	plain := strings.ReplaceAll(text, "_", "")
	if n, err := strconv.ParseInt(plain, base, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(plain, 64)
	if err != nil || !strings.ContainsAny(plain, ".e") {
		m.fail(text + " is no number")
	}
	return float(f)
}

func (m *machine) variable(name string) any {
	for s := m.scope; s != nil; s = s.outer {
		if v, ok := s.vars[name]; ok {
			return v
		}
	}
	if name == "range" {
		return method{nil, name}
	}
	return undefined(name)
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
				v = m.index(v, m.number(t.text))
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

// attribute is v.name: a value of a mapping, or a method.
func (m *machine) attribute(v any, name string) any {
	if m.skip {
		return nil
	}
	found := m.index(v, name)
	if _, missing := found.(undefined); missing && isMethod(v, name) {
		return method{v, name}
	}
	return found
}

// index is v[key].
func (m *machine) index(v, key any) any {
	if m.skip {
		return nil
	}
	if d, ok := v.(map[string]any); ok {
		if s, ok := key.(string); ok {
			if found, ok := d[s]; ok {
				return found
			}
		}
	} else if i, whole, _ := toNumber(key); whole && v != nil {
		items := m.elements(v)
		m.spend(len(items) / 64)
		if i < 0 {
			i += float64(len(items))
		}
		if i >= 0 && i < float64(len(items)) {
			return items[int(i)]
		}
	}
	if u, ok := v.(undefined); ok {
		m.missingValue(u, "")
	}
	return undefined(m.str(key))
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
	if _, ok := v.(string); ok {
		return m.joined(items, "")
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
