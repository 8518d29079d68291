// Package jinja renders the templates that user-data may be: text and a tree
// of variables go in, text comes out.
//
// It is the part of Jinja2 that such templates use, as cloud-init sets it up:
// substitution, dotted and indexed paths, if, for, set, raw and comments, the
// usual operators, filters and tests, and a few methods of strings and
// mappings. trim_blocks is on, autoescape is off. What Jinja2 knows and this
// package does not is refused by name, with ErrUnsupported. A tuple keeps
// to Python's, and mappings to the order of their keys: that of the template,
// and of instance data by name.
//
// A variable that does not exist becomes the text CI_MISSING_JINJA_VAR/NAME,
// as in cloud-init, and is reported. Rendering never does I/O, and a template
// can neither run for ever nor use much memory: its steps and its output are
// bounded.
//
// The agent carries this package, so it is built to be small: a template is
// evaluated while it is parsed, without a tree in between, and an error
// unwinds to Render as a panic.
package jinja

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	// MaxTemplate is the size of the largest template in bytes.
	MaxTemplate = 1 << 20
	// MaxOutput is the most bytes that a template, or one value in it, may
	// come to.
	MaxOutput = 1 << 20
	// MaxSteps is how many tokens, list elements and copied bytes (the
	// last in units of 64) one rendering may take.
	MaxSteps = 1 << 21
	// MaxDepth is how deep expressions, blocks and values may be nested.
	MaxDepth = 100
	// MissingPrefix stands before the name of a variable that is missing.
	MissingPrefix = "CI_MISSING_JINJA_VAR/"
)

var (
	// ErrUnsupported marks what Jinja2 has and this package has not.
	ErrUnsupported = errors.New("not supported here")
	// ErrLimit marks a template that exceeds one of the limits above.
	ErrLimit = errors.New("limit exceeded")
)

// An Error is what is wrong with a template, and where.
type Error struct {
	// Line counts from 1 in the text given to Render.
	Line int
	Err  error
}

func (e *Error) Error() string {
	return "template: line " + strconv.Itoa(e.Line) + ": " + e.Err.Error()
}
func (e *Error) Unwrap() error { return e.Err }

// Render gives the text of a template with vars filled in. The values of
// vars are what encoding/json makes of JSON: nil, bool, float64, string,
// []any and map[string]any; int and int64 are understood too. missing names
// the variables that the output lacks. An error is an *Error.
func Render(template []byte, vars map[string]any) (out []byte, missing []string, err error) {
	m := &machine{noted: map[string]bool{}}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *Error:
			out, missing, err = nil, nil, e
		default:
			panic(e)
		}
	}()
	if len(template) > MaxTemplate {
		m.exceeded("too long a template")
	}
	text := strings.ReplaceAll(string(template), "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	// Jinja2 takes one line end off the end, and cloud-init puts it back.
	// It makes a difference after a block, which trim_blocks joins to it.
	body, ends := strings.CutSuffix(text, "\n")
	m.scope = &scope{vars: map[string]any{}, outer: &scope{vars: vars}}
	l := &lexer{machine: m, src: body, line: 1}
	l.run()
	m.body()
	if ends {
		put(&m.out, "\n")
	}
	return []byte(m.out.String()), m.missing, nil
}

// A machine evaluates the tokens of a template.
type machine struct {
	tokens []token
	pos    int
	// skip parses without evaluating: for what is not to be run. Every
	// value is nil then.
	skip  bool
	steps int
	depth int
	scope *scope
	out   strings.Builder
	// missing are the names that the output lacks, each once, as noted knows.
	missing []string
	noted   map[string]bool
}

// A scope holds the variables of a loop's body or of the whole template.
type scope struct {
	vars  map[string]any
	outer *scope
}

// fail ends the rendering with an error at the current line.
//
//go:noinline
func (m *machine) fail(message string) { m.failWith(errors.New(message)) }

