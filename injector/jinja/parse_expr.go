package jinja

import (
	"fmt"
	"strconv"
)

// maxChain bounds the operators of one level in a row.
const maxChain = 1000

var errChain = fmt.Errorf("%w: too many operators in a row", ErrLimit)

// An expr is an expression that can be evaluated.
type expr interface {
	eval(r *renderer, s *scope) (any, error)
}

type (
	literalExpr struct{ value any }
	nameExpr    string
	listExpr    struct {
		items []expr
		tuple bool
	}
	dictExpr struct{ keys, values []expr }
	// attrExpr is "of.name", indexExpr "of[key]".
	attrExpr struct {
		of   expr
		name string
	}
	indexExpr struct{ of, key expr }
	sliceExpr struct{ of, from, to, step expr } // nil where left out
	callExpr  struct {
		fn   expr
		args arguments
	}
	// filterExpr is "of|name(args)", testExpr "of is name(args)".
	filterExpr struct {
		of   expr
		name string
		args arguments
	}
	testExpr struct {
		of   expr
		name string
		args arguments
	}
	notExpr   struct{ of expr }
	minusExpr struct{ of expr }
	// logicExpr is "and" or "or", which give one of their operands.
	logicExpr struct {
		and         bool
		left, right expr
	}
	binaryExpr struct {
		op          string
		left, right expr
	}
	// compareExpr is a chain such as a < b <= c.
	compareExpr struct {
		first expr
		ops   []string
		rest  []expr
	}
	// condExpr is "then if cond else other"; other may be nil.
	condExpr struct{ then, cond, other expr }
)

// arguments are those of a call, a filter or a test.
type arguments struct {
	list  []expr
	names []string // of the keyword arguments
	named []expr
}

// tuple parses expressions with commas between them.
func (p *parser) tuple() (expr, error) { return p.tupleOf(p.expression) }

func (p *parser) tupleOf(item func() (expr, error)) (expr, error) {
	first, err := item()
	if err != nil || !p.is(opToken, ",") {
		return first, err
	}
	items := []expr{first}
	for p.accept(opToken, ",") {
		if t := p.peek(); t.kind == endToken || t.kind == opToken && t.text != "(" && t.text != "[" && t.text != "{" && t.text != "-" && t.text != "+" {
			break
		}
		e, err := item()
		if err != nil {
			return nil, err
		}
		items = append(items, e)
	}
	return listExpr{items, true}, nil
}

// expression parses a conditional expression or anything that binds closer.
func (p *parser) expression() (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	e, err := p.or()
	for n := 0; err == nil && p.accept(nameToken, "if"); n++ {
		if n > MaxDepth {
			return nil, errChain
		}
		c := condExpr{then: e}
		if c.cond, err = p.or(); err != nil {
			return nil, err
		}
		if p.accept(nameToken, "else") {
			if c.other, err = p.expression(); err != nil {
				return nil, err
			}
		}
		e = c
	}
	return e, err
}

func (p *parser) or() (expr, error) {
	left, err := p.and()
	for n := 0; err == nil && p.accept(nameToken, "or"); n++ {
		if n > maxChain {
			return nil, errChain
		}
		var right expr
		right, err = p.and()
		left = logicExpr{false, left, right}
	}
	return left, err
}

func (p *parser) and() (expr, error) {
	left, err := p.not()
	for n := 0; err == nil && p.accept(nameToken, "and"); n++ {
		if n > maxChain {
			return nil, errChain
		}
		var right expr
		right, err = p.not()
		left = logicExpr{true, left, right}
	}
	return left, err
}

