package yaml

import (
	"strconv"
	"strings"
)

// coreTag is what "!!" stands for.
const coreTag = "tag:yaml.org,2002:"

// Parse reads the one document of body; the node is nil if there is none. An
// error is an *Error. If it stands behind a complete document, as a second
// document does, the first one's node is there as well.
func Parse(body []byte) (*Node, error) {
	text, err := readable(body)
	if err != nil {
		return nil, err
	}
	p := parser{anchors: map[string]*Node{}}
	p.src, p.line, p.indent = text, 1, -1
	p.keys, p.allowKey = make([]simpleKey, 1, 8), true
	root := p.document()
	if p.err != nil {
		return nil, p.err
	}
	if root != nil {
		p.documentOver()
	}
	if p.err != nil {
		return root, p.err
	}
	return root, nil
}

// A parser makes nodes of tokens.
type parser struct {
	scanner
	// anchors has the nodes by their anchors; without a Kind while what is
	// in them is being read.
	anchors map[string]*Node
	handles []token // the %TAG directives
	nodes   int
	depth   int
}

func (p *parser) failAt(t *token, message string) { p.fail(t.line, t.col, message) }

// is says whether the next token is one of a set.
func (p *parser) is(kinds tokenKind) bool { return p.peek().kind&kinds != 0 }

// document reads the first document, nil if there is none.
func (p *parser) document() *Node {
	if !p.is(directive | documentStart | streamEnd) {
		return p.node(true, false)
	}
	if !p.documentStart() {
		return nil
	}
	if p.is(directive | documentStart | documentEnd | streamEnd) {
		return p.empty(p.peek())
	}
	return p.node(true, false)
}

// documentStart reads what leads to a document that has a "---"; false if none
// follows.
func (p *parser) documentStart() bool {
	if p.is(streamEnd) {
		return false
	}
	version := false
	for p.is(directive) {
		t := p.next()
		switch {
		case t.handle == "YAML":
			if version || strings.TrimLeft(t.text, "0") != "1" {
				p.failAt(&t, "a second version, or not version 1")
			}
			version = true
		case t.handle[0] == '!':
			if _, twice := p.handle(t.handle); twice {
				p.failAt(&t, "a tag handle that is already there")
			}
			if len(p.handles) == maxHandles {
				p.failAt(&t, "more than "+strconv.Itoa(maxHandles)+" %TAG directives")
			}
			p.handles = append(p.handles, t)
		}
	}
	if t := p.next(); t.kind != documentStart {
		p.failAt(&t, "a document with directives, or after another one, begins with ---")
	}
	return p.err == nil
}

// documentOver fails if anything but the end of the document follows.
func (p *parser) documentOver() {
	for p.is(documentEnd) {
		p.next()
	}
	first := *p.peek()
	if p.documentStart() {
		p.failAt(&first, "a second document; only one is allowed")
	}
}

// handle gives the prefix of a handle that a directive has set.
func (p *parser) handle(handle string) (string, bool) {
	for i := range p.handles {
		if p.handles[i].handle == handle {
			return p.handles[i].text, true
		}
	}
	return "", false
}

// shortTag gives the tag of a token as Node.Tag has it.
func (p *parser) shortTag(t *token) string {
	tag := t.text
	if t.handle != "" {
		prefix, found := p.handle(t.handle)
		switch {
		case found:
		case t.handle == "!":
			prefix = "!"
		case t.handle == "!!":
			prefix = coreTag
		default:
			p.failAt(t, "a tag handle without its %TAG directive")
		}
		if len(prefix)+len(tag) > maxTag {
			p.failAt(t, "a tag of more than "+strconv.Itoa(maxTag)+" bytes")
			return ""
		}
		tag = prefix + tag
	}
	if rest, core := strings.CutPrefix(tag, coreTag); core {
		return "!!" + rest
	}
	if strings.HasPrefix(tag, "!!") {
		return "!<" + tag + ">"
	}
	return tag
}

func (p *parser) newNode(t *token) *Node {
	if p.nodes++; p.nodes > MaxNodes {
		p.failAt(t, "more than "+strconv.Itoa(MaxNodes)+" values")
	}
	return &Node{Line: t.line, Column: t.col + 1}
}

func (n *Node) add(c *Node) { n.Content = append(n.Content, c) }

// empty is the null that stands at a token.
func (p *parser) empty(t *token) *Node {
	n := p.newNode(t)
	n.Kind, n.Plain = Scalar, true
	return n
}

