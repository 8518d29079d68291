package yaml

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

func isWord(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c == '-' || c == '_'
}

// word passes letters, digits, "-" and "_".
func (s *scanner) word() string {
	n := 0
	for isWord(s.at(n)) {
		n++
	}
	s.advance(n)
	return s.src[s.pos-n : s.pos]
}

// anchor reads "&name" or "*name".
func (s *scanner) anchor(kind tokenKind) {
	t := s.here(kind)
	s.advance(1)
	t.text = s.word()
	if t.text == "" || !s.separates(0) && strings.IndexByte("?:,]}%@`", s.at(0)) < 0 {
		s.failHere("an anchor's name has letters, digits, - and _ only; if this is a text, put quotes around it")
	}
	s.emit(&t)
}

// directive reads a line like "%YAML 1.1".
func (s *scanner) directive() {
	t := s.here(directive)
	s.advance(1)
	t.handle = s.word()
	if t.handle == "" || !s.stops(0) {
		s.failHere("a directive has a name of letters and digits")
	}
	switch t.handle {
	case "YAML":
		s.blanks()
		t.text = s.version()
	case "TAG":
		s.blanks()
		t.handle = s.tagHandle()
		if s.at(0) != ' ' {
			s.failHere("a blank belongs between a %TAG directive's two words")
		}
		s.blanks()
		t.text = s.uri()
	default:
		s.restOfLine()
	}
	if !s.stops(0) {
		s.failHere("only a comment can follow a directive")
	}
	s.lineOver()
	s.emit(&t)
}

// version reads "1.1" and gives the first number.
func (s *scanner) version() string {
	major := s.number()
	if s.at(0) != '.' {
		s.failHere("a version is two numbers with a point between them")
	}
	s.advance(1)
	s.number()
	return major
}

func (s *scanner) number() string {
	n := 0
	for '0' <= s.at(n) && s.at(n) <= '9' {
		n++
	}
	if n == 0 {
		s.failHere("a number is missing in a directive")
	}
	s.advance(n)
	return s.src[s.pos-n : s.pos]
}

// tag reads "!<uri>", "!", "!suffix" or "!handle!suffix".
func (s *scanner) tag() {
	t := s.here(tagToken)
	switch {
	case s.at(1) == '<':
		s.advance(2)
		t.text = s.uri()
		if s.at(0) != '>' {
			s.failHere("a tag that begins with !< ends with >")
		}
		s.advance(1)
	case s.separates(1):
		t.text = "!"
		s.advance(1)
	default:
		n := 1
		for !s.stops(n) && s.at(n) != '!' {
			n++
		}
		if s.at(n) == '!' {
			t.handle = s.tagHandle()
		} else {
			t.handle = "!"
			s.advance(1)
		}
		t.text = s.uri()
	}
	if !s.stops(0) {
		s.failHere("a tag ends with a blank; if this is a text, put quotes around it")
	}
	s.emit(&t)
}

// tagHandle reads "!", "!!" or "!name!".
func (s *scanner) tagHandle() string {
	begin := s.pos
	if s.at(0) == '!' {
		s.advance(1)
		if s.at(0) == ' ' {
			return "!"
		}
		s.word()
	}
	if s.at(0) != '!' {
		s.failHere("a tag's handle stands between two !")
	}
	s.advance(1)
	return s.src[begin:s.pos]
}

// uri reads the address of a tag, with "%41" for "A".
func (s *scanner) uri() string {
	var text []byte
	begin := s.pos
	for {
		c := s.at(0)
		if c == '%' {
			code, err := strconv.ParseUint(s.src[min(s.pos+1, len(s.src)):min(s.pos+3, len(s.src))], 16, 8)
			if err != nil {
				s.failHere("a % in a tag is followed by two hexadecimal digits")
				return ""
			}
			text = append(append(text, s.src[begin:s.pos]...), byte(code))
			s.advance(3)
			begin = s.pos
			continue
		}
		if !isWord(c) && (c == 0 || strings.IndexByte(";/?:@&=+$,.!~*'()[]", c) < 0) {
			break
		}
		s.advance(1)
	}
	text = append(text, s.src[begin:s.pos]...)
	if len(text) == 0 || !utf8.Valid(text) {
		s.failHere("a tag's address is missing or not UTF-8")
	}
	return string(text)
}