func (m *machine) failWith(err error) {
	line := 1
	if len(m.tokens) > 0 {
		line = m.tokens[max(min(m.pos, len(m.tokens))-1, 0)].line
	}
	panic(&Error{line, err})
}

// unsupported ends the rendering at something that only Jinja2 has.
func (m *machine) unsupported(what, name string) {
	m.failWith(fmt.Errorf("%w: %s %q", ErrUnsupported, what, name))
}

// exceeded ends the rendering at a limit.
func (m *machine) exceeded(what string) { m.failWith(fmt.Errorf("%w: %s", ErrLimit, what)) }

// The functions below are called from everywhere: inlined they would make up
// a third of the package.

// spend counts n steps.
//
//go:noinline
func (m *machine) spend(n int) {
	if m.steps += n; m.steps > MaxSteps || n < 0 {
		m.exceeded("too many steps")
	}
}

// sized counts the work of making n bytes and bounds them.
//
//go:noinline
func (m *machine) sized(n int) {
	if n > MaxOutput {
		m.exceeded("too much text")
	}
	m.spend(n / 64)
}

// grown bounds what a builder holds.
//
//go:noinline
func (m *machine) grown(sb *strings.Builder) {
	if m.spend(1); sb.Len() > MaxOutput {
		m.exceeded("too much text")
	}
}

// put is WriteString.
//
//go:noinline
func put(sb *strings.Builder, s string) { sb.WriteString(s) }

// enter counts one level of nesting.
//
//go:noinline
func (m *machine) enter() {
	if m.depth++; m.depth > MaxDepth {
		m.exceeded("nested too deep")
	}
}

//go:noinline
func (m *machine) peek() *token { return &m.tokens[m.pos] }

func (m *machine) advance() *token {
	t := &m.tokens[m.pos]
	m.spend(1)
	if t.kind != eofToken {
		m.pos++
	}
	return t
}

// is reports whether the next token is that operator or word.
//
//go:noinline
func (m *machine) is(text string) bool {
	t := m.peek()
	return t.text == text && (t.kind == nameToken || t.kind == opToken)
}

// accept passes over the next token if it is that operator or word.
func (m *machine) accept(text string) bool {
	if !m.is(text) {
		return false
	}
	m.advance()
	return true
}

func (m *machine) expect(text string) {
	if !m.accept(text) {
		m.unexpected(strconv.Quote(text))
	}
}

func (m *machine) unexpected(want string) {
	t := m.advance()
	m.fail("unexpected " + strconv.Quote(t.text) + " where " + want + " should be")
}

// name reads a name that is no keyword.
func (m *machine) name(what string) string {
	t := m.peek()
	if t.kind != nameToken {
		m.unexpected(what)
	}
	return m.advance().text
}

// endTag passes over the end of a tag.
func (m *machine) endTag() {
	if t := m.peek(); t.kind != endToken {
		m.unexpected("the end of the tag")
	}
	m.advance()
}

// body runs up to the block tag that is one of ends and gives its word; the
// tag's other words are left to the caller. Without ends it runs to the end
// of the template.
func (m *machine) body(ends ...string) string {
	m.enter()
	for {
		t := m.advance()
		switch t.kind {
		case textToken:
			m.write(t.text)
		case printToken:
			v := m.list()
			if !m.skip {
				m.write(m.str(v))
			}
			m.endTag()
		case blockToken:
			word := m.name("the name of a block")
			if slices.Contains(ends, word) {
				m.depth--
				return word
			}
			m.block(word)
		default: // the end of the template
			if len(ends) > 0 {
				m.fail("the template ends before " + ends[len(ends)-1])
			}
			return ""
		}
	}
}

func (m *machine) write(s string) {
	if !m.skip {
		m.spend(len(s) / 64)
		put(&m.out, s)
		m.grown(&m.out)
	}
}

func (m *machine) block(word string) {
	switch word {
	case "if":
		m.ifBlock()
	case "for":
		m.forBlock()
	case "set":
		m.setBlock()
	case "endif", "endfor", "elif", "else", "endraw":
		m.fail(word + " where nothing is open")
	default:
		m.unsupported("the block", word)
	}
}

