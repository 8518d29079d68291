package upstart

import "strings"

const (
	blanks = " \t\r"
	// endings are what ends a line: a comment or the line's end.
	endings = "#\n"
	// delimiters end a plain token.
	delimiters = blanks + endings
	// eventDelimiters end a token of start on and stop on.
	eventDelimiters = delimiters + "()"
)

// among is C's strchr: NUL is in every set.
func among(set string, c byte) bool { return c == 0 || strings.IndexByte(set, c) >= 0 }

// A reader stands somewhere in a file, as libnih's nih_config functions do.
type reader struct {
	file      string
	pos, line int
	// end is behind the last character of the last token that counts.
	end      int
	warnings []Warning
}

func (r *reader) fail(kind Kind) error {
	return &Error{Kind: kind, Line: r.line, Offset: r.pos}
}

// failAt fails at an earlier place.
func (r *reader) failAt(kind Kind, at mark) error {
	return &Error{Kind: kind, Line: at.line, Offset: at.pos}
}

// A mark is a place in the file.
type mark struct{ pos, line int }

func (r *reader) mark() mark { return mark{r.pos, r.line} }

// hasToken says whether something other than a comment is left on the line.
func (r *reader) hasToken() bool {
	return r.pos < len(r.file) && !among(endings, r.file[r.pos])
}

// skipBlanks skips blanks and line continuations.
func (r *reader) skipBlanks() {
	for r.pos < len(r.file) {
		switch c := r.file[r.pos]; {
		case c == '\\' && strings.HasPrefix(r.file[r.pos+1:], "\n"):
			r.pos += 2
			r.line++
		case among(blanks, c):
			r.pos++
		default:
			return
		}
	}
}

// endLine takes an optional comment and the line's end.
func (r *reader) endLine() error {
	if r.pos < len(r.file) && r.file[r.pos] == '#' {
		for r.pos < len(r.file) && r.file[r.pos] != '\n' {
			r.pos++
		}
	}
	if r.pos >= len(r.file) {
		return nil
	}
	if r.file[r.pos] != '\n' {
		return r.fail(UnexpectedToken)
	}
	r.pos++
	r.line++
	return nil
}

// token reads up to an unquoted delimiter and returns the text, without its
// quotes and escapes if dequote is set. Newlines in quotes and after a
// backslash become, with the blanks around them, one space.
func (r *reader) token(delims string, dequote bool) (string, error) {
	var out strings.Builder
	var quote byte
	slash, newline, space := false, false, 0
	for ; r.pos < len(r.file); r.pos++ {
		c := r.file[r.pos]
		extra, isQuote := false, false
		switch {
		case slash:
			slash = false
			if c == '\n' {
				newline = true
				r.line++
				continue
			}
			extra = !dequote || !among(blanks, c) && c != '\\'
		case c == '\\':
			slash = true
			continue
		case quote != 0 && c == quote:
			quote, isQuote = 0, true
		case quote != 0 && c == '\n':
			newline = true
			r.line++
			continue
		case quote == 0 && (c == '"' || c == '\''):
			quote, isQuote = c, true
		case quote == 0 && among(delims, c):
			return out.String(), nil
		case among(blanks, c):
			space++
			continue
		}
		r.flush(&out, newline, space)
		newline, space = false, 0
		if extra {
			out.WriteByte('\\')
		}
		if !isQuote || !dequote {
			out.WriteByte(c)
		}
		r.end = r.pos + 1
	}
	if slash {
		return "", r.fail(TrailingSlash)
	}
	if quote != 0 {
		return "", r.fail(UnterminatedQuote)
	}
	return out.String(), nil
}

// flush writes the white space that was held back. libnih copies it from
// directly before the character: where that is an escaped one, it copies the
// backslash in the place of the last blank. Commands rely on neither, but a
// reader that did otherwise would run another command than upstart.
func (r *reader) flush(out *strings.Builder, newline bool, space int) {
	switch {
	case newline:
		out.WriteByte(' ')
	case space > 0:
		copied := r.file[r.pos-space : r.pos]
		if strings.HasSuffix(copied, `\`) {
			r.warnings = append(r.warnings, Warning{r.line, `upstart loses the blank before a backslash and doubles the backslash; put the command into a script`})
		}
		out.WriteString(copied)
	}
}

// word reads a token that is not dequoted, and the blanks behind it.
func (r *reader) word() (string, error) {
	return r.next(delimiters, false)
}

// argument reads a dequoted token, and the blanks behind it.
func (r *reader) argument() (string, error) {
	return r.next(delimiters, true)
}

func (r *reader) next(delims string, dequote bool) (string, error) {
	s, err := r.token(delims, dequote)
	if err != nil {
		return "", err
	}
	if s == "" {
		return "", r.fail(ExpectedToken)
	}
	r.skipBlanks()
	return s, nil
}

// command reads the rest of the line as a shell will see it, and the text as
// it was written.
func (r *reader) command() (text, raw string, err error) {
	if !r.hasToken() {
		return "", "", r.fail(ExpectedToken)
	}
	start := r.pos
	if text, err = r.token(endings, false); err != nil {
		return "", "", err
	}
	raw = r.file[start:max(start, r.end)]
	if text == "" {
		return "", "", r.fail(ExpectedToken)
	}
	return text, raw, r.endLine()
}

// block reads raw lines up to "end script" and takes their common leading
// blanks away: those of the first line, as far as every other line, a blank
// one too, begins with the same.
func (r *reader) block(name string) (string, error) {
	start := r.pos
	var lines []string
	for r.pos < len(r.file) {
		if end, ok := blockEnd(r.file[r.pos:], name); ok {
			if r.pos += end; r.pos < len(r.file) {
				r.pos++
				r.line++
			}
			return undent(lines), nil
		}
		line, _, found := strings.Cut(r.file[r.pos:], "\n")
		r.pos += len(line)
		if found {
			r.pos++
			r.line++
			line += "\n"
		}
		lines = append(lines, line)
	}
	r.pos = max(start, len(r.file))
	return "", r.fail(UnterminatedBlock)
}

// blockEnd says whether the text begins with a line that ends a block, and
// how long that line is without its newline.
func blockEnd(s, name string) (int, bool) {
	line, _, _ := strings.Cut(s, "\n")
	const space = blanks + "\x00"
	rest, ok := strings.CutPrefix(strings.TrimLeft(line, space), "end")
	if !ok || rest == "" || !among(blanks, rest[0]) {
		return 0, false
	}
	rest, ok = strings.CutPrefix(strings.TrimLeft(rest, space), name)
	rest = strings.TrimLeft(rest, space)
	return len(line), ok && (rest == "" || rest[0] == '#')
}

func undent(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	first := lines[0]
	prefix := first[:len(first)-len(strings.TrimLeft(first, blanks+"\x00"))]
	for _, line := range lines[1:] {
		n := 0
		for n < len(prefix) && n < len(line) && line[n] == prefix[n] {
			n++
		}
		prefix = prefix[:n]
	}
	var out strings.Builder
	for _, line := range lines {
		out.WriteString(line[len(prefix):])
	}
	return out.String()
}
