package userdata

import (
	"bytes"
	"strings"
)

// An entity is a node of a MIME message: a leaf with a body or a container
// with children.
type entity struct {
	header   header
	line     int // where its header begins in the document, from 1
	body     []byte
	children []*entity
	// container is set for multipart/*, whose body is no part of its own.
	container bool
}

// parseMIME reads a message as Python's email package does, which is what
// cloud-init's users get: a preamble is passed over, lines end in LF, CR LF
// or CR, the boundary of an outer multipart ends the inner ones, a missing
// closing boundary is fine, and the line end before a boundary belongs to
// the boundary. Bodies are slices of src. What gets lost is said to report.
func parseMIME(src []byte, limits Limits, report func(line int, err error)) *entity {
	p := &mimeParser{src: src, line: 1, newline: -1, limits: limits, report: report}
	return p.entity(0)
}

type mimeParser struct {
	src    []byte
	pos    int
	line   int
	limits Limits
	report func(line int, err error)
	// boundaries are those of the multiparts around the current entity,
	// outermost first, each with its leading "--".
	boundaries []string
	entities   int
	// peeked is the line at pos, nil when it has not been looked at.
	// newline is where the first LF from pos on is, if it is not before pos.
	peeked  []byte
	newline int
}

// peek gives the line at pos with its ending. It is nil at the end of src
// and at a boundary of an enclosing multipart.
func (p *mimeParser) peek() []byte {
	if p.peeked != nil || p.pos >= len(p.src) {
		return p.peeked
	}
	rest := p.src[p.pos:]
	if p.newline < p.pos {
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			p.newline = p.pos + i
		} else {
			p.newline = len(p.src)
		}
	}
	line := p.src[p.pos:min(p.newline+1, len(p.src))]
	if i := bytes.IndexByte(line, '\r'); i >= 0 && !(i == len(line)-2 && line[i+1] == '\n') {
		line = line[:i+1]
	}
	if bytes.HasPrefix(line, []byte("--")) {
		for _, b := range p.boundaries {
			if isBoundary, _ := matchBoundary(line, b); isBoundary {
				return nil
			}
		}
	}
	p.peeked = line
	return line
}

// advance passes over the line that peek gave.
//
//go:noinline
func (p *mimeParser) advance() {
	p.pos += len(p.peeked)
	p.line++
	p.peeked = nil
}

// matchBoundary reports whether line is the boundary b, and a closing one.
func matchBoundary(line []byte, b string) (is, closing bool) {
	if len(line) < len(b) || string(line[:len(b)]) != b {
		return false, false
	}
	rest := bytes.TrimRight(line[len(b):], "\r\n")
	if after, ok := bytes.CutPrefix(rest, []byte("--")); ok {
		rest, closing = after, true
	}
	return len(bytes.Trim(rest, " \t")) == 0, closing
}

// entity parses a header and what belongs to it.
func (p *mimeParser) entity(depth int) *entity {
	e := &entity{line: p.line}
	p.entities++
	e.header = p.headerBlock()
	start := p.pos
	typ, _ := e.header.contentType()
	main, _, _ := strings.Cut(typ, "/")
	nests := main == "multipart" || main == "message"
	switch {
	case nests && depth >= p.limits.Nesting:
		p.report(e.line, limitErrorf("MIME containers nested deeper than %d", p.limits.Nesting))
		e.container = true
		p.skip()
	case main == "multipart":
		e.container = true
		p.multipart(e, depth)
	case nests:
		e.container = true
		e.children = []*entity{p.entity(depth + 1)}
	default:
		p.skip()
		e.body = p.src[start:p.pos]
	}
	return e
}

// skip passes over the lines up to the next boundary.
func (p *mimeParser) skip() {
	for p.peek() != nil {
		p.advance()
	}
}

