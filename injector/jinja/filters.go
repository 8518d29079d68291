package jinja

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// filterNamed gives a filter, nil for one that is not supported.
func filterNamed(name string) *function {
	switch name {
	case "default", "d":
		return &function{"default_value,boolean", func(_ *renderer, v any, args []any) (any, error) {
			_, missing := v.(undefined)
			falsy, err := or(args[1], false)
			if missing || falsy && !truth(v) {
				if _, none := args[0].(absent); none {
					return "", err
				}
				return args[0], err
			}
			return v, err
		}}
	case "safe", "string":
		return &function{"", func(r *renderer, v any, _ []any) (any, error) { return r.str(v), nil }}
	case "upper":
		return textFilter(upper)
	case "lower":
		return textFilter(strings.ToLower)
	case "capitalize":
		return textFilter(capital)
	case "title":
		return textFilter(title)
	case "e", "escape", "forceescape":
		return textFilter(strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;").Replace)
	case "urlencode":
		return textFilter(urlEncode)
	case "trim":
		return textFunction("chars", func(s, cut string) any { return strings.Trim(s, cut) })
	case "replace":
		return &function{"old,new,count", replace}
	case "indent":
		return &function{"width,first,blank", indent}
	case "tojson":
		return &function{"indent", toJSON}
	case "abs", "int", "float", "round":
		return numberFilter(name)
	}
	return listFilter(name)
}

// textFilter is a filter of a string alone.
func textFilter(f func(string) string) *function {
	return &function{"", func(r *renderer, v any, _ []any) (any, error) {
		s := r.str(v)
		if err := r.sized(6 * len(s)); err != nil { // escaping makes it longer
			return nil, err
		}
		return f(s), nil
	}}
}

// upper knows the one common letter whose capital is two.
func upper(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "ß", "SS")) }

func capital(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return upper(s[:n]) + strings.ToLower(s[n:])
}

// title gives every word a capital; words end at blanks, hyphens and brackets.
func title(s string) string {
	var sb strings.Builder
	start := true
	for _, r := range s {
		if start {
			sb.WriteRune(unicode.ToUpper(r))
		} else {
			sb.WriteRune(unicode.ToLower(r))
		}
		start = unicode.IsSpace(r) || strings.ContainsRune("-({[<", r)
	}
	return sb.String()
}

func urlEncode(s string) string {
	var sb strings.Builder
	for i := range len(s) {
		c := s[i]
		if c < 0x80 && (isNameByte(c) || strings.IndexByte("-.~/", c) >= 0) {
			sb.WriteByte(c)
		} else {
			fmt.Fprintf(&sb, "%%%02X", c)
		}
	}
	return sb.String()
}

func replace(r *renderer, v any, args []any) (any, error) {
	old, err := or(args[0], "")
	if err != nil {
		return nil, err
	}
	replacement, err := or(args[1], "")
	if err != nil {
		return nil, err
	}
	count, err := or[int64](args[2], -1)
	if err != nil {
		return nil, err
	}
	s := r.str(v)
	if err := r.sized(len(s) + strings.Count(s, old)*len(replacement)); err != nil {
		return nil, err
	}
	return strings.Replace(s, old, replacement, int(min(count, MaxOutput))), nil
}

// indent puts blanks before every line but the first and the blank ones.
func indent(r *renderer, v any, args []any) (any, error) {
	width, wide := args[0].(string)
	n, err := or[int64](args[0], 4)
	if !wide {
		if err != nil || n < 0 || n > 1000 {
			return nil, errors.New("a width between 0 and 1000 is needed")
		}
		width = strings.Repeat(" ", int(n))
	}
	first, err := or(args[1], false)
	if err != nil {
		return nil, err
	}
	blankToo, err := or(args[2], false)
	if err != nil {
		return nil, err
	}
	s := r.str(v)
	if err := r.sized(len(s) + (strings.Count(s, "\n")+1)*len(width)); err != nil {
		return nil, err
	}
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if i == 0 && !first || i > 0 && l == "" && !blankToo {
			continue
		}
		lines[i] = width + l
	}
	return strings.Join(lines, "\n"), nil
}

func numberFilter(name string) *function {
	switch name {
	case "abs":
		return &function{"", func(_ *renderer, v any, _ []any) (any, error) {
			switch i, f, isInt, ok := number(v); {
			case !ok:
				return nil, fmt.Errorf("%s is no number", typeName(v))
			case isInt:
				return max(i, -i), nil
			default:
				return math.Abs(f), nil
			}
		}}
	case "int":
		return &function{"default,base", toInt}
	case "float":
		return &function{"default", func(r *renderer, v any, args []any) (any, error) {
			if _, f, _, ok := number(v); ok {
				return f, nil
			}
			if s, ok := v.(string); ok {
				if f, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil {
					return f, nil
				}
			}
			return given(args[0], 0.0), nil
		}}
	}
	return &function{"precision,method", round}
}

// given is an argument of any kind, or its default.
func given(arg, def any) any {
	if _, none := arg.(absent); none {
		return def
	}
	return arg
}

