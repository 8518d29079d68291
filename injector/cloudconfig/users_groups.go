package cloudconfig

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"boothook/injector/plan"
)

// sudoersFile is cloud-init's own, so that a root it has run in looks alike.
const sudoersFile = "/etc/sudoers.d/90-cloud-init-users"

// usersGroups plans groups, accounts, their passwords, sudo rules and keys.
func usersGroups(b *builder) {
	planned := map[string]bool{}
	for _, g := range b.people.groups {
		if !validName(g.name) {
			b.fail(g.from, "a group's name may not hold colons, slashes, commas or blanks")
			continue
		}
		planned[g.name] = true
		b.step(&plan.Step{Kind: plan.Group, Account: &plan.Account{Name: g.name, Members: g.members}, Why: g.from.why("groups")})
	}
	var sudo strings.Builder
	for _, u := range b.people.users {
		if !validName(u.name) {
			b.fail(u.value, "a user's name may not hold colons, slashes, commas or blanks")
			continue
		}
		b.user(u, planned)
		for _, rule := range sudoRules(u.value.Get("sudo")) {
			if strings.ContainsAny(rule, "\n\r") {
				b.fail(u.value, "a sudo rule must be one line")
				continue
			}
			if sudo.Len() == 0 {
				sudo.WriteString("# Written by boothook from cloud-config.\n")
			}
			sudo.WriteString(u.name + " " + rule + "\n")
		}
	}
	if sudo.Len() > 0 {
		b.step(&plan.Step{
			Kind: plan.File, Path: sudoersFile, Body: []byte(sudo.String()), Mode: 0o440,
			Why: plan.Why{Part: "cloud-config", Key: "sudo"},
		})
	}
}

// user plans one account and the groups it needs.
func (b *builder) user(u person, planned map[string]bool) {
	v := u.value
	_, there := b.Facts.Account(u.name)
	a := plan.Account{
		Name: u.name, Gecos: v.Get("gecos").Scalar(), Home: v.Get("homedir").Scalar(), Shell: v.Get("shell").Scalar(),
		System: v.Get("system").Truth(false), PrimaryGroup: v.Get("primary_group").Scalar(),
		Groups: splitNames(v.Get("groups")),
	}
	a.NoHome = a.System || v.Get("no_create_home").Truth(false)
	if strings.ContainsAny(a.Gecos+a.Home+a.Shell+a.PrimaryGroup, ":\n") {
		b.fail(v, "user %s: gecos, homedir, shell and primary_group may not hold colons or line ends", u.name)
		return
	}
	if v.Get("no_user_group").Truth(false) && a.PrimaryGroup == "" {
		a.PrimaryGroup = "users" // useradd's own default group
	}
	if uid := v.Get("uid"); !uid.Missing() {
		if n, err := strconv.Atoi(uid.Scalar()); err == nil && n >= 0 {
			a.UID = &n
		} else {
			b.fail(uid, "user %s: uid must be a number", u.name)
		}
	}
	a.Hash, a.Lock = b.userPassword(u, there)
	for _, g := range slices.Concat([]string{a.PrimaryGroup}, a.Groups) {
		if g != "" && g != u.name && !planned[g] && !b.hasGroup(g) && v.Get("create_groups").Truth(true) {
			planned[g] = true
			b.step(&plan.Step{Kind: plan.Group, Account: &plan.Account{Name: g}, Why: v.why("users")})
		}
	}
	b.step(&plan.Step{Kind: plan.User, Account: &a, Secret: a.Hash != "", Why: v.why("users")})
	if keys := b.strings("ssh_authorized_keys", keyList(v.Get("ssh_authorized_keys"))); len(keys) > 0 {
		b.authorize(u.name, keys, "", v.Get("ssh_authorized_keys").why("users"))
	}
	if v.Get("ssh_redirect_user").Truth(false) {
		b.authorize(u.name, b.cloudKeys(), b.redirection(u.name), v.why("users"))
	}
	for _, key := range []string{"ssh_import_id", "snapuser", "selinux_user", "doas", "expiredate", "inactive"} {
		if at := v.Get(key); !at.Missing() {
			b.warn(at, "user %s: %s is not handled by boothook", u.name, key)
		}
	}
}

// userPassword gives the hash to set, if any, and whether to lock. cloud-init
// locks unless lock_passwd says otherwise.
func (b *builder) userPassword(u person, there bool) (hash string, lock bool) {
	v := u.value
	lock = v.Get("lock_passwd").Truth(true)
	if plain := v.Get("plain_text_passwd").Scalar(); plain != "" {
		return b.crypt(v, plain), lock
	}
	hash = v.Get("hashed_passwd").Scalar()
	if hash == "" && !there {
		hash = v.Get("passwd").Scalar() // only for a new account
	}
	if strings.ContainsAny(hash, ":\n") {
		b.fail(v, "user %s: the hash of the password is not one", u.name)
		return "", true
	}
	return hash, lock
}

func (b *builder) hasGroup(name string) bool {
	return slices.ContainsFunc(b.Facts.Groups, func(g plan.GroupEntry) bool { return g.Name == name })
}

// sudoRules reads false, null, a rule, or a list of rules.
func sudoRules(v *Value) []string {
	var out []string
	for _, item := range v.Items() {
		if item.Kind == String && item.Text != "" {
			out = append(out, item.Text)
		}
	}
	return out
}

// keyList takes the mapping form of authorized keys as its values.
func keyList(v *Value) *Value {
	if v.Kind != Map {
		return v
	}
	items := make([]*Value, len(v.Map))
	for i, e := range v.Map {
		items[i] = e.Value
	}
	return sequence(items, v.Pos)
}

// validName accepts what passwd(5) and a path can hold.
func validName(s string) bool {
	return s != "" && len(s) <= 32 && s[0] != '-' && !strings.ContainsAny(s, ":/,\\ \t\n\r\x00") && path.Clean(s) == s
}
