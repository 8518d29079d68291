package accounts

import (
	"slices"
	"strconv"
	"strings"
)

// How many fields an entry has.
const (
	passwdFields = 7
	shadowFields = 9
	shadowLeast  = 2 // a short shadow line is filled up
	groupFields  = 4 // in group(5) and gshadow(5)
	subFields    = 3
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

// A table is one account file, in which lines are found by name.
type table struct {
	// text is what the file holds, unless changed.
	text    []byte
	changed bool
	// body are the lines, tail those of NIS ("+", "-") at the end, which stop
	// being last only at the price of changing who may log in.
	body, tail []*line
	// first holds the first line of a name that has enough fields to be an
	// entry, valid the first whose numbers are numbers.
	first, valid map[string]*line
	// used counts the entries that have an id.
	used ids
	// edited says that the last edit has changed the table.
	edited bool
	// fields is how many fields an entry has at least, numbers which of them
	// are numbers; the first of these is its id.
	fields  int
	numbers []int
}

// A line is one line of a table. Once a member is added to a group, members
// holds what the line says.
type line struct {
	text    string
	members *members
}

// members are the fourth field of a group, and what stands before and after.
type members struct {
	before, after string
	list          []string
	has           map[string]bool
}

func newTable(text []byte, fields int, numbers ...int) *table {
	t := &table{text: text, fields: fields, numbers: numbers, first: map[string]*line{}, valid: map[string]*line{}, used: ids{used: map[int]int{}}}
	for _, s := range parse(text) {
		t.body = append(t.body, &line{text: s})
	}
	end := len(t.body)
	for end > 0 && strings.ContainsRune("+-", rune((t.body[end-1].text + " ")[0])) {
		end--
	}
	t.body, t.tail = t.body[:end:end], t.body[end:]
	for _, l := range slices.Concat(t.body, t.tail) {
		t.index(l)
	}
	return t
}

// index makes a line one that is found by its name.
func (t *table) index(l *line) (undo func()) {
	undo = func() {}
	f := strings.Split(l.text, ":")
	name := f[0]
	if len(f) < t.fields {
		return undo
	}
	isFirst, isValid := t.first[name] == nil, name != "" && t.valid[name] == nil
	if isFirst {
		t.first[name] = l
	}
	id, numeric := t.id(f)
	if numeric && isValid {
		t.valid[name] = l
	}
	unuse := func() {}
	if numeric && name != "" && len(t.numbers) > 0 {
		unuse = t.used.add(id)
	}
	return func() {
		if isFirst {
			delete(t.first, name)
		}
		if numeric && isValid {
			delete(t.valid, name)
		}
		unuse()
	}
}

// id gives the first of an entry's numbers, and whether all of them are.
func (t *table) id(fields []string) (int, bool) {
	first := 0
	for i, at := range t.numbers {
		n, err := strconv.Atoi(fields[at])
		if err != nil {
			return 0, false
		}
		if i == 0 {
			first = n
		}
	}
	return first, true
}

// bytes is the text of the file.
func (t *table) bytes() []byte {
	if t.changed {
		var all lines
		for _, l := range slices.Concat(t.body, t.tail) {
			all = append(all, l.String())
		}
		t.text, t.changed = all.bytes(), false
	}
	return t.text
}

// exists says whether the root has the file.
func (t *table) exists() bool { return t.text != nil || t.changed }

func (l *line) String() string {
	if m := l.members; m != nil {
		return m.before + strings.Join(m.list, ",") + m.after
	}
	return l.text
}

// add puts a line at the end, but before those of NIS.
func (b *Book) add(t *table, text string) {
	l := &line{text: text}
	b.change(t)
	n := len(t.body)
	t.body = append(t.body, l)
	unindex := t.index(l)
	b.undo = append(b.undo, func() {
		unindex()
		t.body = t.body[:n]
	})
}

// set gives a line, which keeps its name and its numbers, another text.
func (b *Book) set(t *table, l *line, text string) {
	if text == l.text {
		return
	}
	b.change(t)
	old := l.text
	l.text = text
	b.undo = append(b.undo, func() { l.text = old })
}

// addMember adds a member to the line of a group. In group(5) and gshadow(5)
// alike the members are the fourth field.
func (b *Book) addMember(t *table, group, member string) {
	l := t.first[group]
	if l == nil {
		return
	}
	if l.members == nil {
		l.members = newMembers(l.text)
	}
	m := l.members
	if m.has[member] {
		return
	}
	b.change(t)
	m.list, m.has[member] = append(m.list, member), true
	b.undo = append(b.undo, func() {
		m.list = m.list[:len(m.list)-1]
		delete(m.has, member)
	})
}

func newMembers(text string) *members {
	f := strings.SplitN(text, ":", groupFields)
	list, after, more := strings.Cut(f[groupFields-1], ":")
	if more {
		after = ":" + after
	}
	m := &members{before: strings.Join(f[:groupFields-1], ":") + ":", after: after, list: splitMembers(list), has: map[string]bool{}}
	for _, name := range m.list {
		m.has[name] = true
	}
	return m
}

// change notes that a table is about to be changed, and how it was.
func (b *Book) change(t *table) {
	was := t.changed
	t.changed, t.edited = true, true
	b.undo = append(b.undo, func() { t.changed = was })
}

func splitMembers(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
