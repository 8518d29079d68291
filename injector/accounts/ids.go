package accounts

import (
	"fmt"
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

func (f *Files) pickUID(a plan.Account, p Policy) (int, error) {
	used := map[int]bool{}
	for _, u := range Users(f.Passwd) {
		used[u.UID] = true
	}
	if a.UID != nil {
		return claim(*a.UID, used)
	}
	if a.System {
		return highest(p.SysUID, used)
	}
	return next(p.UID, used)
}

func (f *Files) pickGID(want *int, system bool, p Policy) (int, error) {
	used := f.usedGIDs()
	if want != nil {
		return claim(*want, used)
	}
	if system {
		return highest(p.SysGID, used)
	}
	return next(p.GID, used)
}

func (f *Files) usedGIDs() map[int]bool {
	used := map[int]bool{}
	for _, g := range Groups(f.Group) {
		used[g.GID] = true
	}
	return used
}

// primaryGroup gives the id of the group that a new account belongs to: the
// one that is asked for, or one of the account's own name, by preference with
// the account's own number, as useradd does.
func (f *Files) primaryGroup(a plan.Account, p Policy, uid int) (int, error) {
	name := a.PrimaryGroup
	if name == "" && !p.UserGroups {
		name = "users"
	}
	if gid, err := strconv.Atoi(name); err == nil {
		if !f.usedGIDs()[gid] {
			return 0, fmt.Errorf("primary group %s: %w", name, ErrUnknown)
		}
		return gid, nil
	}
	if name == "" {
		name = a.Name
	}
	if g, found := f.LookupGroup(name); found {
		return g.GID, nil
	}
	group := plan.Account{Name: name, System: a.System}
	if name == a.Name && !f.usedGIDs()[uid] {
		group.UID = &uid
	}
	if err := f.AddGroup(group, p); err != nil {
		return 0, err
	}
	g, _ := f.LookupGroup(name)
	return g.GID, nil
}

func claim(id int, used map[int]bool) (int, error) {
	if id < 0 || id > maxID {
		return 0, fmt.Errorf("id %d: %w", id, ErrInvalid)
	}
	if used[id] {
		return 0, fmt.Errorf("id %d: %w", id, ErrTaken)
	}
	return id, nil
}

// next is the id after the highest one in use, so that ids of accounts that
// are gone are not given out again while others are left.
func next(r Range, used map[int]bool) (int, error) {
	id := r.Min
	for u := range used {
		if u >= id && u <= r.Max {
			id = u + 1
		}
	}
	if id <= r.Max {
		return id, nil
	}
	for id = r.Min; id <= r.Max; id++ {
		if !used[id] {
			return id, nil
		}
	}
	return 0, fmt.Errorf("%d to %d: %w", r.Min, r.Max, ErrNoID)
}

// highest is the highest free id, as system accounts are numbered.
func highest(r Range, used map[int]bool) (int, error) {
	for id := r.Max; id >= r.Min; id-- {
		if !used[id] {
			return id, nil
		}
	}
	return 0, fmt.Errorf("%d to %d: %w", r.Min, r.Max, ErrNoID)
}

// addSubRange gives an account subordinate ids after those given out already.
// A root without the file has no use for them; nor is a full range an error.
func addSubRange(text []byte, name string, r SubRange) []byte {
	t := parse(text)
	if text == nil || r.Count <= 0 || t.find(name, 3) >= 0 {
		return text
	}
	start := r.Min
	for _, line := range t {
		f := strings.Split(line, ":")
		if len(f) != 3 {
			continue
		}
		first, err1 := strconv.Atoi(f[1])
		count, err2 := strconv.Atoi(f[2])
		if err1 == nil && err2 == nil && first >= 0 && count > 0 && count <= maxID && first <= maxID {
			start = max(start, first+count)
		}
	}
	if start+r.Count-1 > r.Max {
		return text
	}
	return t.add(fmt.Sprintf("%s:%d:%d", name, start, r.Count)).bytes()
}
