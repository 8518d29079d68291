package accounts

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"boothook/injector/plan"
)

// A Range is a range of ids, both ends included.
type Range struct{ Min, Max int }

// A SubRange says where subordinate ids are taken from, and how many.
type SubRange struct {
	Range
	Count int
}

// A Policy is what login.defs(5) and /etc/default/useradd say of new accounts.
type Policy struct {
	UID, SysUID, GID, SysGID Range
	SubUID, SubGID           SubRange
	// UserGroups makes a group of the account's own name.
	UserGroups bool
	// HomeMode holds the permission bits of a new home directory.
	HomeMode uint32
	// HomeBase is the directory of homes, Shell the shell if none is given.
	HomeBase, Shell string
	// PassMin, PassMax and PassWarn are the ages of shadow(5), in days.
	PassMin, PassMax, PassWarn string
}

// ParsePolicy reads the texts of /etc/login.defs and /etc/default/useradd,
// either of which may be nil. What they do not say is as shadow-utils has it.
func ParsePolicy(loginDefs, useradd []byte) Policy {
	v := map[string]string{}
	for _, line := range parse(loginDefs) {
		if f := strings.Fields(line); len(f) >= 2 && !strings.HasPrefix(f[0], "#") {
			v[f[0]] = f[1]
		}
	}
	for _, line := range parse(useradd) {
		if k, val, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(k, "#") {
			v["useradd."+k] = strings.Trim(val, `"'`)
		}
	}
	str := func(key, def string) string {
		if s := v[key]; s != "" && !strings.ContainsAny(s, ":\x00") {
			return s
		}
		return def
	}
	num := func(key string, def int) int {
		n, err := strconv.ParseInt(v[key], 0, 64)
		if err != nil || n < 0 || n > maxID {
			return def
		}
		return int(n)
	}
	days := func(key, def string) string {
		if _, err := strconv.Atoi(v[key]); err == nil {
			return v[key]
		}
		return def
	}
	uid := Range{num("UID_MIN", 1000), num("UID_MAX", 60000)}
	gid := Range{num("GID_MIN", 1000), num("GID_MAX", 60000)}
	return Policy{
		UID: uid, SysUID: Range{num("SYS_UID_MIN", 101), num("SYS_UID_MAX", uid.Min-1)},
		GID: gid, SysGID: Range{num("SYS_GID_MIN", 101), num("SYS_GID_MAX", gid.Min-1)},
		SubUID:     SubRange{Range{num("SUB_UID_MIN", 100000), num("SUB_UID_MAX", 600100000)}, num("SUB_UID_COUNT", 65536)},
		SubGID:     SubRange{Range{num("SUB_GID_MIN", 100000), num("SUB_GID_MAX", 600100000)}, num("SUB_GID_COUNT", 65536)},
		UserGroups: v["USERGROUPS_ENAB"] != "no",
		HomeMode:   homeMode(v["HOME_MODE"], v["UMASK"]),
		HomeBase:   strings.TrimSuffix(str("useradd.HOME", "/home"), "/"),
		Shell:      str("useradd.SHELL", "/bin/sh"),
		PassMin:    days("PASS_MIN_DAYS", "0"), PassMax: days("PASS_MAX_DAYS", "99999"), PassWarn: days("PASS_WARN_AGE", "7"),
	}
}

// homeMode is HOME_MODE or else what UMASK leaves.
func homeMode(mode, umask string) uint32 {
	if m, err := strconv.ParseUint(mode, 8, 12); err == nil {
		return uint32(m)
	}
	if m, err := strconv.ParseUint(umask, 8, 9); err == nil {
		return 0o777 &^ uint32(m)
	}
	return 0o755
}

func (b *Book) pickUID(a plan.Account, p Policy) (int, error) {
	return b.passwd.used.pick(a.UID, a.System, p.UID, p.SysUID)
}

func (b *Book) pickGID(want *int, system bool, p Policy) (int, error) {
	return b.group.used.pick(want, system, p.GID, p.SysGID)
}

// primaryGroup gives the id of the group that a new account belongs to: the
// one that is asked for, or one of the account's own name, by preference with
// the account's own number, as useradd does.
func (b *Book) primaryGroup(a plan.Account, p Policy, uid int) (int, error) {
	name := a.PrimaryGroup
	if name == "" && !p.UserGroups {
		name = "users"
	}
	if gid, err := strconv.Atoi(name); err == nil {
		if !b.group.used.has(gid) {
			return 0, fmt.Errorf("primary group %s: %w", name, ErrUnknown)
		}
		return gid, nil
	}
	if name == "" {
		name = a.Name
	}
	if gid, found := b.groupID(name); found {
		return gid, nil
	}
	group := plan.Account{Name: name, System: a.System}
	if name == a.Name && !b.group.used.has(uid) {
		group.UID = &uid
	}
	if err := b.addGroup(group, p); err != nil {
		return 0, err
	}
	gid, _ := b.groupID(name)
	return gid, nil
}

