package simulate

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// A NIC is one of a machine's, as its cloud describes it.
type NIC struct {
	MAC string
	// Address is ADDRESS/BITS.
	Address string
	// Gateway is the default one's address; "" for none.
	Gateway string
}

// ParseNIC reads MAC=ADDRESS/BITS[,GATEWAY].
func ParseNIC(text string) (NIC, error) {
	mac, rest, ok := strings.Cut(text, "=")
	address, gateway, _ := strings.Cut(rest, ",")
	n := NIC{MAC: strings.ToLower(mac), Address: address, Gateway: gateway}
	if _, err := net.ParseMAC(mac); !ok || err != nil {
		return NIC{}, fmt.Errorf("%q is not MAC=ADDRESS/BITS[,GATEWAY]", text)
	}
	if _, err := netip.ParsePrefix(address); err != nil {
		return NIC{}, fmt.Errorf("%q: %w", text, err)
	}
	if gateway != "" {
		if _, err := netip.ParseAddr(gateway); err != nil {
			return NIC{}, fmt.Errorf("%q: %w", text, err)
		}
	}
	return n, nil
}

// prefix is the address with its length; the zero value for one that is none.
func (n NIC) prefix() netip.Prefix {
	p, _ := netip.ParsePrefix(n.Address)
	return p
}

// ip and bits are the parts of the address.
func (n NIC) ip() string   { return n.prefix().Addr().String() }
func (n NIC) bits() string { return strconv.Itoa(n.prefix().Bits()) }

func (n NIC) six() bool { return n.prefix().Addr().Is6() }

// subnet is the network of the address.
func (n NIC) subnet() string { return n.prefix().Masked().String() }

// mask is the length of the prefix, as IPv4 writes it where it is that.
func (n NIC) mask() string {
	if n.six() {
		return n.bits()
	}
	return net.IP(net.CIDRMask(n.prefix().Bits(), 32)).String()
}

// version2 is network-config of version 2.
func (m Machine) version2() map[string]any {
	ethernets := map[string]any{}
	for i, n := range m.NICs {
		e := map[string]any{"match": map[string]any{"macaddress": n.MAC}, "addresses": []string{n.Address}}
		if n.Gateway != "" {
			e["routes"] = []any{map[string]any{"to": "default", "via": n.Gateway}}
		}
		ethernets[fmt.Sprintf("nic%d", i)] = e
	}
	return map[string]any{"version": 2, "ethernets": ethernets}
}

// version1 is network-config of version 1.
func (m Machine) version1() map[string]any {
	config := []any{}
	for i, n := range m.NICs {
		subnet := map[string]any{"type": "static", "address": n.Address}
		if n.Gateway != "" {
			subnet["gateway"] = n.Gateway
		}
		config = append(config, map[string]any{
			"type": "physical", "name": fmt.Sprintf("ens%d", 18+i), "mac_address": n.MAC, "subnets": []any{subnet},
		})
	}
	return map[string]any{"version": 1, "config": config}
}

// each gives what f makes of each NIC.
func (m Machine) each(f func(int, NIC) any) []any {
	out := []any{}
	for i, n := range m.NICs {
		out = append(out, f(i, n))
	}
	return out
}

// addEC2 adds what EC2's tree says of NICs below meta-data.
func (m Machine) addEC2(text map[string]string) {
	for i, n := range m.NICs {
		dir := "meta-data/network/interfaces/macs/" + n.MAC + "/"
		text[dir+"mac"], text[dir+"device-number"] = n.MAC, strconv.Itoa(i)
		text[dir+"interface-id"] = fmt.Sprintf("eni-%08d", i)
		if n.six() {
			text[dir+"ipv6s"], text[dir+"subnet-ipv6-cidr-blocks"] = n.ip(), n.subnet()
		} else {
			text[dir+"local-ipv4s"], text[dir+"subnet-ipv4-cidr-block"] = n.ip(), n.subnet()
		}
	}
}

