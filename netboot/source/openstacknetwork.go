package source

import (
	"strconv"
	"strings"

	"boothook/netboot/instance"
)

// openStackNetwork turns network_data.json ("Networking" in Nova's guide on
// metadata, with the JSON schema doc/api_schemas/network_data.json).
func openStackNetwork(in *instance.Instance, body []byte) []byte {
	data := beside(in, openStackNetworkData, body)
	c, names := netConfig{}, map[string]string{}
	links := map[string]object{}
	list := data.items("links")
	for _, l := range list {
		id := l.str("id")
		names[id], links[id] = c.openStackLink(l)
	}
	for _, l := range list { // a link may stand before those that it is made of
		link := links[l.str("id")]
		switch l.str("type") {
		case "bond":
			members, _ := l["bond_links"].([]any)
			for _, m := range members {
				id, _ := m.(string)
				link.more("interfaces", names[id])
			}
		case "vlan":
			link.set("link", names[l.str("vlan_link")])
		}
	}
	shared := nameServers(data)
	for _, n := range data.items("networks") {
		link := links[n.str("link")]
		if link == nil {
			continue
		}
		switch kind := n.str("type"); kind {
		case "ipv4_dhcp":
			link.set("dhcp4", true)
		case "ipv6_dhcp", "ipv6_dhcpv6-stateful":
			link.set("dhcp6", true)
			link.set("accept-ra", true)
		case "ipv6_dhcpv6-stateless":
			link.set("dhcp6", true)
		case "ipv6_slaac":
			link.set("accept-ra", true)
		default:
			if strings.HasPrefix(kind, "ipv6") || kind == "static6" {
				link.set("accept-ra", false)
			}
			link.address(n.str("ip_address"), n.str("netmask"))
		}
		link.route("", n.str("gateway"))
		for _, r := range n.items("routes") {
			link.servers(nameServers(r)...)
		}
		link.routes(n.items("routes"))
		link.servers(nameServers(n)...)
		link.servers(shared...)
		shared = nil // once is enough
	}
	return c.document()
}

// nameServers are those among the services of a document, network or route.
func nameServers(o object) (addresses []any) {
	for _, s := range o.items("services") {
		if s.str("type") == "dns" {
			addresses = append(addresses, s.str("address"))
		}
	}
	return addresses
}

// openStackLink takes one link in and gives its id in network-config. Its id here
// is no interface's name: bonds and vlans get names that fit.
func (c netConfig) openStackLink(l object) (string, object) {
	var link object
	id, mac := l.str("id"), l.str("ethernet_mac_address")
	switch l.str("type") {
	case "bond":
		id = "bond" + strconv.Itoa(len(c["bonds"]))
		link = c.link("bonds", id)
		link.set("parameters", bondParameters(l))
	case "vlan":
		// The same tag may be on several links.
		tag := l.str("vlan_id")
		id = "vlan" + tag
		for n := 1; c["vlans"][id] != nil; n++ {
			id = "vlan" + tag + "-" + strconv.Itoa(n)
		}
		link, mac = c.link("vlans", id), l.str("vlan_mac_address")
		link.number("id", l["vlan_id"])
	default:
		name := l.str("name")
		if mac == "" {
			id = name // all that there is to know it by
		}
		link = c.link("ethernets", id)
		if mac != "" {
			link.set("match", object{"macaddress": strings.ToLower(mac)})
			if name != "" {
				link.set("set-name", name)
			}
		}
		mac = ""
	}
	if mac != "" {
		link.set("macaddress", strings.ToLower(mac))
	}
	link.number("mtu", l["mtu"])
	return id, link
}

// bondParameters turns bond_KEY, whose names are those of the kernel's driver
// (Documentation/networking/bonding.rst).
func bondParameters(l object) object {
	// Those that are called otherwise; underlines become hyphens.
	names := map[string]string{
		"miimon": "mii-monitor-interval", "xmit_hash_policy": "transmit-hash-policy", "updelay": "up-delay", "downdelay": "down-delay",
		"arp_ip_target": "arp-ip-targets", "fail_over_mac": "fail-over-mac-policy", "num_grat_arp": "gratuitous-arp",
		"num_unsol_na": "gratuitous-arp", "packets_per_slave": "packets-per-member", "primary_reselect": "primary-reselect-policy",
		"lp_interval": "learn-packet-interval", "all_slaves_active": "all-members-active",
	}
	// The driver's modes by their numbers.
	modes := []string{"balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"}
	out := object{}
	for key, v := range l {
		own, ok := strings.CutPrefix(key, "bond_")
		if !ok || own == "links" || v == nil {
			continue
		}
		name, ok := names[own]
		if !ok {
			name = strings.ReplaceAll(own, "_", "-")
		}
		switch n, err := strconv.Atoi(l.str(key)); {
		case own == "mode" && err == nil && n >= 0 && n < len(modes):
			v = modes[n]
		case own == "arp_ip_target":
			if text, ok := v.(string); ok {
				v = fields(text)
			}
		}
		out[name] = v
	}
	return out
}
