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

// A Book holds the account files of a root for a row of edits: an edit costs
// no more where there are many accounts.
type Book struct {
	passwd, shadow, group, gshadow *table
	subUID, subGID                 *subTable
	// undo takes back the last edit, step by step.
	undo []func()
}

// NewBook opens account files. Those that are nil are not there, and stay so
// but for passwd and group.
func NewBook(f Files) *Book {
	return &Book{
		passwd: newTable(f.Passwd, passwdFields, 2, 3), shadow: newTable(f.Shadow, shadowLeast),
		group: newTable(f.Group, groupFields, 2), gshadow: newTable(f.GShadow, groupFields),
		subUID: newSubTable(f.SubUID), subGID: newSubTable(f.SubGID),
	}
}

func (b *Book) tables() [6]*table {
	return [6]*table{b.passwd, b.shadow, b.group, b.gshadow, b.subUID.table, b.subGID.table}
}

// Files are the texts as the edits leave them.
func (b *Book) Files() Files {
	return Files{Passwd: b.passwd.bytes(), Shadow: b.shadow.bytes(), Group: b.group.bytes(), GShadow: b.gshadow.bytes(),
		SubUID: b.subUID.bytes(), SubGID: b.subGID.bytes()}
}

// Changed says which texts the last edit has changed, in the order of Files.
func (b *Book) Changed() [6]bool {
	var changed [6]bool
	for i, t := range b.tables() {
		changed[i] = t.edited
	}
	return changed
}

// Undo takes back the last edit.
func (b *Book) Undo() {
	for i := len(b.undo) - 1; i >= 0; i-- {
		b.undo[i]()
	}
	b.begin()
}

// begin forgets what is known of the last edit.
func (b *Book) begin() {
	b.undo = nil
	for _, t := range b.tables() {
		t.edited = false
	}
}

// edit does one edit as a whole or not at all.
func (b *Book) edit(do func() error) error {
	b.begin()
	err := do()
	if err != nil {
		b.Undo()
	}
	return err
}

// User returns the passwd entry of that name.
func (b *Book) User(name string) (plan.PasswdEntry, bool) {
	l := b.passwd.valid[name]
	if l == nil {
		return plan.PasswdEntry{}, false
	}
	return Users([]byte(l.text))[0], true
}

// groupID returns the id of the group of that name.
func (b *Book) groupID(name string) (int, bool) {
	l := b.group.valid[name]
	if l == nil {
		return 0, false
	}
	return b.group.id(strings.Split(l.text, ":"))
}

// AddUser makes sure that the account a exists and returns its entry and
// whether it is new. An account that is there keeps its id, home, shell and
// groups; what is added are further groups, and Hash, Lock and Expire apply.
// Groups that are missing are made. Day is today, counted from 1970-01-01 as
// in shadow(5). An error changes nothing.
func (b *Book) AddUser(a plan.Account, p Policy, day int) (entry plan.PasswdEntry, fresh bool, err error) {
	err = b.edit(func() error {
		if err := check(a); err != nil {
			return err
		}
		found := false
		if entry, found = b.User(a.Name); !found {
			fresh = true
			if entry, err = b.newUser(a, p, day); err != nil {
				return fmt.Errorf("add user %s: %w", a.Name, err)
			}
		}
		for _, g := range a.Groups {
			if err := b.addGroup(plan.Account{Name: g, Members: []string{a.Name}}, p); err != nil {
				return fmt.Errorf("add user %s: %w", a.Name, err)
			}
		}
		return b.setPassword(a, p, day)
	})
	if err != nil {
		return plan.PasswdEntry{}, false, err
	}
	return entry, fresh, nil
}

