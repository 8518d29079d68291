package cloudconfig

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

const (
	// maxNodes bounds a document's values, aliases expanded: a few hundred
	// bytes of nested aliases may stand for billions.
	maxNodes = 200_000
	// maxDepth bounds nesting.
	maxDepth = 100
	// maxBody bounds one part's text in bytes.
	maxBody = 16 << 20
)

// Parse reads the YAML of one part. The value is absent when the part cannot
// be used; a problem that is no warning then says why. Anchors, merge keys,
// tags and equal keys are as the package comment says.
func Parse(part userdata.Part) (*Value, []instance.Problem) {
	r := reader{pos: Pos{Part: part.Name, Origin: part.Origin}, done: map[*yaml.Node]*Value{}, open: map[*yaml.Node]bool{}}
	v, err := r.document(part.Body)
	if err != nil {
		line, msg := yamlError(err)
		r.problems = append(r.problems, problem(Pos{Part: part.Name, Origin: part.Origin, Line: line}, msg))
		return &Value{}, r.problems
	}
	return v, r.problems
}

func problem(pos Pos, msg string) instance.Problem {
	return instance.Problem{Origin: pos.Origin, Part: pos.Part, Line: pos.Line, Message: msg}
}

func warning(pos Pos, msg string) instance.Problem {
	p := problem(pos, msg)
	p.Warning = true
	return p
}

// A reader resolves the nodes of one document.
type reader struct {
	pos      Pos
	done     map[*yaml.Node]*Value
	open     map[*yaml.Node]bool
	problems []instance.Problem
}

// A lineError is a reader's error with the line it belongs to.
type lineError struct {
	line int
	msg  string
}

func (e *lineError) Error() string { return e.msg }

func errAt(n *yaml.Node, format string, args ...any) error {
	return &lineError{n.Line, fmt.Sprintf(format, args...)}
}

func (r *reader) document(body []byte) (v *Value, err error) {
	// The YAML library reports some bad input by panicking.
	defer func() {
		if x := recover(); x != nil {
			v, err = &Value{}, fmt.Errorf("yaml: cannot be read: %v", x)
		}
	}()
	if len(body) > maxBody {
		return &Value{}, fmt.Errorf("yaml: larger than %d bytes", maxBody)
	}
	if json.Valid(body) {
		body = plainEscapes(body)
	}
	dec := yaml.NewDecoder(bytes.NewReader(body))
	var doc, next yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return &Value{Kind: Null, Pos: r.pos, nodes: 1}, nil
		}
		return &Value{}, err
	}
	if err := dec.Decode(&next); err == nil {
		return &Value{}, errAt(&next, "yaml: a second document; only one is allowed")
	} else if !errors.Is(err, io.EOF) {
		return &Value{}, err
	}
	v, err = r.resolve(&doc, 0)
	if err == nil && v.nodes > maxNodes {
		return &Value{}, fmt.Errorf("yaml: more than %d values with aliases expanded", maxNodes)
	}
	return v, err
}

// plainEscapes rewrites two escapes that JSON has and the YAML library does
// not know: "\/" and pairs of surrogates. The text must be valid JSON, so that
// backslashes stand in strings only.
func plainEscapes(body []byte) []byte {
	if !bytes.ContainsRune(body, '\\') {
		return body
	}
	out := make([]byte, 0, len(body))
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			out = append(out, body[i])
			continue
		}
		if body[i+1] == '/' {
			out = append(out, '/')
			i++
			continue
		}
		if r := surrogates(body[i:]); r != utf8.RuneError {
			out = utf8.AppendRune(out, r)
			i += len(`\ud83d\ude00`) - 1
			continue
		}
		out = append(out, body[i], body[i+1])
		i++
	}
	return out
}

// surrogates reads `\ud83d\ude00` at the beginning of s.
func surrogates(s []byte) rune {
	if len(s) < 12 || s[1] != 'u' || s[6] != '\\' || s[7] != 'u' {
		return utf8.RuneError
	}
	high, err1 := strconv.ParseUint(string(s[2:6]), 16, 16)
	low, err2 := strconv.ParseUint(string(s[8:12]), 16, 16)
	if err1 != nil || err2 != nil {
		return utf8.RuneError
	}
	return utf16.DecodeRune(rune(high), rune(low))
}

// resolve turns a node into a value. A node met again, through an alias, is
// shared and not copied.
func (r *reader) resolve(n *yaml.Node, depth int) (*Value, error) {
	if v, ok := r.done[n]; ok {
		return v, nil
	}
	if r.open[n] {
		return &Value{}, errAt(n, "yaml: an anchor that contains itself")
	}
	if depth >= maxDepth {
		return &Value{}, errAt(n, "yaml: nested deeper than %d", maxDepth)
	}
	r.open[n] = true
	v, err := r.resolveKind(n, depth)
	delete(r.open, n)
	if err != nil {
		return &Value{}, err
	}
	if n.Kind != yaml.AliasNode && n.Kind != yaml.DocumentNode {
		v.Pos = r.at(n)
	}
	r.done[n] = v
	return v, nil
}

func (r *reader) at(n *yaml.Node) Pos {
	pos := r.pos
	pos.Line = n.Line
	return pos
}

