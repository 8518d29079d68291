package source

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"boothook/netboot/instance"
)

// Some clouds describe a machine's network in words of their own. Here it
// becomes network-config version 2 (cloud-init's "Networking config Version
// 2"), as JSON, which is YAML: writing any other would cost the agent 100 KB.

// maxNICs bounds the links that are taken from a document.
const maxNICs = 64

// A netConfig collects links by their kind and id.
type netConfig map[string]object

// link gives the link of that kind and id, made where it is not there yet.
//
//go:noinline
func (c netConfig) link(kind, id string) object {
	if c[kind] == nil {
		c[kind] = object{}
	}
	l, _ := c[kind][id].(object)
	if l == nil {
		l = object{}
		c[kind][id] = l
	}
	return l
}

// ethernet gives the link of the NIC with that address.
//
//go:noinline
func (c netConfig) ethernet(id, mac string) object {
	l := c.link("ethernets", id)
	l.set("match", object{"macaddress": strings.ToLower(mac)})
	return l
}

// document is the whole as network-config; nil where nothing is said.
func (c netConfig) document() []byte {
	if len(c) == 0 {
		return nil
	}
	all := object{"version": 2}
	for kind, links := range c {
		for _, l := range links {
			l.(object).onLink()
		}
		all[kind] = links
	}
	body, _ := json.Marshal(all) // what was read of JSON or YAML always can be
	return body
}

// onLink marks default routes whose gateway is in none of the networks of the
// link's own addresses, though it has some of that family.
func (l object) onLink() {
	for _, r := range list(l["routes"]) {
		r := r.(object)
		via, err := netip.ParseAddr(r.str("via"))
		if to := r.str("to"); err != nil || to != "0.0.0.0/0" && to != "::/0" || r["table"] != nil || via.IsLinkLocalUnicast() {
			continue
		}
		outside := false
		for _, a := range list(l["addresses"]) {
			text, _ := a.(string)
			p, err := netip.ParsePrefix(text)
			if err != nil || p.Addr().Is4() != via.Is4() {
				continue
			}
			if outside = !p.Contains(via); !outside {
				break
			}
		}
		if outside {
			r["on-link"] = true
		}
	}
}

// networkDocument gives what a cloud says in network-config's own form.
func networkDocument(in *instance.Instance, v any) []byte {
	switch v.(type) {
	case nil:
		return nil
	case map[string]any:
		body, _ := json.Marshal(v)
		return body
	}
	in.Bad("network-config", "is not a mapping, and left out")
	return nil
}

// more adds to a list of the mapping.
//
//go:noinline
func (o object) more(name string, v ...any) {
	if len(v) > 0 {
		list, _ := o[name].([]any)
		o[name] = append(list, v...)
	}
}

