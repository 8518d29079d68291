package cloudconfig

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxPatch is how many operations a patch may have: each copies the mapping or
// list that it changes.
const maxPatch = 4096

// errPatch says that a patch was not applied.
var errPatch = errors.New("the patch cannot be used and is left out")

// applyPatch does the operations of an RFC 6902 patch on a copy of the
// document: all of them or none.
func applyPatch(doc, patch *Value) (*Value, error) {
	if patch.Kind != List {
		return &Value{}, fmt.Errorf("%w: it must be a list of operations", errPatch)
	}
	if len(patch.List) > maxPatch {
		return &Value{}, fmt.Errorf("%w: it has %d operations, at most %d are taken", errPatch, len(patch.List), maxPatch)
	}
	for i, op := range patch.List {
		var err error
		if doc, err = applyOperation(doc, op); err != nil {
			return &Value{}, fmt.Errorf("%w: operation %d (line %d): %w", errPatch, i+1, op.Pos.Line, err)
		}
		if doc, err = checked(doc); err != nil {
			return &Value{}, err
		}
	}
	return doc, nil
}

func applyOperation(doc, op *Value) (*Value, error) {
	path, err := pointer(op.Get("path"))
	if err != nil {
		return &Value{}, err
	}
	value := op.Get("value")
	name := op.Get("op").Text
	switch name {
	case "add", "replace", "test":
		if value.Kind == Absent {
			return &Value{}, fmt.Errorf("%q needs a value", name)
		}
	case "move", "copy":
		from, err := pointer(op.Get("from"))
		if err != nil {
			return &Value{}, err
		}
		if value, err = lookup(doc, from); err != nil {
			return &Value{}, err
		}
		if name == "move" {
			if doc, err = edit(doc, from, remove, &Value{}); err != nil {
				return &Value{}, err
			}
		}
		name = "add"
	}
	switch name {
	case "add":
		return edit(doc, path, add, value)
	case "replace":
		return edit(doc, path, replace, value)
	case "remove":
		return edit(doc, path, remove, &Value{})
	case "test":
		got, err := lookup(doc, path)
		if err == nil && !same(got, value) {
			err = errors.New("the value tested for is another")
		}
		return doc, err
	}
	return &Value{}, fmt.Errorf("operation %q is not known", name)
}

// pointer splits an RFC 6901 pointer.
func pointer(v *Value) ([]string, error) {
	if v.Kind != String || v.Text != "" && v.Text[0] != '/' {
		return nil, errors.New("a path must be a string that starts with /")
	}
	if v.Text == "" {
		return nil, nil
	}
	path := strings.Split(v.Text[1:], "/")
	for i := range path {
		path[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(path[i])
	}
	return path, nil
}

func lookup(v *Value, path []string) (*Value, error) {
	for _, name := range path {
		switch v.Kind {
		case Map:
			v = v.Get(name)
			if v.Kind == Absent {
				return v, noSuchPath(name)
			}
		case List:
			i, err := listIndex(name, len(v.List)-1)
			if err != nil {
				return &Value{}, err
			}
			v = v.List[i]
		default:
			return &Value{}, noSuchPath(name)
		}
	}
	return v, nil
}

func noSuchPath(name string) error { return fmt.Errorf("nothing at %q", name) }

func listIndex(name string, last int) (int, error) {
	i, err := strconv.Atoi(name)
	if err != nil || i < 0 || i > last || len(name) > 1 && name[0] == '0' {
		return 0, noSuchPath(name)
	}
	return i, nil
}

type action uint8

const (
	add action = iota
	replace
	remove
)

// edit returns doc with the action done at path; only what lies on the way
// is copied.
func edit(doc *Value, path []string, act action, v *Value) (*Value, error) {
	if len(path) == 0 {
		if act == remove {
			return &Value{Kind: Null, Pos: doc.Pos, nodes: 1}, nil
		}
		return v, nil
	}
	name, last := path[0], len(path) == 1
	switch doc.Kind {
	case Map:
		return editMap(doc, path, act, v)
	case List:
		if last && act == add {
			i := len(doc.List)
			if name != "-" {
				var err error
				if i, err = listIndex(name, len(doc.List)); err != nil {
					return &Value{}, err
				}
			}
			return sequence(slices.Insert(slices.Clone(doc.List), i, v), doc.Pos), nil
		}
		i, err := listIndex(name, len(doc.List)-1)
		if err != nil {
			return &Value{}, err
		}
		items := slices.Clone(doc.List)
		if last && act == remove {
			return sequence(slices.Delete(items, i, i+1), doc.Pos), nil
		}
		if items[i], err = edit(items[i], path[1:], act, v); err != nil {
			return &Value{}, err
		}
		return sequence(items, doc.Pos), nil
	}
	return &Value{}, noSuchPath(name)
}

func editMap(doc *Value, path []string, act action, v *Value) (*Value, error) {
	key := &Value{Kind: String, Text: path[0], Pos: v.Pos, nodes: 1}
	i, last := find(doc.Map, path[0]), len(path) == 1
	entries := slices.Clone(doc.Map)
	switch {
	case i < 0 && last && act == add:
		return mapping(append(entries, Entry{key, v}), doc.Pos), nil
	case i < 0:
		return &Value{}, noSuchPath(path[0])
	case last && act == remove:
		return mapping(slices.Delete(entries, i, i+1), doc.Pos), nil
	}
	next, err := edit(entries[i].Value, path[1:], act, v)
	if err != nil {
		return &Value{}, err
	}
	entries[i].Value = next
	return mapping(entries, doc.Pos), nil
}
