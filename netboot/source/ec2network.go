package source

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// What a tree like EC2's says of a NIC stands below its hardware address
// ("Instance metadata categories" of the EC2 user guide).
const (
	ec2MACs    = "meta-data/network/interfaces/macs/"
	ec2Device  = "/device-number"
	ec2IPv4s   = "/local-ipv4s"
	ec2IPv6s   = "/ipv6s"
	ec2Subnet4 = "/subnet-ipv4-cidr-block"
	ec2Subnet6 = "/subnet-ipv6-cidr-blocks"
	// The list of keys, NUMBER=NAME on each line.
	ec2Keys = "meta-data/public-keys/"
	// maxEC2NICs and maxEC2Keys bound what is asked for: 15 NICs are the most
	// that an instance can have on one card.
	maxEC2NICs = 15
	maxEC2Keys = 32
	// ec2Table is the first of the tables of routes for further NICs.
	ec2Table = 100
)

// nicDocs are the documents of the machine's NICs, which are asked for along with
// all others: the kernel knows their hardware addresses already.
func nicDocs(env *Env, names ...string) (want []doc) {
	for _, mac := range env.macs(maxEC2NICs) {
		for _, name := range names {
			want = append(want, doc{path: ec2MACs + mac + name, lenient: true})
		}
	}
	return want
}

// furtherKeys are the documents of the keys that the list has beside the first.
func furtherKeys(got Docs) (want []doc) {
	for line := range strings.Lines(got.text(ec2Keys)) {
		number, _, ok := strings.Cut(strings.TrimSpace(line), "=")
		if n, err := strconv.Atoi(number); ok && err == nil && n > 0 && n < maxEC2Keys {
			want = append(want, doc{path: ec2Keys + number + "/openssh-key", lenient: true})
		}
	}
	return want
}

// treeKeys collects the keys in the order of their numbers.
func treeKeys(got Docs) (keys []string) {
	for n := range maxEC2Keys {
		keys = append(keys, keyLines(got.text(ec2Keys+strconv.Itoa(n)+"/openssh-key"))...)
	}
	return keys
}

// An ec2NIC is what is said of one NIC.
type ec2NIC struct {
	mac, device      string
	ipv4s, ipv6s     []string
	subnet4, subnet6 string
}

// ec2NICs gives the NICs in their order: by device number, then by hardware
// address.
func ec2NICs(got Docs) []ec2NIC {
	var order []string // number and address of each
	for path := range got {
		rest, ok := strings.CutPrefix(path, ec2MACs)
		mac, _, below := strings.Cut(rest, "/")
		if !ok || !below {
			continue
		}
		device := got.text(ec2MACs + mac + ec2Device)
		key := strings.Repeat("0", max(0, 4-len(device))) + device + " " + mac
		if !slices.Contains(order, key) {
			order = append(order, key)
		}
	}
	slices.Sort(order)
	var nics []ec2NIC
	for _, key := range order {
		_, mac, _ := strings.Cut(key, " ")
		p := ec2MACs + mac
		subnet6, _, _ := strings.Cut(got.text(p+ec2Subnet6), "\n")
		nics = append(nics, ec2NIC{
			mac: mac, device: got.text(p + ec2Device), ipv4s: strings.Fields(got.text(p + ec2IPv4s)),
			ipv6s: strings.Fields(got.text(p + ec2IPv6s)), subnet4: got.text(p + ec2Subnet4), subnet6: subnet6,
		})
	}
	return nics
}

// ec2Network turns the NICs: all have DHCP; further addresses are given. Where
// there are several, the first one's routes count most, and what comes from the
// address of another leaves by that one (as the EC2 user guide asks of a machine
// with several NICs). Without further, DHCP is all that there is.
func ec2Network(got Docs, further bool) []byte {
	c, nics := netConfig{}, ec2NICs(got)
	for i, n := range nics {
		l := c.ethernet("nic"+strconv.Itoa(i), n.mac)
		overrides := object{"route-metric": (i + 1) * 100}
		policy := i > 0 && n.device != ""
		if policy {
			overrides["use-routes"] = true
		}
		l.set("dhcp4", true)
		if len(n.ipv6s) > 0 {
			l.set("dhcp6", true)
		}
		if len(nics) > 1 {
			l.set("dhcp4-overrides", overrides)
			if len(n.ipv6s) > 0 {
				l.set("dhcp6-overrides", maps.Clone(overrides))
			}
		}
		if !further {
			continue
		}
		for _, a := range n.ipv4s[min(1, len(n.ipv4s)):] {
			l.address(a, cmp.Or(n.subnet4, "24"))
		}
		for _, a := range n.ipv6s[min(1, len(n.ipv6s)):] {
			l.address(a, "128") // routers announce the subnet
		}
		if policy {
			l.policy(n.subnet4, n.ipv4s, ec2Table+i, true)
			l.policy(n.subnet6, n.ipv6s, ec2Table+i, false)
		}
	}
	return c.document()
}

// policy sends what comes from the addresses by a table of its own: to the subnet,
// and with a gateway everywhere, by the subnet's first address, which is always
// that of the VPC's router ("Subnet CIDR blocks" of the VPC user guide).
func (l object) policy(subnet string, addresses []string, table int, gateway bool) {
	p, err := netip.ParsePrefix(subnet)
	if err != nil || len(addresses) == 0 {
		return
	}
	if gateway {
		l.more("routes", object{"to": "0.0.0.0/0", "via": p.Masked().Addr().Next().String(), "table": table})
	}
	l.more("routes", object{"to": subnet, "table": table})
	for _, a := range addresses {
		l.more("routing-policy", object{"from": a, "table": table})
	}
}