func (r *reader) resolveKind(n *yaml.Node, depth int) (*Value, error) {
	switch n.Kind {
	case yaml.DocumentNode:
		return r.resolve(n.Content[0], depth)
	case yaml.AliasNode:
		return r.resolve(n.Alias, depth+1)
	case yaml.ScalarNode:
		return scalar(n)
	case yaml.SequenceNode:
		if tag := explicitTag(n); tag != "" && tag != "!!seq" && tag != "!!omap" && tag != "!!pairs" {
			return &Value{}, errAt(n, "yaml: tag %s is not known", tag)
		}
		items := make([]*Value, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := r.resolve(c, depth+1)
			if err != nil {
				return &Value{}, err
			}
			items = append(items, v)
		}
		return sequence(items, r.at(n)), nil
	case yaml.MappingNode:
		if tag := explicitTag(n); tag != "" && tag != "!!map" && tag != "!!set" {
			return &Value{}, errAt(n, "yaml: tag %s is not known", tag)
		}
		return r.mapping(n, depth)
	}
	return &Value{}, errAt(n, "yaml: a node of no known kind")
}

// mapping resolves a mapping: what merge keys bring comes first, so that the
// mapping's own keys win.
func (r *reader) mapping(n *yaml.Node, depth int) (*Value, error) {
	b := mapBuilder{index: map[string]int{}}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if isMergeKey(n.Content[i]) {
			v, err := r.resolve(n.Content[i+1], depth+1)
			if err != nil {
				return &Value{}, err
			}
			if err := b.merge(v); err != nil {
				return &Value{}, errAt(n.Content[i+1], "yaml: %v", err)
			}
		}
	}
	own := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if isMergeKey(n.Content[i]) {
			continue
		}
		key, err := r.resolve(n.Content[i], depth+1)
		if err != nil {
			return &Value{}, err
		}
		if key.Kind == List || key.Kind == Map {
			return &Value{}, errAt(n.Content[i], "yaml: %v cannot be a key", key.Kind)
		}
		v, err := r.resolve(n.Content[i+1], depth+1)
		if err != nil {
			return &Value{}, err
		}
		if id := key.key(); own[id] {
			r.problems = append(r.problems, warning(r.at(n.Content[i]), fmt.Sprintf("key %q stands there twice; the last one counts", key.Text)))
		} else {
			own[id] = true
		}
		b.set(key, v)
	}
	return mapping(b.entries, r.at(n)), nil
}

// A mapBuilder collects entries; a later one replaces an equal key's value.
type mapBuilder struct {
	entries []Entry
	index   map[string]int
}

func (b *mapBuilder) set(key, v *Value) {
	id := key.key()
	if i, ok := b.index[id]; ok {
		b.entries[i].Value = v
		return
	}
	b.index[id] = len(b.entries)
	b.entries = append(b.entries, Entry{key, v})
}

// merge takes in the value of a "<<" key: a mapping, or a list of them of
// which the first wins.
func (b *mapBuilder) merge(v *Value) error {
	switch v.Kind {
	case Map:
		for _, e := range v.Map {
			b.set(e.Key, e.Value)
		}
		return nil
	case List:
		for i := len(v.List) - 1; i >= 0; i-- {
			if v.List[i].Kind != Map {
				return fmt.Errorf("a merge key takes mappings, this is %v", v.List[i].Kind)
			}
			if err := b.merge(v.List[i]); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("a merge key takes a mapping, this is %v", v.Kind)
}

func isMergeKey(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "<<" && plain(n) && explicitTag(n) == ""
}

func plain(n *yaml.Node) bool {
	return n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

// explicitTag is the tag that stands in the text, "" for none.
func explicitTag(n *yaml.Node) string {
	if n.Style&yaml.TaggedStyle == 0 {
		return ""
	}
	return n.ShortTag()
}

func scalar(n *yaml.Node) (*Value, error) {
	str := &Value{Kind: String, Text: n.Value, nodes: 1}
	tag := explicitTag(n)
	bad := errAt(n, "yaml: not a value that tag %s allows", tag)
	switch tag {
	case "":
		if plain(n) {
			return resolvePlain(n.Value), nil
		}
		return str, nil
	case "!", "!!str":
		return str, nil
	case "!!null":
		return &Value{Kind: Null, Text: n.Value, nodes: 1}, nil
	case "!!binary":
		data, err := base64.StdEncoding.DecodeString(stripBlanks(n.Value))
		if err != nil {
			return &Value{}, bad
		}
		return &Value{Kind: Binary, Text: string(data), nodes: 1}, nil
	case "!!float":
		if f, err := strconv.ParseFloat(strings.ReplaceAll(n.Value, "_", ""), 64); err == nil {
			return &Value{Kind: Float, Float: f, Text: n.Value, nodes: 1}, nil
		}
	}
	want, known := map[string]Kind{"!!bool": Bool, "!!int": Int, "!!float": Float, "!!timestamp": Timestamp}[tag]
	if !known {
		return &Value{}, errAt(n, "yaml: tag %s is not known", tag)
	}
	if v := resolvePlain(n.Value); v.Kind == want {
		return v, nil
	}
	return &Value{}, bad
}

func stripBlanks(s string) string {
	return strings.Map(func(c rune) rune {
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			return -1
		}
		return c
	}, s)
}

// yamlError takes the line out of the library's "yaml: line N: …".
func yamlError(err error) (int, string) {
	var le *lineError
	if errors.As(err, &le) {
		return le.line, le.msg
	}
	msg := err.Error()
	if rest, ok := strings.CutPrefix(msg, "yaml: line "); ok {
		if num, rest, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(num); err == nil {
				return line, "yaml: " + rest
			}
		}
	}
	return 0, msg
}
