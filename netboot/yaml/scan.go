package yaml

import "strings"

// A kind of token, by its name in the specification; or a set of them.
type tokenKind uint32

const (
	streamEnd tokenKind = 1 << iota
	directive
	documentStart
	documentEnd
	blockSequenceStart
	blockMappingStart
	blockEnd
	flowSequenceStart
	flowMappingStart
	flowSequenceEnd
	flowMappingEnd
	flowEntry
	blockEntry
	key
	value
	aliasToken
	anchorToken
	tagToken
	scalarToken
)

// A token is a piece of the text with its place: line from 1, column from 0.
type token struct {
	kind  tokenKind
	plain bool
	// text is a scalar's text, an anchor's name, what follows a tag's
	// handle, or a %TAG directive's prefix.
	text string
	// handle is that of a tag, "" for none, or a directive's: that of %TAG,
	// or the name of another.
	handle    string
	line, col int
}

// A simpleKey is a token that turns out to begin a key if a colon follows on
// the same line.
type simpleKey struct {
	possible, required bool
	number             int // of the token, from the beginning of the stream
	line, col, marks   int
}

// A scanner cuts a text into tokens. Indentation becomes blockEnd and the two
// block starts. The first error stays, and ends the stream of tokens.
type scanner struct {
	src       string // line ends are "\n", U+2028 and U+2029
	pos       int
	line, col int
	marks     int // byte-order marks passed, which are not in col

	tokens []token
	head   int // the next token to hand out
	taken  int // how many have been handed out
	done   bool

	level    int         // of brackets
	keys     []simpleKey // one for each level
	oldest   int         // no key below this level is possible
	allowKey bool
	indent   int
	indents  []int

	err *Error
}

// fail keeps the first error. Nothing is read after it.
func (s *scanner) fail(line, col int, message string) {
	if s.err == nil {
		s.err = &Error{line, col + 1, message}
	}
	s.src, s.done = s.src[:s.pos], true
	s.tokens = append(s.tokens[:s.head], token{kind: streamEnd, line: line, col: col})
}

func (s *scanner) failHere(message string) { s.fail(s.line, s.col, message) }

// peek gives the next token; it is valid until the next call.
func (s *scanner) peek() *token {
	for !s.done && (s.head == len(s.tokens) || s.keyPending()) {
		s.fetch()
	}
	return &s.tokens[s.head]
}

// next takes a token; the end of the stream stays.
func (s *scanner) next() token {
	t := *s.peek()
	if t.kind == streamEnd {
		return t
	}
	s.taken++
	if s.head++; s.head == len(s.tokens) {
		s.tokens, s.head = s.tokens[:0], 0
	}
	return t
}

// keyPending says whether the next token may yet turn out to begin a key.
func (s *scanner) keyPending() bool {
	s.dropStale()
	return s.oldest <= s.level && s.keys[s.oldest].number == s.taken
}

// dropStale forgets the keys whose colon can no longer come. Those of outer
// levels are older, so that one cursor passes over all of them.
func (s *scanner) dropStale() {
	for ; s.oldest <= s.level; s.oldest++ {
		k := &s.keys[s.oldest]
		if k.possible && k.line == s.line && s.col+s.marks-k.col-k.marks <= maxKey {
			return
		}
		s.dropKey(s.oldest)
	}
}

// dropKey forgets the key of a level.
func (s *scanner) dropKey(level int) {
	k := &s.keys[level]
	if k.possible && k.required {
		s.fail(k.line, k.col, "a ':' is missing after what should be a key")
	}
	k.possible = false
}

// saveKey notes that the token which comes next may begin a key.
func (s *scanner) saveKey() {
	if !s.allowKey {
		return
	}
	s.dropKey(s.level)
	s.keys[s.level] = simpleKey{true, s.level == 0 && s.indent == s.col, s.taken + len(s.tokens) - s.head, s.line, s.col, s.marks}
	s.oldest = min(s.oldest, s.level)
}

// skip passes what stands before the next token.
func (s *scanner) skip() {
	if s.pos == 0 && strings.HasPrefix(s.src, "\ufeff") {
		s.advance(3)
	}
	for {
		s.blanks()
		s.comment()
		if s.newline() == "" {
			return
		}
		if s.level == 0 {
			s.allowKey = true
		}
	}
}

func (s *scanner) here(kind tokenKind) token { return token{kind: kind, line: s.line, col: s.col} }

func (s *scanner) emit(t *token) {
	if !s.done {
		s.tokens = append(s.tokens, *t)
	}
}

// emitHere emits a token that has no text.
func (s *scanner) emitHere(kind tokenKind) {
	t := s.here(kind)
	s.emit(&t)
}

// unwind ends the blocks that are further to the right than col.
func (s *scanner) unwind(col int) {
	for s.level == 0 && s.indent > col {
		s.emitHere(blockEnd)
		s.indent = s.indents[len(s.indents)-1]
		s.indents = s.indents[:len(s.indents)-1]
	}
}

