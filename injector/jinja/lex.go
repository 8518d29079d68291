package jinja

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
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
	intToken
	floatToken
	opToken // an operator or bracket
	eofToken
)

type token struct {
	kind kind
	text string
	line int
}

// lex splits a template into tokens.
func lex(src string) ([]token, error) {
	l := &lexer{src: src, line: 1}
	for l.pos < len(l.src) {
		if err := l.next(); err != nil {
			return nil, &Error{l.line, err}
		}
	}
	return append(l.tokens, token{eofToken, "end of the template", l.line}), nil
}

type lexer struct {
	src    string
	pos    int
	line   int
	tokens []token
	// trim is set after a tag that ends in "-": blank space is left out.
	trim bool
}

func (l *lexer) emit(k kind, text string) { l.tokens = append(l.tokens, token{k, text, l.line}) }

// skip passes over n bytes.
func (l *lexer) skip(n int) {
	l.line += strings.Count(l.src[l.pos:l.pos+n], "\n")
	l.pos += n
}

const blank = " \t\n\r\v\f"

// next lexes the text up to the next tag, and that tag.
func (l *lexer) next() error {
	rest := l.src[l.pos:]
	end := nextTag(rest)
	text := rest[:end]
	if l.trim {
		text = strings.TrimLeft(text, blank)
		l.trim = false
	}
	if end == len(rest) {
		l.emit(textToken, text)
		l.skip(end)
		return nil
	}
	open := rest[end : end+2]
	if strings.HasPrefix(rest[end+2:], "-") {
		text = strings.TrimRight(text, blank)
	}
	l.emit(textToken, text)
	l.skip(end)
	switch open {
	case "{#":
		return l.comment()
	case "{%":
		if inner, after, ok := l.tagWord("raw", l.pos); ok {
			return l.raw(inner, after)
		}
		return l.tag(blockToken, "%}")
	}
	return l.tag(printToken, "}}")
}

// nextTag gives the place of the first tag in s, len(s) for none.
func nextTag(s string) int {
	for i := 0; i+1 < len(s); i++ {
		j := strings.IndexByte(s[i:], '{')
		if j < 0 || i+j+1 >= len(s) {
			break
		}
		if i += j; strings.IndexByte("{%#", s[i+1]) >= 0 {
			return i
		}
	}
	return len(s)
}

func (l *lexer) comment() error {
	end := strings.Index(l.src[l.pos+2:], "#}")
	if end < 0 {
		return errors.New(`a comment without its "#}"`)
	}
	l.trim = end > 0 && l.src[l.pos+2+end-1] == '-'
	keep := end > 0 && l.src[l.pos+2+end-1] == '+'
	l.skip(end + 4)
	l.trimLine(keep)
	return nil
}

// trimLine leaves out the line end right after a block or comment.
func (l *lexer) trimLine(keep bool) {
	if !keep && !l.trim && strings.HasPrefix(l.src[l.pos:], "\n") {
		l.skip(1)
	}
}

// tagWord reports whether a block tag of only that word begins at pos, with
// the signs before its end and where the text after it begins.
func (l *lexer) tagWord(word string, pos int) (sign string, after int, ok bool) {
	s := l.src[pos+2:]
	s = strings.TrimLeft(strings.TrimLeft(s, "-+"), blank)
	s, ok = strings.CutPrefix(s, word)
	s = strings.TrimLeft(s, blank)
	for _, end := range []string{"-%}", "+%}", "%}"} {
		if rest, found := strings.CutPrefix(s, end); ok && found {
			return strings.TrimSuffix(end, "%}"), len(l.src) - len(rest), true
		}
	}
	return "", 0, false
}

// raw emits everything up to the endraw tag as text.
func (l *lexer) raw(sign string, start int) error {
	for pos := start; ; pos += 2 {
		i := strings.Index(l.src[pos:], "{%")
		if i < 0 {
			return errors.New("raw without endraw")
		}
		pos += i
		endSign, after, ok := l.tagWord("endraw", pos)
		if !ok {
			continue
		}
		text := l.src[start:pos]
		if sign == "-" {
			text = strings.TrimLeft(text, blank)
		}
		if strings.HasPrefix(l.src[pos+2:], "-") {
			text = strings.TrimRight(text, blank)
		}
		l.emit(textToken, text)
		l.skip(after - l.pos)
		l.trim = endSign == "-"
		l.trimLine(endSign == "+")
		return nil
	}
}

