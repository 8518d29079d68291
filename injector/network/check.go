package network

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// check holds the links against each other, and what is said of one link
// together. A link that something is wrong with goes; what depends on it goes
// too, and says so; nothing else does.
func (r *reader) check() {
	for {
		for _, l := range r.links {
			r.alone(l)
		}
		r.references()
		if !r.leave() {
			break
		}
	}
	for _, l := range r.links {
		l.reachGateways()
		r.vrfTable(l)
	}
	r.defaults()
	r.leave()
}

// leave takes refused links out, and says whether there were any.
func (r *reader) leave() bool {
	before := len(r.links)
	r.links = slices.DeleteFunc(r.links, func(l *link) bool {
		if l.refused {
			r.gone = append(r.gone, l.id)
		}
		return l.refused
	})
	return len(r.links) < before
}

// alone checks one link by itself.
func (r *reader) alone(l *link) {
	bad := func(key, format string, args ...any) {
		if !l.refused {
			line := l.said.line(key)
			if line == 0 {
				line = l.line
			}
			r.refuse(l, line, key, format, args...)
		}
	}
	said := l.said
	if said.has("set-name") && !said.under("match.") {
		bad("set-name", "needs match to say what gets that name")
	}
	if said.has("ipv6-address-generation") && said.has("ipv6-address-token") {
		bad("ipv6-address-token", "cannot be beside ipv6-address-generation")
	}
	switch l.kind {
	case vlan:
		if !said.has("id") {
			bad("id", "a vlan needs its id")
		}
		if !said.has("link") {
			bad("link", "a vlan needs the link that it is on")
		}
	case vrf:
		if !said.has("table") {
			bad("table", "a vrf needs its routing table")
		}
	case veth:
		if !said.has("peer") {
			bad("peer", "a virtual ethernet needs its other end")
		}
	case tunnel:
		r.tunnel(l, bad)
	}
}

// tunnel checks what each mode of a tunnel needs (validate_tunnel_grammar in
// netplan's src/validation.c).
func (r *reader) tunnel(l *link, bad func(key, format string, args ...any)) {
	said, mode := l.said, l.said.get("mode")
	local, _ := netip.ParseAddr(said.get("local"))
	remote, _ := netip.ParseAddr(said.get("remote"))
	switch mode {
	case "":
		bad("mode", "a tunnel needs its mode")
	case "wireguard":
		r.wireguard(l, bad)
		return
	case "vxlan":
		if !said.has("id") {
			bad("id", "a vxlan needs its id, the VNI")
		}
		if local.IsValid() && remote.IsValid() && local.Is4() != remote.Is4() {
			bad("local", "local and remote must be of one family")
		}
		return
	}
	four := !strings.Contains(mode, "ip6") && mode != "vti6"
	switch {
	case !remote.IsValid():
		bad("remote", "a tunnel needs the address of its other end")
	case remote.Is4() != four:
		bad("remote", "not of the family of %s tunnels", mode)
	case local.IsValid() && local.Is4() != four:
		bad("local", "not of the family of %s tunnels", mode)
	}
	keyed := strings.Contains(mode, "gre") || strings.HasPrefix(mode, "vti")
	for _, key := range []string{"key", "keys.input", "keys.output"} {
		if !said.has(key) {
			continue
		}
		_, err := strconv.ParseUint(said.get(key), 10, 32)
		quad, err2 := netip.ParseAddr(said.get(key))
		switch {
		case !keyed:
			bad(key, "%s tunnels have no keys", mode)
		case err != nil && (err2 != nil || !quad.Is4()):
			bad(key, "must be a number or a dotted quad")
		}
	}
}

