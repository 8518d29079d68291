package userdata

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"boothook/netboot/instance"
)

var (
	// ErrUnhandled marks a part of a type that nothing is done with.
	ErrUnhandled = errors.New("nothing handles this part")
	// ErrForeign marks the configuration of another system, such as an
	// Ignition config or a PowerShell script.
	ErrForeign = errors.New("not for this system")

	errNoBoundary = errors.New("multipart message without a boundary: none of its parts can be found")
	errNoPart     = errors.New("multipart message that ends before its first part")
)

// NoLaunchIndex is the launch index of a part whose Launch-Index is not a
// number: it differs from every machine's.
const NoLaunchIndex = math.MinInt

func errNoStart(sep string) error {
	return fmt.Errorf("multipart message whose boundary %q never comes: none of its parts can be found", sep)
}

func limitErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrLimit}, args...)...)
}

// Decode gives the parts of a document, and the addresses it still needs.
// Call it again with their answers, keyed by Want.URL, until Wants is empty;
// before that the numbers in names are provisional. Bodies may share memory
// with doc and the answers.
//
// origin names the document in Part.Origin and Problem.Origin. An included
// document is called by its URL there, without user, password and query,
// which may hold secrets.
func Decode(doc []byte, origin string, answers map[string]Answer, limits Limits) Decoded {
	d := &decoder{answers: answers, limits: limits, wanted: map[string]bool{}}
	d.document(doc, source{origin: origin})
	return d.out
}

// A decoder holds what one Decode has found and spent so far.
type decoder struct {
	answers  map[string]Answer
	limits   Limits
	wanted   map[string]bool
	out      Decoded
	spent    int  // bytes, against limits.Total
	includes int  // addresses, against limits.Includes
	handlers bool // a part-handler went before: it may handle any type
	full     bool // a limit was reached: no more parts
}

// A source is where something stands.
type source struct {
	origin string
	chain  []string // the URLs that led here, outermost first
}

// at gives the place of the nth child.
func (s source) at(n int) source {
	s.origin += " > " + strconv.Itoa(n)
	return s
}

// problem notes what is wrong. It and the other small functions that are
// called from everywhere are not inlined: it would cost the agent 8 KB.
//
//go:noinline
func (d *decoder) problem(src source, part string, line int, err error, warning bool) {
	d.out.Problems = append(d.out.Problems, instance.Problem{
		Origin: src.origin, Part: part, Line: line, Message: err.Error(), Warning: warning,
	})
	d.full = d.full || d.limits.fragile && !warning
}

// spend counts n bytes and reports whether they are within the total.
func (d *decoder) spend(n int, src source) bool {
	if d.full {
		return false
	}
	if d.spent += n; d.spent > d.limits.Total {
		d.full = true
		d.problem(src, "", 0, limitErrorf("documents and parts of more than %d bytes together; the rest is left out", d.limits.Total), false)
	}
	return !d.full
}

// document decodes the whole user-data or one that was included.
func (d *decoder) document(doc []byte, src source) {
	var damaged error
	if isGzip(doc) {
		plain, err := gunzip(doc, d.limits)
		if err == nil || errors.Is(err, errTrailing) {
			doc = plain
		} else {
			damaged = err
		}
		if errors.Is(err, errTrailing) {
			d.problem(src, "", 0, err, true)
		}
	}
	if !d.spend(len(doc), src) {
		return
	}
	if damaged == nil && saysMIME(doc) {
		d.message(doc, src)
		return
	}
	d.leaf(leaf{body: doc, typ: TypeUnknown, root: true, err: damaged}, src)
}

// saysMIME is cloud-init's test for a MIME message.
func saysMIME(doc []byte) bool {
	head := doc[:min(len(doc), 4096)]
	return bytes.Contains(bytes.ToLower(head), []byte("mime-version:"))
}

// message decodes a MIME message. Text that only speaks of MIME, such as a
// script with those words in a comment, is taken whole.
func (d *decoder) message(doc []byte, src source) {
	root := parseMIME(doc, d.limits, func(line int, err error) { d.problem(src, "", line, err, false) })
	_, typed := root.header.get("Content-Type")
	if _, versioned := root.header.get("MIME-Version"); !typed && !versioned {
		if len(root.header) == 0 {
			doc = root.body
		}
		d.leaf(leaf{body: doc, typ: "text/plain", root: true}, src)
		return
	}
	d.entity(root, src, true)
}