func (b *Book) newUser(a plan.Account, p Policy, day int) (plan.PasswdEntry, error) {
	uid, err := b.pickUID(a, p)
	if err != nil {
		return plan.PasswdEntry{}, err
	}
	gid, err := b.primaryGroup(a, p, uid)
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
	if !b.shadow.exists() {
		password = "!"
	}
	b.add(b.passwd, strings.Join([]string{
		e.Name, password, strconv.Itoa(e.UID), strconv.Itoa(e.GID), e.Gecos, e.Home, e.Shell}, ":"))
	if b.shadow.exists() {
		line := fmt.Sprintf("%s:!:%s:%s:%s:%s:%s:%s:", a.Name, changedOn(day), p.PassMin, p.PassMax, p.PassWarn, a.Inactive, a.ExpireDay)
		if l := b.shadow.first[a.Name]; l != nil {
			b.set(b.shadow, l, line) // the shadow of an account that is gone must not come back to life
		} else {
			b.add(b.shadow, line)
		}
	}
	if !a.System {
		b.addSubRange(b.subUID, a.Name, p.SubUID)
		b.addSubRange(b.subGID, a.Name, p.SubGID)
	}
	return e, nil
}

// AddGroup makes sure that the group a.Name exists, with a.UID as its id if
// that is given, and that a.Members belong to it. An error changes nothing.
func (b *Book) AddGroup(a plan.Account, p Policy) error {
	return b.edit(func() error { return b.addGroup(a, p) })
}

func (b *Book) addGroup(a plan.Account, p Policy) error {
	if err := check(a); err != nil {
		return err
	}
	if _, found := b.groupID(a.Name); !found {
		gid, err := b.pickGID(a.UID, a.System, p)
		if err != nil {
			return fmt.Errorf("add group %s: %w", a.Name, err)
		}
		b.add(b.group, fmt.Sprintf("%s:x:%d:", a.Name, gid))
		if b.gshadow.exists() && b.gshadow.first[a.Name] == nil {
			b.add(b.gshadow, a.Name+":!::")
		}
	}
	for _, m := range a.Members {
		b.addMember(b.group, a.Name, m)
		if b.gshadow.exists() {
			b.addMember(b.gshadow, a.Name, m)
		}
	}
	return nil
}

// SetPassword sets what a says of the password of the account a.Name: its
// hash, whether it is locked, whether it is expired. In a root without a
// shadow file the hash goes into passwd. A hash that is already there leaves
// the date of the last change alone. An error changes nothing.
func (b *Book) SetPassword(a plan.Account, p Policy, day int) error {
	return b.edit(func() error { return b.setPassword(a, p, day) })
}

func (b *Book) setPassword(a plan.Account, p Policy, day int) error {
	if err := check(a); err != nil {
		return err
	}
	if b.passwd.valid[a.Name] == nil {
		return fmt.Errorf("set password of %s: %w", a.Name, ErrUnknown)
	}
	t, fields, shadow := b.shadow, shadowFields, b.shadow.exists()
	if !shadow {
		t, fields = b.passwd, passwdFields
	}
	l := t.first[a.Name]
	if l == nil {
		b.add(t, fmt.Sprintf("%s:!:%s:%s:%s:%s:::", a.Name, changedOn(day), p.PassMin, p.PassMax, p.PassWarn))
		l = t.first[a.Name]
	}
	col := strings.Split(l.text, ":")
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
		if shadow {
			col[2] = changedOn(day)
		}
	}
	if a.Expire && shadow {
		col[2] = "0"
	}
	b.set(t, l, strings.Join(col, ":"))
	if shadow {
		b.pointToShadow(a.Name)
	}
	return nil
}

// changedOn is shadow(5)'s date of the last change of a password. On a machine
// whose clock was never set it is left out, as useradd(8) does: 0 would have the
// user choose a new password at the next login.
func changedOn(day int) string {
	if day <= 0 {
		return ""
	}
	return strconv.Itoa(day)
}

// pointToShadow makes the passwd line say that the hash is in the shadow
// file; with an empty field there, login would ask for no password at all.
func (b *Book) pointToShadow(name string) {
	l := b.passwd.first[name]
	col := strings.Split(l.text, ":")
	col[1] = "x"
	b.set(b.passwd, l, strings.Join(col, ":"))
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