func (r *reader) wireguard(l *link, bad func(key, format string, args ...any)) {
	switch key := l.private(); {
	case key == "" && !l.said.has("keys.private-key-flags"):
		bad("keys.private", "a wireguard tunnel needs its private key")
	case key != "" && !isKeyFile(key) && !isWireguardKey(key):
		bad("keys.private", "not a wireguard key, base64 of 32 bytes, nor the path of its file")
	}
	for _, p := range l.peers {
		at := func(key, why string) {
			if !l.refused {
				line := p.said.line(key)
				if line == 0 {
					line = p.line
				}
				r.refuse(l, line, key, "%s", why)
			}
		}
		switch shared := p.said.get("peers.keys.shared"); {
		case !isWireguardKey(p.said.get("peers.keys.public")):
			at("peers.keys.public", "a peer needs its public key, base64 of 32 bytes")
		case shared != "" && !isKeyFile(shared) && !isWireguardKey(shared):
			at("peers.keys.shared", "not a wireguard key, base64 of 32 bytes, nor the path of its file")
		}
		for _, ip := range strings.Fields(p.said.get("peers.allowed-ips")) {
			if _, ok := prefix(ip, false); !ok {
				at("peers.allowed-ips", strconv.Quote(ip)+" is not an address with the length of its network")
			}
		}
		if end := p.said.get("peers.endpoint"); end != "" {
			host, port, found := strings.Cut(end, ":")
			if i := strings.LastIndex(end, ":"); i > 0 {
				host, port = strings.Trim(end[:i], "[]"), end[i+1:]
			}
			_, err := netip.ParseAddr(host)
			n, err2 := strconv.ParseUint(port, 10, 16)
			if !found || err != nil && !goodName(host) || err2 != nil || n == 0 {
				at("peers.endpoint", "must be HOST:PORT")
			}
		}
	}
}

// private is a wireguard tunnel's own key, or the path of its file.
func (l *link) private() string {
	if key := l.said.get("keys.private"); key != "" {
		return key
	}
	return l.said.get("key")
}

func isKeyFile(s string) bool { return strings.HasPrefix(s, "/") && !isWireguardKey(s) }

// isWireguardKey is true of the base64 of 32 bytes.
func isWireguardKey(s string) bool {
	ok := len(s) == 44 && s[43] == '=' && s[42] != '='
	for i := 0; ok && i < 43; i++ {
		c := s[i]
		ok = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '/'
	}
	return ok
}

// references checks that what links name is there, and is named once.
func (r *reader) references() {
	type use struct{ master *link }
	port, inVRF := map[string]use{}, map[string]use{}
	devices := map[string]*link{}
	for _, l := range r.links {
		if name, known := l.name(); known {
			if first := devices[name]; first != nil && !l.refused {
				r.refuse(l, l.line, "name", "%s has the name %s already", first.id, name)
				continue
			}
			devices[name] = l
		}
		line := l.said.line("interfaces")
		l.members = slices.DeleteFunc(l.members, func(id string) bool {
			if slices.Contains(r.gone, id) {
				r.problem(line, "%s: interfaces: %s is left out, so it is no member", l.id, id)
				return true
			}
			return false
		})
		uses := port
		if l.kind == vrf {
			uses = inVRF
		}
		for _, id := range l.members {
			m := r.links.byID(id)
			switch {
			case l.refused:
			case m == nil:
				r.refuse(l, line, "interfaces", "there is no link %s", id)
			case m == l:
				r.refuse(l, line, "interfaces", "%s cannot be a member of itself", id)
			case uses[id].master != nil && uses[id].master != l:
				r.refuse(l, line, "interfaces", "%s is a member of %s already", id, uses[id].master.id)
			default:
				uses[id] = use{l}
			}
		}
		r.named(l, "link", l.kind == vlan || l.kind == tunnel)
		r.named(l, "peer", l.kind == veth)
		r.named(l, "parameters.primary", l.kind == bond)
		if p := l.said.get("parameters.primary"); p != "" && !l.refused && !slices.Contains(l.members, p) {
			r.refuse(l, l.said.line("parameters.primary"), "parameters.primary", "%s is no member", p)
		}
		l.said = slices.DeleteFunc(l.said, func(m mention) bool {
			if m.key != "parameters.path-cost" && m.key != "parameters.port-priority" {
				return false
			}
			id, _, _ := strings.Cut(m.value, " ")
			member, gone := slices.Contains(l.members, id), slices.Contains(r.gone, id)
			if !l.refused && !member && !gone {
				r.refuse(l, m.line, m.key, "%s is no member", id)
			}
			return !member && gone
		})
		if l.kind == veth && !l.refused {
			if p := r.links.byID(l.said.get("peer")); p != nil && (p.kind != veth || p == l || p.said.get("peer") != l.id) {
				r.refuse(l, l.said.line("peer"), "peer", "%s is no virtual ethernet whose other end is %s", p.id, l.id)
			}
		}
		if l.kind == vlan && !l.refused && r.circle(l) {
			r.refuse(l, l.said.line("link"), "link", "leads back to %s", l.id)
		}
	}
}

// named checks that what a key names is there.
func (r *reader) named(l *link, key string, counts bool) {
	id := l.said.get(key)
	switch {
	case !counts || id == "" || l.refused || r.links.byID(id) != nil:
	case slices.Contains(r.gone, id):
		if key != "parameters.primary" {
			r.refuse(l, l.said.line(key), key, "%s is left out", id)
		} else {
			l.said.drop(key)
		}
	default:
		r.refuse(l, l.said.line(key), key, "there is no link %s", id)
	}
}

// circle says whether a vlan is, over others, on itself.
func (r *reader) circle(l *link) bool {
	at := l
	for range len(r.links) + 1 {
		if at = r.links.byID(at.said.get("link")); at == nil || at.kind != vlan {
			return false
		}
		if at == l {
			return true
		}
	}
	return true
}

// reachGateways makes gateways on-link that are in none of the link's own
// networks: the route is wanted, and no daemon or kernel sets it otherwise. A
// link with DHCP of that family may reach it by what it leases.
func (l *link) reachGateways() {
	for _, p := range l.routes {
		dynamic := l.dhcp4()
		if p.via.Is6() {
			// IPv6's routers have link-local addresses, and announce networks.
			dynamic = l.dhcp6() || l.six != "" || p.via.IsLinkLocalUnicast() || l.said.is("accept-ra") || !l.has(6)
		}
		if p.via.IsValid() && p.via.Is4() == p.to.Addr().Is4() && !dynamic && !l.reaches(p.via) && len(l.addresses) > 0 && !p.said.no("routes.on-link") {
			p.onLink = true
		}
	}
}

// vrfTable gives a vrf's routes and rules its table, as netplan does
// (adopt_and_validate_vrf_routes).
func (r *reader) vrfTable(l *link) {
	if l.kind != vrf {
		return
	}
	table := l.said.get("table")
	adopt := func(said *mentions, key string, line int) {
		switch own := said.get(key); {
		case own == "":
			said.add(key, table, line)
		case own != table && !l.refused:
			r.refuse(l, said.line(key), key, "the vrf's table is %s", table)
		}
	}
	for _, p := range l.routes {
		adopt(&p.said, "routes.table", p.line)
	}
	for _, p := range l.rules {
		adopt(&p.said, "routing-policy.table", p.line)
	}
}

// defaults keeps one default route of each family, table and metric: of two,
// which one counts is chance.
func (r *reader) defaults() {
	first := map[string]*link{}
	for _, l := range r.links {
		l.routes = slices.DeleteFunc(l.routes, func(p *route) bool {
			table := p.said.get("routes.table")
			if table == mainTable {
				table = ""
			}
			key := p.to.String() + " " + table + " " + p.said.get("routes.metric")
			if !p.isDefault() || l.refused {
				return false
			}
			if other := first[key]; other != nil {
				r.problem(p.line, "%s: routes.to: %s has a default route of the same table and metric; this one is left out", l.id, other.id)
				return true
			}
			first[key] = l
			return false
		})
	}
}
