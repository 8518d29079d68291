package network

import (
	"slices"
	"strings"

	"boothook/injector/cloudconfig"
	"boothook/injector/plan"
	"boothook/netboot/yaml"
)

// netplanFile is where cloud-init puts it; netplan lets a file with a higher
// name override it. Only root may read it, since it can hold secrets of wifis.
const netplanFile = "/etc/netplan/50-cloud-init.yaml"

// netplanStep is the file of a document, parsed and printed.
func netplanStep(doc *cloudconfig.Value, secret bool) plan.Step {
	t := &text{}
	t.WriteString(heading)
	t.value(mapping("network", doc), "")
	step := t.step(netplanFile, 0o600)
	step.Secret = secret
	return step
}

// given is a version 2 document as it came, less the links that are left out,
// keys that are not known, and routes that would be there twice.
func (r *reader) given(doc *cloudconfig.Value) *cloudconfig.Value {
	out := &cloudconfig.Value{Kind: cloudconfig.Map}
	for _, e := range doc.Map {
		switch kind := e.Key.Scalar(); {
		case kind == "version":
			out.Map = append(out.Map, entry("version", word("2")))
		case kind == "renderer":
			if s := e.Value.Scalar(); s == "networkd" || s == "NetworkManager" {
				out.Map = append(out.Map, e)
			}
		case kind == "wifis", kind == "modems", kind == "nm-devices", kind == "openvswitch":
			if !e.Value.Missing() {
				out.Map = append(out.Map, e)
			}
		case letterOf(kind) != 0:
			of := &cloudconfig.Value{Kind: cloudconfig.Map}
			for _, l := range e.Value.Map {
				if l.Key.Scalar() == "renderer" && l.Value.IsScalar() {
					if s := l.Value.Scalar(); s == "networkd" || s == "NetworkManager" {
						of.Map = append(of.Map, l)
					}
				} else if k := r.links.byID(l.Key.Scalar()); k != nil && k.kind == kind && k.line == l.Key.Pos.Line {
					of.Map = append(of.Map, cloudconfig.Entry{Key: l.Key, Value: r.trimmed(k, l.Value, "")})
				}
			}
			if len(of.Map) > 0 {
				out.Map = append(out.Map, entry(kind, of))
			}
		}
	}
	return out
}

// trimmed is what is said of a link, less what nobody knows or what has been
// left out.
func (r *reader) trimmed(l *link, v *cloudconfig.Value, prefix string) *cloudconfig.Value {
	out := &cloudconfig.Value{Kind: cloudconfig.Map}
	for _, e := range v.Map {
		key := today(prefix + e.Key.Scalar())
		if key == "key" && e.Value.Kind == cloudconfig.Map {
			key = "keys"
		}
		is, typ, _ := lookUp(l.kind, key, false)
		value := e.Value
		switch {
		case value.Missing(), is == unknownKey && !(key == "keys" && value.IsScalar()):
			continue
		case is == mappingKey:
			value = r.trimmed(l, value, key+".")
		case key == "gateway4", key == "gateway6":
			if !slices.ContainsFunc(l.routes, func(p *route) bool { return p.line == e.Key.Pos.Line }) {
				continue
			}
			if p := l.gateway(e.Key.Pos.Line); p.onLink {
				continue // below, as a route, which can say so
			}
		case key == "interfaces":
			value = &cloudconfig.Value{Kind: cloudconfig.List}
			for _, id := range l.members {
				value.List = append(value.List, word(id))
			}
		case typ == "list" && key == "routes":
			value = r.trimmedRoutes(l, value)
		case key == "addresses":
			list := &cloudconfig.Value{Kind: cloudconfig.List}
			for _, item := range value.List {
				if item.Kind == cloudconfig.Map && len(item.Map) == 1 {
					options := r.trimmed(l, item.Map[0].Value, "addresses.")
					item = &cloudconfig.Value{Kind: cloudconfig.Map, Map: []cloudconfig.Entry{{Key: item.Map[0].Key, Value: options}}}
				}
				list.List = append(list.List, item)
			}
			value = list
		case typ == "list":
			list := &cloudconfig.Value{Kind: cloudconfig.List}
			for _, item := range value.List {
				list.List = append(list.List, r.trimmed(l, item, key+"."))
			}
			value = list
		}
		out.Map = append(out.Map, cloudconfig.Entry{Key: e.Key, Value: value})
	}
	if prefix == "" {
		r.gateways(l, out)
	}
	return out
}

// gateway is the route of a gateway4 or gateway6.
func (l *link) gateway(line int) *route {
	for _, p := range l.routes {
		if p.line == line {
			return p
		}
	}
	return &route{}
}

