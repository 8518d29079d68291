package userdata

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"boothook/netboot/instance"
)

var errIndentedComment = errors.New(`include: a comment has to begin its line: an indented "#" begins an address`)

// An address is one that an include names, and where.
type address struct {
	url  string
	once bool
	line int
}

// addresses reads the lines of an #include or #include-once. A line that
// begins so switches the cache off or on for what follows it, itself
// included; other lines that begin with "#" are comments.
func addresses(body []byte) []address {
	var out []address
	once := false
	n := 0
	body = bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	body = bytes.ReplaceAll(body, []byte("\r"), []byte("\n"))
	for line := range bytes.Lines(body) {
		n++
		switch {
		case hasPrefixFold(line, "#include-once"):
			line, once = line[len("#include-once"):], true
			line = bytes.TrimLeftFunc(line, isSpace)
		case hasPrefixFold(line, "#include"):
			line, once = line[len("#include"):], false
			line = bytes.TrimLeftFunc(line, isSpace)
		}
		if bytes.HasPrefix(line, []byte("#")) {
			continue
		}
		if url := bytes.TrimFunc(line, isSpace); len(url) > 0 {
			out = append(out, address{string(url), once, n})
		}
	}
	return out
}

// include puts the documents that body names in its place.
func (d *decoder) include(body []byte, src source) {
	for _, a := range addresses(body) {
		if d.full {
			return
		}
		if d.includes++; d.includes > d.limits.Includes {
			d.problem(src, "", a.line, limitErrorf("more than %d includes; the rest is left out", d.limits.Includes), false)
			return
		}
		d.expand(a, src)
	}
}

// expand decodes the document at one address, or asks for it.
func (d *decoder) expand(a address, src source) {
	shown := instance.Redact(a.url)
	switch {
	case strings.HasPrefix(a.url, "#"):
		d.problem(src, "", a.line, errIndentedComment, false)
		return
	case slices.Contains(src.chain, a.url):
		d.problem(src, "", a.line, fmt.Errorf("include: %s includes itself", shown), false)
		return
	case len(src.chain) >= d.limits.IncludeDepth:
		d.problem(src, "", a.line, limitErrorf("include: %s: more than %d deep", shown, d.limits.IncludeDepth), false)
		return
	}
	answer, ok := d.answers[a.url]
	switch {
	case !ok:
		if !d.wanted[a.url] {
			d.wanted[a.url] = true
			d.out.Wants = append(d.out.Wants, Want{URL: a.url, Once: a.once, Origin: src.origin, Line: a.line})
		}
	case answer.Err != nil:
		d.problem(src, "", a.line, fmt.Errorf("include: %s: %w", shown, answer.Err), false)
	default:
		d.document(answer.Body, source{origin: shown, chain: append(slices.Clip(src.chain), a.url)})
	}
}
