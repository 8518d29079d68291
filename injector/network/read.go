package network

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"boothook/injector/cloudconfig"
	"boothook/netboot/instance"
)

// A reader makes links of a document.
type reader struct {
	pos      cloudconfig.Pos
	v1       bool
	links    links
	problems []instance.Problem
	// gone are the ids of links that are left out, so that what depends on
	// them can say so.
	gone []string
}

func (r *reader) note(line int, warning bool, format string, args ...any) {
	r.problems = append(r.problems, instance.Problem{
		Part: r.pos.Part, Origin: r.pos.Origin, Line: line, Message: fmt.Sprintf(format, args...), Warning: warning,
	})
}

// problem says that something cannot be done as asked.
func (r *reader) problem(line int, format string, args ...any) {
	r.note(line, false, format, args...)
}

// warn says what deserves a word but costs nothing.
func (r *reader) warn(line int, format string, args ...any) { r.note(line, true, format, args...) }

// refuse leaves a link out because a key of it is wrong.
func (r *reader) refuse(l *link, line int, key, format string, args ...any) {
	r.problem(line, "%s: %s: %s; the link is left out", l.id, key, fmt.Sprintf(format, args...))
	l.refused = true
}

// setting takes in one key of a link or of a list below it, if its value is
// one that the key can have. The prefix is of the mappings around it.
func (r *reader) setting(l *link, to *mentions, prefix string, e cloudconfig.Entry) {
	key, line := today(prefix+e.Key.Scalar()), e.Key.Pos.Line
	if key == "key" && e.Value.Kind == cloudconfig.Map {
		key = "keys"
	} else if key == "keys" && e.Value.IsScalar() {
		key = "key"
	}
	is, typ, needs := lookUp(l.kind, key, r.v1)
	switch {
	case is == unknownKey:
		r.problem(line, "%s: %s is no key that is known here; it is left out", l.id, key)
	case is == foreignKey:
		r.refuse(l, line, key, "no key of %s", l.kind)
	case e.Value.Missing():
		r.warn(line, "%s: %s has no value", l.id, key)
	case is == mappingKey && e.Value.Kind != cloudconfig.Map:
		r.refuse(l, line, key, "must be a mapping, not %v", e.Value.Kind)
	case is == mappingKey:
		for _, below := range e.Value.Map {
			r.setting(l, to, key+".", below)
		}
		if key == "match" && !to.under("match.") {
			to.add("match.name", "*", line) // netplan's meaning of an empty one
		}
	case typ == "raw":
		to.add(key, "", line)
	default:
		r.value(l, to, key, key, typ, needs, e.Value, line)
	}
}

// value takes in a value of a known type. Problems call the key name.
func (r *reader) value(l *link, to *mentions, key, name, typ string, needs []string, v *cloudconfig.Value, line int) {
	bad := func(format string, args ...any) { r.refuse(l, line, name, format, args...) }
	switch typ {
	case "list":
		if v.Kind != cloudconfig.List {
			bad("must be a list, not %v", v.Kind)
			return
		}
		items := r.items(l, name, v)
		for _, item := range items {
			r.item(l, key, item)
		}
	case "names", "addrs", "texts", "words":
		if v.Kind != cloudconfig.List && (typ != "texts" || key != "match.driver") && !r.v1 {
			bad("must be a list, not %v", v.Kind)
			return
		}
		var values []string
		for _, item := range r.items(l, name, v) {
			value, why := one(strings.TrimSuffix(typ, "s"), needs, item, r.v1)
			if why != "" {
				bad("%s", why)
				return
			}
			values = append(values, value)
		}
		r.several(l, to, key, values, line)
	case "costs":
		if v.Kind != cloudconfig.Map {
			bad("must be a mapping, not %v", v.Kind)
			return
		}
		for _, e := range v.Map {
			cost, why := one("num", []string{"0", needs[0]}, e.Value, r.v1)
			if why != "" {
				r.refuse(l, e.Key.Pos.Line, name, "%s", why)
				return
			}
			if cost == "0" && key == "parameters.path-cost" {
				r.warn(e.Key.Pos.Line, "%s: %s: 0 is as if it were not said", l.id, name)
				continue
			}
			to.add(key, e.Key.Scalar()+" "+cost, e.Key.Pos.Line)
		}
	case "ports":
		if v.Kind != cloudconfig.List || len(v.List) != 2 {
			bad("must be a list of two ports")
			return
		}
		from, why := one("num", []string{"0", "65535"}, v.List[0], r.v1)
		most, why2 := one("num", []string{"0", "65535"}, v.List[1], r.v1)
		if why != "" || why2 != "" {
			bad("%s%s", why, why2)
			return
		}
		to.set(key, from+"-"+most, line)
	default:
		value, why := one(typ, needs, v, r.v1)
		if why != "" {
			bad("%s", why)
			return
		}
		if typ == "positive" && value == "0" {
			r.warn(line, "%s: %s: 0 is as if it were not said", l.id, name)
			return
		}
		to.set(key, value, line)
	}
}