// node reads a node: in a block, between brackets, or, where a key's value
// can be a list at the key's own indentation, indentless.
func (p *parser) node(block, indentless bool) *Node {
	if p.depth == MaxDepth {
		p.failAt(p.peek(), "nested deeper than "+strconv.Itoa(MaxDepth))
	}
	if p.is(aliasToken) {
		return p.alias()
	}
	n := p.newNode(p.peek())
	properties := p.properties(n)
	t := p.peek()
	kind := t.kind
	p.depth++
	switch {
	case kind == scalarToken:
		t := p.next()
		n.Plain = n.Plain || t.plain && n.Tag == ""
		n.Value, n.Kind = t.text, Scalar
	case kind == blockEntry && indentless:
		p.sequence(n, false)
	case kind == blockSequenceStart && block:
		p.next()
		p.sequence(n, true)
	case kind == blockMappingStart && block:
		p.mapping(n)
	case kind == flowSequenceStart:
		p.flowSequence(n)
	case kind == flowMappingStart:
		p.flowMapping(n)
	case properties:
		n.Plain, n.Kind = n.Tag == "", Scalar
	default:
		p.failAt(t, "a value is missing here")
	}
	p.depth--
	return n
}

// alias gives the node that an alias stands for.
func (p *parser) alias() *Node {
	t := p.next()
	n := p.anchors[t.text]
	switch {
	case n == nil:
		p.failAt(&t, "an alias to an anchor that is not there; if this is a text, put quotes around it")
		return &Node{}
	case n.Kind == 0:
		p.failAt(&t, "an anchor that contains itself")
	}
	n.Shared = true
	return n
}

// properties reads a node's anchor and tag, in any order.
func (p *parser) properties(n *Node) bool {
	anchor, tag := false, false
	for {
		switch t := p.peek(); {
		case t.kind == anchorToken && !anchor:
			anchor = true
			if p.anchors[t.text] != nil {
				p.failAt(t, "an anchor that is already there")
				return true
			}
			p.anchors[t.text] = n
		case t.kind == tagToken && !tag:
			tag = true
			if n.Tag = p.shortTag(t); n.Tag == "!" {
				n.Tag, n.Plain = "", true
			}
		default:
			return anchor || tag
		}
		p.next()
	}
}

func (p *parser) sequence(n *Node, block bool) {
	ends := blockEntry | blockEnd
	if !block {
		ends |= key | value
	}
	for p.is(blockEntry) {
		t := p.next()
		if p.is(ends) {
			t.col++
			n.add(p.empty(&t))
		} else {
			n.add(p.node(true, false))
		}
	}
	if block {
		p.end(blockEnd, "an entry of the list should stand here, its - below the others")
	}
	n.Kind, n.Plain = Sequence, false
}

// end takes the token that ends a collection.
func (p *parser) end(kind tokenKind, message string) {
	if t := p.next(); t.kind != kind {
		p.failAt(&t, message)
	}
}

func (p *parser) mapping(n *Node) {
	p.next()
	for p.is(key) {
		n.add(p.part(key|value|blockEnd, true))
		n.add(p.value(key|value|blockEnd, true))
	}
	p.end(blockEnd, "a key should stand here, as far to the right as the keys above")
	n.Kind, n.Plain = Mapping, false
}

// part reads an indicator and the key or value behind it; none stands there if
// one of ends follows.
func (p *parser) part(ends tokenKind, block bool) *Node {
	t := p.next()
	if p.is(ends) {
		t.col++
		return p.empty(&t)
	}
	return p.node(block, block)
}

// value reads the value that belongs to the key just read.
func (p *parser) value(ends tokenKind, block bool) *Node {
	if p.is(value) {
		return p.part(ends, block)
	}
	return p.empty(p.peek())
}

// entry says whether another entry follows between n's brackets, and passes
// the comma before it. If none does it takes the closing bracket.
func (p *parser) entry(n *Node, closing tokenKind) bool {
	if p.is(streamEnd) {
		p.fail(n.Line, n.Column-1, "the bracket that opens here is not closed")
		return false
	}
	if len(n.Content) > 0 && !p.is(closing|flowEntry) {
		p.failAt(p.peek(), "a comma should stand here, or the bracket that closes the one of line "+strconv.Itoa(n.Line))
		return false
	}
	if len(n.Content) > 0 && p.is(flowEntry) {
		p.next()
	}
	if p.is(closing) {
		p.next()
		return false
	}
	return true
}

func (p *parser) flowSequence(n *Node) {
	p.next()
	for p.entry(n, flowSequenceEnd) {
		if !p.is(key) {
			n.add(p.node(false, false))
			continue
		}
		pair := p.newNode(p.peek())
		pair.Kind = Mapping
		n.add(pair)
		pair.add(p.part(value|flowEntry|flowSequenceEnd, false))
		pair.add(p.value(flowEntry|flowSequenceEnd, false))
	}
	n.Kind, n.Plain = Sequence, false
}

func (p *parser) flowMapping(n *Node) {
	p.next()
	for p.entry(n, flowMappingEnd) {
		if p.is(key) {
			n.add(p.part(value|flowEntry|flowMappingEnd, false))
			n.add(p.value(flowEntry|flowMappingEnd, false))
		} else {
			n.add(p.node(false, false))
			n.add(p.empty(p.peek()))
		}
	}
	n.Kind, n.Plain = Mapping, false
}
