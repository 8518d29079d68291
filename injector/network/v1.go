package network

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"boothook/injector/cloudconfig"
)

// shared is what a version 1 document says of no link in particular.
type shared struct {
	dns    []netip.Addr
	search []string
	line   int
	// full says that there were more of them than are taken.
	full   bool
	routes []*route
	// own are name servers of one interface.
	own []server
}

// A server is what a nameserver entry with an interface says.
type server struct {
	id     string
	line   int
	dns    []netip.Addr
	search []string
}

// version1 reads the list "config" of a version 1 document.
func (r *reader) version1(doc *cloudconfig.Value) {
	var (
		all   shared
		items = doc.Get("config")
	)
	if items.Kind != cloudconfig.List && !items.Missing() {
		r.problem(items.Pos.Line, "config: must be a list, not %v", items.Kind)
		return
	}
	for _, item := range items.List {
		if item.Kind != cloudconfig.Map {
			r.problem(item.Pos.Line, "config: must be mappings, not %v; it is left out", item.Kind)
			continue
		}
		switch kind := item.Get("type").Scalar(); kind {
		case "physical", "loopback", "infiniband":
			r.link1(ethernet, kind, item)
		case "bond", "bridge", "vlan":
			r.link1(kind+"s", kind, item)
		case "nameserver":
			r.nameserver(&all, item)
		case "route":
			r.global(&all, item)
		case "":
			r.problem(item.Pos.Line, "config: an entry without a type; it is left out")
		default:
			r.problem(item.Pos.Line, "config: type %q is not known here; it is left out", kind)
		}
	}
	r.placeholders()
	r.spread(&all)
}

// keys1 are version 1's keys of a link, by the key of version 2 that says the
// same; "-" where code of its own reads it.
const keys1 = " type=- name=- subnets=- params=- config_id=-" +
	" mtu=mtu accept-ra=accept-ra accept_ra=accept-ra wakeonlan=wakeonlan optional=optional keep_configuration=critical" +
	" mac_address=- vlan_link=link vlan_id=id bond_interfaces=interfaces bridge_interfaces=interfaces "

// of1 gives version 2's key of one of version 1's in a table like keys1.
func of1(table, key string) (string, bool) {
	_, rest, ok := strings.Cut(table, " "+key+"=")
	name, _, _ := strings.Cut(rest, " ")
	return name, ok && key != ""
}

// take reads the value of one of version 1's keys as one of version 2's.
func (r *reader) take(l *link, to *mentions, key string, e cloudconfig.Entry) {
	name, line := e.Key.Scalar(), e.Key.Pos.Line
	is, typ, needs := lookUp(l.kind, key, true)
	switch {
	case e.Value.Missing():
	case is != knownKey:
		r.refuse(l, line, name, "no key of a %s", strings.TrimSuffix(l.kind, "s"))
	default:
		r.value(l, to, key, name, typ, needs, e.Value, line)
	}
}

func (r *reader) link1(kind, typ string, v *cloudconfig.Value) {
	l := &link{kind: kind, id: v.Get("name").Scalar(), line: v.Pos.Line, v1: true, loopback: typ == "loopback", infiniband: typ == "infiniband"}
	if l.loopback && l.id == "" {
		l.id = "lo"
	}
	for _, e := range v.Map {
		switch key, known := of1(keys1, e.Key.Scalar()); {
		case !known:
			r.problem(e.Key.Pos.Line, "%s: %s is no key that is known here; it is left out", l.id, e.Key.Scalar())
		case key != "-":
			r.take(l, &l.said, key, e)
		case e.Key.Scalar() == "mac_address":
			key = "macaddress"
			if kind == ethernet {
				key = "match.macaddress"
			}
			r.take(l, &l.said, key, e)
			// The name is then the one that this hardware gets.
			if kind == ethernet && l.said.has(key) {
				l.said.set("set-name", l.id, e.Key.Pos.Line)
			}
		case e.Key.Scalar() == "params":
			r.params1(l, e)
		case e.Key.Scalar() == "subnets" && !e.Value.Missing():
			if e.Value.Kind != cloudconfig.List {
				r.refuse(l, e.Key.Pos.Line, "subnets", "must be a list, not %v", e.Value.Kind)
				continue
			}
			for _, s := range r.items(l, "subnets", e.Value) {
				r.subnet(l, s)
			}
		}
	}
	r.add(l)
}