// entity decodes e and what it contains, in the order written.
func (d *decoder) entity(e *entity, src source, root bool) {
	if d.full {
		return
	}
	if e.container {
		for i, child := range e.children {
			d.entity(child, src.at(i+1), false)
		}
		return
	}
	l := leaf{body: e.body, name: e.header.filename(), mergeType: e.header.mergeType(), root: root}
	l.typ, l.declared = e.header.contentType()
	l.contentName, _ = e.header.param("Content-Type", "name")
	if v, ok := e.header.get("Launch-Index"); ok {
		l.launchIndex = headerIndex(v)
	}
	encoding, _ := e.header.get("Content-Transfer-Encoding")
	body, err := decodeTransfer(encoding, e.body)
	l.body = body
	switch {
	case errors.Is(err, errBase64Lost), errors.Is(err, errUuencode):
		l.err = err
	case err != nil:
		l.doubt = err
	}
	d.leaf(l, src)
}

// A leaf is a part before its type is decided.
type leaf struct {
	body        []byte
	typ         string // what it counts as before sniffing
	declared    string // what was written, if anything
	name        string
	contentName string // the name in Content-Type, which a new type erases
	launchIndex *int
	mergeType   string
	root        bool  // a whole document
	err         error // why the body cannot be used
	doubt       error // why the body may not be what was meant
}

// leaf decides a part's type and expands what only names or holds others.
func (d *decoder) leaf(l leaf, src source) {
	if d.full {
		return
	}
	name := l.name
	typ := l.typ
	if isGzipType(typ) && l.err == nil {
		if name == "" {
			name = strings.TrimSpace(l.contentName)
		}
		plain, err := gunzip(l.body, d.limits)
		switch {
		case err == nil, errors.Is(err, errTrailing):
			l.body, typ, l.doubt = plain, "text/plain", err
			if !d.spend(len(plain), src) {
				return
			}
		default:
			l.err = err
		}
	}
	if sniffed(typ) && l.err == nil {
		if t := Sniff(l.body); t != "" {
			typ = t
		}
	}
	if name == "" && typ == l.typ && !l.root {
		name = strings.TrimSpace(l.contentName)
	}
	switch {
	case l.err != nil:
	case typ == TypeInclude, typ == TypeIncludeOnce:
		d.include(l.body, src)
		return
	case typ == TypeCloudConfigArchive:
		d.archive(l.body, src)
		return
	}
	d.emit(Part{
		Name: name, Type: typ, DeclaredType: l.declared, Origin: src.origin,
		LaunchIndex: l.launchIndex, MergeType: l.mergeType, Body: l.body, Err: l.err,
	}, src, l.doubt)
}

// emit numbers a part, names it, says what is wrong with it and adds it.
func (d *decoder) emit(p Part, src source, doubt error) {
	if d.full {
		return
	}
	if len(d.out.Parts) >= d.limits.Parts {
		d.full = true
		d.problem(src, "", 0, limitErrorf("more than %d parts; the rest is left out", d.limits.Parts), false)
		return
	}
	p.Index = len(d.out.Parts) + 1
	if p.Name == "" {
		p.Name = fmt.Sprintf("part-%03d", p.Index)
	}
	if p.Type == TypeCloudConfig && p.LaunchIndex == nil {
		p.LaunchIndex = payloadIndex(p.Body, d.limits)
	}
	if p.Err == nil {
		p.Err = d.judge(p)
	}
	if p.Err != nil {
		d.problem(src, p.Name, 1, p.Err, false)
	}
	if doubt != nil {
		d.problem(src, p.Name, 1, doubt, true)
	}
	d.handlers = d.handlers || p.Type == TypePartHandler
	d.out.Parts = append(d.out.Parts, p)
}

// judge says why nothing will be done with a part. An empty one asks for
// nothing, and one after a part-handler may be that handler's.
func (d *decoder) judge(p Part) error {
	if handled(p.Type) || len(p.Body) == 0 {
		return nil
	}
	if err := foreign(p.Body); err != nil {
		return err
	}
	if d.handlers {
		return nil
	}
	if t := Sniff(p.Body); t != "" || !sniffed(p.Type) {
		// A type may come from a folded header, line break and all.
		return fmt.Errorf("%w: unknown type %s", ErrUnhandled, headerText(p.Type))
	}
	return fmt.Errorf("%w: %s", ErrUnhandled, whyUnknown(p.Body))
}

// whyUnknown explains why the first words of a body say no type.
func whyUnknown(body []byte) string {
	if mark, n := byteOrderMark(body); n > 0 {
		return fmt.Sprintf("it begins with a %s byte-order mark: save it as plain UTF-8 without one", mark)
	}
	switch {
	case isGzip(body):
		return "it is gzip data, neither declared as such nor the whole document"
	case looksLikeMIME(body):
		return "it looks like a MIME message, which needs a MIME-Version header in its first lines"
	}
	return announcesNothing(body)
}

// looksLikeMIME reports whether body begins as a MIME message does, perhaps
// after a blank line.
func looksLikeMIME(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n")
	return hasPrefixFold(body, "content-type:") || hasPrefixFold(body, "mime-version:") ||
		hasPrefixFold(body, "content-disposition:") || hasPrefixFold(body, "content-transfer-encoding:")
}
