package yaml

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// readable gives the text with all line ends as "\n", if it is UTF-8 and has
// none of the characters that YAML does not allow.
func readable(body []byte) (string, error) {
	if len(body) > MaxBytes {
		return "", &Error{1, 1, "more than " + strconv.Itoa(MaxBytes) + " bytes"}
	}
	text := string(body)
	line, begin, others := 1, 0, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c >= ' ' && c < 0x7f || c == '\t':
			continue
		case c == '\n':
			line, begin = line+1, i+1
			continue
		case c == '\r':
			others = true
			if i+1 == len(text) || text[i+1] != '\n' {
				line, begin = line+1, i+1
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		message := ""
		switch {
		case r == utf8.RuneError && n == 1:
			message = "the text is not UTF-8"
		case r != 0x85 && r < 0xa0 || r == 0xfffe || r == 0xffff:
			message = "a control character; it can stand between double quotes, written as an escape"
		}
		if message != "" {
			return "", &Error{line, utf8.RuneCountInString(text[begin:i]) + 1, message}
		}
		others = others || r == 0x85
		i += n - 1
		if r == 0x85 || r == 0x2028 || r == 0x2029 {
			line, begin = line+1, i+1
		}
	}
	if others {
		text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n").Replace(text)
	}
	return text, nil
}

// at gives the byte i places on, 0 behind the end.
func (s *scanner) at(i int) byte {
	if i += s.pos; i < len(s.src) {
		return s.src[i]
	}
	return 0
}

// lineEnd gives the length of the line end i places on, 0 if there is none.
func (s *scanner) lineEnd(i int) int {
	switch s.at(i) {
	case '\n':
		return 1
	case 0xe2:
		if s.at(i+1) == 0x80 && (s.at(i+2) == 0xa8 || s.at(i+2) == 0xa9) {
			return 3
		}
	}
	return 0
}

// stops is true at the end of the text, of a line, and at a blank.
func (s *scanner) stops(i int) bool {
	c := s.at(i)
	return c == ' ' || c == 0 || s.lineEnd(i) > 0
}

// separates is stops, or a tab.
func (s *scanner) separates(i int) bool { return s.at(i) == '\t' || s.stops(i) }

// advance passes n bytes of one line. A byte-order mark has no width.
func (s *scanner) advance(n int) {
	text := s.src[s.pos:min(s.pos+n, len(s.src))]
	s.pos += len(text)
	marks := strings.Count(text, "\ufeff")
	s.marks += marks
	s.col += utf8.RuneCountInString(text) - marks
}

// newline passes a line end and gives it; "" if there is none.
func (s *scanner) newline() string {
	n := s.lineEnd(0)
	if n > 0 {
		s.pos += n
		s.line++
		s.col = 0
	}
	return s.src[s.pos-n : s.pos]
}

func (s *scanner) blanks() {
	for s.at(0) == ' ' {
		s.pos++
		s.col++
	}
}

// comment passes a comment up to the end of the line.
func (s *scanner) comment() {
	if s.at(0) == '#' {
		s.restOfLine()
	}
}

// restOfLine passes and gives what is left of the line.
func (s *scanner) restOfLine() string {
	n := 0
	for s.pos+n < len(s.src) && s.lineEnd(n) == 0 {
		n++
	}
	s.advance(n)
	return s.src[s.pos-n : s.pos]
}

// separator is true at a "---" or "..." that begins a line.
func (s *scanner) separator() bool {
	c := s.at(0)
	return s.col == 0 && (c == '-' || c == '.') && s.at(1) == c && s.at(2) == c && s.separates(3)
}