// gateways adds routes for gateways that are reached on-link: gateway4 cannot
// say so, and networkd does not guess.
func (r *reader) gateways(l *link, out *cloudconfig.Value) {
	for _, key := range []string{"gateway4", "gateway6"} {
		if !l.said.has(key) {
			continue
		}
		if p := l.gateway(l.said.line(key)); p.onLink && p.via.IsValid() {
			i := slices.IndexFunc(out.Map, func(e cloudconfig.Entry) bool { return e.Key.Scalar() == "routes" })
			if i < 0 {
				out.Map = append(out.Map, entry("routes", &cloudconfig.Value{Kind: cloudconfig.List}))
				i = len(out.Map) - 1
			}
			routes := *out.Map[i].Value
			routes.List = append(slices.Clip(routes.List), p.document())
			out.Map[i].Value = &routes
		}
	}
}

func (r *reader) trimmedRoutes(l *link, v *cloudconfig.Value) *cloudconfig.Value {
	list := &cloudconfig.Value{Kind: cloudconfig.List}
	for _, item := range v.List {
		p := l.gateway(item.Pos.Line)
		if !p.to.IsValid() {
			continue // it was left out
		}
		// Two may stand on one line.
		via, _ := item.Get("via").Scalar(), 0
		for _, q := range l.routes {
			if q.line == item.Pos.Line && q.said.get("routes.via") == via {
				p = q
			}
		}
		value := r.trimmed(l, item, "routes.")
		if p.onLink && !p.said.has("routes.on-link") {
			value.Map = append(value.Map, entry("on-link", word("true")))
		}
		list.List = append(list.List, value)
	}
	return list
}

// document is the links as a version 2 document.
func (all links) document() *cloudconfig.Value {
	out := mapping("version", word("2"))
	for _, kind := range []string{ethernet, bond, bridge, vlan, vrf, dummy, veth, tunnel} {
		of := &cloudconfig.Value{Kind: cloudconfig.Map}
		for _, l := range all {
			if l.kind == kind {
				of.Map = append(of.Map, entry(l.id, l.document()))
			}
		}
		if len(of.Map) > 0 {
			out.Map = append(out.Map, entry(kind, of))
		}
	}
	return out
}

// entry, word, mapping and sequence make the parts of a document.
func entry(key string, v *cloudconfig.Value) cloudconfig.Entry {
	return cloudconfig.Entry{Key: word(key), Value: v}
}

// word makes booleans and numbers of what is one, so that they get no quotes.
func word(s string) *cloudconfig.Value {
	v := &cloudconfig.Value{Kind: cloudconfig.String, Text: s}
	switch {
	case s == "true" || s == "false":
		v.Kind = cloudconfig.Bool
	case s != "" && strings.Trim(s, "0123456789") == "" && (s == "0" || s[0] != '0'):
		v.Kind = cloudconfig.Int
	}
	return v
}

func mapping(key string, v *cloudconfig.Value) *cloudconfig.Value {
	return &cloudconfig.Value{Kind: cloudconfig.Map, Map: []cloudconfig.Entry{entry(key, v)}}
}

func sequence(items []string) *cloudconfig.Value {
	v := &cloudconfig.Value{Kind: cloudconfig.List}
	for _, item := range items {
		v.List = append(v.List, word(item))
	}
	return v
}

// put sets a value under a key with dots.
func put(in *cloudconfig.Value, key string, v *cloudconfig.Value) {
	first, rest, nested := strings.Cut(key, ".")
	for i := range in.Map {
		if in.Map[i].Key.Text == first {
			if nested {
				put(in.Map[i].Value, rest, v)
			} else {
				in.Map[i].Value = v
			}
			return
		}
	}
	if nested {
		below := &cloudconfig.Value{Kind: cloudconfig.Map}
		put(below, rest, v)
		v = below
	}
	in.Map = append(in.Map, entry(first, v))
}