// params1 are version 1's names of settings of bonds and bridges, without
// their prefix and with "-" for "_", where version 2 has others.
const params1 = " arp-ip-target=arp-ip-targets downdelay=down-delay fail-over-mac=fail-over-mac-policy miimon=mii-monitor-interval" +
	" num-grat-arp=gratuitous-arp packets-per-slave=packets-per-member primary-reselect=primary-reselect-policy updelay=up-delay" +
	" xmit-hash-policy=transmit-hash-policy lp-interval=learn-packet-interval all-slaves-active=all-members-active" +
	" ageing=ageing-time bridgeprio=priority fd=forward-delay hello=hello-time maxage=max-age pathcost=path-cost portprio=port-priority "

func (r *reader) params1(l *link, params cloudconfig.Entry) {
	if params.Value.Kind != cloudconfig.Map && !params.Value.Missing() {
		r.refuse(l, params.Key.Pos.Line, "params", "must be a mapping, not %v", params.Value.Kind)
	}
	for _, e := range params.Value.Map {
		name := strings.ReplaceAll(e.Key.Scalar(), "_", "-")
		name = strings.TrimPrefix(strings.TrimPrefix(name, "bond-"), "bridge-")
		if other, ok := of1(params1, name); ok {
			name = other
		}
		key := "parameters." + name
		switch is, typ, _ := lookUp(l.kind, key, true); {
		case e.Value.Missing():
		case is != knownKey:
			r.problem(e.Key.Pos.Line, "%s: params: %s is no setting that is known here; it is left out", l.id, e.Key.Scalar())
		case typ == "costs":
			r.costs1(l, key, e)
		default:
			r.take(l, &l.said, key, e)
		}
	}
}

// costs1 reads what version 1 says of a bridge's ports: "PORT NUMBER", a list
// of them, or a mapping.
func (r *reader) costs1(l *link, key string, e cloudconfig.Entry) {
	if e.Value.Kind == cloudconfig.Map {
		r.take(l, &l.said, key, e)
		return
	}
	_, _, needs := lookUp(l.kind, key, true)
	for _, item := range e.Value.Items() {
		port, number, _ := strings.Cut(strings.TrimSpace(item.Scalar()), " ")
		cost, why := one("num", []string{"0", needs[0]}, &cloudconfig.Value{Kind: cloudconfig.String, Text: number}, true)
		if why != "" || !goodName(port) {
			r.refuse(l, e.Key.Pos.Line, e.Key.Scalar(), "must be a port and a number from 0 to %s", needs[0])
			return
		}
		l.said.add(key, port+" "+cost, e.Key.Pos.Line)
	}
}

// keysSubnet are the keys of a subnet, as keys1 has those of a link.
const keysSubnet = " type=- control=- address=- ip_address=- netmask=- prefix=- gateway=- metric=- dns_nameservers=nameservers.addresses" +
	" dns_search=nameservers.search routes=- mtu=- ipv4=- ipv6=- broadcast=- "

func (r *reader) subnet(l *link, s *cloudconfig.Value) {
	if s.Kind != cloudconfig.Map {
		r.refuse(l, s.Pos.Line, "subnets", "must be mappings, not %v", s.Kind)
		return
	}
	line := s.Pos.Line
	kind := s.Get("type").Scalar()
	six := strings.HasSuffix(kind, "6") || strings.HasPrefix(kind, "ipv6")
	flag, _ := one("bool", nil, s.Get("ipv6"), true)
	if kind == "dhcp" && flag == "true" {
		kind, six = "dhcp6", true
	}
	switch kind {
	case "dhcp", "dhcp4":
		l.said.set("dhcp4", "true", line)
	case "dhcp6":
		l.said.set("dhcp6", "true", line)
	case "ipv6_dhcpv6-stateful":
		l.said.set("dhcp6", "true", line)
		l.six = "stateful"
	case "ipv6_dhcpv6-stateless":
		l.six = "stateless"
	case "ipv6_slaac":
		l.six = "slaac"
	case "static", "static6":
		if a := r.address1(l, s); a != nil {
			l.addAddress(a)
			six = !a.Addr().Is4()
		}
	case "manual", "loopback":
	case "":
		r.refuse(l, line, "subnets", "a subnet needs its type")
	default:
		r.refuse(l, line, "subnets", "a subnet of type %q is not known here", kind)
	}
	for _, e := range s.Map {
		switch key, known := of1(keysSubnet, e.Key.Scalar()); {
		case !known:
			r.problem(e.Key.Pos.Line, "%s: subnets: %s is no key that is known here; it is left out", l.id, e.Key.Scalar())
		case key != "-":
			r.servers1(l, key, e)
		default:
			r.subnetKey(l, s, e, six)
		}
	}
}

// subnetKey reads what needs to know the subnet's family.
func (r *reader) subnetKey(l *link, s *cloudconfig.Value, e cloudconfig.Entry, six bool) {
	line := e.Key.Pos.Line
	if e.Value.Missing() {
		return
	}
	family := either(six, "6", "4")
	switch e.Key.Scalar() {
	case "control":
		switch control := e.Value.Scalar(); control {
		case "auto":
		case "manual":
			l.said.set("activation-mode", "manual", line)
		case "hotplug":
			l.said.set("control", control, line)
		default:
			r.refuse(l, line, "control", "must be auto, manual or hotplug")
		}
	case "mtu":
		if !six {
			r.take(l, &l.said, "mtu", e) // over that of the whole link, as in cloud-init
			break
		}
		r.take(l, &l.said, "ipv6-mtu", e)
	case "metric":
		if strings.HasPrefix(s.Get("type").Scalar(), "static") {
			return // the gateway's
		}
		r.take(l, &l.said, "dhcp"+family+"-overrides.route-metric", e)
	case "gateway":
		var said mentions
		r.take(l, &said, "routes.via", e)
		if m := s.Get("metric"); !m.Missing() {
			r.take(l, &said, "routes.metric", cloudconfig.Entry{Key: e.Key, Value: m})
		}
		if via, err := netip.ParseAddr(said.get("routes.via")); err == nil {
			said.add("routes.to", "default", line)
			l.routes = append(l.routes, &route{line: line, to: anywhere(via), via: via, said: said})
		}
	case "routes":
		for _, item := range r.items(l, "routes", e.Value) {
			if p := r.route1(l, item); p != nil {
				l.routes = append(l.routes, p)
			}
		}
	case "ipv4", "ipv6":
		if _, why := one("bool", nil, e.Value, true); why != "" {
			r.refuse(l, line, e.Key.Scalar(), "%s", why)
		}
	case "broadcast":
		if a := r.address1(l, s); a == nil || e.Value.Scalar() != lastOf(a.Prefix) {
			r.problem(line, "%s: broadcast: every daemon takes the last address of the network; it is left out", l.id)
		}
	}
}

// lastOf is the last address of an IPv4 network.
func lastOf(p netip.Prefix) string {
	if !p.Addr().Is4() {
		return ""
	}
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(b).String()
}

// servers1 reads name servers or search domains of a subnet, which add up.
func (r *reader) servers1(l *link, key string, e cloudconfig.Entry) {
	var said mentions
	r.take(l, &said, key, e)
	if said.has(key) && !l.said.has(key) {
		l.said.add(key, said.get(key), e.Key.Pos.Line)
	}
}

// address1 reads the address of a static subnet; nil after a problem.
func (r *reader) address1(l *link, s *cloudconfig.Value) *address {
	v := s.Get("address")
	if v.Missing() {
		v = s.Get("ip_address")
	}
	if v.Missing() {
		r.refuse(l, s.Pos.Line, "address", "a static subnet needs its address")
		return nil
	}
	mask := s.Get("netmask")
	if p := s.Get("prefix"); !p.Missing() {
		mask = p
	}
	p, why := masked(v.Text, mask, true)
	if why != "" {
		if !l.refused {
			r.refuse(l, v.Pos.Line, "address", "%s", why)
		}
		return nil
	}
	return &address{Prefix: p, line: v.Pos.Line}
}