// block begins a block at col if none begins there, with a token at index i.
func (s *scanner) block(kind tokenKind, i, line, col int) {
	if s.level > 0 || s.indent >= col || s.done {
		return
	}
	s.indents = append(s.indents, s.indent)
	s.indent = col
	s.insert(kind, i, line, col)
}

// insert puts a token at index i.
func (s *scanner) insert(kind tokenKind, i, line, col int) {
	s.tokens = append(s.tokens, token{})
	copy(s.tokens[i+1:], s.tokens[i:])
	s.tokens[i] = token{kind: kind, line: line, col: col}
}

// fetch reads at least one token more.
func (s *scanner) fetch() {
	s.skip()
	s.dropStale()
	s.unwind(s.col)
	c := s.at(0)
	switch {
	case s.done:
	case c == 0:
		s.unwind(-1)
		s.dropKey(s.level)
		s.emitHere(streamEnd)
		s.done = true
	case c == '%' && s.col == 0:
		s.endDocument()
		s.directive()
	case s.separator():
		s.endDocument()
		kind := documentStart
		if c == '.' {
			kind = documentEnd
		}
		s.indicator(kind, 3)
	case c == '-' && s.separates(1):
		s.blockIndicator(blockEntry, blockSequenceStart, "an entry of a list cannot stand here")
	case c == '?' && (s.level > 0 || s.separates(1)):
		s.blockIndicator(key, blockMappingStart, "a key cannot stand here")
	case c == ':' && (s.level > 0 || s.separates(1)):
		s.value()
	case strings.IndexByte("[]{},", c) >= 0:
		s.flow(c)
	default:
		s.content(c)
	}
}

// content reads what makes a node.
func (s *scanner) content(c byte) {
	if s.level == 0 && (c == '|' || c == '>') {
		s.dropKey(0)
		s.allowKey = true
		s.blockScalar(c == '>')
		return
	}
	s.saveKey()
	s.allowKey = false
	switch {
	case c == '*':
		s.anchor(aliasToken)
	case c == '&':
		s.anchor(anchorToken)
	case c == '!':
		s.tag()
	case c == '\'' || c == '"':
		s.quoted(c)
	case strings.IndexByte("\t-?:#|>%@`", c) < 0,
		!s.separates(1) && (c == '-' || s.level == 0 && (c == '?' || c == ':')):
		s.plain()
	case c == '\t':
		s.failHere("a tab cannot stand here; use blanks")
	default:
		s.failHere("no text can begin with '" + string(rune(c)) + "'; put quotes around it")
	}
}

func (s *scanner) endDocument() {
	s.unwind(-1)
	s.dropKey(s.level)
	s.allowKey = false
}

// indicator emits a token of n bytes.
func (s *scanner) indicator(kind tokenKind, n int) {
	s.emitHere(kind)
	s.advance(n)
}

// flow reads one of "[]{},".
func (s *scanner) flow(c byte) {
	switch c {
	case '[', '{':
		s.saveKey()
		kind := flowSequenceStart
		if c == '{' {
			kind = flowMappingStart
		}
		s.indicator(kind, 1)
		s.level++
		s.keys = append(s.keys[:s.level], simpleKey{})
		s.allowKey = true
	case ',':
		s.allowKey = true
		s.dropKey(s.level)
		s.indicator(flowEntry, 1)
	default:
		if s.level == 0 {
			s.failHere("a bracket that closes nothing; put quotes around the text")
			return
		}
		s.dropKey(s.level)
		s.level--
		s.oldest = min(s.oldest, s.level)
		s.allowKey = false
		kind := flowSequenceEnd
		if c == '}' {
			kind = flowMappingEnd
		}
		s.indicator(kind, 1)
	}
}

// blockIndicator reads "-" or "?", and begins a block if none is there.
func (s *scanner) blockIndicator(kind, start tokenKind, misplaced string) {
	if s.level == 0 && !s.allowKey {
		s.failHere(misplaced)
		return
	}
	s.block(start, len(s.tokens), s.line, s.col)
	s.allowKey = s.level == 0 || kind == blockEntry
	s.dropKey(s.level)
	s.indicator(kind, 1)
}

// value reads ":". If the key that it belongs to is known only now, its token
// is put in front of it.
func (s *scanner) value() {
	k := &s.keys[s.level]
	switch {
	case k.possible:
		k.possible = false
		i := k.number - s.taken + s.head
		s.insert(key, i, k.line, k.col)
		s.block(blockMappingStart, i, k.line, k.col)
		s.allowKey = false
	case s.level == 0 && !s.allowKey:
		s.failHere("a ':' that belongs to no key; put quotes around the text")
		return
	default:
		s.block(blockMappingStart, len(s.tokens), s.line, s.col)
		s.allowKey = s.level == 0
	}
	s.indicator(value, 1)
}