// several takes in the values of a list.
func (r *reader) several(l *link, to *mentions, key string, values []string, line int) {
	switch key {
	case "nameservers.addresses":
		for _, value := range values {
			a, _ := netip.ParseAddr(value)
			l.addServer(a)
		}
	case "nameservers.search":
		l.addSearch(values)
	case "interfaces":
		l.members = append(l.members, values...)
	}
	to.set(key, strings.Join(values, " "), line)
}

func (l *link) addServer(a netip.Addr) {
	for _, known := range l.dns {
		if known == a {
			return
		}
	}
	l.dns = append(l.dns, a)
}

func (l *link) addSearch(names []string) {
	for _, name := range names {
		known := false
		for _, s := range l.search {
			known = known || s == name
		}
		if !known {
			l.search = append(l.search, name)
		}
	}
}

// items gives the elements of a list, at most maxItems; version 1 may have a
// text with commas or blanks between them.
func (r *reader) items(l *link, name string, v *cloudconfig.Value) []*cloudconfig.Value {
	items := v.Items()
	if v.Kind == cloudconfig.String && r.v1 {
		items = nil
		for _, word := range strings.FieldsFunc(v.Text, func(c rune) bool { return c == ' ' || c == ',' }) {
			items = append(items, &cloudconfig.Value{Kind: cloudconfig.String, Text: word, Pos: v.Pos})
		}
	}
	if len(items) > maxItems {
		r.problem(v.Pos.Line, "%s: %s: more than %d; the rest is left out", l.id, name, maxItems)
		items = items[:maxItems]
	}
	return items
}

// one reads a value of one type; why says what is wrong with it.
func one(typ string, needs []string, v *cloudconfig.Value, v1 bool) (value, why string) {
	if !v.IsScalar() {
		return "", "must be one value, not " + v.Kind.String()
	}
	s := strings.TrimSpace(v.Text)
	switch typ {
	case "bool", "domains":
		value = boolean(s)
		if value == "" && v1 && (s == "1" || s == "0") {
			value = either(s == "1", "true", "false")
		}
		if value == "" && typ == "domains" && strings.EqualFold(s, "route") {
			value = "route"
		}
		if value == "" {
			why = "must be true or false"
			if typ == "domains" {
				why = "must be true, false or route"
			}
		}
	case "num", "positive":
		least, _ := strconv.ParseUint(needs[0], 10, 64)
		most, _ := strconv.ParseUint(needs[1], 10, 64)
		n, err := strconv.ParseUint(s, 10, 64)
		if value = strconv.FormatUint(n, 10); err != nil || n < least || n > most {
			why = "must be a number from " + needs[0] + " to " + needs[1]
		}
	case "word":
		for i, word := range needs {
			if strings.EqualFold(word, s) || v1 && s == strconv.Itoa(i) {
				value = word
			}
		}
		if value == "" {
			why = "must be one of " + strings.Join(needs, ", ")
		}
	case "ms", "s":
		var ok bool
		if value, ok = duration(s, typ); !ok {
			why = "must be a time, in " + either(typ == "ms", "milliseconds", "seconds") + " where no unit is said"
		}
	case "mac":
		if value = hardware(s); value == "" && slices.Contains(needs, s) {
			value = s
		} else if value == "" {
			why = "not a MAC address"
		}
	case "addr":
		a, err := netip.ParseAddr(s)
		switch {
		case err != nil || a.Zone() != "":
			why = "not an IP address"
		case len(needs) > 0 && (needs[0] == "4") != a.Is4():
			why = "not an IPv" + needs[0] + " address"
		}
		value = a.String()
	case "name":
		if value = s; !goodName(s) {
			why = strconv.Quote(s) + " cannot be the name of an interface"
		}
	case "host":
		if value = s; !goodName(s) {
			why = strconv.Quote(s) + " cannot be the name of a host"
		}
	case "text":
		if value = s; s == "" || strings.ContainsFunc(s, unsafe) {
			why = strconv.Quote(s) + " cannot stand here"
		}
	case "secret":
		// What it is must not be told.
		if value = v.Text; value == "" || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			why = "must be one line of text"
		}
	}
	return value, why
}

