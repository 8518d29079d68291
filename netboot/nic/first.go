package nic

import (
	"cmp"
	"slices"
	"strings"
)

// First gives the name and the hardware address of the link that a machine
// most likely has its network on, as sysfs at that path shows it; empty where
// there is none. It is the one that cloud-init takes (find_candidate_nics in its
// net/__init__.py): one that has a carrier before one that may get one, of
// these eth0, then the first in natural order. Unlike there, what is no device
// counts only where nothing is one, and a wireless link never.
func First(sysfs string) (name, mac string) {
	var best candidate
	for _, link := range files(sysfs).names("class/net") {
		c, ok := files(sysfs).candidate(link)
		if ok && (best.name == "" || c.before(&best)) {
			best = c
		}
	}
	return best.name, best.mac
}

// A candidate is a link that may have the machine's network.
type candidate struct {
	name, mac         string
	device, connected bool
}

func (f files) candidate(link string) (candidate, bool) {
	dir := "class/net/" + link + "/"
	said := func(name string) string { return strings.TrimSpace(string(f.read(dir + name))) }
	if link == "lo" || strings.HasPrefix(link, "veth") || said("type") != "1" { // ARPHRD_ETHER
		return candidate{}, false
	}
	for _, barred := range []string{"bridge", "bonding", "master", "phy80211"} {
		if f.there(dir + barred) {
			return candidate{}, false
		}
	}
	c := candidate{name: link, mac: strings.ToLower(said("address")), device: f.there(dir + "device"), connected: said("carrier") == "1"}
	state := said("operstate")
	may := c.connected || said("dormant") == "1" || slices.Contains([]string{"dormant", "down", "lowerlayerdown", "unknown"}, state)
	return c, may && parseHW(c.mac) != nil && strings.Trim(c.mac, "0:") != ""
}

// before says that a link is taken rather than another one.
func (c *candidate) before(other *candidate) bool {
	switch {
	case c.device != other.device:
		return c.device
	case c.connected != other.connected:
		return c.connected
	case c.name == "eth0" || other.name == "eth0":
		return c.name == "eth0"
	}
	return naturally(c.name, other.name) < 0
}

// naturally compares names by the text and the numbers in them: eth2 comes
// before eth10.
func naturally(a, b string) int {
	for a != "" && b != "" {
		x, y := digits(a), digits(b)
		if x == 0 || y == 0 {
			if a[0] != b[0] {
				return cmp.Compare(a[0], b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		m, n := strings.TrimLeft(a[:x], "0"), strings.TrimLeft(b[:y], "0")
		if order := cmp.Or(cmp.Compare(len(m), len(n)), strings.Compare(m, n)); order != 0 {
			return order
		}
		a, b = a[x:], b[y:]
	}
	return cmp.Compare(len(a), len(b))
}

// digits counts the digits that a name begins with.
func digits(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }
