package network

import (
	"net/netip"
	"strings"

	"boothook/injector/cloudconfig"
)

// version2 reads a version 2 document. Its keys are netplan's.
func (r *reader) version2(doc *cloudconfig.Value) {
	for _, e := range doc.Map {
		kind := e.Key.Scalar()
		switch {
		case kind == "version", kind == "renderer":
		case letterOf(kind) != 0:
			if e.Value.Missing() {
				continue
			}
			if e.Value.Kind != cloudconfig.Map {
				r.problem(e.Key.Pos.Line, "%s: must be a mapping from names to links, not %v; it is left out", kind, e.Value.Kind)
				continue
			}
			for _, l := range e.Value.Map {
				// The backend of all links of the kind, in netplan's grammar.
				if l.Key.Scalar() == "renderer" && l.Value.IsScalar() {
					r.renderer(l)
					continue
				}
				r.link2(kind, l)
			}
		case kind == "wifis", kind == "modems", kind == "nm-devices", kind == "openvswitch":
			// Whether the root's renderer can do them is decided later.
		default:
			r.problem(e.Key.Pos.Line, "%s is no kind of links that is known here; it is left out", kind)
		}
	}
}

// renderer checks the name of one of netplan's backends.
func (r *reader) renderer(e cloudconfig.Entry) {
	if s := e.Value.Text; !e.Value.IsScalar() || s != "networkd" && s != "NetworkManager" {
		r.problem(e.Key.Pos.Line, "renderer: must be networkd or NetworkManager; it is left out")
	}
}

func (r *reader) link2(kind string, e cloudconfig.Entry) {
	l := &link{kind: kind, id: e.Key.Scalar(), line: e.Key.Pos.Line}
	switch e.Value.Kind {
	case cloudconfig.Map:
		for _, key := range e.Value.Map {
			r.setting(l, &l.said, "", key)
		}
	case cloudconfig.Null:
		r.warn(l.line, "%s: nothing is said of the link", l.id)
	default:
		r.problem(l.line, "%s: must be a mapping, not %v; the link is left out", l.id, e.Value.Kind)
		l.refused = true
	}
	l.infiniband = l.said.has("infiniband-mode") || len(l.said.get("match.macaddress")) > 17
	l.loopback = kind == ethernet && l.id == "lo"
	for _, family := range []string{"4", "6"} {
		key := "gateway" + family
		via, err := netip.ParseAddr(l.said.get(key))
		if err == nil {
			g := &route{line: l.said.line(key), to: anywhere(via), via: via}
			g.said.add("routes.to", "default", g.line)
			g.said.add("routes.via", via.String(), g.line)
			l.routes = append([]*route{g}, l.routes...)
		}
	}
	r.add(l)
}

// item reads an element of a list.
func (r *reader) item(l *link, key string, v *cloudconfig.Value) {
	if key == "addresses" {
		r.address2(l, v)
		return
	}
	if v.Kind != cloudconfig.Map {
		r.refuse(l, v.Pos.Line, key, "must be mappings, not %v", v.Kind)
		return
	}
	var said mentions
	for _, e := range v.Map {
		r.setting(l, &said, key+".", e)
	}
	switch key {
	case "routes":
		r.route2(l, said, v.Pos.Line)
	case "routing-policy":
		r.rule2(l, said, v.Pos.Line)
	case "peers":
		l.peers = append(l.peers, &peer{v.Pos.Line, said})
	}
}

func (r *reader) address2(l *link, v *cloudconfig.Value) {
	a, text := &address{line: v.Pos.Line}, v
	// An address may be a mapping from itself to its label and lifetime.
	if v.Kind == cloudconfig.Map && len(v.Map) == 1 {
		text = v.Map[0].Key
		if below := v.Map[0].Value; below.Kind == cloudconfig.Map {
			for _, e := range below.Map {
				r.setting(l, &a.said, "addresses.", e)
			}
		} else if !below.Missing() {
			r.refuse(l, a.line, "addresses", "what belongs to an address must be a mapping, not %v", below.Kind)
		}
	}
	var ok bool
	switch a.Prefix, ok = prefix(text.Scalar(), false); {
	case !ok && !strings.Contains(text.Scalar(), "/"):
		r.refuse(l, a.line, "addresses", "%q is not an address with the length of its network behind a slash", text.Scalar())
	case !ok || a.Bits() == 0:
		r.refuse(l, a.line, "addresses", "%q is not an address with the length of its network", text.Scalar())
	default:
		l.addAddress(a)
	}
}

// addAddress takes an address in once.
func (l *link) addAddress(a *address) {
	for _, known := range l.addresses {
		if known.Prefix == a.Prefix {
			return
		}
	}
	l.addresses = append(l.addresses, a)
}

// route2 checks what netplan demands of a route (handle_routes in its
// src/parse.c) and takes it in.
func (r *reader) route2(l *link, said mentions, line int) {
	p := &route{line: line, said: said}
	bad := func(key, format string, args ...any) { r.refuse(l, line, key, format, args...) }
	p.via, _ = netip.ParseAddr(said.get("routes.via"))
	p.from, _ = netip.ParseAddr(said.get("routes.from"))
	to := said.get("routes.to")
	scope := said.get("routes.scope")
	if scope == "" {
		switch kind := p.kind(); {
		case kind == "local", kind == "nat":
			scope = "host"
		case kind == "unicast" && !p.via.IsValid(), kind == "broadcast", kind == "multicast", kind == "anycast":
			scope = "link"
		default:
			scope = "global"
		}
	}
	var ok bool
	switch {
	case to == "":
		bad("routes.to", "a route needs a destination")
		return
	case p.kind() == "unicast" && scope == "global" && !p.via.IsValid():
		bad("routes.via", "a route of global scope needs a gateway")
		return
	case to == "default" && p.via.IsValid():
		p.to = anywhere(p.via)
	case to == "default" && p.from.IsValid():
		p.to = anywhere(p.from)
	case to == "default":
		bad("routes.to", "default needs a gateway that tells its family; write 0.0.0.0/0 or ::/0")
		return
	default:
		if p.to, ok = prefix(to, true); !ok {
			bad("routes.to", "%q is neither an address, with or without its length, nor default", to)
			return
		}
		p.to = p.to.Masked()
	}
	four := p.to.Addr().Is4()
	if p.via.IsValid() && p.via.Is4() != four || p.from.IsValid() && p.from.Is4() != four {
		bad("routes", "a route has one family, IPv4 or IPv6")
		return
	}
	p.onLink = said.is("routes.on-link")
	l.routes = append(l.routes, p)
}

func (r *reader) rule2(l *link, said mentions, line int) {
	p := &rule{line: line, said: said}
	count := 0
	for _, key := range []string{"routing-policy.from", "routing-policy.to"} {
		text := said.get(key)
		if text == "" {
			continue
		}
		at, ok := prefix(text, true)
		six := !at.Addr().Is4()
		switch {
		case !ok:
			r.refuse(l, line, key, "%q is no address", text)
			return
		case count > 0 && six != p.six:
			r.refuse(l, line, "routing-policy", "a rule has one family, IPv4 or IPv6")
			return
		}
		p.six = six
		count++
	}
	if count == 0 {
		r.refuse(l, line, "routing-policy", "a rule needs from or to")
		return
	}
	l.rules = append(l.rules, p)
}
