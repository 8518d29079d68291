package accounts

import (
	"slices"
	"strings"
)

// How many fields an entry has.
const (
	passwdFields = 7
	shadowFields = 9
	groupFields  = 4 // in group(5) and gshadow(5)
)

// lines are the lines of an account file.
type lines []string

func parse(text []byte) lines {
	s := strings.TrimSuffix(string(text), "\n")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

func (t lines) bytes() []byte {
	if len(t) == 0 {
		return []byte{}
	}
	return []byte(strings.Join(t, "\n") + "\n")
}

// find returns the index of the first line whose first field is name and that
// has enough fields to be an entry, or -1.
func (t lines) find(name string, fields int) int {
	return slices.IndexFunc(t, func(line string) bool {
		return strings.HasPrefix(line, name+":") && strings.Count(line, ":") >= fields-1
	})
}

// add puts a line at the end, but before the NIS lines ("+", "-"), which
// stop being last only at the price of changing who may log in.
func (t lines) add(line string) lines {
	i := len(t)
	for i > 0 && (strings.HasPrefix(t[i-1], "+") || strings.HasPrefix(t[i-1], "-")) {
		i--
	}
	return slices.Insert(slices.Clone(t), i, line)
}

// addMember adds a member to the line of a group. In group(5) and gshadow(5)
// alike the members are the fourth field.
func addMember(text []byte, group, member string) []byte {
	t := parse(text)
	i := t.find(group, groupFields)
	if i < 0 {
		return text
	}
	col := strings.Split(t[i], ":")
	members := splitMembers(col[3])
	if slices.Contains(members, member) {
		return text
	}
	col[3] = strings.Join(append(members, member), ",")
	t[i] = strings.Join(col, ":")
	return t.bytes()
}

func splitMembers(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
