package network

import (
	"net/netip"
	"strings"
)

// The bounds of a document.
const (
	// maxLinks bounds the links of one document, maxItems the addresses,
	// routes, rules, peers or name servers of one link.
	maxLinks = 256
	maxItems = 256
	// maxName is the longest name of an interface, in bytes
	// (include/uapi/linux/if.h, IFNAMSIZ less its end).
	maxName = 15
	// mainTable is the routing table that counts where nothing else is said.
	mainTable = "254"
)

// What a link is, by version 2's names.
const (
	ethernet = "ethernets"
	bond     = "bonds"
	bridge   = "bridges"
	vlan     = "vlans"
	vrf      = "vrfs"
	dummy    = "dummy-devices"
	veth     = "virtual-ethernets"
	tunnel   = "tunnels"
)

// links are what a document describes, whichever version it has.
type links []*link

// A link is one interface as the renderers see it.
type link struct {
	kind string
	// id is the document's name of the link.
	id   string
	line int
	// said has what the document says of the link itself by version 2's
	// keys, those of mappings below it with a dot between: "mtu",
	// "dhcp4-overrides.use-dns", "parameters.mode".
	said      mentions
	addresses []*address
	routes    []*route
	rules     []*rule
	peers     []*peer
	// members are the ids of a bond's, bridge's or vrf's.
	members []string
	dns     []netip.Addr
	search  []string
	// loopback is the interface lo; infiniband has addresses of 20 bytes.
	loopback, infiniband bool
	// six is how version 1 wants IPv6 to be configured beyond dhcp6 and
	// accept-ra: "slaac", "stateless" or "stateful"; else empty.
	six string
	// v1 says that the document is of version 1.
	v1 bool
	// refused links are left out; why has been said.
	refused bool
}

// An address is one address of a link with its network's length.
type address struct {
	netip.Prefix
	line int
	said mentions // addresses.label, addresses.lifetime
}

// A route is one route of a link.
type route struct {
	line int
	// to is the destination; all of a family for the default route.
	to  netip.Prefix
	via netip.Addr // the zero Addr: directly on the link
	// from is the preferred source address; may be the zero Addr.
	from netip.Addr
	// onLink says that via is reached without a route to it, whether the
	// document says so or because it is in none of the link's networks.
	onLink bool
	said   mentions // routes.metric and others; routes.to and via too
}

func (r *route) isDefault() bool { return r.to.Bits() == 0 }

// kind is what the route does: unicast, unless the document says otherwise.
func (r *route) kind() string {
	if t := r.said.get("routes.type"); t != "" {
		return t
	}
	return "unicast"
}

// A rule is one rule of policy routing.
type rule struct {
	line int
	six  bool     // it is IPv6's
	said mentions // routing-policy.from and others
}

// A peer is one of a wireguard tunnel's.
type peer struct {
	line int
	said mentions // peers.endpoint and others
}

// A mention is one key of the document, its value as text: booleans are "true"
// and "false", times a number of milliseconds or seconds.
type mention struct {
	key, value string
	line       int
}

type mentions []mention

// get gives the value of a key; empty where the document does not say it.
func (m mentions) get(key string) string {
	for i := range m {
		if m[i].key == key {
			return m[i].value
		}
	}
	return ""
}

func (m mentions) is(key string) bool { return m.get(key) == "true" }
func (m mentions) no(key string) bool { return m.get(key) == "false" }

func (m mentions) has(key string) bool {
	for i := range m {
		if m[i].key == key {
			return true
		}
	}
	return false
}

// under says whether the document has anything below a mapping.
func (m mentions) under(prefix string) bool {
	for i := range m {
		if strings.HasPrefix(m[i].key, prefix) {
			return true
		}
	}
	return false
}

func (m mentions) line(key string) int {
	for i := range m {
		if m[i].key == key {
			return m[i].line
		}
	}
	return 0
}

