package yaml

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// add is append, which is too large to stand everywhere.
func add(text []byte, more string) []byte { return append(text, more...) }

// plain reads a scalar without quotes, over several lines if the following
// ones are further to the right than its block, or between brackets.
func (s *scanner) plain() {
	t := s.here(scalarToken)
	t.plain = true
	var gap, text []byte // between two lines; all lines if there are several
	for {
		begin := s.pos
		end := s.plainLine()
		switch {
		case begin == end:
		case t.text == "":
			t.text = s.src[begin:end]
		case text == nil:
			text = add(text, t.text)
			fallthrough
		default:
			text = append(text, gap...)
			text = add(text, s.src[begin:end])
		}
		if begin < end {
			s.allowKey = false
		}
		if begin == end || s.lineEnd(0) == 0 {
			break
		}
		s.allowKey = true
		more := false
		if gap, more = s.fold(gap[:0], " "); !more || s.at(0) == '#' || s.level == 0 && s.col <= s.indent {
			break
		}
	}
	if text != nil {
		t.text = string(text)
	}
	s.emit(&t)
}

// plainLine passes what belongs to a plain scalar in this line, and the blanks
// after it. It gives the place of the first of these blanks.
func (s *scanner) plainLine() (end int) {
	n, length := 0, 0
	for {
		c := s.at(n)
		if c == ' ' {
			n++
			continue
		}
		if s.separates(n) || c == '#' && n != length ||
			c == ':' && (s.separates(n+1) || s.level > 0 && strings.IndexByte(",[]{}", s.at(n+1)) >= 0) ||
			s.level > 0 && strings.IndexByte(",?[]{}", c) >= 0 {
			end = s.pos + length
			s.advance(n)
			return end
		}
		n++
		length = n
	}
}

// fold passes a line end, the empty lines after it and the given blanks in
// front of what follows, and appends what they come to: a blank, or the empty
// lines. It says false where the document ends.
func (s *scanner) fold(text []byte, blanks string) ([]byte, bool) {
	first := s.newline()
	if first != "\n" {
		return s.emptyLines(add(text, first), blanks)
	}
	before := len(text)
	text, more := s.emptyLines(text, blanks)
	if len(text) == before {
		text = add(text, " ")
	}
	return text, more
}

// emptyLines is fold behind the first line end.
func (s *scanner) emptyLines(text []byte, blanks string) ([]byte, bool) {
	for !s.separator() {
		for c := s.at(0); c != 0 && strings.IndexByte(blanks, c) >= 0; c = s.at(0) {
			s.advance(1)
		}
		next := s.newline()
		if next == "" {
			return text, true
		}
		text = add(text, next)
	}
	return text, false
}

// quoted reads a scalar in quotes.
func (s *scanner) quoted(quote byte) {
	t := s.here(scalarToken)
	s.advance(1)
	var text []byte // what stands before begin, nil if that is nothing
	begin, n := s.pos, 0
	for {
		c := s.at(n)
		switch {
		case c == 0 || n == 0 && s.separator():
			s.fail(t.line, t.col, "the quotes that open here are not closed")
			return
		case c == quote && (quote == '"' || s.at(n+1) != quote):
			if t.text = s.src[begin : s.pos+n]; text != nil {
				t.text = string(add(text, t.text))
			}
			s.advance(n + 1)
			s.emit(&t)
			return
		case c == quote || c == '\\' && quote == '"':
			s.advance(n)
			text = add(text, s.src[begin:s.pos])
			if c == quote {
				text = append(text, quote)
				s.advance(2)
			} else {
				text = s.escape(text)
			}
		case s.lineEnd(n) > 0:
			s.advance(n)
			text = add(text, strings.TrimRight(s.src[begin:s.pos], " \t"))
			text, _ = s.fold(text, " \t")
		default:
			n++
			continue
		}
		begin, n = s.pos, 0
	}
}

// The escapes of one character, and what they stand for.
const (
	escapes = "0abt\tnvfre \"\\/"
	escaped = "\x00\a\b\t\t\n\v\f\r\x1b \"\\/"
)

