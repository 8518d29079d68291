package jinja

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// list evaluates expressions with commas between them: one, or a list.
func (m *machine) list() any {
	v := m.expr()
	if !m.is(",") {
		return v
	}
	items := []any{v}
	for m.accept(",") && m.peek().kind != endToken && !m.is(")") {
		items = append(items, m.expr())
	}
	return items
}

// expr evaluates an expression, which may be "a if b else c".
func (m *machine) expr() any {
	m.enter()
	start, outer := m.pos, m.skip
	if !m.conditional() {
		v := m.logic(0)
		m.depth--
		return v
	}
	m.skip = true
	m.logic(0)
	m.expect("if")
	m.skip = outer
	cond := truth(m.logic(0))
	var v any = "" // Jinja2 has an undefined value here that prints as nothing
	if after := m.pos; cond {
		m.pos = start
		v = m.logic(0)
		m.pos = after
	}
	if m.accept("else") {
		m.skip = outer || cond
		if other := m.expr(); !cond {
			v = other
		}
		m.skip = outer
	}
	m.depth--
	return v
}

// conditional looks ahead for the "if" of the expression that begins here.
func (m *machine) conditional() bool {
	open := 0
	for i := m.pos; ; i++ {
		t := &m.tokens[i]
		if i%64 == 63 { // looking ahead costs, too
			m.spend(1)
		}
		if t.kind == endToken || t.kind == eofToken {
			return false
		}
		if t.kind == nameToken && open == 0 && t.text == "if" {
			return true
		}
		if t.kind != opToken {
			continue
		}
		switch t.text {
		case "(", "[", "{":
			open++
		case ")", "]", "}":
			if open--; open < 0 {
				return false
			}
		case ",", ":", "=":
			if open == 0 {
				return false
			}
		}
	}
}

// logic evaluates "or" at level 0 and "and" at level 1, which give one of
// their operands and do not evaluate the other.
func (m *machine) logic(level int) any {
	if level == 2 {
		return m.not()
	}
	v := m.logic(level + 1)
	word := [2]string{"or", "and"}[level]
	for m.accept(word) {
		outer := m.skip
		m.skip = outer || truth(v) == (level == 0)
		w := m.logic(level + 1)
		if !m.skip {
			v = w
		}
		m.skip = outer
	}
	return v
}

func (m *machine) not() any {
	if !m.accept("not") {
		return m.comparison()
	}
	m.enter()
	v := m.not()
	m.depth--
	return !truth(v)
}

// comparison evaluates chains such as a < b <= c.
func (m *machine) comparison() any {
	v := m.operation(0)
	var result any
	for {
		op := m.peek().text
		switch {
		case op == "not" && m.tokens[m.pos+1].text == "in":
			m.advance()
			op = "not in"
		case !strings.Contains(" == != < <= > >= in ", " "+op+" ") || !m.is(op):
			if result == nil {
				return v
			}
			return result
		}
		m.advance()
		w := m.operation(0)
		if !m.skip && result != false {
			result = m.compare(op, v, w)
		} else if result == nil {
			result = false
		}
		v = w
	}
}

// levels are the operators of each precedence, loosest first.
var levels = [...]string{" + - ", " ~ ", " * / // % "}

func (m *machine) operation(level int) any {
	if level == len(levels) {
		return m.unary(true)
	}
	v := m.operation(level + 1)
	for m.peek().kind == opToken && strings.Contains(levels[level], " "+m.peek().text+" ") {
		op := m.advance().text
		w := m.operation(level + 1)
		if !m.skip {
			v = m.arithmetic(op, v, w)
		}
	}
	if m.is("**") {
		m.unsupported("the operator", "**")
	}
	return v
}

// unary evaluates a sign and what it stands before. Filters and tests apply
// to the whole, sign included.
func (m *machine) unary(filtered bool) any {
	m.enter()
	var v any
	switch {
	case m.accept("-"):
		v = m.unary(false)
		if !m.skip {
			v = m.arithmetic("-", int64(0), v)
		}
	case m.accept("+"):
		v = m.unary(false)
	default:
		v = m.postfix(m.primary())
	}
	if filtered {
		v = m.filtered(v)
	}
	m.depth--
	return v
}

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

// arithmetic is what an operator makes of two values.
func (m *machine) arithmetic(op string, a, b any) any {
	if op == "~" {
		s := m.str(a) + m.str(b)
		m.sized(len(s))
		return s
	}
	if u, ok := b.(undefined); ok {
		v, ok := a.(undefined)
		m.missingValue(u, either(ok && op == "-", string(v), ""))
	}
	if u, ok := a.(undefined); ok {
		m.missingValue(u, "")
	}
	x, xInt, xok := toNumber(a)
	y, yInt, yok := toNumber(b)
	if xok && yok {
		return m.calculate(op, x, y, xInt && yInt)
	}
	switch a := a.(type) {
	case string:
		if s, ok := b.(string); ok && op == "+" {
			m.sized(len(a) + len(s))
			return a + s
		}
	case []any:
		if l, ok := b.([]any); ok && op == "+" {
			m.spend(len(a) + len(l))
			return slices.Concat(a, l)
		}
	}
	m.unsupported(typeName(a)+" and "+typeName(b)+" with", op)
	return nil
}

// missingValue ends the rendering where a missing variable needs a value.
// before is another one that it was to be subtracted from.
func (m *machine) missingValue(u undefined, before string) {
	message := strconv.Quote(string(u)) + " is undefined"
	if before != "" {
		message += "; if " + before + "-" + string(u) + " is one name, write it with \"_\""
	}
	m.fail(message)
}

// calculate is arithmetic with numbers. Whole numbers are exact up to 2^53,
// and more is refused.
func (m *machine) calculate(op string, x, y float64, whole bool) any {
	if y == 0 && op != "+" && op != "-" && op != "*" {
		m.fail("division by zero")
	}
	var z float64
	switch op {
	case "+":
		z = x + y
	case "-":
		z = x - y
	case "*":
		z = x * y
	case "/":
		return float(x / y)
	case "//":
		z = math.Floor(x / y)
	default:
		z = x - y*math.Floor(x/y)
	}
	if !whole {
		return float(z)
	}
	if math.Abs(z) > 1<<53 {
		m.fail("a number out of range")
	}
	return int64(z)
}