func (m *mentions) add(key, value string, line int) { *m = append(*m, mention{key, value, line}) }

// set replaces what was said of a key.
func (m *mentions) set(key, value string, line int) {
	for i := range *m {
		if (*m)[i].key == key {
			(*m)[i] = mention{key, value, line}
			return
		}
	}
	m.add(key, value, line)
}

// drop forgets a key.
func (m *mentions) drop(key string) {
	kept := (*m)[:0]
	for _, x := range *m {
		if x.key != key {
			kept = append(kept, x)
		}
	}
	*m = kept
}

// device is the name under which the interface will be known, or the id where
// its match leaves that open.
func (l *link) device() string {
	name, _ := l.name()
	return name
}

// name is the interface's name, if the document tells it: a match by anything
// but one whole name leaves it open.
func (l *link) name() (string, bool) {
	if name := l.said.get("set-name"); name != "" {
		return name, true
	}
	if name := l.said.get("match.name"); name != "" && !strings.ContainsAny(name, "*?[") {
		return name, true
	}
	return l.id, !l.said.under("match.")
}

func (l *link) dhcp4() bool { return l.said.is("dhcp4") }
func (l *link) dhcp6() bool { return l.said.is("dhcp6") }

// virtual is true of what the daemon has to make first.
func (l *link) virtual() bool { return l.kind != ethernet }

// has says whether the link has an address of a family (4 or 6) of its own.
func (l *link) has(family int) bool {
	for _, a := range l.addresses {
		if a.Addr().Is4() == (family == 4) {
			return true
		}
	}
	return false
}

// addressed says whether the link gets any address from its configuration.
func (l *link) addressed() bool {
	return len(l.addresses) > 0 || l.dhcp4() || l.dhcp6() || l.six != ""
}

// linkLocal says whether the link has link-local addresses of a family: IPv6's
// by default, none on members of bonds and bridges (netplan's documentation of
// link-local).
func (l *link) linkLocal(all links, family string) bool {
	if m := all.master(l); m != nil && m.kind != vrf {
		return false
	}
	if l.said.has("link-local") {
		return strings.Contains(l.said.get("link-local"), family)
	}
	return family == "ipv6"
}

// byID finds a link by the document's name of it.
func (all links) byID(id string) *link {
	for _, l := range all {
		if l.id == id {
			return l
		}
	}
	return nil
}

// deviceOf is the name of the interface that the document calls id.
func (all links) deviceOf(id string) string {
	if l := all.byID(id); l != nil {
		return l.device()
	}
	return id
}

// master is the bond or bridge that has the link among its members, or the vrf
// if there is only one.
func (all links) master(l *link) *link {
	var found *link
	for _, m := range all {
		for _, id := range m.members {
			if id == l.id && (found == nil || found.kind == vrf) {
				found = m
			}
		}
	}
	return found
}

// vrfOf is the vrf that has the link among its members.
func (all links) vrfOf(l *link) *link {
	for _, m := range all {
		if m.kind != vrf {
			continue
		}
		for _, id := range m.members {
			if id == l.id {
				return m
			}
		}
	}
	return nil
}

// on lists the links of a kind that are on top of a link.
func (all links) on(l *link, kind string) []string {
	var out []string
	for _, v := range all {
		if v.kind == kind && v.said.get("link") == l.id && v.said.has("link") {
			out = append(out, v.device())
		}
	}
	return out
}

// addrs gives the addresses of one family, or of both (0), as text.
func addrs(list []netip.Addr, family int) []string {
	var out []string
	for _, a := range list {
		if family == 0 || family == 4 == a.Is4() {
			out = append(out, a.String())
		}
	}
	return out
}

// anywhere is the default destination of the address's family.
func anywhere(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

// reaches says whether one of the link's networks contains a gateway.
func (l *link) reaches(via netip.Addr) bool {
	for _, a := range l.addresses {
		if a.Masked().Contains(via) {
			return true
		}
	}
	return false
}