// items gives the mappings of a list within the mapping, at most maxNICs.
//
//go:noinline
func (o object) items(name string) []object {
	list, _ := o[name].([]any)
	var out []object
	for _, v := range list[:min(len(list), maxNICs)] {
		if m, ok := v.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// cidr gives ADDRESS/BITS from an address and what says how long its prefix
// is: a netmask, a number, or the CIDR of the network; the address alone
// where nothing does.
func cidr(address, length string) string {
	if strings.Contains(address, "/") || address == "" {
		return address
	}
	if _, bits, ok := strings.Cut(length, "/"); ok {
		return address + "/" + bits
	}
	if mask, err := netip.ParseAddr(length); err == nil {
		bits := 0
		for _, b := range mask.AsSlice() {
			for ; b&0x80 != 0; b <<= 1 {
				bits++
			}
		}
		return address + "/" + strconv.Itoa(bits)
	}
	if length == "" {
		return address
	}
	return address + "/" + length
}

// route adds a route; no destination is the default one.
func (l object) route(to, via string) {
	if via == "" {
		return
	}
	if to == "" {
		to = "0.0.0.0/0"
		if strings.Contains(via, ":") {
			to = "::/0"
		}
	}
	routes, _ := l["routes"].([]any)
	for _, r := range routes {
		if r := r.(object); r["to"] == to && r["via"] == via {
			return
		}
	}
	l.more("routes", object{"to": to, "via": via})
}

// dhcpOverrides are those of the NIC of that number, on clouds that have several:
// the first one's routes count most, and its name servers alone.
func dhcpOverrides(i int) object {
	o := object{"route-metric": (i + 1) * 100}
	if i > 0 {
		o.set("use-dns", false)
	}
	return o
}

// servers adds name servers.
//
//go:noinline
func (l object) servers(addresses ...any) { l.names("addresses", addresses) }

// search adds domains to look names up in.
//
//go:noinline
func (l object) search(domains ...any) { l.names("search", domains) }

func (l object) names(key string, more []any) {
	if l == nil {
		return
	}
	names, _ := l["nameservers"].(object)
	if names == nil && len(more) > 0 {
		names = object{}
		l.set("nameservers", names)
	}
	have, _ := names[key].([]any)
	for _, v := range more {
		if !slices.Contains(have, v) && v != "" {
			names.more(key, v)
			have = append(have, v)
		}
	}
}

// number sets a key to a whole number that the document may give as text.
func (l object) number(key string, v any) {
	switch v := v.(type) {
	case json.Number:
		l[key] = v
	case int:
		l[key] = v
	case string:
		if n, err := strconv.Atoi(v); err == nil {
			l[key] = n
		}
	}
}

// fields are the words of a text as values of a list.
func fields(text string) []any {
	var out []any
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' }) {
		out = append(out, w)
	}
	return out
}

// digitalOceanNetwork turns the "interfaces" and "dns" of a droplet, which
// has no DHCP to ask. Name servers belong to the first public interface.
func digitalOceanNetwork(_ *instance.Instance, meta object) []byte {
	c := netConfig{}
	servers, _ := meta.object("dns")["nameservers"].([]any)
	for _, kind := range []string{"public", "private"} {
		for i, nic := range meta.object("interfaces").items(kind) {
			l := c.ethernet(kind+strconv.Itoa(i), nic.str("mac"))
			for _, family := range []string{"ipv4", "ipv6", "anchor_ipv4"} {
				a := nic.object(family)
				if a.str("ip_address") == "" {
					continue
				}
				l.address(a.str("ip_address"), a.text("netmask", "cidr"))
				// A private network has no way out, an anchor needs none.
				if kind == "public" && family != "anchor_ipv4" {
					l.route("", a.str("gateway"))
				}
			}
			if kind == "public" {
				l.servers(servers...)
				servers = nil
			}
		}
	}
	return c.document()
}

// upCloudNetwork turns the "network" of a server: DHCP, or the address given.
// Name servers are those of an address that is given, and the server's own.
func upCloudNetwork(_ *instance.Instance, meta object) []byte {
	c := netConfig{}
	dns, _ := meta.object("network")["dns"].([]any)
	for i, nic := range meta.object("network").items("interfaces") {
		l := c.ethernet("nic"+strconv.Itoa(i), nic.str("mac"))
		for _, a := range nic.items("ip_addresses") {
			dhcp, _ := a["dhcp"].(bool)
			six := a.str("family") == "IPv6"
			switch {
			case dhcp && six:
				l.set("dhcp6", true)
			case dhcp:
				l.set("dhcp4", true)
			default:
				l.address(a.str("address"), a.str("network"))
				l.route("", a.str("gateway"))
				l.servers(list(a["dns"])...)
			}
		}
		if i == 0 {
			l.servers(dns...)
		}
	}
	return c.document()
}

// vultrNetwork turns the "interfaces" of a machine: the first has DHCP and the
// routers' announcements, the others the address given. The name servers are
// those that Vultr documents.
func vultrNetwork(_ *instance.Instance, meta object) []byte {
	c := netConfig{}
	for i, nic := range meta.items("interfaces") {
		if skip, _ := nic["unconfigured"].(bool); skip && i > 0 {
			continue
		}
		l := c.ethernet("nic"+strconv.Itoa(i), nic.str("mac"))
		if i == 0 {
			l.set("dhcp4", true)
			l.set("accept-ra", true)
			l.servers("108.61.10.10", "2001:19f0:300:1704::6")
		} else if a := nic.object("ipv4"); a.str("address") != "" {
			l.address(a.str("address"), a.str("netmask"))
		}
		l.number("mtu", nic["mtu"])
		switch ra := nic["accept-ra"].(type) {
		case bool:
			l.set("accept-ra", ra)
		case json.Number:
			l.set("accept-ra", ra != "0")
		}
		l.routes(nic.items("routes"))
		for _, a := range nic.object("ipv4").items("additional") {
			l.address(a.str("address"), a.str("netmask"))
			l.routes(a.items("routes"))
		}
		for _, a := range nic.object("ipv6").items("additional") {
			l.address(a.str("network"), a.str("prefix"))
			l.routes(a.items("routes"))
		}
	}
	return c.document()
}

// set sets a key. It is not inlined: what has many keys to set would be larger.
//
//go:noinline
func (o object) set(key string, v any) { o[key] = v }

// address adds one, with what says how long its prefix is; none is nothing.
func (l object) address(address, length string) {
	if address != "" {
		l.more("addresses", cidr(address, length))
	}
}

// routes adds routes that are given as network, netmask (or prefix) and gateway.
func (l object) routes(list []object) {
	for _, r := range list {
		l.route(cidr(r.text("network", "destination"), r.text("netmask", "prefix")), r.str("gateway"))
	}
}

// version1 takes in the NICs and name servers of network-config version 1, for
// clouds whose names of NICs are not those that the machine has.
func (c netConfig) version1(config []object) {
	var first object
	for i, nic := range config {
		if nic.str("type") == "nameserver" {
			first.servers(list(nic["address"])...)
			first.search(list(nic["search"])...)
			continue
		}
		l := c.ethernet("nic"+strconv.Itoa(i), nic.str("mac_address"))
		if first == nil {
			first = l
		}
		l.number("mtu", nic["mtu"])
		for _, s := range nic.items("subnets") {
			switch kind := s.str("type"); kind {
			case "dhcp", "dhcp4":
				l.set("dhcp4", true)
			case "dhcp6", "ipv6_dhcpv6-stateful":
				l.set("dhcp6", true)
			case "ipv6_slaac":
				l.set("accept-ra", true)
			default:
				l.address(s.str("address"), s.text("netmask", "prefix"))
			}
			l.route("", s.str("gateway"))
			l.routes(s.items("routes"))
			l.servers(list(s["dns_nameservers"])...)
			l.search(list(s["dns_search"])...)
		}
	}
}

// list gives a list, or the words of a text.
//
//go:noinline
func list(v any) []any {
	if text, ok := v.(string); ok {
		return fields(text)
	}
	out, _ := v.([]any)
	return out
}
