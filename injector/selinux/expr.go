package selinux

import (
	"errors"
	"strings"
)

// The bounds of one expression and of one match: a policy may be hostile.
const (
	maxExpr  = 4096
	maxDepth = 32
	maxSteps = 1 << 16
)

var errExpr = errors.New("expression not understood")

// An expr is a regular expression as policies use them, matching whole paths:
// literals, dots, classes, groups, alternatives and repetition. Package regexp
// would cost the agent more than all of this package.
type expr struct{ alternatives [][]item }

// An item is one thing to match, so or so many times.
type item struct {
	kind     itemKind
	char     byte
	class    *[256]bool
	group    *expr
	min, max int // max < 0: without end
}

type itemKind byte

const (
	literal itemKind = iota
	class
	group
	begin
	end
)

type parser struct {
	text  string
	depth int
}

func compile(text string) (*expr, error) {
	if len(text) > maxExpr {
		return nil, errExpr
	}
	p := &parser{text: text}
	e, err := p.alternatives()
	if err != nil || p.text != "" {
		return nil, errExpr
	}
	return e, nil
}

func (p *parser) alternatives() (*expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, errExpr
	}
	defer func() { p.depth-- }()
	e := &expr{alternatives: [][]item{nil}}
	for p.text != "" && p.text[0] != ')' {
		last := &e.alternatives[len(e.alternatives)-1]
		if p.text[0] == '|' {
			p.text = p.text[1:]
			e.alternatives = append(e.alternatives, nil)
			continue
		}
		it, err := p.item()
		if err != nil {
			return nil, err
		}
		*last = append(*last, it)
	}
	return e, nil
}

func (p *parser) item() (it item, err error) {
	c := p.text[0]
	p.text = p.text[1:]
	it = item{kind: literal, char: c, min: 1, max: 1}
	switch c {
	case '^':
		it.kind = begin
	case '$':
		it.kind = end
	case '.':
		it.kind, it.class = class, &[256]bool{}
		for i := range it.class {
			it.class[i] = i != '\n'
		}
	case '[':
		it.kind = class
		it.class, err = p.class()
	case '(':
		p.text = strings.TrimPrefix(p.text, "?:")
		it.kind = group
		if it.group, err = p.alternatives(); err == nil && !strings.HasPrefix(p.text, ")") {
			err = errExpr
		} else if err == nil {
			p.text = p.text[1:]
		}
	case '\\':
		it.char, err = p.escaped()
	case '*', '+', '?', '{':
		err = errExpr
	}
	if err != nil {
		return it, err
	}
	return it, p.repetition(&it)
}

func (p *parser) repetition(it *item) error {
	if p.text == "" {
		return nil
	}
	switch p.text[0] {
	case '*':
		it.min, it.max = 0, -1
	case '+':
		it.min, it.max = 1, -1
	case '?':
		it.min, it.max = 0, 1
	case '{':
		return errExpr // no policy counts
	default:
		return nil
	}
	p.text = p.text[1:]
	if p.text != "" && strings.ContainsRune("*+?{", rune(p.text[0])) {
		return errExpr
	}
	return nil
}

// escaped is the character after a backslash. Letters and digits would stand
// for something else than themselves.
func (p *parser) escaped() (byte, error) {
	if p.text == "" {
		return 0, errExpr
	}
	c := p.text[0]
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
		return 0, errExpr
	}
	p.text = p.text[1:]
	return c, nil
}

func (p *parser) class() (*[256]bool, error) {
	set := &[256]bool{}
	rest, negated := strings.CutPrefix(p.text, "^")
	p.text = rest
	for first := true; ; first = false {
		if p.text == "" || strings.HasPrefix(p.text, "[:") {
			return nil, errExpr
		}
		c := p.text[0]
		p.text = p.text[1:]
		if c == ']' && !first {
			break
		}
		if c == '\\' {
			var err error
			if c, err = p.escaped(); err != nil {
				return nil, err
			}
		}
		to := c
		if len(p.text) >= 2 && p.text[0] == '-' && p.text[1] != ']' {
			to = p.text[1]
			p.text = p.text[2:]
			if to == '\\' || to < c {
				return nil, errExpr
			}
		}
		for i := int(c); i <= int(to); i++ {
			set[i] = true
		}
	}
	for i := range set {
		set[i] = set[i] != negated
	}
	return set, nil
}

// prefix is what every match begins with; exact says that it is all there is.
func (e *expr) prefix() (stem string, exact bool) {
	if len(e.alternatives) != 1 {
		return "", false
	}
	var b strings.Builder
	for _, it := range e.alternatives[0] {
		if it.kind != literal || it.min != 1 || it.max != 1 {
			return b.String(), false
		}
		b.WriteByte(it.char)
	}
	return b.String(), true
}

// A matcher counts its steps, so that no expression takes for ever.
type matcher struct {
	text  string
	steps int
}

func (e *expr) match(text string) bool {
	m := &matcher{text: text}
	return m.expr(e, 0, func(at int) bool { return at == len(text) })
}

func (m *matcher) expr(e *expr, at int, then func(int) bool) bool {
	for _, items := range e.alternatives {
		if m.items(items, at, then) {
			return true
		}
	}
	return false
}

func (m *matcher) items(items []item, at int, then func(int) bool) bool {
	if len(items) == 0 {
		return then(at)
	}
	return m.repeat(&items[0], 0, at, func(at int) bool { return m.items(items[1:], at, then) })
}

// repeat matches it as often as it can, having done so n times, and then less.
func (m *matcher) repeat(it *item, n, at int, then func(int) bool) bool {
	if m.steps++; m.steps > maxSteps {
		return false
	}
	if it.max < 0 || n < it.max {
		more := func(next int) bool {
			if next == at && n >= it.min {
				return false // an empty group would go on for ever
			}
			return m.repeat(it, n+1, next, then)
		}
		if m.once(it, at, more) {
			return true
		}
	}
	return n >= it.min && then(at)
}

func (m *matcher) once(it *item, at int, then func(int) bool) bool {
	switch it.kind {
	case group:
		return m.expr(it.group, at, then)
	case begin:
		return at == 0 && then(at)
	case end:
		return at == len(m.text) && then(at)
	}
	if at >= len(m.text) || it.kind == literal && m.text[at] != it.char || it.kind == class && !it.class[m.text[at]] {
		return false
	}
	return then(at + 1)
}
