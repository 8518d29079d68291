package network

import (
	"strconv"
	"strings"

	"boothook/injector/cloudconfig"
)

// version1 reads the list "config" of a version 1 document.
func (r *reader) version1(doc *cloudconfig.Value) {
	var (
		shared link // name servers and routes that belong to no link
		items  = doc.Get("config")
	)
	for _, item := range items.Items() {
		switch kind := item.Get("type").Scalar(); kind {
		case "loopback":
		case "physical":
			r.link1(ethernet, item)
		case "bond":
			r.link1(bond, item)
		case "bridge":
			r.link1(bridge, item)
		case "vlan":
			r.link1(vlan, item)
		case "nameserver":
			shared.dns = append(shared.dns, r.servers(item.Get("address"))...)
			shared.search = append(shared.search, r.names(item.Get("search"))...)
		case "route":
			r.route1(&shared, item)
		default:
			r.problem(item, "type %q is not known here", kind)
		}
	}
	r.spread(&shared)
}

// spread gives what belongs to no link to the links that can use it: name
// servers to all with an address of their own, a route to the one whose
// network its gateway is in.
func (r *reader) spread(shared *link) {
	for _, l := range r.links {
		if len(l.addresses) > 0 || l.dhcp4 || l.dhcp6 {
			l.dns = append(l.dns, shared.dns...)
			l.search = append(l.search, shared.search...)
		}
	}
	for _, route := range shared.routes {
		for _, l := range r.links {
			if l.reaches(route) {
				l.routes = append(l.routes, route)
				break
			}
		}
	}
}

func (l *link) reaches(r route) bool {
	for _, a := range l.addresses {
		if a.Masked().Contains(r.via) {
			return true
		}
	}
	return false
}

func (r *reader) link1(kind string, v *cloudconfig.Value) {
	l := &link{
		kind: kind, id: r.text(v.Get("name")), mtu: r.number(v.Get("mtu"), 65535),
		parent: r.text(v.Get("vlan_link")), tag: r.number(v.Get("vlan_id"), 4094),
	}
	mac := r.hardware(v.Get("mac_address"))
	if kind == ethernet {
		// The name is then the one that this hardware gets.
		if l.mac = mac; mac != "" {
			l.rename = l.id
		}
	} else {
		l.address = mac
	}
	l.members = append(r.names(v.Get("bond_interfaces")), r.names(v.Get("bridge_interfaces"))...)
	for _, e := range v.Get("params").Map {
		r.param(l, e.Key, e.Value)
	}
	if ra := v.Get("accept-ra"); !ra.Missing() {
		l.ra = new(bool)
		*l.ra = ra.Truth(false)
	}
	for _, s := range v.Get("subnets").Items() {
		r.subnet(l, s)
	}
	r.add(l, v)
}

func (r *reader) subnet(l *link, s *cloudconfig.Value) {
	switch kind := s.Get("type").Scalar(); kind {
	case "dhcp", "dhcp4":
		l.dhcp4 = true
	case "dhcp6", "ipv6_dhcpv6-stateful", "ipv6_dhcpv6-stateless":
		l.dhcp6 = true
	case "ipv6_slaac":
		l.ra = new(bool)
		*l.ra = true
	case "static", "static6":
		if p, ok := r.prefix(s.Get("address"), s.Get("netmask")); ok {
			l.addresses = append(l.addresses, p)
		}
		l.gateway(r.addr(s.Get("gateway")))
	case "manual":
	default:
		r.problem(s, "a subnet of type %q is not known here", kind)
	}
	l.dns = append(l.dns, r.servers(s.Get("dns_nameservers"))...)
	l.search = append(l.search, r.names(s.Get("dns_search"))...)
	for _, item := range r.items(s.Get("routes")) {
		r.route1(l, item)
	}
}

func (r *reader) route1(l *link, v *cloudconfig.Value) {
	to := v.Get("destination")
	if to.Missing() {
		to = v.Get("network")
	}
	via := r.addr(v.Get("gateway"))
	p, ok := r.prefix(to, v.Get("netmask"))
	switch {
	case !via.IsValid():
		r.problem(v, "a route without a gateway")
	case !ok && to.Scalar() == "default":
		l.routes = append(l.routes, route{to: anywhere(via), via: via, metric: r.number(v.Get("metric"), 1<<31)})
	case ok:
		l.routes = append(l.routes, route{to: p.Masked(), via: via, metric: r.number(v.Get("metric"), 1<<31)})
	}
}

// param takes a setting of a bond or bridge in by netplan's name.
func (r *reader) param(l *link, key, v *cloudconfig.Value) {
	name := strings.ReplaceAll(key.Scalar(), "_", "-")
	for _, start := range []string{"bond-", "bridge-"} {
		name = strings.TrimPrefix(name, start)
	}
	for _, k := range knownParams() {
		if k.kind == l.kind && (name == k.netplan || name == k.v1) {
			value := r.text(v)
			if v.Kind == cloudconfig.Bool {
				value = strconv.FormatBool(v.Bool)
			}
			if value != "" {
				l.params = append(l.params, param{k.netplan, value})
			}
			return
		}
	}
	r.problem(v, "the setting %q is not carried over", key.Scalar())
}

// A knownParam is a setting by its names: netplan's, version 1's without its
// prefix, ifupdown's, networkd's and NetworkManager's.
type knownParam struct{ kind, netplan, v1, ifupdown, networkd, keyfile string }

func knownParams() []knownParam {
	return []knownParam{
		{bond, "mode", "mode", "bond-mode", "Mode", "mode"},
		{bond, "mii-monitor-interval", "miimon", "bond-miimon", "MIIMonitorSec", "miimon"},
		{bond, "lacp-rate", "lacp-rate", "bond-lacp-rate", "LACPTransmitRate", "lacp_rate"},
		{bond, "transmit-hash-policy", "xmit-hash-policy", "bond-xmit-hash-policy", "TransmitHashPolicy", "xmit_hash_policy"},
		{bond, "up-delay", "updelay", "bond-updelay", "UpDelaySec", "updelay"},
		{bond, "down-delay", "downdelay", "bond-downdelay", "DownDelaySec", "downdelay"},
		{bond, "min-links", "min-links", "bond-min-links", "MinLinks", "min_links"},
		{bridge, "stp", "stp", "bridge_stp", "STP", "stp"},
		{bridge, "forward-delay", "fd", "bridge_fd", "ForwardDelaySec", "forward-delay"},
		{bridge, "priority", "bridgeprio", "bridge_bridgeprio", "Priority", "priority"},
		{bridge, "hello-time", "hello", "bridge_hello", "HelloTimeSec", "hello-time"},
		{bridge, "max-age", "maxage", "bridge_maxage", "MaxAgeSec", "max-age"},
		{bridge, "ageing-time", "ageing", "bridge_ageing", "AgeingTimeSec", "ageing-time"},
	}
}

// known gives the names of a parameter that was taken in.
func (p param) known(kind string) knownParam {
	for _, k := range knownParams() {
		if k.kind == kind && k.netplan == p.name {
			return k
		}
	}
	return knownParam{}
}