func (m *machine) ifBlock() {
	outer := m.skip
	done := outer // a branch has run, or none may
	for word := "if"; word != "endif"; {
		run := !done
		m.skip = done
		ends := []string{"endif"}
		if word != "else" {
			ends = []string{"elif", "else", "endif"}
			run = truth(m.condition()) && run
		}
		m.endTag()
		m.skip = !run
		done = done || run
		word = m.body(ends...)
	}
	m.skip = outer
	m.endTag()
}

// condition evaluates what an "if" asks: no inline "if" of its own.
func (m *machine) condition() any {
	v := m.logic(0)
	if m.is(",") {
		m.unsupported("if with", ",")
	}
	return v
}

func (m *machine) forBlock() {
	names := m.targets()
	m.expect("in")
	outer := m.skip
	over := m.logic(0) // a whole expression would take the loop's own "if"
	if m.is(",") || m.is("recursive") {
		m.unsupported("the loop with", m.peek().text)
	}
	var items []any
	if !m.skip {
		items = m.elements(over)
	}
	m.spend(len(items))
	if m.accept("if") {
		items = m.chosen(names, items)
	}
	m.endTag()
	start, scoped := m.pos, m.scope
	word := ""
	for i, item := range items {
		m.pos = start
		m.scope = &scope{map[string]any{"loop": loopVariables(items, i)}, scoped}
		m.assign(names, item)
		word = m.body("else", "endfor")
	}
	m.scope = scoped
	if len(items) == 0 {
		m.skip = true
		word = m.body("else", "endfor")
	}
	if word == "else" {
		m.skip = outer || len(items) > 0
		m.endTag()
		m.scope = &scope{map[string]any{}, scoped}
		m.body("endfor")
		m.scope = scoped
	}
	m.skip = outer
	m.endTag()
}

// chosen gives the items for which the loop's own condition holds.
func (m *machine) chosen(names []string, items []any) []any {
	outer, start, scoped := m.skip, m.pos, m.scope
	m.skip = true
	m.expr()
	end := m.pos
	m.skip = outer
	var out []any
	for _, item := range items {
		m.pos, m.scope = start, &scope{map[string]any{"loop": undefined{name: "loop"}}, scoped}
		m.assign(names, item)
		if truth(m.expr()) {
			out = append(out, item)
		}
	}
	m.pos, m.scope = end, scoped
	return out
}

// loopVariables are what "loop" has in the ith round.
//
//go:noinline
func loopVariables(items []any, i int) loopVars {
	n := len(items)
	vars := loopVars{"first": i == 0, "last": i == n-1, "previtem": nameless(), "nextitem": nameless(), "depth": int64(1), "depth0": int64(0)}
	if i > 0 {
		vars["previtem"] = items[i-1]
	}
	if i < n-1 {
		vars["nextitem"] = items[i+1]
	}
	for j, name := range [...]string{"index", "index0", "length", "revindex", "revindex0"} {
		vars[name] = [...]int{i + 1, i, n, n - i, n - i - 1}[j]
	}
	return vars
}

func (m *machine) setBlock() {
	names := m.targets()
	if !m.is("=") {
		m.unsupported("set with", m.peek().text)
	}
	m.advance()
	v := m.list()
	if !m.skip {
		m.assign(names, v)
	}
	m.endTag()
}

// targets reads the names that a loop or an assignment sets.
func (m *machine) targets() []string {
	parens := m.accept("(")
	names := []string{m.name("a name")}
	for m.accept(",") {
		names = append(names, m.name("a name"))
	}
	if parens {
		m.expect(")")
	}
	return names
}

// assign sets one name to v, or several to the elements of v.
func (m *machine) assign(names []string, v any) {
	items := []any{v}
	if len(names) > 1 {
		items = m.elements(v)
	}
	if len(items) != len(names) {
		m.fail("as many names as values are needed")
	}
	for i, name := range names {
		m.scope.vars[name] = items[i]
	}
}
