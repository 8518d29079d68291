package cloudconfig

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"boothook/injector/plan"
)

// sudoersFile is cloud-init's own, so that a root it has run in looks alike.
const sudoersFile = "/etc/sudoers.d/90-cloud-init-users"

const (
	doasFile    = "/etc/doas.conf"
	rulesHeader = "# Written by boothook from cloud-config.\n"
)

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
	var sudo, doas strings.Builder
	for _, u := range b.people.users {
		if !validName(u.name) {
			b.fail(u.value, "a user's name may not hold colons, slashes, commas or blanks")
			continue
		}
		b.user(u, planned)
		for _, rule := range b.rules("sudo", u.value) {
			sudo.WriteString(u.name + " " + rule + "\n")
		}
		doas.WriteString(b.doasRules(u))
	}
	if sudo.Len() > 0 {
		b.step(&plan.Step{
			Kind: plan.File, Path: sudoersFile, Body: []byte(rulesHeader + sudo.String()), Mode: 0o440,
			Why: plan.Why{Part: "cloud-config", Key: "sudo"},
		})
	}
	if doas.Len() > 0 {
		s := plan.Step{Kind: plan.File, Path: doasFile, Body: []byte(rulesHeader + doas.String()), Mode: 0o440, Append: true,
			Why: plan.Why{Part: "cloud-config", Key: "doas"}}
		if b.Facts.Exists[doasFile] {
			s.Mode = 0 // as it is
		}
		b.step(&s)
	}
}

// rules reads false, null, a rule, or a list of rules. A rule is one line:
// what would run on into the next one is none.
func (b *builder) rules(key string, user *Value) []string {
	var out []string
	v := user.Get(key)
	for _, item := range v.Items() {
		switch {
		case item.Kind == Bool && !item.Bool, item.Kind == String && item.Text == "":
		case item.Kind != String || strings.ContainsAny(item.Text, "\n\r\x00") || strings.HasSuffix(item.Text, `\`):
			b.fail(item, "a rule of %s must be one line", key)
		default:
			out = append(out, item.Text)
		}
	}
	return out
}

// doasRules are the lines of doas.conf(5) for an account. As in cloud-init,
// one rule that is not about it makes all of them void.
func (b *builder) doasRules(u person) string {
	var text strings.Builder
	for _, rule := range b.rules("doas", u.value) {
		if doasIdentity(rule) != u.name {
			b.fail(u.value.Get("doas"), "user %s: a rule of doas must be \"permit [OPTIONS] %s ...\"; none of them is written", u.name, u.name)
			return ""
		}
		text.WriteString(rule + "\n")
	}
	return text.String()
}

// doasIdentity is whom a rule of doas.conf(5) is about; "" where it is no rule.
func doasIdentity(rule string) string {
	f := strings.Fields(rule)
	if len(f) == 0 || f[0] != "permit" && f[0] != "deny" {
		return ""
	}
	braces := false
	for _, word := range f[1:] {
		switch {
		case braces || word == "setenv" || strings.HasPrefix(word, "{"):
			braces = !strings.HasSuffix(word, "}")
		case word == "nopass" || word == "nolog" || word == "persist" || word == "keepenv":
		default:
			return word
		}
	}
	return ""
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
	a.ExpireDay, a.Inactive = b.userEnd(u)
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
	for _, key := range []string{"ssh_import_id", "snapuser", "selinux_user"} {
		if at := v.Get(key); !at.Missing() {
			b.warn(at, "user %s: %s is not handled by boothook", u.name, key)
		}
	}
}

// userEnd gives the day on which an account ends and how long it outlives its
// password, as shadow(5) has them.
func (b *builder) userEnd(u person) (day, inactive string) {
	if v := u.value.Get("expiredate"); !v.Missing() {
		end, err := time.Parse(time.DateOnly, v.Scalar())
		if err != nil || end.Unix() < 0 {
			b.fail(v, "user %s: expiredate must be a date such as 2032-09-01", u.name)
		} else {
			day = strconv.FormatInt(end.Unix()/(24*60*60), 10)
		}
	}
	if v := u.value.Get("inactive"); !v.Missing() {
		n, err := strconv.Atoi(v.Scalar())
		if err != nil || n < -1 {
			b.fail(v, "user %s: inactive must be a number of days", u.name)
		} else if n >= 0 {
			inactive = strconv.Itoa(n)
		}
	}
	return day, inactive
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

// validName accepts what passwd(5) and a path can hold, and what sudoers(5)
// takes for the name of one account.
func validName(s string) bool {
	return s != "" && len(s) <= 32 && s[0] != '-' && !strings.ContainsAny(s, ":/,\\%#! \t\n\r\x00") && path.Clean(s) == s
}
