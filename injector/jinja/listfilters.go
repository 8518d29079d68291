package jinja

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// listFilter gives a filter that goes through a list or mapping.
func listFilter(name string) *function {
	switch name {
	case "length", "count":
		return &function{"", func(_ *renderer, v any, _ []any) (any, error) {
			n, ok := length(v)
			if !ok {
				return nil, fmt.Errorf("%s has no length", typeName(v))
			}
			return int64(n), nil
		}}
	case "items":
		return &function{"", func(r *renderer, v any, _ []any) (any, error) {
			switch v := v.(type) {
			case *dict:
				return pairs(r, v)
			case undefined:
				return list(nil), nil
			}
			return nil, fmt.Errorf("%s has no items", typeName(v))
		}}
	case "dictsort":
		return &function{"case_sensitive,by,reverse", dictSort}
	case "list":
		return overItems("", func(_ *renderer, items []any, _ []any) (any, error) { return list(items), nil })
	case "first":
		return overItems("", func(_ *renderer, items []any, _ []any) (any, error) { return itemOr(items, 0), nil })
	case "last":
		return overItems("", func(_ *renderer, items []any, _ []any) (any, error) {
			return itemOr(items, len(items)-1), nil
		})
	case "join":
		return &function{"d,attribute", func(r *renderer, v any, args []any) (any, error) {
			d, err := or(args[0], "")
			if err != nil {
				return nil, err
			}
			items, err := attributes(r, v, args[1])
			if err != nil {
				return nil, err
			}
			return joinText(r, items, d)
		}}
	case "reverse":
		return &function{"", reverse}
	case "sort":
		return overItems("reverse,case_sensitive,attribute", sortItems)
	case "unique":
		return overItems("case_sensitive,attribute", unique)
	case "min", "max":
		return extreme(name == "max")
	case "sum":
		return &function{"attribute,start", sum}
	case "map":
		return overItems("name,attribute,default", mapItems)
	case "select", "reject":
		return overItems("test,...", func(r *renderer, items []any, args []any) (any, error) {
			return selectItems(r, items, "", args, name == "select")
		})
	case "selectattr", "rejectattr":
		return overItems("attribute,test,...", func(r *renderer, items []any, args []any) (any, error) {
			attr, err := or(args[0], "")
			if err != nil {
				return nil, err
			}
			return selectItems(r, items, attr, args[1:], name == "selectattr")
		})
	}
	return nil
}

// overItems is a function of the elements of a value.
func overItems(params string, f func(r *renderer, items, args []any) (any, error)) *function {
	return &function{params, func(r *renderer, v any, args []any) (any, error) {
		items, err := elements(v)
		if err != nil {
			return nil, err
		}
		if err := r.spend(len(items)); err != nil {
			return nil, err
		}
		return f(r, items, args)
	}}
}

// itemOr gives items[i], which there is none of in an empty list.
func itemOr(items []any, i int) any {
	if len(items) == 0 {
		return nameless
	}
	return items[i]
}

