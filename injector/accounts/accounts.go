// Package accounts edits the text of passwd(5), shadow(5), group(5),
// gshadow(5), subuid(5) and subgid(5), as useradd(8) and its kin would.
//
// In go the texts and what is wanted, out come the texts to write. Nothing
// here does I/O, takes a lock or runs a program: before the pivot nobody else
// edits these files. Lines, fields and comments that are not understood stay
// as they are, and a text in which nothing has to change comes back unchanged.
package accounts

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"boothook/injector/plan"
)

// The errors that callers tell apart.
var (
	// ErrUnknown marks an account or a group that does not exist.
	ErrUnknown = errors.New("no such account")
	// ErrInvalid marks a field that would break the file it goes into.
	ErrInvalid = errors.New("not valid in an account file")
	// ErrTaken marks an id that belongs to somebody else.
	ErrTaken = errors.New("id already in use")
	// ErrNoID says that the range that login.defs gives is used up.
	ErrNoID = errors.New("no free id")
)

// maxName is the longest account name, as in shadow-utils and utmp(5).
const maxName = 32

// maxID is the largest usable id; (uid_t)-1 means "no change" to chown(2).
const maxID = 1<<32 - 2

// Files are the texts of a root's account files; nil where it has none.
type Files struct {
	Passwd, Shadow, Group, GShadow, SubUID, SubGID []byte
}

// Users lists the entries of a passwd(5) text, skipping lines that are not.
func Users(text []byte) []plan.PasswdEntry {
	var users []plan.PasswdEntry
	for _, line := range parse(text) {
		f := strings.Split(line, ":")
		if len(f) < passwdFields || f[0] == "" {
			continue
		}
		uid, err1 := strconv.Atoi(f[2])
		gid, err2 := strconv.Atoi(f[3])
		if err1 != nil || err2 != nil {
			continue
		}
		users = append(users, plan.PasswdEntry{Name: f[0], UID: uid, GID: gid, Gecos: f[4], Home: f[5], Shell: f[6]})
	}
	return users
}

// Groups lists the entries of a group(5) text, skipping lines that are not.
func Groups(text []byte) []plan.GroupEntry {
	var groups []plan.GroupEntry
	for _, line := range parse(text) {
		f := strings.Split(line, ":")
		if len(f) < groupFields || f[0] == "" {
			continue
		}
		gid, err := strconv.Atoi(f[2])
		if err != nil {
			continue
		}
		groups = append(groups, plan.GroupEntry{Name: f[0], GID: gid, Members: splitMembers(f[3])})
	}
	return groups
}

// User returns the passwd entry of that name.
func (f *Files) User(name string) (plan.PasswdEntry, bool) {
	for _, u := range Users(f.Passwd) {
		if u.Name == name {
			return u, true
		}
	}
	return plan.PasswdEntry{}, false
}

// LookupGroup returns the group entry of that name.
func (f *Files) LookupGroup(name string) (plan.GroupEntry, bool) {
	for _, g := range Groups(f.Group) {
		if g.Name == name {
			return g, true
		}
	}
	return plan.GroupEntry{}, false
}

// AddUser makes sure that the account a exists and returns its entry and
// whether it is new. An account that is there keeps its id, home, shell and
// groups; what is added are further groups, and Hash, Lock and Expire apply.
// Groups that are missing are made. Day is today, counted from 1970-01-01 as
// in shadow(5).
func (f *Files) AddUser(a plan.Account, p Policy, day int) (plan.PasswdEntry, bool, error) {
	if err := check(a); err != nil {
		return plan.PasswdEntry{}, false, err
	}
	next := *f
	entry, found := next.User(a.Name)
	if !found {
		var err error
		if entry, err = next.newUser(a, p, day); err != nil {
			return plan.PasswdEntry{}, false, fmt.Errorf("add user %s: %w", a.Name, err)
		}
	}
	for _, g := range a.Groups {
		if err := next.AddGroup(plan.Account{Name: g, Members: []string{a.Name}}, p); err != nil {
			return plan.PasswdEntry{}, false, fmt.Errorf("add user %s: %w", a.Name, err)
		}
	}
	if err := next.SetPassword(a, p, day); err != nil {
		return plan.PasswdEntry{}, false, err
	}
	*f = next
	return entry, !found, nil
}

func (f *Files) newUser(a plan.Account, p Policy, day int) (plan.PasswdEntry, error) {
	uid, err := f.pickUID(a, p)
	if err != nil {
		return plan.PasswdEntry{}, err
	}
	gid, err := f.primaryGroup(a, p, uid)
	if err != nil {
		return plan.PasswdEntry{}, err
	}
	e := plan.PasswdEntry{Name: a.Name, UID: uid, GID: gid, Gecos: a.Gecos, Home: a.Home, Shell: a.Shell}
	if e.Home == "" {
		e.Home = p.HomeBase + "/" + a.Name
	}
	if e.Shell == "" {
		e.Shell = p.Shell
	}
	password := "x"
	if f.Shadow == nil {
		password = "!"
	}
	f.Passwd = parse(f.Passwd).add(strings.Join([]string{
		e.Name, password, strconv.Itoa(e.UID), strconv.Itoa(e.GID), e.Gecos, e.Home, e.Shell}, ":")).bytes()
	if f.Shadow != nil {
		t := parse(f.Shadow)
		line := fmt.Sprintf("%s:!:%d:%s:%s:%s:%s:%s:", a.Name, day, p.PassMin, p.PassMax, p.PassWarn, a.Inactive, a.ExpireDay)
		if i := t.find(a.Name, 2); i >= 0 {
			t[i] = line // the shadow of an account that is gone must not come back to life
		} else {
			t = t.add(line)
		}
		f.Shadow = t.bytes()
	}
	if !a.System {
		f.SubUID = addSubRange(f.SubUID, a.Name, p.SubUID)
		f.SubGID = addSubRange(f.SubGID, a.Name, p.SubGID)
	}
	return e, nil
}