// ids are the ids that are in use in one file.
type ids struct {
	used map[int]int
	// marks remember where the last search has ended, so that a row of them
	// goes through a range once.
	marks []mark
}

// A mark is where the search of a range ended.
type mark struct {
	Range
	kind searchKind
	at   int
}

type searchKind byte

const (
	nextID    searchKind = iota // the one after the highest
	lowestID                    // the lowest free one
	highestID                   // the highest free one
)

func (s *ids) has(id int) bool { return s.used[id] > 0 }

// add counts an id. What was added last must be undone first.
func (s *ids) add(id int) (undo func()) {
	marks := slices.Clone(s.marks)
	s.used[id]++
	for i := range s.marks {
		if m := &s.marks[i]; m.kind == nextID && id >= m.at && id <= m.Max {
			m.at = id + 1
		}
	}
	return func() {
		s.used[id]--
		s.marks = marks
	}
}

// mark is where the last search of that kind ended, or from.
func (s *ids) mark(r Range, kind searchKind, from int) (m *mark, known bool) {
	for i := range s.marks {
		if m := &s.marks[i]; m.Range == r && m.kind == kind {
			return m, true
		}
	}
	s.marks = append(s.marks, mark{r, kind, from})
	return &s.marks[len(s.marks)-1], false
}

// pick gives the id that is wanted, or a free one of the range that the kind
// of account has.
func (s *ids) pick(want *int, system bool, r, sys Range) (int, error) {
	switch {
	case want == nil && system:
		return s.highest(sys)
	case want == nil:
		return s.next(r)
	case *want < 0 || *want > maxID:
		return 0, fmt.Errorf("id %d: %w", *want, ErrInvalid)
	case s.has(*want):
		return 0, fmt.Errorf("id %d: %w", *want, ErrTaken)
	}
	return *want, nil
}

// next is the id after the highest one in use, so that ids of accounts that
// are gone are not given out again while others are left.
func (s *ids) next(r Range) (int, error) {
	m, known := s.mark(r, nextID, r.Min)
	if !known {
		for u, n := range s.used {
			if n > 0 && u >= m.at && u <= r.Max {
				m.at = u + 1
			}
		}
	}
	if m.at <= r.Max {
		return m.at, nil
	}
	return s.search(r, lowestID, r.Min, 1)
}

// highest is the highest free id, as system accounts are numbered.
func (s *ids) highest(r Range) (int, error) { return s.search(r, highestID, r.Max, -1) }

// search is the first free id of a range from there on.
func (s *ids) search(r Range, kind searchKind, from, step int) (int, error) {
	m, _ := s.mark(r, kind, from)
	for ; m.at >= r.Min && m.at <= r.Max; m.at += step {
		if !s.has(m.at) {
			return m.at, nil
		}
	}
	return 0, fmt.Errorf("%d to %d: %w", r.Min, r.Max, ErrNoID)
}

// addSubRange gives an account subordinate ids after those given out already.
// A root without the file has no use for them; nor is a full range an error.
func (b *Book) addSubRange(t *subTable, name string, r SubRange) {
	if !t.exists() || r.Count <= 0 || t.first[name] != nil {
		return
	}
	start := max(r.Min, t.end)
	if start+r.Count-1 > r.Max {
		return
	}
	end := t.end
	b.add(t.table, fmt.Sprintf("%s:%d:%d", name, start, r.Count))
	t.end = start + r.Count
	b.undo = append(b.undo, func() { t.end = end })
}

// A subTable is subuid(5) or subgid(5), of which end is the first id after
// those that are given out.
type subTable struct {
	*table
	end int
}

func newSubTable(text []byte) *subTable {
	t := &subTable{table: newTable(text, subFields)}
	for _, l := range parse(text) {
		f := strings.Split(l, ":")
		if len(f) != subFields {
			continue
		}
		first, err1 := strconv.Atoi(f[1])
		count, err2 := strconv.Atoi(f[2])
		if err1 == nil && err2 == nil && first >= 0 && count > 0 && count <= maxID && first <= maxID {
			t.end = max(t.end, first+count)
		}
	}
	return t
}
