package jinja

import "strings"

// list evaluates expressions with commas between them: one, or a list.
func (m *machine) list() any {
	v := m.expr()
	if !m.is(",") {
		return v
	}
	items := tuple{v}
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
	var v any = undefined{plain: true}
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
		outer := m.skip
		m.skip = outer || result == false // what comes after is not asked then
		w := m.operation(0)
		if !m.skip {
			result = m.compare(op, v, w)
		} else if result == nil {
			result = false
		}
		m.skip = outer
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
		v = m.signed(-1, m.unary(false))
	case m.accept("+"):
		v = m.signed(1, m.unary(false))
	default:
		v = m.postfix(m.primary())
	}
	if filtered {
		v = m.filtered(v)
	}
	m.depth--
	return v
}

// signed is a number with a sign before it.
func (m *machine) signed(sign float64, v any) any {
	if m.skip {
		return nil
	}
	if _, ok := v.(undefined); ok {
		m.missingValue(v, nil)
	}
	f, whole, ok := toNumber(v)
	if !ok {
		m.fail(typeName(v) + " has no sign")
	}
	if !whole {
		return float(sign * f)
	}
	return m.calculate("*", sign, f, true)
}
