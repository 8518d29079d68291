package cloudconfig

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"boothook/injector/accounts"
	"boothook/injector/plan"
)

// sudoersFile is cloud-init's own, so that a root it has run in looks alike.
const sudoersFile = "/etc/sudoers.d/90-cloud-init-users"

const (
	doasFile  = "/etc/doas.conf"
	rulesMode = 0o440
)

// usersGroups plans groups, accounts, their passwords, sudo rules and keys.
func usersGroups(b *builder) {
	planned := map[string]bool{}
	for _, g := range b.people.groups {
		if err := accounts.CheckName(g.name); err != nil {
			b.fail(g.from, "group: %v", err)
			continue
		}
		planned[g.name] = true
		members := b.goodNames(g.from, "group "+g.name, g.members)
		b.step(&plan.Step{Kind: plan.Group, Account: &plan.Account{Name: g.name, Members: members}, Why: g.from.why("groups")})
	}
	var rules []plan.Step
	for _, u := range b.people.users {
		if err := accounts.CheckName(u.name); err != nil {
			b.fail(u.value, "user: %v", err)
			continue
		}
		if !b.user(u, planned) {
			continue // nor does it get a rule
		}
		rules = b.rules(rules, plan.Step{Kind: plan.Sudo, Path: sudoersFile}, u, checkSudoRule)
		rules = b.rules(rules, plan.Step{Kind: plan.Doas, Path: doasFile}, u, func(rule string) error { return checkDoasRule(rule, u.name) })
	}
	// A rule comes after all accounts, for it may be about two of them.
	for i := range rules {
		b.step(&rules[i])
	}
}

// goodNames leaves out the names that no account can have.
func (b *builder) goodNames(at *Value, what string, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		err := accounts.CheckName(name)
		if err != nil {
			b.fail(at, "%s: %v", what, err)
		}
		return err != nil
	})
}

// rules reads false, null, a rule, or a list of rules, and plans those that
// keep to the grammar of the file they go into: one that does not would make
// all others in it void.
func (b *builder) rules(steps []plan.Step, s plan.Step, u person, check func(rule string) error) []plan.Step {
	key := string(s.Kind)
	v := u.value.Get(key)
	void := false
	for _, item := range v.Items() {
		switch {
		case item.Kind == Bool && !item.Bool, item.Kind == String && item.Text == "":
			continue
		case item.Kind != String:
			b.fail(item, "user %s: a rule of %s must be text, not %v", u.name, key, item.Kind)
			continue
		}
		if err := check(item.Text); err != nil {
			b.fail(item, "user %s: this rule of %s is not written: %v", u.name, key, err)
			void = void || s.Kind == plan.Doas
			continue
		}
		s.Body = append(s.Body, item.Text+"\n"...)
	}
	if void { // as in cloud-init
		b.fail(v, "user %s: nor are the other rules of %s", u.name, key)
		return steps
	}
	if len(s.Body) == 0 {
		return steps
	}
	s.Account, s.Mode, s.Why = &plan.Account{Name: u.name}, rulesMode, v.why(key)
	return append(steps, s)
}

// user plans one account and the groups it needs, and says whether it could.
func (b *builder) user(u person, planned map[string]bool) bool {
	v := u.value
	_, there := b.Facts.Account(u.name)
	a := plan.Account{
		Name: u.name, Gecos: v.Get("gecos").Scalar(), Home: v.Get("homedir").Scalar(), Shell: v.Get("shell").Scalar(),
		System: v.Get("system").Truth(false), PrimaryGroup: v.Get("primary_group").Scalar(),
		Groups: b.goodNames(v.Get("groups"), "user "+u.name, splitNames(v.Get("groups"))),
	}
	a.NoHome = a.System || v.Get("no_create_home").Truth(false)
	if strings.ContainsAny(a.Gecos+a.Home+a.Shell+a.PrimaryGroup, ":\n") {
		b.fail(v, "user %s: gecos, homedir, shell and primary_group may not hold colons or line ends", u.name)
		return false
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
	return true
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