// azure is the "interface" of Azure's service.
func (m Machine) azure() []any {
	return m.each(func(_ int, n NIC) any {
		own := map[string]any{
			"ipAddress": []any{map[string]any{"privateIpAddress": n.ip(), "publicIpAddress": ""}},
			"subnet":    []any{map[string]any{"address": n.prefix().Masked().Addr().String(), "prefix": n.bits()}},
		}
		none := map[string]any{"ipAddress": []any{}}
		e := map[string]any{"macAddress": strings.ToUpper(strings.ReplaceAll(n.MAC, ":", "")), "ipv4": own, "ipv6": none}
		if n.six() {
			e["ipv4"], e["ipv6"] = none, own
		}
		return e
	})
}

// oracle is the list of virtual NICs.
func (m Machine) oracle() []any {
	return m.each(func(i int, n NIC) any {
		e := map[string]any{"vnicId": fmt.Sprintf("ocid1.vnic.oc1..%d", i), "macAddr": n.MAC, "vlanTag": i}
		if n.six() {
			e["ipv6Addresses"], e["ipv6SubnetCidrBlock"] = []string{n.ip()}, n.subnet()
		} else {
			e["privateIp"], e["subnetCidrBlock"], e["virtualRouterIp"] = n.ip(), n.subnet(), n.Gateway
		}
		return e
	})
}

// vultr is the list of interfaces: the first is public.
func (m Machine) vultr() []any {
	return m.each(func(i int, n NIC) any {
		kind := "private"
		if i == 0 {
			kind = "public"
		}
		return map[string]any{
			"mac": n.MAC, "network-type": kind,
			"ipv4": map[string]any{"address": n.ip(), "netmask": n.mask(), "gateway": n.Gateway, "additional": []any{}},
			"ipv6": map[string]any{"additional": []any{}},
		}
	})
}

// scaleway is the list of public addresses, all of the one NIC.
func (m Machine) scaleway() []any {
	return m.each(func(i int, n NIC) any {
		family := "inet"
		if n.six() {
			family = "inet6"
		}
		return map[string]any{"id": strconv.Itoa(i), "address": n.ip(), "netmask": n.bits(), "gateway": n.Gateway, "family": family}
	})
}

// hetznerPrivate are the NICs beside the first.
func (m Machine) hetznerPrivate() []any {
	out := m.each(func(i int, n NIC) any {
		return map[string]any{"ip": n.ip(), "interface_num": i, "mac_address": n.MAC, "network_name": "network-" + strconv.Itoa(i), "alias_ips": []any{}}
	})
	return out[min(1, len(out)):]
}

// openStack are the links and networks of network_data.json.
func (m Machine) openStack() (links, networks []any) {
	links = m.each(func(i int, n NIC) any {
		return map[string]any{"id": fmt.Sprintf("tap%d", i), "type": "ovs", "ethernet_mac_address": n.MAC, "mtu": 1450}
	})
	networks = m.each(func(i int, n NIC) any {
		kind := "ipv4"
		if n.six() {
			kind = "ipv6"
		}
		routes := []any{}
		if n.Gateway != "" && !n.six() {
			routes = append(routes, map[string]any{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": n.Gateway})
		} else if n.Gateway != "" {
			routes = append(routes, map[string]any{"network": "::", "netmask": "::", "gateway": n.Gateway})
		}
		return map[string]any{
			"id": fmt.Sprintf("network%d", i), "link": fmt.Sprintf("tap%d", i), "type": kind, "ip_address": n.ip(), "netmask": n.mask(), "routes": routes,
		}
	})
	return links, networks
}

// openNebula are the variables ETHn_NAME.
func (m Machine) openNebula() (variables [][2]string) {
	for i, n := range m.NICs {
		p := fmt.Sprintf("ETH%d_", i)
		variables = append(variables, [2]string{p + "MAC", n.MAC})
		if n.six() {
			variables = append(variables, [2]string{p + "IP6", n.ip()}, [2]string{p + "IP6_PREFIX_LENGTH", n.bits()}, [2]string{p + "IP6_GATEWAY", n.Gateway})
		} else {
			variables = append(variables, [2]string{p + "IP", n.ip()}, [2]string{p + "MASK", n.mask()}, [2]string{p + "GATEWAY", n.Gateway})
		}
	}
	return variables
}