// tag lexes a tag's content up to close.
func (l *lexer) tag(k kind, close string) error {
	l.emit(k, l.src[l.pos:l.pos+2])
	l.skip(2)
	if l.pos < len(l.src) && (l.src[l.pos] == '-' || l.src[l.pos] == '+') {
		// "{{+" is a sign of Jinja2 for blocks only; a plus does no harm.
		l.skip(1)
	}
	var brackets []byte
	for {
		rest := l.src[l.pos:]
		l.skip(len(rest) - len(strings.TrimLeft(rest, blank)))
		rest = l.src[l.pos:]
		if rest == "" {
			return fmt.Errorf("a tag without its %q", close)
		}
		if len(brackets) == 0 {
			keep := k == blockToken && strings.HasPrefix(rest, "+"+close)
			l.trim = strings.HasPrefix(rest, "-"+close)
			if l.trim || keep {
				l.skip(1)
			}
			if strings.HasPrefix(l.src[l.pos:], close) {
				l.emit(endToken, close)
				l.skip(2)
				if k == blockToken {
					l.trimLine(keep)
				}
				return nil
			}
		}
		if err := l.token(&brackets); err != nil {
			return err
		}
	}
}

// operators are the longer ones first.
var operators = [...]string{"**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", ".", ",", ":", "|", "(", ")", "[", "]", "{", "}"}

// token lexes one token of a tag.
func (l *lexer) token(brackets *[]byte) error {
	rest := l.src[l.pos:]
	c := rest[0]
	switch {
	case c == '"' || c == '\'':
		return l.quoted(rest)
	case '0' <= c && c <= '9':
		return l.number(rest)
	case isNameByte(c):
		n := 1
		for n < len(rest) && isNameByte(rest[n]) {
			n++
		}
		l.emit(nameToken, rest[:n])
		l.skip(n)
		return nil
	}
	for _, op := range operators {
		if !strings.HasPrefix(rest, op) {
			continue
		}
		switch op {
		case "(", "[", "{":
			*brackets = append(*brackets, op[0])
		case ")", "]", "}":
			b := *brackets
			if len(b) == 0 || b[len(b)-1] != map[string]byte{")": '(', "]": '[', "}": '{'}[op] {
				return fmt.Errorf("unexpected %q", op)
			}
			*brackets = b[:len(b)-1]
		}
		l.emit(opToken, op)
		l.skip(len(op))
		return nil
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return fmt.Errorf("unexpected character %q", r)
}

func isNameByte(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c >= utf8.RuneSelf
}

func (l *lexer) number(rest string) error {
	n := 0
	float := false
	for n < len(rest) {
		c := rest[n]
		switch {
		case isNameByte(c):
			float = float || (c == 'e' || c == 'E') && !strings.HasPrefix(rest, "0x")
		case c == '.' && !float && n+1 < len(rest) && '0' <= rest[n+1] && rest[n+1] <= '9':
			float = true
		case (c == '-' || c == '+') && float && (rest[n-1] == 'e' || rest[n-1] == 'E'):
		default:
			c = 0
		}
		if c == 0 {
			break
		}
		n++
	}
	text := strings.ReplaceAll(rest[:n], "_", "")
	k := intToken
	var err error
	if float {
		k = floatToken
		_, err = strconv.ParseFloat(text, 64)
	} else {
		_, err = strconv.ParseInt(text, intBase(text), 64)
	}
	if err != nil {
		return fmt.Errorf("%q is no number", rest[:n])
	}
	l.emit(k, text)
	l.skip(n)
	return nil
}

// intBase lets "0x", "0o" and "0b" count, and a leading zero not.
func intBase(text string) int {
	if len(text) > 1 && text[0] == '0' && (text[1] < '0' || text[1] > '9') {
		return 0
	}
	return 10
}

func (l *lexer) quoted(rest string) error {
	var sb strings.Builder
	s := rest[1:]
	for s != "" && s[0] != rest[0] {
		if s[0] == '\\' && len(s) > 1 && strings.IndexByte("\n'\"", s[1]) >= 0 {
			sb.WriteString(strings.Trim(s[1:2], "\n"))
			s = s[2:]
			continue
		}
		r, _, tail, err := strconv.UnquoteChar(s, 0)
		if err != nil || s[0] != '\\' {
			// Python leaves an escape that it does not know as it is.
			sb.WriteByte(s[0])
			s = s[1:]
			continue
		}
		sb.WriteRune(r)
		s = tail
	}
	if s == "" {
		return errors.New("a string without its closing quote")
	}
	l.emit(stringToken, sb.String())
	l.skip(len(rest) - len(s) + 1)
	return nil
}
