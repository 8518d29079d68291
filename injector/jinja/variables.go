package jinja

import (
	"maps"
	"slices"
	"strings"
)

// Variables gives instance data in the form that templates see, as cloud-init
// makes it: what stands under "v1", "v2" and so on is there at the top level
// too, and a key with an operator in it, such as "local-ipv4" or "v1.0", has a
// second name with "_" instead. data is not changed.
func Variables(data map[string]any) map[string]any {
	return withAliases(data, 0).values
}

// isVersion recognises "v1".
func isVersion(key string) bool {
	digits, ok := strings.CutPrefix(key, "v")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// withAliases gives each key's value a second name right behind it, which is
// the order in which cloud-init's templates go through a mapping.
func withAliases(data map[string]any, depth int) *dict {
	out := &dict{values: make(map[string]any, len(data))}
	for _, k := range sortedKeys(data) {
		v := data[k]
		if m, ok := v.(map[string]any); ok && depth < MaxDepth {
			below := withAliases(m, depth+1)
			v = below
			out.set(k, v)
			if isVersion(k) {
				for _, name := range below.keys {
					out.set(name, below.values[name])
				}
			}
		}
		out.set(k, v)
		if alias := aliasOf(k); alias != k {
			out.set(alias, v)
		}
	}
	return out
}

func sortedKeys(d map[string]any) []string { return slices.Sorted(maps.Keys(d)) }

// aliasOf puts "_" in the place of each operator.
func aliasOf(key string) string {
	var sb strings.Builder
	for key != "" {
		n := operatorLength(key)
		if n == 0 {
			sb.WriteByte(key[0])
			n = 1
		} else {
			sb.WriteByte('_')
		}
		key = key[n:]
	}
	return sb.String()
}

// operatorLength is the length of the operator that s begins with.
func operatorLength(s string) int {
	for op := range strings.SplitSeq(operators, " ") {
		if strings.HasPrefix(s, op) {
			return len(op)
		}
	}
	if s[0] == ';' { // Jinja2 has it among its operators and uses it for nothing
		return 1
	}
	return 0
}
