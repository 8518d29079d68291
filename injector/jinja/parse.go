package jinja

import (
	"fmt"
	"slices"
	"strconv"
)

// A node is a piece of a template's body.
type node interface{}

type (
	textNode  string
	printNode struct {
		line int
		expr expr
	}
	ifNode struct {
		line            int
		cond            expr
		then, otherwise []node
	}
	forNode struct {
		line        int
		names       []string
		over        expr
		only        expr // nil without a condition
		body, empty []node
	}
	setNode struct {
		line  int
		names []string
		value expr
	}
)

// parser turns tokens into nodes.
type parser struct {
	tokens []token
	pos    int
	depth  int
}

func parse(src string) ([]node, error) {
	tokens, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	nodes, _, err := p.body()
	if err != nil {
		return nil, &Error{p.peek().line, err}
	}
	return nodes, nil
}

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) advance() token {
	t := p.tokens[p.pos]
	if t.kind != eofToken {
		p.pos++
	}
	return t
}

// is reports whether the next token is that operator or word.
func (p *parser) is(k kind, text string) bool {
	t := p.peek()
	return t.kind == k && t.text == text
}

// accept passes over the next token if it is that operator or word.
func (p *parser) accept(k kind, text string) bool {
	if p.is(k, text) {
		p.advance()
		return true
	}
	return false
}

func (p *parser) expect(k kind, text string) error {
	if !p.accept(k, text) {
		return p.unexpected(strconv.Quote(text))
	}
	return nil
}

func (p *parser) unexpected(want string) error {
	t := p.peek()
	if t.kind == eofToken || t.kind == textToken {
		return fmt.Errorf("the template ends where %s should be", want)
	}
	return fmt.Errorf("unexpected %q where %s should be", t.text, want)
}

// enter counts one level of nesting.
func (p *parser) enter() error {
	if p.depth++; p.depth > MaxDepth {
		return fmt.Errorf("%w: nested deeper than %d", ErrLimit, MaxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// body parses up to the block tag that is one of ends, and gives its word;
// the tag's other words are left to the caller. Without ends it parses to
// the end of the template.
func (p *parser) body(ends ...string) (nodes []node, end string, err error) {
	if err := p.enter(); err != nil {
		return nil, "", err
	}
	defer p.leave()
	for {
		t := p.advance()
		switch t.kind {
		case textToken:
			if t.text != "" {
				nodes = append(nodes, textNode(t.text))
			}
		case printToken:
			e, err := p.tuple()
			if err != nil {
				return nil, "", err
			}
			if p.peek().kind != endToken {
				return nil, "", p.unexpected(`"}}"`)
			}
			p.advance()
			nodes = append(nodes, printNode{t.line, e})
		case blockToken:
			word := p.peek()
			if slices.Contains(ends, word.text) {
				p.advance()
				return nodes, word.text, nil
			}
			n, err := p.block()
			if err != nil {
				return nil, "", err
			}
			nodes = append(nodes, n)
		default: // the end
			if len(ends) > 0 {
				return nil, "", fmt.Errorf("the template ends before {%% %s %%}", ends[len(ends)-1])
			}
			return nodes, "", nil
		}
	}
}

func (p *parser) endTag() error {
	if p.peek().kind != endToken {
		return p.unexpected(`"%}"`)
	}
	p.advance()
	return nil
}

// block parses one block, from its first word on.
func (p *parser) block() (node, error) {
	t := p.peek()
	if t.kind != nameToken {
		return nil, p.unexpected("the name of a block")
	}
	p.advance()
	switch t.text {
	case "if":
		return p.ifBlock(t.line)
	case "for":
		return p.forBlock(t.line)
	case "set":
		return p.setBlock(t.line)
	case "do", "macro", "call", "filter", "block", "extends", "include", "import", "from", "with",
		"autoescape", "trans", "break", "continue", "debug":
		return nil, fmt.Errorf("%w: {%% %s %%}", ErrUnsupported, t.text)
	}
	return nil, fmt.Errorf("unknown block %q", t.text)
}

func (p *parser) ifBlock(line int) (node, error) {
	n := ifNode{line: line}
	var err error
	if n.cond, err = p.tuple(); err != nil {
		return nil, err
	}
	if err = p.endTag(); err != nil {
		return nil, err
	}
	var end string
	if n.then, end, err = p.body("elif", "else", "endif"); err != nil {
		return nil, err
	}
	switch end {
	case "elif":
		// Each elif nests, so a chain of them is bounded like blocks are.
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.leave()
		rest, err := p.ifBlock(p.peek().line)
		if err != nil {
			return nil, err
		}
		n.otherwise = []node{rest}
		return n, nil
	case "else":
		if err = p.endTag(); err != nil {
			return nil, err
		}
		if n.otherwise, _, err = p.body("endif"); err != nil {
			return nil, err
		}
	}
	return n, p.endTag()
}

func (p *parser) forBlock(line int) (node, error) {
	n := forNode{line: line}
	var err error
	if n.names, err = p.targets(); err != nil {
		return nil, err
	}
	if err = p.expect(nameToken, "in"); err != nil {
		return nil, err
	}
	// A conditional expression would take the loop's own "if" for its own.
	if n.over, err = p.tupleOf(p.or); err != nil {
		return nil, err
	}
	if p.accept(nameToken, "if") {
		if n.only, err = p.expression(); err != nil {
			return nil, err
		}
	}
	if p.is(nameToken, "recursive") {
		return nil, fmt.Errorf("%w: a recursive loop", ErrUnsupported)
	}
	if err = p.endTag(); err != nil {
		return nil, err
	}
	var end string
	if n.body, end, err = p.body("else", "endfor"); err != nil {
		return nil, err
	}
	if end == "else" {
		if err = p.endTag(); err != nil {
			return nil, err
		}
		if n.empty, _, err = p.body("endfor"); err != nil {
			return nil, err
		}
	}
	return n, p.endTag()
}

func (p *parser) setBlock(line int) (node, error) {
	n := setNode{line: line}
	var err error
	if n.names, err = p.targets(); err != nil {
		return nil, err
	}
	if !p.accept(opToken, "=") {
		switch {
		case p.peek().kind == endToken || p.is(opToken, "|"):
			return nil, fmt.Errorf("%w: {%% set %%} of a block", ErrUnsupported)
		case p.is(opToken, "."):
			return nil, fmt.Errorf("%w: {%% set %%} of an attribute", ErrUnsupported)
		}
		return nil, p.unexpected(`"="`)
	}
	if n.value, err = p.tuple(); err != nil {
		return nil, err
	}
	return n, p.endTag()
}

// targets parses the names that a loop or an assignment sets.
func (p *parser) targets() ([]string, error) {
	parens := p.accept(opToken, "(")
	var names []string
	for {
		t := p.peek()
		if t.kind != nameToken || isReserved(t.text) {
			return nil, p.unexpected("a name")
		}
		names = append(names, p.advance().text)
		if !p.accept(opToken, ",") {
			break
		}
	}
	if parens {
		return names, p.expect(opToken, ")")
	}
	return names, nil
}

// isReserved reports whether a word cannot be a variable.
func isReserved(name string) bool {
	switch name {
	case "and", "or", "not", "in", "is", "if", "else", "elif", "for", "true", "false", "none", "True", "False", "None":
		return true
	}
	return false
}
