package source

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Some clouds describe a machine's network in words of their own. Here it
// becomes network-config version 2 (cloud-init's "Networking config Version
// 2"), as JSON, which is YAML: writing any other would cost the agent 100 KB.

// maxNICs bounds the links that are taken from a document.
const maxNICs = 64

// A netConfig collects links by their kind and id.
type netConfig map[string]object

// link gives the link of that kind and id, made where it is not there yet.
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
func (c netConfig) ethernet(id, mac string) object {
	l := c.link("ethernets", id)
	l["match"] = object{"macaddress": strings.ToLower(mac)}
	return l
}

// document is the whole as network-config; nil where nothing is said.
func (c netConfig) document() ([]byte, error) {
	if len(c) == 0 {
		return nil, nil
	}
	all := object{"version": 2}
	for kind, links := range c {
		all[kind] = links
	}
	return networkDocument(all)
}

// networkDocument gives what a cloud says in network-config's own form.
func networkDocument(v any) ([]byte, error) {
	if m, _ := v.(map[string]any); m == nil {
		if _, ours := v.(object); !ours {
			return nil, nil
		}
	}
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: network-config: %w", ErrMalformed, err)
	}
	return body, nil
}

// more adds to a list of the mapping.
func (o object) more(name string, v ...any) {
	if len(v) > 0 {
		list, _ := o[name].([]any)
		o[name] = append(list, v...)
	}
}

// items gives the mappings of a list within the mapping, at most maxNICs.
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
	l.more("routes", object{"to": to, "via": via})
}

// servers adds name servers.
func (l object) servers(addresses ...any) {
	if len(addresses) == 0 {
		return
	}
	names, _ := l["nameservers"].(object)
	if names == nil {
		names = object{}
		l["nameservers"] = names
	}
	names.more("addresses", addresses...)
}

// openStackNetwork turns network_data.json ("Networking" in Nova's guide on
// metadata, with the JSON schema doc/api_schemas/network_data.json).
func openStackNetwork(body []byte) ([]byte, error) {
	data, err := parseOptional(openStackNetworkData, body)
	if err != nil {
		return nil, err
	}
	c, byID := netConfig{}, map[string]object{}
	for _, l := range data.items("links") {
		byID[l.text("id")] = c.openStackLink(l)
	}
	var shared []any
	for _, s := range data.items("services") {
		shared = append(shared, s.text("address"))
	}
	for _, n := range data.items("networks") {
		link := byID[n.text("link")]
		if link == nil {
			continue
		}
		switch kind := n.text("type"); kind {
		case "ipv4_dhcp":
			link["dhcp4"] = true
		case "ipv6_dhcp", "ipv6_dhcpv6-stateful", "ipv6_dhcpv6-stateless":
			link["dhcp6"] = true
		case "ipv6_slaac":
			link["accept-ra"] = true
		default:
			link.more("addresses", cidr(n.text("ip_address"), n.text("netmask")))
		}
		for _, r := range n.items("routes") {
			link.route(cidr(r.text("network"), r.text("netmask")), r.text("gateway"))
		}
		link.route("", n.text("gateway"))
		for _, s := range n.items("services") {
			link.servers(s.text("address"))
		}
		link.servers(shared...)
		shared = nil // once is enough
	}
	return c.document()
}

// openStackLink takes one link in. Its id is no interface's name: bonds and
// vlans get names that fit.
func (c netConfig) openStackLink(l object) object {
	var link object
	switch id, mac := l.text("id"), l.text("ethernet_mac_address"); l.text("type") {
	case "bond":
		link = c.link("bonds", "bond"+strconv.Itoa(len(c["bonds"])))
		link["macaddress"] = mac
		link["interfaces"] = l["bond_links"]
		params := object{}
		for ours, theirs := range map[string]string{"mode": "bond_mode", "mii-monitor-interval": "bond_miimon", "transmit-hash-policy": "bond_xmit_hash_policy"} {
			if v := l.text(theirs); v != "" {
				params[ours] = v
			}
		}
		link["parameters"] = params
	case "vlan":
		link = c.link("vlans", "vlan"+l.text("vlan_id"))
		link["id"], link["link"] = l["vlan_id"], l.text("vlan_link")
		if mac := l.text("vlan_mac_address"); mac != "" {
			link["macaddress"] = mac
		}
	default:
		link = c.ethernet(id, mac)
	}
	if mtu := l["mtu"]; mtu != nil {
		link["mtu"] = mtu
	}
	return link
}

// digitalOceanNetwork turns the "interfaces" and "dns" of a droplet, which
// has no DHCP to ask. Name servers belong to the first public interface.
func digitalOceanNetwork(meta object) ([]byte, error) {
	c := netConfig{}
	servers, _ := meta.object("dns")["nameservers"].([]any)
	for _, kind := range []string{"public", "private"} {
		for i, nic := range meta.object("interfaces").items(kind) {
			l := c.ethernet(kind+strconv.Itoa(i), nic.text("mac"))
			for _, family := range []string{"ipv4", "ipv6", "anchor_ipv4"} {
				a := nic.object(family)
				if a.text("ip_address") == "" {
					continue
				}
				l.more("addresses", cidr(a.text("ip_address"), a.text("netmask", "cidr")))
				// A private network has no way out, an anchor needs none.
				if kind == "public" && family != "anchor_ipv4" {
					l.route("", a.text("gateway"))
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
func upCloudNetwork(meta object) ([]byte, error) {
	c := netConfig{}
	for i, nic := range meta.object("network").items("interfaces") {
		l := c.ethernet("nic"+strconv.Itoa(i), nic.text("mac"))
		for _, a := range nic.items("ip_addresses") {
			dhcp, _ := a["dhcp"].(bool)
			six := a.text("family") == "IPv6"
			switch {
			case dhcp && six:
				l["dhcp6"] = true
			case dhcp:
				l["dhcp4"] = true
			default:
				l.more("addresses", cidr(a.text("address"), a.text("network")))
				if nic.text("type") == "public" {
					l.route("", a.text("gateway"))
				}
				servers, _ := a["dns"].([]any)
				l.servers(servers...)
			}
		}
	}
	return c.document()
}
