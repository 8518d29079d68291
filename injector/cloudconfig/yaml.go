package cloudconfig

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"boothook/injector/userdata"
	"boothook/netboot/instance"
	"boothook/netboot/yaml"
)

const (
	// maxNodes bounds a document's values, aliases expanded: a few hundred
	// bytes of nested aliases may stand for billions.
	maxNodes = 200_000
	// maxDepth bounds nesting.
	maxDepth = 100
)

// Parse reads the YAML of one part. The value is absent when the part cannot
// be used; a problem that is no warning then says why. Anchors, merge keys,
// tags and equal keys are as the package comment says.
func Parse(part userdata.Part) (*Value, []instance.Problem) {
	r := reader{pos: Pos{Part: part.Name, Origin: part.Origin}, done: map[*yaml.Node]*Value{}}
	v, err := r.document(part.Body)
	if err != nil {
		pos := r.pos
		if at := (*yaml.Error)(nil); errors.As(err, &at) {
			pos.Line, err = at.Line, errors.New(at.Message)
		}
		r.problems = append(r.problems, problem(pos, "yaml: "+err.Error()))
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
	done     map[*yaml.Node]*Value // the shared nodes among them
	problems []instance.Problem
}

func errAt(n *yaml.Node, format string, args ...any) error {
	return &yaml.Error{Line: n.Line, Column: n.Column, Message: fmt.Sprintf(format, args...)}
}

func (r *reader) document(body []byte) (*Value, error) {
	root, err := yaml.Parse(body)
	if err != nil {
		return &Value{}, err
	}
	if root == nil {
		return &Value{Kind: Null, Pos: r.pos, nodes: 1}, nil
	}
	v, err := r.resolve(root, 0)
	if err == nil && v.nodes > maxNodes {
		return &Value{}, fmt.Errorf("more than %d values with aliases expanded", maxNodes)
	}
	return v, err
}

// resolve turns a node into a value. A node met again, through an alias, is
// shared and not copied.
func (r *reader) resolve(n *yaml.Node, depth int) (*Value, error) {
	if n.Shared {
		if v, ok := r.done[n]; ok {
			return v, nil
		}
	}
	if depth >= maxDepth {
		return &Value{}, errAt(n, "nested deeper than %d", maxDepth)
	}
	v, err := r.resolveKind(n, depth)
	if err != nil {
		return &Value{}, err
	}
	v.Pos = r.at(n)
	if n.Shared {
		r.done[n] = v
	}
	return v, nil
}

func (r *reader) at(n *yaml.Node) Pos {
	pos := r.pos
	pos.Line = n.Line
	return pos
}

func (r *reader) resolveKind(n *yaml.Node, depth int) (*Value, error) {
	switch n.Kind {
	case yaml.Scalar:
		return scalar(n)
	case yaml.Sequence:
		if n.Tag != "" && n.Tag != "!!seq" && n.Tag != "!!omap" && n.Tag != "!!pairs" {
			return &Value{}, errAt(n, "tag %s is not known", n.Tag)
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
	}
	if n.Tag != "" && n.Tag != "!!map" && n.Tag != "!!set" {
		return &Value{}, errAt(n, "tag %s is not known", n.Tag)
	}
	return r.mapping(n, depth)
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
				return &Value{}, errAt(n.Content[i+1], "%v", err)
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
			return &Value{}, errAt(n.Content[i], "%v cannot be a key", key.Kind)
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
	return n.Plain && n.Value == "<<" || n.Tag == "!!merge"
}

func scalar(n *yaml.Node) (*Value, error) {
	str := &Value{Kind: String, Text: n.Value, nodes: 1}
	bad := errAt(n, "not a value that tag %s allows", n.Tag)
	switch n.Tag {
	case "":
		if n.Plain {
			return resolvePlain(n.Value), nil
		}
		return str, nil
	case "!!str":
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
	want, known := map[string]Kind{"!!bool": Bool, "!!int": Int, "!!float": Float, "!!timestamp": Timestamp}[n.Tag]
	if !known {
		return &Value{}, errAt(n, "tag %s is not known", n.Tag)
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