// document is a link in version 2's words.
func (l *link) document() *cloudconfig.Value {
	out := &cloudconfig.Value{Kind: cloudconfig.Map}
	for _, m := range l.said {
		_, typ, _ := lookUp(l.kind, m.key, l.v1)
		switch v := word(m.value); {
		case typ == "raw", m.key == "control", m.key == "gateway4", m.key == "gateway6", strings.HasPrefix(m.key, "nameservers."):
		case typ == "costs":
			id, cost, _ := strings.Cut(m.value, " ")
			put(out, m.key+"."+id, word(cost))
		case m.key == "interfaces":
			put(out, m.key, sequence(l.members))
		case typ == "ports":
			from, most, _ := strings.Cut(m.value, "-")
			put(out, m.key, sequence([]string{from, most}))
		case strings.HasSuffix(typ, "s") && typ != "s" && typ != "ms" && typ != "domains":
			put(out, m.key, sequence(strings.Fields(m.value)))
		default:
			put(out, m.key, v)
		}
	}
	if l.six == "slaac" || l.six == "stateless" {
		put(out, "accept-ra", word("true"))
	}
	if len(l.addresses) > 0 {
		list := &cloudconfig.Value{Kind: cloudconfig.List}
		for _, a := range l.addresses {
			v := word(a.String())
			if len(a.said) > 0 {
				v = &cloudconfig.Value{Kind: cloudconfig.Map, Map: []cloudconfig.Entry{{Key: v, Value: below(a.said, "addresses.")}}}
			}
			list.List = append(list.List, v)
		}
		put(out, "addresses", list)
	}
	if len(l.dns) > 0 {
		put(out, "nameservers.addresses", sequence(addrs(l.dns, 0)))
	}
	if len(l.search) > 0 {
		put(out, "nameservers.search", sequence(l.search))
	}
	lists := map[string][]*cloudconfig.Value{}
	for _, p := range l.routes {
		lists["routes"] = append(lists["routes"], p.document())
	}
	for _, p := range l.rules {
		lists["routing-policy"] = append(lists["routing-policy"], below(p.said, "routing-policy."))
	}
	for _, p := range l.peers {
		lists["peers"] = append(lists["peers"], below(p.said, "peers."))
	}
	for _, key := range []string{"routes", "routing-policy", "peers"} {
		if len(lists[key]) > 0 {
			put(out, key, &cloudconfig.Value{Kind: cloudconfig.List, List: lists[key]})
		}
	}
	return out
}

// below is what is said of an element of a list.
func below(said mentions, prefix string) *cloudconfig.Value {
	out := &cloudconfig.Value{Kind: cloudconfig.Map}
	for _, m := range said {
		v := word(m.value)
		if m.key == "peers.allowed-ips" {
			v = sequence(strings.Fields(m.value))
		}
		put(out, strings.TrimPrefix(m.key, prefix), v)
	}
	return out
}

func (p *route) document() *cloudconfig.Value {
	out := below(p.said, "routes.")
	if p.onLink {
		put(out, "on-link", word("true"))
	}
	return out
}

// value prints a value as YAML, in blocks, with nothing that one reader would
// take for something else than another.
func (t *text) value(v *cloudconfig.Value, indent string) {
	switch v.Kind {
	case cloudconfig.Map:
		for _, e := range v.Map {
			t.WriteString(indent + plain(e.Key) + ":")
			t.below(e.Value, indent+"  ")
		}
	case cloudconfig.List:
		for _, item := range v.List {
			t.WriteString(indent + "-")
			if item.Kind == cloudconfig.Map && len(item.Map) > 0 || item.Kind == cloudconfig.List && len(item.List) > 0 {
				t.line()
			}
			t.below(item, indent+"  ")
		}
	}
}

func (t *text) below(v *cloudconfig.Value, indent string) {
	switch {
	case v.Kind == cloudconfig.Map && len(v.Map) == 0:
		t.line(" {}")
	case v.Kind == cloudconfig.List && len(v.List) == 0:
		t.line(" []")
	case v.Kind == cloudconfig.Map || v.Kind == cloudconfig.List:
		if s := t.String(); s[len(s)-1] != '\n' {
			t.line()
		}
		t.value(v, indent)
	default:
		t.line(" ", plain(v))
	}
}

// plain is a scalar: without quotes where that is safe.
func plain(v *cloudconfig.Value) string {
	s := v.Text
	if v.Kind == cloudconfig.Null {
		return "null"
	}
	safe := s != ""
	for i, c := range []byte(s) {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '/' || i > 0 && strings.IndexByte("._-+", c) >= 0
		safe = safe && ok
	}
	if safe {
		tag, _, _ := yaml.Resolve(s)
		safe = v.Kind != cloudconfig.String || tag == "!!str"
	}
	if safe {
		return s
	}
	// JSON's escapes are YAML's.
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteString("\\" + string(c))
		case c == '\n':
			b.WriteString(`\n`)
		case c < ' ' || c == 0x7f || c == 0x85 || c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffd || c >= 0xd800 && c < 0xe000:
			const hex = "0123456789abcdef"
			b.WriteString(`\u` + string([]byte{hex[c>>12&15], hex[c>>8&15], hex[c>>4&15], hex[c&15]}))
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