// AddGroup makes sure that the group a.Name exists, with a.UID as its id if
// that is given, and that a.Members belong to it.
func (f *Files) AddGroup(a plan.Account, p Policy) error {
	if err := check(a); err != nil {
		return err
	}
	if _, found := f.LookupGroup(a.Name); !found {
		gid, err := f.pickGID(a.UID, a.System, p)
		if err != nil {
			return fmt.Errorf("add group %s: %w", a.Name, err)
		}
		f.addGroupLine(a.Name, gid)
	}
	for _, m := range a.Members {
		f.Group = addMember(f.Group, a.Name, m)
		if f.GShadow != nil {
			f.GShadow = addMember(f.GShadow, a.Name, m)
		}
	}
	return nil
}

func (f *Files) addGroupLine(name string, gid int) {
	f.Group = parse(f.Group).add(fmt.Sprintf("%s:x:%d:", name, gid)).bytes()
	if f.GShadow == nil {
		return
	}
	if t := parse(f.GShadow); t.find(name, groupFields) < 0 {
		f.GShadow = t.add(name + ":!::").bytes()
	}
}

// SetPassword sets what a says of the password of the account a.Name: its
// hash, whether it is locked, whether it is expired. In a root without a
// shadow file the hash goes into passwd. A hash that is already there leaves
// the date of the last change alone.
func (f *Files) SetPassword(a plan.Account, p Policy, day int) error {
	if err := check(a); err != nil {
		return err
	}
	if _, found := f.User(a.Name); !found {
		return fmt.Errorf("set password of %s: %w", a.Name, ErrUnknown)
	}
	text, fields, least := &f.Shadow, shadowFields, 2 // a short shadow line is filled up
	if f.Shadow == nil {
		text, fields, least = &f.Passwd, passwdFields, passwdFields
	}
	t := parse(*text)
	i := t.find(a.Name, least)
	if i < 0 {
		t = t.add(fmt.Sprintf("%s:!:%d:%s:%s:%s:::", a.Name, day, p.PassMin, p.PassMax, p.PassWarn))
		i = t.find(a.Name, least)
	}
	col := strings.Split(t[i], ":")
	for len(col) < fields {
		col = append(col, "")
	}
	hash := a.Hash
	if hash == "" {
		hash = col[1]
	}
	if a.Lock && !strings.HasPrefix(hash, "!") {
		hash = "!" + hash
	}
	if hash != col[1] {
		col[1] = hash
		if f.Shadow != nil {
			col[2] = strconv.Itoa(day)
		}
	}
	if a.Expire && f.Shadow != nil {
		col[2] = "0"
	}
	t[i] = strings.Join(col, ":")
	*text = t.bytes()
	if f.Shadow != nil {
		f.pointToShadow(a.Name)
	}
	return nil
}

// pointToShadow makes the passwd line say that the hash is in the shadow
// file; with an empty field there, login would ask for no password at all.
func (f *Files) pointToShadow(name string) {
	t := parse(f.Passwd)
	i := t.find(name, passwdFields)
	col := strings.Split(t[i], ":")
	if col[1] == "x" {
		return
	}
	col[1] = "x"
	t[i] = strings.Join(col, ":")
	f.Passwd = t.bytes()
}

// AddKeys returns an authorized_keys text with those lines of keys added that
// it does not have yet.
func AddKeys(text, keys []byte) []byte {
	t := parse(text)
	have := map[string]bool{}
	for _, line := range t {
		have[strings.TrimSpace(line)] = true
	}
	n := len(t)
	for _, line := range parse(keys) {
		if line = strings.TrimSpace(line); line != "" && !have[line] {
			have[line] = true
			t = append(t, line)
		}
	}
	if len(t) == n {
		return text
	}
	return t.bytes()
}

// check refuses what would break the line it goes into, or mean another.
func check(a plan.Account) error {
	for _, name := range append([]string{a.Name}, a.Members...) {
		if err := CheckName(name); err != nil {
			return err
		}
	}
	for _, g := range a.Groups {
		if err := CheckName(g); err != nil {
			return err
		}
	}
	for what, s := range map[string]string{"gecos": a.Gecos, "home": a.Home, "shell": a.Shell, "hash": a.Hash, "inactive": a.Inactive, "expiry": a.ExpireDay} {
		if strings.ContainsAny(s, ":\n\r\x00") {
			return fmt.Errorf("account %s: %s: %w", a.Name, what, ErrInvalid)
		}
	}
	if a.Home != "" && !strings.HasPrefix(a.Home, "/") {
		return fmt.Errorf("account %s: home %q is not absolute: %w", a.Name, a.Home, ErrInvalid)
	}
	return nil
}

// CheckName refuses names that the account files cannot hold or that mean
// something else there: shadow-utils' rule, with upper case and dots allowed
// as --badname does, for that is what images in the field have.
func CheckName(name string) error {
	ok := name != "" && len(name) <= maxName
	for i, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case i > 0 && (c >= '0' && c <= '9' || c == '-' || c == '.'):
		case i > 0 && i == len(name)-1 && c == '$':
		default:
			ok = false
		}
	}
	if !ok {
		return fmt.Errorf("account name %q: %w", name, ErrInvalid)
	}
	return nil
}