// masked reads an address with its mask: behind a slash or beside it, dotted or
// as a number. Without one the network has 24 or 64 bits, as in cloud-init's
// network_state.py; a destination (host false) is one address then.
func masked(text string, mask *cloudconfig.Value, host bool) (netip.Prefix, string) {
	ip, bits, slash := strings.Cut(strings.TrimSpace(text), "/")
	if !slash && !mask.Missing() {
		bits = strings.TrimSpace(mask.Text)
		if mask.Kind == cloudconfig.Int {
			bits = mask.Scalar()
		}
	}
	a, err := netip.ParseAddr(ip)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, strconv.Quote(text) + " is no address"
	}
	length := 0
	switch {
	case bits != "":
		length = maskBits(bits, a)
	case slash:
		length = -1
	case !host:
		length = a.BitLen()
	case a.Is4():
		length = 24
	default:
		length = 64
	}
	if length < 0 || host && length == 0 {
		return netip.Prefix{}, strconv.Quote(bits) + " is no netmask"
	}
	return netip.PrefixFrom(a, length), ""
}

// maskBits reads a netmask, dotted or as a number of bits; -1 for neither.
func maskBits(s string, a netip.Addr) int {
	if n, err := strconv.Atoi(s); err == nil {
		if n < 0 || n > a.BitLen() {
			return -1
		}
		return n
	}
	m, err := netip.ParseAddr(s)
	if err != nil || m.BitLen() != a.BitLen() {
		return -1
	}
	bits, ended := 0, false
	for _, b := range m.AsSlice() {
		for i := 7; i >= 0; i-- {
			one := b>>i&1 == 1
			if one && ended {
				return -1
			}
			if ended = !one; one {
				bits++
			}
		}
	}
	return bits
}

// keysRoute are the keys of a route, as keys1 has those of a link.
const keysRoute = " type=- destination=- network=- netmask=- prefix=- gateway=routes.via metric=routes.metric mtu=routes.mtu "

// route1 reads a route; nil after a problem.
func (r *reader) route1(l *link, v *cloudconfig.Value) *route {
	before := l.refused
	p := &route{line: v.Pos.Line}
	for _, e := range v.Map {
		switch key, known := of1(keysRoute, e.Key.Scalar()); {
		case !known:
			r.problem(e.Key.Pos.Line, "%s: routes: %s is no key that is known here; it is left out", l.id, e.Key.Scalar())
		case key != "-":
			r.take(l, &p.said, key, e)
		}
	}
	p.via, _ = netip.ParseAddr(p.said.get("routes.via"))
	to, mask := v.Get("destination"), v.Get("netmask")
	if to.Missing() {
		to = v.Get("network")
	}
	if n := v.Get("prefix"); !n.Missing() {
		mask = n
	}
	var why string
	switch {
	case l.refused && !before:
		return nil
	case to.Missing():
		why = "a route needs its destination"
	case !p.via.IsValid():
		why = "a route needs its gateway"
	case to.Scalar() == "default":
		p.to = anywhere(p.via)
	default:
		p.to, why = masked(to.Text, mask, false)
	}
	if why == "" && p.to.Addr().Is4() != p.via.Is4() {
		why = "a route has one family, IPv4 or IPv6"
	}
	if why != "" {
		r.refuse(l, p.line, "routes", "%s", why)
		return nil
	}
	// 0.0.0.0 without a mask is everywhere, not one address.
	if p.to.Addr().IsUnspecified() && mask.Missing() && !strings.Contains(to.Text, "/") {
		p.to = anywhere(p.via)
	}
	p.to = p.to.Masked()
	p.said.add("routes.to", p.to.String(), p.line)
	return p
}