// multipart parses the children of e.
func (p *mimeParser) multipart(e *entity, depth int) {
	boundary, ok := e.header.param("Content-Type", "boundary")
	if !ok {
		p.report(e.line, errNoBoundary)
		p.skip()
		return
	}
	sep := "--" + strings.TrimRight(boundary, " \t\r\n")
	for {
		line := p.peek()
		if line == nil {
			break
		}
		is, closing := matchBoundary(line, sep)
		p.advance()
		if !is {
			continue // the preamble
		}
		if closing {
			if e.children == nil {
				p.report(e.line, errNoPart)
			}
			p.skip()
			return
		}
		for line = p.peek(); line != nil; line = p.peek() {
			if is, _ := matchBoundary(line, sep); !is {
				break
			}
			p.advance()
		}
		if p.entities > p.limits.Parts {
			p.report(p.line, limitErrorf("a message of more than %d entities", p.limits.Parts))
			p.pos = len(p.src)
			p.peeked = nil
			return
		}
		p.boundaries = append(p.boundaries, sep)
		p.peeked = nil
		child := p.entity(depth + 1)
		p.boundaries = p.boundaries[:len(p.boundaries)-1]
		child.trimLineEnd()
		e.children = append(e.children, child)
	}
	if e.children == nil {
		p.report(e.line, errNoStart(sep))
	}
}

// trimLineEnd takes the line end that belongs to the boundary behind e off
// the body before it. A multipart has given up its own already.
func (e *entity) trimLineEnd() {
	for e.container {
		if len(e.children) != 1 || e.isMultipart() {
			return
		}
		e = e.children[0]
	}
	switch b := e.body; {
	case bytes.HasSuffix(b, []byte("\r\n")):
		e.body = b[:len(b)-2]
	case bytes.HasSuffix(b, []byte("\n")), bytes.HasSuffix(b, []byte("\r")):
		e.body = b[:len(b)-1]
	}
}

func (e *entity) isMultipart() bool {
	typ, _ := e.header.contentType()
	return strings.HasPrefix(typ, "multipart/")
}

// headerBlock reads header fields up to the empty line, which it passes
// over, or to the first line that is no field.
func (p *mimeParser) headerBlock() header {
	var h header
	var value strings.Builder
	name, size, first := "", 0, p.line
	flush := func() {
		if name != "" {
			h = append(h, field{name, strings.TrimRight(strings.TrimLeft(value.String(), " \t\r\n"), "\r\n")})
		}
		name = ""
		value.Reset()
	}
	for {
		line := p.peek()
		if line == nil || !isHeaderLine(line) {
			if line != nil && (line[0] == '\n' || line[0] == '\r') {
				p.advance()
			}
			break
		}
		if size += len(line); size > p.limits.Header {
			if size-len(line) <= p.limits.Header {
				p.report(first, limitErrorf("a header of more than %d bytes; what lies beyond is left out", p.limits.Header))
			}
			p.advance()
			continue
		}
		switch {
		case line[0] == ' ' || line[0] == '\t':
			if name != "" {
				value.Write(line)
			}
		case bytes.HasPrefix(line, []byte("From ")):
			flush()
			if p.line != first && p.lastHeaderLine() {
				return h // the first line of a body that lacks its empty line
			}
		default:
			flush()
			i := bytes.IndexByte(line, ':')
			name = string(line[:i])
			value.Write(line[i+1:])
		}
		p.advance()
	}
	flush()
	return h
}

// lastHeaderLine reports whether no header line follows the one at pos.
func (p *mimeParser) lastHeaderLine() bool {
	here := *p
	here.advance()
	next := here.peek()
	return next == nil || !isHeaderLine(next)
}

// isHeaderLine reports whether a line can stand in a header: a field, the
// continuation of one, or the envelope line of a mailbox.
func isHeaderLine(line []byte) bool {
	if line[0] == ' ' || line[0] == '\t' || bytes.HasPrefix(line, []byte("From ")) {
		return true
	}
	for _, c := range line {
		if c == ':' {
			return true
		}
		if c < '!' || c > '~' {
			return false
		}
	}
	return false
}