// escape reads a backslash and what follows it, and appends what they stand
// for.
func (s *scanner) escape(text []byte) []byte {
	c := s.at(1)
	if i := strings.IndexByte(escapes, c); i >= 0 && c != 0 {
		s.advance(2)
		return append(text, escaped[i])
	}
	var r rune
	switch c {
	case 'N':
		r = 0x85
	case '_':
		r = 0xa0
	case 'L':
		r = 0x2028
	case 'P':
		r = 0x2029
	case 'x':
		r = s.hex(2)
	case 'u':
		r = s.hex(4)
		if utf16.IsSurrogate(r) && s.at(2) == '\\' && s.at(3) == 'u' {
			s.advance(2)
			if r = utf16.DecodeRune(r, s.hex(4)); r == utf8.RuneError {
				r = -1
			}
		}
	case 'U':
		r = s.hex(8)
	default:
		if s.lineEnd(1) > 0 {
			s.advance(1)
			s.newline()
			text, _ = s.emptyLines(text, " \t")
			return text
		}
		s.failHere("no escape begins like this; write \\\\ for a backslash, or use single quotes")
	}
	if !utf8.ValidRune(r) {
		s.failHere("an escape that is no character")
	}
	s.advance(2)
	return utf8.AppendRune(text, r)
}

// hex reads the n digits of an escape and leaves two characters of it to pass.
func (s *scanner) hex(n int) rune {
	digits := s.src[min(s.pos+2, len(s.src)):min(s.pos+2+n, len(s.src))]
	r, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || len(digits) < n {
		s.failHere("an escape with too few hexadecimal digits")
		return 0
	}
	s.advance(n)
	return rune(r)
}

// blockScalar reads what follows "|" or ">".
func (s *scanner) blockScalar(folded bool) {
	t := s.here(scalarToken)
	s.advance(1)
	chomp, increment := s.blockHeader()
	indent := max(s.indent+1, 1)
	var text, breaks []byte
	if increment > 0 {
		indent += increment - 1
		breaks = s.blockBreaks(nil, indent)
	} else {
		breaks, indent = s.blockIndentation(indent)
	}
	end := ""
	for s.col == indent && s.at(0) != 0 {
		text = append(text, breaks...)
		blank := s.at(0) == ' ' || s.at(0) == '\t'
		text = add(text, s.restOfLine())
		end = s.newline()
		breaks = s.blockBreaks(breaks[:0], indent)
		if s.col != indent || s.at(0) == 0 {
			break
		}
		if !folded || end != "\n" || blank || s.at(0) == ' ' || s.at(0) == '\t' {
			text = add(text, end)
		} else if len(breaks) == 0 {
			text = add(text, " ")
		}
	}
	if chomp != '-' {
		text = add(text, end)
	}
	if chomp == '+' {
		text = append(text, breaks...)
	}
	t.text = string(text)
	s.emit(&t)
}

// blockHeader reads the indicators behind "|" or ">": how the end is chomped,
// '+', '-' or 0, and how far the lines are indented, 0 for not given.
func (s *scanner) blockHeader() (chomp byte, increment int) {
	for range 2 {
		switch c := s.at(0); {
		case chomp == 0 && (c == '+' || c == '-'):
			chomp = c
			s.advance(1)
		case increment == 0 && '1' <= c && c <= '9':
			increment = int(c - '0')
			s.advance(1)
		}
	}
	if !s.stops(0) {
		s.failHere("a block's first line can have an indentation from 1 to 9, + or -, and a comment")
	}
	s.lineOver()
	return chomp, increment
}

// lineOver passes what may stand at the end of a line, and the line end.
func (s *scanner) lineOver() {
	s.blanks()
	s.comment()
	if s.newline() == "" && s.at(0) != 0 {
		s.failHere("only a comment can stand here")
	}
}

// blockIndentation passes the empty lines of a block and finds how far it is
// indented, at least least.
func (s *scanner) blockIndentation(least int) (breaks []byte, indent int) {
	indent = least
	for {
		s.blanks()
		indent = max(indent, s.col)
		end := s.newline()
		if end == "" {
			return breaks, indent
		}
		breaks = add(breaks, end)
	}
}

// blockBreaks passes the empty lines of a block and the indentation of the
// next line, and appends the line ends.
func (s *scanner) blockBreaks(breaks []byte, indent int) []byte {
	for {
		for s.col < indent && s.at(0) == ' ' {
			s.pos++
			s.col++
		}
		end := s.newline()
		if end == "" {
			return breaks
		}
		breaks = add(breaks, end)
	}
}
