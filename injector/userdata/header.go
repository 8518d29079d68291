package userdata

import (
	"slices"
	"sort"
	"strconv"
	"strings"
)

// A header holds the fields of one entity in the order they were written.
type header []field

type field struct{ name, value string }

// get gives the value of the first field of that name in any case.
//
//go:noinline
func (h header) get(name string) (string, bool) {
	for _, f := range h {
		if strings.EqualFold(f.name, name) {
			return f.value, true
		}
	}
	return "", false
}

// has reports whether a field is spelled exactly like that.
func (h header) has(name string) bool {
	return slices.ContainsFunc(h, func(f field) bool { return f.name == name })
}

// contentType gives the media type that the Content-Type field declares, in
// lower case, and "" for none. A declaration without exactly one "/" counts
// as text/plain (RFC 2045, section 5.2); declared is what was written.
func (h header) contentType() (typ, declared string) {
	v, ok := h.get("Content-Type")
	if !ok {
		return "text/plain", ""
	}
	declared, _, _ = strings.Cut(v, ";")
	return mediaType(declared), strings.ToLower(strings.TrimSpace(declared))
}

// mediaType is the type that cloud-init's mail package reads from written.
func mediaType(written string) string {
	written, _, _ = strings.Cut(written, ";")
	typ := strings.ToLower(strings.TrimSpace(written))
	if strings.Count(typ, "/") != 1 {
		return "text/plain"
	}
	return typ
}

// filename gives the part's name: the filename of Content-Disposition.
func (h header) filename() string {
	name, _ := h.param("Content-Disposition", "filename")
	return strings.TrimSpace(name)
}

// mergeType gives the Merge-Type, else the X-Merge-Type. Unlike every other
// field these two are looked up by their exact spelling.
func (h header) mergeType() string {
	for _, name := range []string{"Merge-Type", "X-Merge-Type"} {
		if h.has(name) {
			if v, _ := h.get(name); v != "" {
				return v
			}
		}
	}
	return ""
}

// param gives one parameter of a field, with quotes, continuations and
// percent encoding (RFC 2231) undone.
func (h header) param(fieldName, name string) (string, bool) {
	v, ok := h.get(fieldName)
	if !ok {
		return "", false
	}
	raw := splitParams(v)
	var pieces []piece
	for i, p := range raw {
		base, num, encoded, continued := cutContinuation(p.name)
		switch {
		case i > 0 && continued:
			if base == name {
				pieces = append(pieces, piece{num, encoded, unquote(p.value)})
			}
		case p.name == name:
			return unquote(p.value), true
		}
	}
	if pieces == nil {
		return "", false
	}
	return joinPieces(pieces), true
}

// splitParams splits a field's value at the semicolons outside quotes. The
// value itself comes first, as a parameter without a name of use.
func splitParams(v string) []field {
	var out []field
	for more := true; more; {
		end, quoted, escaped := len(v), false, false
		for i := 0; i < len(v); i++ {
			if v[i] == ';' && !quoted && i > 0 {
				end = i
				break
			}
			if v[i] == '"' && !escaped {
				quoted = !quoted
			}
			escaped = v[i] == '\\'
		}
		name, value, _ := strings.Cut(v[:end], "=")
		out = append(out, field{strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)})
		if more = end < len(v); more {
			v = v[end+1:]
		}
	}
	return out
}

// unquote takes the quotes or angle brackets off a parameter's value.
func unquote(s string) string {
	if len(s) < 2 {
		return s
	}
	switch {
	case s[0] == '"' && s[len(s)-1] == '"':
		return strings.ReplaceAll(strings.ReplaceAll(s[1:len(s)-1], `\\`, `\`), `\"`, `"`)
	case s[0] == '<' && s[len(s)-1] == '>':
		return s[1 : len(s)-1]
	}
	return s
}

// A piece is one of the numbered pieces of an RFC 2231 parameter. One that
// has no number comes first.
type piece struct {
	num     int
	encoded bool
	value   string
}

// cutContinuation splits "name*", "name*2" and "name*2*".
func cutContinuation(name string) (base string, num int, encoded, ok bool) {
	base, rest, ok := strings.Cut(name, "*")
	if !ok {
		return name, 0, false, false
	}
	if rest == "" {
		return base, -1, true, true
	}
	digits, encoded := strings.CutSuffix(rest, "*")
	num, err := strconv.Atoi(digits)
	return base, num, encoded, err == nil && num >= 0
}

// joinPieces puts the pieces together and decodes them as their charset says.
func joinPieces(pieces []piece) string {
	sort.SliceStable(pieces, func(i, j int) bool { return pieces[i].num < pieces[j].num })
	var sb strings.Builder
	extended := false
	for _, p := range pieces {
		if p.encoded {
			extended = true
			p.value = percentDecode(p.value)
		}
		sb.WriteString(p.value)
	}
	s := sb.String()
	if !extended {
		return s
	}
	charset, rest, ok := strings.Cut(s, "'")
	if !ok {
		return s
	}
	_, text, ok := strings.Cut(rest, "'")
	if !ok {
		return s
	}
	switch strings.ToLower(charset) {
	case "iso-8859-1", "latin-1", "latin1":
		runes := make([]rune, len(text))
		for i := range len(text) {
			runes[i] = rune(text[i])
		}
		return string(runes)
	case "us-ascii", "ascii", "":
		return strings.Map(func(r rune) rune {
			if r >= 0x80 {
				return '\uFFFD'
			}
			return r
		}, text)
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// percentDecode undoes %XX and leaves what is malformed as it is.
func percentDecode(s string) string {
	var sb strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+3 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				sb.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		sb.WriteByte(s[i])
	}
	return sb.String()
}
