package cloudconfig

import (
	"slices"
	"strings"

	"boothook/injector/plan"
)

// people are the accounts that the configuration speaks of.
type people struct {
	users  []person
	groups []groupWish
	// main is the default user's name: "" where the configuration leaves
	// none.
	main string
	// facts are the root's accounts before.
	facts plan.Facts
}

// A person is one account with all that was said of it, dashes in the names
// of keys turned into underscores.
type person struct {
	name  string
	value *Value
}

type groupWish struct {
	name    string
	members []string
	from    *Value
}

// user returns the person of that name.
func (p people) user(name string) (*Value, bool) {
	for _, u := range p.users {
		if u.name == name {
			return u.value, true
		}
	}
	return &Value{}, false
}

// adds says whether a file of that owner and group, or at that path, has to
// wait for an account that this configuration makes.
func (p people) adds(owner, group, target string) bool {
	for _, u := range p.users {
		if _, there := p.facts.Account(u.name); there {
			continue
		}
		if owner == u.name || group == u.name || strings.HasPrefix(target, homeOf(u)+"/") {
			return true
		}
	}
	hasGroup := slices.ContainsFunc(p.facts.Groups, func(g plan.GroupEntry) bool { return g.Name == group })
	return group != "" && !hasGroup && slices.ContainsFunc(p.groups, func(g groupWish) bool { return g.name == group })
}

func homeOf(u person) string {
	if h := u.value.Get("homedir").Scalar(); h != "" {
		return strings.TrimSuffix(h, "/")
	}
	return "/home/" + u.name
}

// findPeople reads users, user and groups as cloud-init's
// normalize_users_groups does. Without a users key the default user alone is
// meant: a root without cloud-init has no cloud.cfg to say "users: [default]".
func (b *builder) findPeople() people {
	p := people{facts: b.Facts, groups: b.readGroups(b.cfg.Get("groups"))}
	standard := b.cfg.Root.Get("system_info").Get("default_user")
	old := b.cfg.Get("user")
	if old.Kind == String {
		old = mapping([]Entry{{word("name", old.Pos), old}}, old.Pos)
	}
	if old.Kind == Map {
		standard = overlay(old, standard)
	}
	list := b.userList(b.cfg.Get("users"))
	if old.Kind == Map || b.cfg.Get("users").Missing() {
		list = append(list, person{"default", &Value{Kind: Map, Pos: old.Pos}})
	}
	for _, u := range list {
		if i := slices.IndexFunc(p.users, func(o person) bool { return o.name == u.name }); i >= 0 {
			p.users[i].value = overlay(p.users[i].value, u.value)
			continue
		}
		p.users = append(p.users, u)
	}
	p.nameDefault(standard, b.Facts)
	return p
}

// userList flattens the forms that users may take.
func (b *builder) userList(v *Value) []person {
	var out []person
	names := func(v *Value) {
		for _, name := range strings.FieldsFunc(v.Scalar(), func(c rune) bool { return c == ',' || c == ' ' }) {
			out = append(out, person{name, &Value{Kind: Map, Pos: v.Pos}})
		}
	}
	switch v.Kind {
	case Absent, Null:
	case String:
		names(v)
	case Map:
		for _, e := range v.Map {
			if e.Value.Kind == Map {
				out = append(out, person{e.Key.Scalar(), withUnderscores(e.Value)})
			} else if e.Value.Truth(false) {
				names(e.Key)
			}
		}
	case List:
		for _, item := range v.List {
			switch item.Kind {
			case Map:
				name := item.Get("name").Scalar()
				if name == "" {
					name = "default"
				}
				out = append(out, person{name, withUnderscores(item)})
			case List:
				for _, name := range item.List {
					names(name)
				}
			case String:
				names(item)
			default:
				b.fail(item, "a user must be a name or a mapping, not %v", item.Kind)
			}
		}
	default:
		b.fail(v, "users must be a list, not %v", v.Kind)
	}
	return out
}

// nameDefault puts the real name and the system's settings in the place of
// the user called "default".
func (p *people) nameDefault(standard *Value, facts plan.Facts) {
	i := slices.IndexFunc(p.users, func(u person) bool { return u.name == "default" })
	if i < 0 {
		return
	}
	asked := p.users[i].value
	p.users = slices.Delete(p.users, i, i+1)
	p.main = standard.Get("name").Scalar()
	if p.main == "" {
		p.main = accountOf(facts)
		standard = &Value{}
	}
	said, _ := p.user(p.main)
	if p.main == "root" || standard.Missing() && len(asked.Map)+len(said.Map) == 0 {
		return // it is there, and nobody asks for a change
	}
	groups := slices.Concat(splitNames(said.Get("groups")), splitNames(standard.Get("groups")))
	slices.Sort(groups)
	v := overlay(withUnderscores(standard), overlay(asked, said))
	v = overlay(mapping([]Entry{
		{word("groups", v.Pos), word(strings.Join(slices.Compact(groups), ","), v.Pos)},
	}, v.Pos), v)
	p.users = slices.DeleteFunc(p.users, func(u person) bool { return u.name == p.main })
	p.users = append(p.users, person{p.main, v})
}

// accountOf guesses the default user of a root that has no cloud.cfg: the
// account named after the distribution, as cloud images have it, else root.
func accountOf(facts plan.Facts) string {
	if id := facts.OSRelease["ID"]; id != "" {
		if a, ok := facts.Account(id); ok && a.UID >= 1000 {
			return id
		}
	}
	return "root"
}

func (b *builder) readGroups(v *Value) []groupWish {
	var out []groupWish
	entry := func(e Entry) {
		var members []string
		for _, m := range e.Value.Items() {
			members = append(members, splitNames(m)...)
		}
		out = append(out, groupWish{e.Key.Scalar(), members, e.Key})
	}
	for _, item := range v.Items() {
		switch item.Kind {
		case Map:
			for _, e := range item.Map {
				entry(e)
			}
		case String:
			for _, name := range splitNames(item) {
				entry(Entry{word(name, item.Pos), &Value{}})
			}
		default:
			b.fail(item, "a group must be a name or a mapping, not %v", item.Kind)
		}
	}
	return out
}

// splitNames reads names from a list or from one text with commas.
func splitNames(v *Value) []string {
	var out []string
	for _, item := range v.Items() {
		for _, name := range strings.Split(item.Scalar(), ",") {
			if name = strings.TrimSpace(name); name != "" {
				out = append(out, name)
			}
		}
	}
	return out
}

func word(s string, pos Pos) *Value { return &Value{Kind: String, Text: s, Pos: pos, nodes: 1} }

// overlay joins two mappings; what high says stays.
func overlay(high, low *Value) *Value {
	if high.Kind != Map {
		return low
	}
	v, err := layerMergers.merge(high, low)
	if err != nil {
		return high
	}
	out := *v
	out.Pos = high.Pos
	return &out
}

func withUnderscores(v *Value) *Value {
	entries := slices.Clone(v.Map)
	for i := range entries {
		key := entries[i].Key
		entries[i].Key = word(strings.TrimSpace(strings.ReplaceAll(key.Text, "-", "_")), key.Pos)
	}
	return v.with(entries)
}