// nameserver reads an entry of that type.
func (r *reader) nameserver(all *shared, v *cloudconfig.Value) {
	l := &link{kind: ethernet, id: "nameserver", v1: true}
	for _, e := range v.Map {
		switch e.Key.Scalar() {
		case "type", "interface":
		case "address":
			r.take(l, &l.said, "nameservers.addresses", e)
		case "search":
			r.take(l, &l.said, "nameservers.search", e)
		default:
			r.problem(e.Key.Pos.Line, "nameserver: %s is no key that is known here; it is left out", e.Key.Scalar())
		}
	}
	switch of := v.Get("interface"); {
	case l.refused:
	case !of.Missing():
		all.own = append(all.own, server{of.Scalar(), of.Pos.Line, l.dns, l.search})
	default:
		all.dns, all.search, all.line = append(all.dns, l.dns...), append(all.search, l.search...), v.Pos.Line
		if len(all.dns) > maxItems || len(all.search) > maxItems { // each link gets all of them
			all.dns, all.search = all.dns[:min(len(all.dns), maxItems)], all.search[:min(len(all.search), maxItems)]
			if !all.full {
				all.full = true
				r.problem(v.Pos.Line, "nameserver: more than %d addresses or search domains; the rest is left out", maxItems)
			}
		}
	}
}

// global reads a route that belongs to no link yet.
func (r *reader) global(all *shared, v *cloudconfig.Value) {
	l := &link{kind: ethernet, id: "route", v1: true}
	if p := r.route1(l, v); p != nil {
		all.routes = append(all.routes, p)
	}
}

// placeholders makes links of what bonds, bridges and vlans stand on and the
// document says nothing of, as cloud-init does.
func (r *reader) placeholders() {
	for _, l := range slices.Clone(r.links) {
		for _, id := range append(slices.Clone(l.members), l.said.get("link")) {
			if id != "" && r.links.byID(id) == nil && !slices.Contains(r.gone, id) {
				r.add(&link{kind: ethernet, id: id, line: l.line, v1: true})
			}
		}
	}
}

// spread gives what belongs to no link to the links that can use it: name
// servers to those with addresses and none of their own, a route to the one
// that reaches its gateway.
func (r *reader) spread(all *shared) {
	for _, s := range all.own {
		l := r.links.byID(s.id)
		if l == nil {
			r.problem(s.line, "nameserver: there is no interface %s", s.id)
			continue
		}
		for _, a := range s.dns {
			l.addServer(a)
		}
		l.addSearch(s.search)
	}
	if len(all.dns)+len(all.search) > 0 {
		var able, lacking links
		for _, l := range r.links {
			if l.addressed() && !l.loopback {
				able = append(able, l)
				if len(l.dns) == 0 {
					lacking = append(lacking, l)
				}
			}
		}
		if len(lacking) == 0 {
			lacking = able
		}
		if len(lacking) == 0 {
			r.problem(all.line, "nameserver: no link has an address, so none can use it")
		}
		for _, l := range lacking {
			for _, a := range all.dns {
				l.addServer(a)
			}
			l.addSearch(all.search)
		}
	}
	for _, p := range all.routes {
		if l := r.links.reaching(p.via); l != nil {
			l.routes = append(l.routes, p)
		} else {
			r.problem(p.line, "route: %s is in no link's network, and which link leads there is not said; it is left out", p.via)
		}
	}
}

// reaching is the link that leads to a gateway: the one whose network has it,
// or else the only one that leases addresses of its family, or else the only
// one that has any.
func (all links) reaching(via netip.Addr) *link {
	family, dhcp := 6, (*link).dhcp6
	if via.Is4() {
		family, dhcp = 4, (*link).dhcp4
	}
	for _, likely := range []func(*link) bool{
		func(l *link) bool { return l.reaches(via) },
		func(l *link) bool { return dhcp(l) || family == 6 && l.six != "" },
		func(l *link) bool { return l.has(family) },
	} {
		var found links
		for _, l := range all {
			if likely(l) && !l.loopback {
				found = append(found, l)
			}
		}
		if len(found) > 0 {
			if len(found) > 1 && !found[0].reaches(via) {
				return nil
			}
			return found[0]
		}
	}
	return nil
}