// attribute gives v.path, where path may have dots and numbers in it.
func attribute(r *renderer, v any, path string) (any, error) {
	for name := range strings.SplitSeq(path, ".") {
		var key expr = literalExpr{name}
		if n, err := strconv.ParseInt(name, 10, 64); err == nil {
			key = literalExpr{n}
		}
		var err error
		if v, err = (indexExpr{literalExpr{v}, key}).eval(r, nil); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// attributes gives the elements of v, or the named attribute of each.
func attributes(r *renderer, v, name any) (any, error) {
	path, err := or(name, "")
	if err != nil || path == "" {
		return v, err
	}
	items, err := elements(v)
	if err != nil {
		return nil, err
	}
	out := make(list, len(items))
	for i, item := range items {
		if out[i], err = attribute(r, item, path); err != nil {
			return nil, err
		}
	}
	return out, r.spend(len(out))
}

// joinText puts the elements of v together with sep between them.
func joinText(r *renderer, v any, sep string) (any, error) {
	items, err := elements(v)
	if err != nil {
		return nil, err
	}
	var sb strings.Builder
	for i, item := range items {
		if i > 0 {
			sb.WriteString(sep)
		}
		sb.WriteString(r.str(item))
		if err := r.sized(sb.Len()); sb.Len() > MaxOutput {
			return nil, err
		}
	}
	return sb.String(), r.spend(len(items))
}

func reverse(r *renderer, v any, _ []any) (any, error) {
	items, err := elements(v)
	if err != nil {
		return nil, err
	}
	items = slices.Clone(items)
	slices.Reverse(items)
	if _, ok := v.(string); ok {
		return joinText(r, list(items), "")
	}
	return list(items), r.spend(len(items))
}

// keyOf gives a function that takes the attribute out of an item.
func keyOf(r *renderer, name any, failed *error) func(any) any {
	path, err := or(name, "")
	*failed = err
	return func(item any) any {
		if path == "" {
			return item
		}
		v, err := attribute(r, item, path)
		if err != nil && *failed == nil {
			*failed = err
		}
		return v
	}
}

func sortItems(r *renderer, items, args []any) (any, error) {
	down, err := or(args[0], false)
	if err != nil {
		return nil, err
	}
	exact, err := or(args[1], false)
	if err != nil {
		return nil, err
	}
	var failed error
	out, err := sorted(r, items, keyOf(r, args[2], &failed), exact, down)
	if failed != nil {
		return nil, failed
	}
	return out, err
}

func dictSort(r *renderer, v any, args []any) (any, error) {
	d, ok := v.(*dict)
	if !ok {
		return nil, fmt.Errorf("%s is no mapping", typeName(v))
	}
	exact, err := or(args[0], false)
	if err != nil {
		return nil, err
	}
	by, err := or(args[1], "key")
	if err != nil {
		return nil, err
	}
	down, err := or(args[2], false)
	if err != nil {
		return nil, err
	}
	items, err := pairs(r, d)
	if err != nil {
		return nil, err
	}
	at := 0
	if by == "value" {
		at = 1
	}
	return sorted(r, items.(list), func(item any) any { return item.(tuple)[at] }, exact, down)
}

func unique(r *renderer, items, args []any) (any, error) {
	exact, err := or(args[0], false)
	if err != nil {
		return nil, err
	}
	var failed error
	key := keyOf(r, args[1], &failed)
	var out, seen list
	for _, item := range items {
		k := key(item)
		if !exact {
			k = folded(k)
		}
		if failed == nil {
			failed = r.spend(len(seen))
		}
		if failed != nil {
			return nil, failed
		}
		if !slices.ContainsFunc(seen, func(s any) bool { return r.equal(s, k) }) {
			seen, out = append(seen, k), append(out, item)
		}
	}
	return out, failed
}

// extreme is max or min.
func extreme(most bool) *function {
	return overItems("case_sensitive,attribute", func(r *renderer, items, args []any) (any, error) {
		exact, err := or(args[0], false)
		if err != nil {
			return nil, err
		}
		var failed error
		key := keyOf(r, args[1], &failed)
		best := itemOr(items, 0)
		for _, item := range items[min(1, len(items)):] {
			c, err := r.compareValues(key(item), key(best), exact)
			if failed != nil || err != nil {
				return nil, firstError(failed, err)
			}
			if c > 0 == most && c != 0 {
				best = item
			}
		}
		return best, failed
	})
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func sum(r *renderer, v any, args []any) (any, error) {
	list, err := attributes(r, v, args[0])
	if err != nil {
		return nil, err
	}
	items, err := elements(list)
	total := given(args[1], int64(0))
	for _, item := range items {
		if err == nil {
			total, err = r.arithmetic("+", total, item)
		}
	}
	return total, err
}

// mapItems applies a filter to every item, or takes an attribute of each.
func mapItems(r *renderer, items, args []any) (any, error) {
	name, err := or(args[0], "")
	if err != nil {
		return nil, err
	}
	out := make(list, len(items))
	if name == "" {
		path, err := or(args[1], "")
		if err != nil {
			return nil, err
		}
		for i, item := range items {
			if out[i], err = attribute(r, item, path); err != nil {
				return nil, err
			}
			if _, missing := out[i].(undefined); missing {
				out[i] = given(args[2], out[i])
			}
		}
		return out, r.spend(len(out))
	}
	fn := filterNamed(name)
	if fn == nil {
		return nil, fmt.Errorf("%w: the filter %q", ErrUnsupported, name)
	}
	var rest arguments
	for _, a := range args[1:] {
		if _, none := a.(absent); !none {
			rest.list = append(rest.list, literalExpr{a})
		}
	}
	for i, item := range items {
		if out[i], err = r.apply(name, fn, item, rest, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// selectItems keeps the items whose attribute, or which themselves, pass a
// test; without a test what is true passes.
func selectItems(r *renderer, items []any, attr string, args []any, keep bool) (any, error) {
	name, err := or(args[0], "")
	if err != nil {
		return nil, err
	}
	fn := testNamed(name)
	if name != "" && fn == nil {
		return nil, fmt.Errorf("%w: the test %q", ErrUnsupported, name)
	}
	var rest arguments
	for _, a := range args[1:] {
		rest.list = append(rest.list, literalExpr{a})
	}
	var out list
	for _, item := range items {
		v := item
		if attr != "" {
			if v, err = attribute(r, item, attr); err != nil {
				return nil, err
			}
		}
		passed := any(truth(v))
		if fn != nil {
			if passed, err = r.apply(name, fn, v, rest, nil); err != nil {
				return nil, err
			}
		}
		if truth(passed) == keep {
			out = append(out, item)
		}
	}
	return out, r.spend(len(items))
}
