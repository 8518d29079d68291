package jinja

import (
	"strconv"
	"strings"
)

// A kind says what a token is.
type kind uint8

const (
	textToken   kind = iota // template text
	printToken              // "{{"
	blockToken              // "{%"
	endToken                // "}}" or "%}"
	nameToken               // an identifier or keyword
	stringToken             // a string literal, unquoted
	numberToken
	opToken // an operator or bracket
	eofToken
)

type token struct {
	kind kind
	text string
	line int
}

// A lexer splits a template into the machine's tokens.
type lexer struct {
	*machine
	src  string
	at   int
	line int
	// trim is set after a tag that ends in "-": blank space is left out.
	trim bool
}

func (l *lexer) run() {
	for l.at < len(l.src) {
		l.next()
	}
	l.emit(eofToken, "the end of the template")
}

//go:noinline
func (l *lexer) emit(k kind, text string) { l.tokens = append(l.tokens, token{k, text, l.line}) }

// wrong ends the rendering with an error at the lexer's line.
func (l *lexer) wrong(message string) {
	l.emit(eofToken, "")
	l.pos = len(l.tokens)
	l.fail(message)
}

// pass goes on by n bytes.
//
//go:noinline
func (l *lexer) pass(n int) {
	l.line += strings.Count(l.src[l.at:l.at+n], "\n")
	l.at += n
}

// next lexes the text up to the next tag, and that tag.
func (l *lexer) next() {
	rest := l.src[l.at:]
	end := nextTag(rest)
	text := rest[:end]
	if l.trim {
		text = strings.TrimLeftFunc(text, isSpace)
	}
	l.trim = false
	if strings.HasPrefix(rest[min(end+2, len(rest)):], "-") {
		text = strings.TrimRightFunc(text, isSpace)
	}
	l.emit(textToken, text)
	l.pass(end)
	if end == len(rest) {
		return
	}
	switch rest[end+1] {
	case '{':
		l.tag(printToken, "}}")
	case '#':
		l.comment()
	default:
		if sign, after, ok := l.tagOf("raw", l.at); ok {
			l.raw(sign, after)
		} else {
			l.tag(blockToken, "%}")
		}
	}
}

// nextTag gives the place of the first tag in s, len(s) for none.
func nextTag(s string) int {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '{' && (s[i+1] == '{' || s[i+1] == '%' || s[i+1] == '#') {
			return i
		}
	}
	return len(s)
}

func (l *lexer) comment() {
	end := strings.Index(l.src[l.at+2:], "#}")
	if end < 0 {
		l.wrong(`a comment without its "#}"`)
	}
	sign := byte(0)
	if end > 0 {
		sign = l.src[l.at+1+end]
	}
	l.pass(end + 4)
	l.trimAfter(sign)
}

// trimAfter leaves out what belongs to the end of a block or comment: all
// blank space after a "-", nothing after a "+", a line end otherwise.
func (l *lexer) trimAfter(sign byte) {
	l.trim = sign == '-'
	if !l.trim && sign != '+' && strings.HasPrefix(l.src[l.at:], "\n") {
		l.pass(1)
	}
}

// tagOf reports whether a block tag of only that word begins at pos, with the
// sign before its end and where the text after it begins.
func (l *lexer) tagOf(word string, pos int) (sign byte, after int, ok bool) {
	s := l.src[pos+2:]
	if s != "" && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	s, ok = strings.CutPrefix(strings.TrimLeftFunc(s, isSpace), word)
	s = strings.TrimLeftFunc(s, isSpace)
	if s != "" && (s[0] == '-' || s[0] == '+' && word != "raw") {
		sign, s = s[0], s[1:]
	}
	return sign, len(l.src) - len(s) + 2, ok && strings.HasPrefix(s, "%}")
}

// raw emits everything up to the endraw tag as text.
func (l *lexer) raw(sign byte, start int) {
	for pos := start; ; pos += 2 {
		i := strings.Index(l.src[pos:], "{%")
		if i < 0 {
			l.wrong("raw without endraw")
		}
		pos += i
		endSign, after, ok := l.tagOf("endraw", pos)
		if !ok {
			continue
		}
		text := l.src[start:pos]
		if sign == '-' {
			text = strings.TrimLeftFunc(text, isSpace)
		}
		if l.src[pos+2] == '-' {
			text = strings.TrimRightFunc(text, isSpace)
		}
		l.emit(textToken, text)
		l.pass(after - l.at)
		l.trimAfter(endSign)
		return
	}
}