// unsafe is true of what could end a value in one of the files written here.
func unsafe(c rune) bool {
	return c <= ' ' || c == 0x7f || strings.ContainsRune("\"'`\\;#=$&|<>(){}", c)
}

// boolean reads what netplan takes for a boolean; empty for anything else.
func boolean(s string) string {
	switch strings.ToLower(s) {
	case "true", "on", "yes", "y":
		return "true"
	case "false", "off", "no", "n":
		return "false"
	}
	return ""
}

// duration reads a number, with one of systemd.time(7)'s common units behind
// it, as a number of milliseconds (ms) or seconds (s).
func duration(s, unit string) (string, bool) {
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz ")
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return "", false
	}
	given := strings.TrimSpace(s[len(digits):])
	if given == "" {
		given = unit
	}
	ms, _ := strconv.ParseUint(oneOf("ms=1 msec=1 s=1000 sec=1000 m=60000 min=60000 h=3600000 hr=3600000", given), 10, 64)
	ok := ms > 0
	if n *= ms; unit == "s" {
		ok = ok && n%1000 == 0
		n /= 1000
	}
	return strconv.FormatUint(n, 10), ok
}

// hardware reads a MAC address of six bytes or infiniband's twenty, lower
// case; empty for anything else. One of digits alone is a number in base sixty
// to YAML, so it must be the text as it was written.
func hardware(s string) string {
	s = strings.ToLower(strings.ReplaceAll(s, "-", ":"))
	ok := len(s) == 17 || len(s) == 59
	for i := 0; ok && i < len(s); i++ {
		if i%3 == 2 {
			ok = s[i] == ':'
		} else {
			ok = s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f'
		}
	}
	if !ok {
		return ""
	}
	return s
}

// goodName is true of what is safe in a path and in every file written here.
func goodName(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '.' || s[0] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("._-:@+", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// prefix reads ADDRESS/BITS or, where bare is true, an address alone.
func prefix(s string, bare bool) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(s)
	if err == nil {
		return p, true
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || !bare {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// add takes a link in whose names can be the names of files and of interfaces.
func (r *reader) add(l *link) {
	name, known := l.name()
	switch {
	case l.id == "":
		r.problem(l.line, "a link without a name")
		l.refused = true
	case !goodName(l.id):
		r.problem(l.line, "%q cannot be the name of an interface; the link is left out", l.id)
		l.refused = true
	case known && len(name) > maxName:
		r.refuse(l, l.line, "name", "%q is too long for an interface: at most %d bytes", name, maxName)
	case known && (name == "." || strings.Contains(name, "/")):
		r.refuse(l, l.line, "name", "%q cannot be the name of an interface", name)
	}
	if r.links.byID(l.id) != nil && !l.refused {
		r.problem(l.line, "%s: a link of that name is there already; the second one is left out", l.id)
		return // and what depends on it has the first one
	}
	if len(r.links) == maxLinks {
		r.problem(l.line, "%s: more than %d links; it is left out", l.id, maxLinks)
		l.refused = true
	}
	if l.refused {
		r.gone = append(r.gone, l.id)
		return
	}
	r.links = append(r.links, l)
}