func (p *parser) not() (expr, error) {
	if !p.accept(nameToken, "not") {
		return p.comparison()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	e, err := p.not()
	return notExpr{e}, err
}

func (p *parser) comparison() (expr, error) {
	first, err := p.binary(0)
	c := compareExpr{first: first}
	for err == nil {
		op := ""
		switch t := p.peek(); {
		case t.kind == opToken && (t.text == "==" || t.text == "!=" || t.text == "<" || t.text == "<=" || t.text == ">" || t.text == ">="):
			op = p.advance().text
		case p.accept(nameToken, "in"):
			op = "in"
		case p.is(nameToken, "not") && p.tokens[p.pos+1].text == "in":
			p.advance()
			p.advance()
			op = "not in"
		}
		if op == "" {
			break
		}
		var e expr
		e, err = p.binary(0)
		c.ops, c.rest = append(c.ops, op), append(c.rest, e)
	}
	if len(c.ops) == 0 {
		return first, err
	}
	return c, err
}

// binary parses the operators that bind closer than comparisons: level 0 is
// + and -, 1 is ~, 2 is * / // %, 3 is **.
func (p *parser) binary(level int) (expr, error) {
	if level == 4 {
		return p.unary(true)
	}
	left, err := p.binary(level + 1)
	for n := 0; err == nil && p.peek().kind == opToken && operatorLevel(p.peek().text) == level; n++ {
		if n > maxChain {
			return nil, errChain
		}
		op := p.advance().text
		var right expr
		right, err = p.binary(level + 1)
		left = binaryExpr{op, left, right}
	}
	return left, err
}

func operatorLevel(op string) int {
	switch op {
	case "+", "-":
		return 0
	case "~":
		return 1
	case "*", "/", "//", "%":
		return 2
	case "**":
		return 3
	}
	return -1
}

// unary parses a sign and what it stands before. Filters and tests apply to
// the whole, sign included.
func (p *parser) unary(filters bool) (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	var e expr
	var err error
	switch {
	case p.accept(opToken, "-"):
		e, err = p.unary(false)
		e = minusExpr{e}
	case p.accept(opToken, "+"):
		e, err = p.unary(false)
	default:
		e, err = p.primary()
	}
	if err == nil {
		e, err = p.postfix(e)
	}
	if err == nil && filters {
		e, err = p.filters(e)
	}
	return e, err
}

func (p *parser) primary() (expr, error) {
	t := p.peek()
	switch t.kind {
	case nameToken:
		return p.word()
	case stringToken:
		s := ""
		for p.peek().kind == stringToken {
			s += p.advance().text
		}
		return literalExpr{s}, nil
	case intToken:
		p.advance()
		n, err := strconv.ParseInt(t.text, intBase(t.text), 64)
		return literalExpr{n}, err
	case floatToken:
		p.advance()
		f, err := strconv.ParseFloat(t.text, 64)
		return literalExpr{f}, err
	case opToken:
		switch t.text {
		case "(":
			return p.parens()
		case "[":
			p.advance()
			items, err := p.items("]")
			return listExpr{items, false}, err
		case "{":
			return p.dict()
		}
	}
	return nil, p.unexpected("an expression")
}

func (p *parser) word() (expr, error) {
	t := p.peek()
	switch t.text {
	case "true", "True":
		p.advance()
		return literalExpr{true}, nil
	case "false", "False":
		p.advance()
		return literalExpr{false}, nil
	case "none", "None":
		p.advance()
		return literalExpr{nil}, nil
	}
	if isReserved(t.text) {
		return nil, p.unexpected("an expression")
	}
	p.advance()
	return nameExpr(t.text), nil
}

// parens parses what stands in parentheses: an expression or a tuple.
func (p *parser) parens() (expr, error) {
	p.advance()
	if p.accept(opToken, ")") {
		return listExpr{nil, true}, nil
	}
	e, err := p.tuple()
	if err != nil {
		return nil, err
	}
	return e, p.expect(opToken, ")")
}

// items parses expressions up to the closing bracket.
func (p *parser) items(close string) ([]expr, error) {
	var items []expr
	for !p.accept(opToken, close) {
		if len(items) > 0 {
			if err := p.expect(opToken, ","); err != nil {
				return nil, err
			}
			if p.accept(opToken, close) {
				break
			}
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		items = append(items, e)
	}
	return items, nil
}

func (p *parser) dict() (expr, error) {
	p.advance()
	var d dictExpr
	for !p.accept(opToken, "}") {
		if len(d.keys) > 0 {
			if err := p.expect(opToken, ","); err != nil {
				return nil, err
			}
			if p.accept(opToken, "}") {
				break
			}
		}
		k, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.expect(opToken, ":"); err != nil {
			return nil, err
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		d.keys, d.values = append(d.keys, k), append(d.values, v)
	}
	return d, nil
}

// postfix parses attributes, subscripts and calls after e.
func (p *parser) postfix(e expr) (expr, error) {
	for n := 0; ; n++ {
		if n > MaxDepth {
			return nil, fmt.Errorf("%w: a path of more than %d steps", ErrLimit, MaxDepth)
		}
		switch {
		case p.accept(opToken, "."):
			t := p.advance()
			switch t.kind {
			case nameToken:
				e = attrExpr{e, t.text}
			case intToken:
				n, err := strconv.ParseInt(t.text, 10, 64)
				if err != nil {
					return nil, err
				}
				e = indexExpr{e, literalExpr{n}}
			default:
				return nil, fmt.Errorf("unexpected %q where a name should be", t.text)
			}
		case p.accept(opToken, "["):
			sub, err := p.subscript(e)
			if err != nil {
				return nil, err
			}
			e = sub
		case p.accept(opToken, "("):
			args, err := p.arguments()
			if err != nil {
				return nil, err
			}
			e = callExpr{e, args}
		default:
			return e, nil
		}
	}
}

// subscript parses an index or a slice, after its opening bracket.
func (p *parser) subscript(of expr) (expr, error) {
	var parts [3]expr
	n, slice := 0, false
	for !p.accept(opToken, "]") {
		if p.accept(opToken, ":") {
			slice = true
			if n++; n > 2 {
				return nil, p.unexpected(`"]"`)
			}
			continue
		}
		if parts[n] != nil {
			return nil, p.unexpected(`"]"`)
		}
		var err error
		if parts[n], err = p.expression(); err != nil {
			return nil, err
		}
	}
	switch {
	case slice:
		return sliceExpr{of, parts[0], parts[1], parts[2]}, nil
	case parts[0] == nil:
		return nil, fmt.Errorf("an empty index")
	}
	return indexExpr{of, parts[0]}, nil
}

// arguments parses those of a call, after its opening parenthesis.
func (p *parser) arguments() (arguments, error) {
	var a arguments
	for n := 0; !p.accept(opToken, ")"); n++ {
		if n > 0 {
			if err := p.expect(opToken, ","); err != nil {
				return a, err
			}
			if p.accept(opToken, ")") {
				break
			}
		}
		if p.is(opToken, "*") || p.is(opToken, "**") {
			return a, fmt.Errorf("%w: arguments from a list or mapping", ErrUnsupported)
		}
		if p.peek().kind == nameToken && p.tokens[p.pos+1].text == "=" && p.tokens[p.pos+1].kind == opToken {
			a.names = append(a.names, p.advance().text)
			p.advance()
			e, err := p.expression()
			if err != nil {
				return a, err
			}
			a.named = append(a.named, e)
			continue
		}
		e, err := p.expression()
		if err != nil {
			return a, err
		}
		a.list = append(a.list, e)
	}
	return a, nil
}

// filters parses filters, tests and calls after e.
func (p *parser) filters(e expr) (expr, error) {
	for n := 0; ; n++ {
		if n > MaxDepth {
			return nil, errChain
		}
		switch {
		case p.accept(opToken, "|"):
			f := filterExpr{of: e}
			var err error
			if f.name, err = p.nameOf("a filter"); err != nil {
				return nil, err
			}
			if p.accept(opToken, "(") {
				if f.args, err = p.arguments(); err != nil {
					return nil, err
				}
			}
			if !isFilter(f.name) {
				return nil, fmt.Errorf("%w: the filter %q", ErrUnsupported, f.name)
			}
			e = f
		case p.accept(nameToken, "is"):
			negated := p.accept(nameToken, "not")
			t, err := p.test(e)
			if err != nil {
				return nil, err
			}
			if e = t; negated {
				e = notExpr{t}
			}
		case p.accept(opToken, "("):
			args, err := p.arguments()
			if err != nil {
				return nil, err
			}
			e = callExpr{e, args}
		default:
			return e, nil
		}
	}
}

// test parses a test's name and its arguments: in parentheses, or one
// primary expression that follows.
func (p *parser) test(of expr) (expr, error) {
	t := testExpr{of: of}
	var err error
	if t.name, err = p.nameOf("a test"); err != nil {
		return nil, err
	}
	if !isTest(t.name) {
		return nil, fmt.Errorf("%w: the test %q", ErrUnsupported, t.name)
	}
	next := p.peek()
	switch {
	case p.accept(opToken, "("):
		t.args, err = p.arguments()
	case next.kind == stringToken, next.kind == intToken, next.kind == floatToken,
		next.kind == opToken && (next.text == "[" || next.text == "{"),
		next.kind == nameToken && !endsTest(next.text):
		var arg expr
		if arg, err = p.primary(); err == nil {
			arg, err = p.postfix(arg)
		}
		t.args.list = []expr{arg}
	}
	return t, err
}

// endsTest reports whether a word after a test is not its argument.
func endsTest(word string) bool {
	switch word {
	case "else", "or", "and":
		return true
	}
	return false
}

// nameOf parses the name of a filter or test.
func (p *parser) nameOf(what string) (string, error) {
	t := p.peek()
	if t.kind != nameToken {
		return "", p.unexpected("the name of " + what)
	}
	p.advance()
	return t.text, nil
}
