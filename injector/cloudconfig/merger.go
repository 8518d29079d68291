package cloudconfig

import (
	"fmt"
	"slices"
	"strings"
)

// A rule is one merger with its options, such as list(append).
type rule struct {
	name    string
	options []string
}

// mergers is an ordered choice: the first rule for a type handles it
// (cloud-init's LookupMerger). A type that no rule names is left as it was.
type mergers []rule

// userMergers is the default between parts of user-data: a later part's
// top-level key replaces an earlier one's.
var userMergers = mergers{{"dict", []string{"replace"}}, {"list", nil}, {"str", nil}}

// layerMergers is the default between layers: dictionaries are joined, of
// everything else the first, and higher, layer's stays.
var layerMergers = mergers{{"list", nil}, {"dict", nil}, {"str", nil}}

// method is the first of the choices that the rule's options name, or the
// last choice's default.
func (r rule) method(def string, choices ...string) string {
	for _, c := range choices {
		if slices.Contains(r.options, c) {
			return c
		}
	}
	return def
}

func (r rule) has(options ...string) bool {
	return slices.ContainsFunc(options, func(o string) bool { return slices.Contains(r.options, o) })
}

// parseMergers reads "dict(recurse_array)+list(append)+str()".
func parseMergers(s string) (mergers, error) {
	var m mergers
	for _, word := range strings.Split(s, "+") {
		word = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(word)), "-", "_")
		if word == "" {
			continue
		}
		name, rest, ok := strings.Cut(word, "(")
		opts, tail, closed := strings.Cut(rest, ")")
		if !ok || !closed || tail != "" {
			return nil, fmt.Errorf("merge rule %q is not of the form name(option,option)", word)
		}
		var options []string
		for _, o := range strings.Split(opts, ",") {
			if o = strings.TrimSpace(o); o != "" {
				options = append(options, o)
			}
		}
		m = append(m, rule{name, options})
	}
	return m, m.check()
}

// mergersOf reads the value of merge_how or merge_type: a string, or a list
// of {name, settings} mappings or [name, option…] lists.
func mergersOf(v *Value) (mergers, error) {
	if v.Kind == String {
		return parseMergers(v.Text)
	}
	if v.Kind != List {
		return nil, fmt.Errorf("merge_how must be a string or a list, not %v", v.Kind)
	}
	var m mergers
	for _, item := range v.List {
		r := rule{}
		switch {
		case item.Kind == Map:
			r.name = strings.TrimSpace(strings.ReplaceAll(item.Get("name").Scalar(), "-", "_"))
			for _, o := range item.Get("settings").Items() {
				r.options = append(r.options, o.Scalar())
			}
		case item.Kind == List && len(item.List) > 0:
			r.name = item.List[0].Scalar()
			for _, o := range item.List[1:] {
				r.options = append(r.options, o.Scalar())
			}
		default:
			return nil, fmt.Errorf("a rule of merge_how must be a mapping or a list, not %v", item.Kind)
		}
		if r.name != "" {
			m = append(m, r)
		}
	}
	return m, m.check()
}

func (m mergers) check() error {
	for i := range m {
		m[i].name = strings.TrimPrefix(m[i].name, "m_")
		switch m[i].name {
		case "dict", "list", "str":
		default:
			return fmt.Errorf("merge rule %q is not known; there are dict, list and str", m[i].name)
		}
	}
	return nil
}

// merge lays with over base.
func (m mergers) merge(base, with *Value) (*Value, error) {
	name := map[Kind]string{Map: "dict", List: "list", String: "str"}[base.Kind]
	for _, r := range m {
		if r.name != name {
			continue
		}
		switch name {
		case "dict":
			return m.mergeDict(r, base, with)
		case "list":
			return m.mergeList(r, base, with)
		case "str":
			if with.Kind == String && r.has("append") {
				return word(base.Text+with.Text, with.Pos), nil
			}
			return with, nil
		}
	}
	return base, nil
}

func (m mergers) mergeDict(r rule, base, with *Value) (*Value, error) {
	if with.Kind != Map {
		return base, nil
	}
	replace := r.method("no_replace", "replace", "no_replace") == "replace"
	out := slices.Clone(base.Map)
	places := index(out)
	for _, e := range with.Map {
		key := e.Key.key()
		i, found := places[key]
		switch {
		case !found:
			places[key] = len(out)
			out = append(out, e)
		case e.Value.Kind == Null && r.has("allow_delete"):
			delete(places, key)
			out[i].Value = nil
		case replace:
			out[i].Value = e.Value
		case e.Value.Kind == Map, r.recurses(e.Value):
			v, err := m.merge(out[i].Value, e.Value)
			if err != nil {
				return &Value{}, err
			}
			out[i].Value = v
		}
	}
	out = slices.DeleteFunc(out, func(e Entry) bool { return e.Value == nil })
	return checked(mapping(out, with.Pos))
}

// recurses says whether the options ask to merge lists or strings in place.
func (r rule) recurses(v *Value) bool {
	return v.Kind == List && r.has("recurse_array", "recurse_list") || v.Kind == String && r.has("recurse_str")
}

func (m mergers) mergeList(r rule, base, with *Value) (*Value, error) {
	method := r.method("replace", "append", "prepend", "replace", "no_replace")
	if with.Kind != List && method == "replace" {
		return with, nil
	}
	items, err := elements(with)
	if err != nil {
		return &Value{}, err
	}
	switch method {
	case "append":
		return checked(sequence(slices.Concat(base.List, items), with.Pos))
	case "prepend":
		return checked(sequence(slices.Concat(items, base.List), with.Pos))
	case "no_replace":
		return base, nil
	}
	// Index by index over the length of the base: what the other has more
	// is dropped, as in cloud-init.
	out := slices.Clone(base.List)
	for i := range min(len(out), len(items)) {
		v := items[i]
		if r.recurses(v) || v.Kind == Map && r.has("recurse_dict") {
			if v, err = m.merge(out[i], v); err != nil {
				return &Value{}, err
			}
		}
		out[i] = v
	}
	return checked(sequence(out, with.Pos))
}

// elements is what Python's list.extend takes from a value: of a mapping its
// keys. A string counts as one element, not as its letters.
func elements(v *Value) ([]*Value, error) {
	switch v.Kind {
	case List:
		return v.List, nil
	case Map:
		keys := make([]*Value, len(v.Map))
		for i, e := range v.Map {
			keys[i] = e.Key
		}
		return keys, nil
	case String:
		return []*Value{v}, nil
	}
	return nil, fmt.Errorf("%v cannot be merged into a list", v.Kind)
}

func checked(v *Value) (*Value, error) {
	if v.nodes > maxNodes {
		return &Value{}, fmt.Errorf("more than %d values after merging", maxNodes)
	}
	return v, nil
}