// tag lexes a tag's content up to end.
func (l *lexer) tag(k kind, end string) {
	l.emit(k, l.src[l.at:l.at+2])
	l.pass(2)
	if l.at < len(l.src) && (l.src[l.at] == '-' || l.src[l.at] == '+') {
		l.pass(1)
	}
	for open := 0; ; {
		rest := strings.TrimLeftFunc(l.src[l.at:], isSpace)
		l.pass(len(l.src) - l.at - len(rest))
		sign := byte(0)
		if len(rest) > 2 && (rest[0] == '-' || rest[0] == '+' && k == blockToken) {
			sign = rest[0]
		}
		switch {
		case rest == "":
			l.wrong("a tag without its " + strconv.Quote(end))
		case open > 0:
		case strings.HasPrefix(rest, end), sign != 0 && strings.HasPrefix(rest[1:], end):
			l.emit(endToken, end)
			l.pass(strings.Index(rest, end) + 2)
			if l.trim = sign == '-'; k == blockToken {
				l.trimAfter(sign)
			}
			return
		}
		open += l.token(rest)
	}
}

// operators are the longer ones first.
const operators = "** // == != <= >= + - * / % ~ < > = . , : | ( ) [ ] { }"

// token lexes one token of a tag and tells whether it opens or closes a
// bracket.
func (l *lexer) token(rest string) (opens int) {
	c := rest[0]
	switch {
	case c == '"' || c == '\'':
		l.quoted(rest)
		return 0
	case isNameByte(c):
		k, n := nameToken, 1
		if c <= '9' {
			k = numberToken
		}
		for n < len(rest) && (isNameByte(rest[n]) || k == numberToken && numberGoesOn(rest, n)) {
			n++
		}
		if k == nameToken && strings.IndexFunc(rest[:n], func(r rune) bool { return r > '~' }) >= 0 {
			l.wrong("a name with other letters than ASCII has")
		}
		l.emit(k, rest[:n])
		l.pass(n)
		return 0
	}
	for op := range strings.SplitSeq(operators, " ") {
		if strings.HasPrefix(rest, op) {
			l.emit(opToken, op)
			l.pass(len(op))
			return strings.Count("([{", op) - strings.Count(")]}", op)
		}
	}
	l.wrong("unexpected character " + strconv.Quote(rest[:1]))
	return 0
}

func isNameByte(c byte) bool {
	return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c >= 0x80
}

// numberGoesOn reports whether a "." or sign belongs to the number before it.
func numberGoesOn(s string, i int) bool {
	if i+1 == len(s) || s[i+1] < '0' || s[i+1] > '9' {
		return false
	}
	if s[i] == '.' {
		return !strings.Contains(s[:i], ".")
	}
	return (s[i] == '-' || s[i] == '+') && s[i-1]|0x20 == 'e' && !strings.HasPrefix(s, "0x")
}

func (l *lexer) quoted(rest string) {
	var sb strings.Builder
	s := rest[1:]
	for s != "" && s[0] != rest[0] {
		if s[0] != '\\' || len(s) == 1 {
			sb.WriteByte(s[0])
			s = s[1:]
			continue
		}
		if c := s[1]; c == '\n' || c == '\'' || c == '"' {
			sb.WriteString(strings.Trim(s[1:2], "\n"))
			s = s[2:]
			continue
		}
		digits := 1
		for digits < min(len(s), 4) && s[digits] >= '0' && s[digits] <= '7' {
			digits++
		}
		if digits > 1 { // Go wants three of them
			n, _ := strconv.ParseUint(s[1:digits], 8, 16)
			sb.WriteRune(rune(n))
			s = s[digits:]
			continue
		}
		r, _, tail, err := strconv.UnquoteChar(s, 0)
		if err != nil { // Python leaves an escape that it does not know as it is
			if strings.ContainsAny(s[1:2], "xuUN") {
				l.wrong("an escape that is none")
			}
			r, tail = '\\', s[1:]
		}
		sb.WriteRune(r)
		s = tail
	}
	if s == "" {
		l.wrong("a string without its closing quote")
	}
	l.emit(stringToken, sb.String())
	l.pass(len(rest) - len(s) + 1)
}