func toInt(_ *renderer, v any, args []any) (any, error) {
	base, err := or[int64](args[1], 10)
	if err != nil || base < 0 || base == 1 || base > 36 {
		return nil, errors.New("no such base")
	}
	if i, f, isInt, ok := number(v); ok {
		if isInt {
			return i, nil
		}
		if math.Abs(f) < 1<<63 {
			return int64(f), nil
		}
		return given(args[0], int64(0)), nil
	}
	if s, ok := v.(string); ok {
		s = strings.TrimSpace(s)
		if base != 10 {
			s = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(s, "0x"), "0o"), "0b")
		}
		if n, err := strconv.ParseInt(s, int(base), 64); err == nil {
			return n, nil
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) < 1<<63 && base == 10 {
			return int64(f), nil
		}
	}
	return given(args[0], int64(0)), nil
}

func round(_ *renderer, v any, args []any) (any, error) {
	precision, err := or[int64](args[0], 0)
	if err != nil {
		return nil, err
	}
	method, err := or(args[1], "common")
	if err != nil {
		return nil, err
	}
	i, f, isInt, ok := number(v)
	if !ok || precision < -300 || precision > 300 {
		return nil, errors.New("a number is needed")
	}
	scale := math.Pow(10, float64(precision))
	switch method {
	case "common":
		if isInt && precision >= 0 {
			return i, nil
		}
		if precision >= 0 {
			f, err = strconv.ParseFloat(strconv.FormatFloat(f, 'f', int(precision), 64), 64)
			return f, err
		}
		return math.RoundToEven(f*scale) / scale, nil
	case "ceil":
		return math.Ceil(f*scale) / scale, nil
	case "floor":
		return math.Floor(f*scale) / scale, nil
	}
	return nil, errors.New("the method has to be common, ceil or floor")
}

// toJSON writes v as JSON that is safe in HTML, keys in order.
func toJSON(r *renderer, v any, args []any) (any, error) {
	if _, none := args[0].(absent); !none {
		return nil, fmt.Errorf("%w: an indent", ErrUnsupported)
	}
	var sb strings.Builder
	if err := writeJSON(&sb, v); err != nil {
		return nil, err
	}
	return sb.String(), r.sized(sb.Len())
}

func writeJSON(sb *strings.Builder, v any) error {
	if sb.Len() > MaxOutput {
		return fmt.Errorf("%w: more than %d bytes", ErrLimit, MaxOutput)
	}
	switch v := v.(type) {
	case nil:
		sb.WriteString("null")
	case bool:
		sb.WriteString(strconv.FormatBool(v))
	case int64:
		sb.WriteString(strconv.FormatInt(v, 10))
	case float64:
		sb.WriteString(floatText(v))
	case string:
		writeJSONString(sb, v)
	case list:
		return writeJSONList(sb, v)
	case tuple:
		return writeJSONList(sb, v)
	case *dict:
		sb.WriteByte('{')
		for i, k := range slices.Sorted(slices.Values(v.keys)) {
			if i > 0 {
				sb.WriteString(", ")
			}
			writeJSONString(sb, k)
			sb.WriteString(": ")
			if err := writeJSON(sb, v.vals[k]); err != nil {
				return err
			}
		}
		sb.WriteByte('}')
	default:
		return fmt.Errorf("%s has no JSON form", typeName(v))
	}
	return nil
}

func writeJSONList(sb *strings.Builder, items []any) error {
	sb.WriteByte('[')
	for i, item := range items {
		if i > 0 {
			sb.WriteString(", ")
		}
		if err := writeJSON(sb, item); err != nil {
			return err
		}
	}
	sb.WriteByte(']')
	return nil
}

func writeJSONString(sb *strings.Builder, s string) {
	sb.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			sb.WriteByte('\\')
			sb.WriteRune(r)
		case r == '\n':
			sb.WriteString(`\n`)
		case r == '\r':
			sb.WriteString(`\r`)
		case r == '\t':
			sb.WriteString(`\t`)
		case r < ' ' || r > '~' && r < 0x10000 || r == '<' || r == '>' || r == '&' || r == '\'':
			fmt.Fprintf(sb, `\u%04x`, r)
		case r >= 0x10000:
			r -= 0x10000
			fmt.Fprintf(sb, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			sb.WriteRune(r)
		}
	}
	sb.WriteByte('"')
}

// compareValues orders two values, strings in any case unless exact is set.
func (r *renderer) compareValues(a, b any, exact bool) (int, error) {
	if !exact {
		a, b = folded(a), folded(b)
	}
	return r.order(a, b)
}

func folded(v any) any {
	if s, ok := v.(string); ok {
		return strings.ToLower(s)
	}
	return v
}

// sorted sorts items by what key makes of them.
func sorted(r *renderer, items []any, key func(any) any, exact, reverse bool) (list, error) {
	if err := r.spend(len(items) * 4); err != nil {
		return nil, err
	}
	var failed error
	out := slices.Clone(items)
	slices.SortStableFunc(out, func(a, b any) int {
		c, err := r.compareValues(key(a), key(b), exact)
		failed = firstError(failed, err)
		if reverse {
			return -c
		}
		return c
	})
	return out, failed
}
