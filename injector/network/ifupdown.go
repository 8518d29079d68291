package network

import (
	"net/netip"
	"strconv"
	"strings"

	"boothook/injector/plan"
)

// ifupdown writes interfaces(5), as a file of its own where the root's
// interfaces file includes a folder, else as the whole file.
func ifupdown(links []*link, folder bool) []plan.Step {
	t := &text{}
	path := "/etc/network/interfaces.d/50-cloud-init"
	t.WriteString(heading)
	if !folder {
		path = "/etc/network/interfaces"
		t.line("auto lo\niface lo inet loopback")
	}
	for _, l := range links {
		t.interfaces(links, l)
	}
	return []plan.Step{t.step(path, 0o644)}
}

func (t *text) interfaces(links []*link, l *link) {
	t.line()
	switch name := l.device(); {
	case l.mac != "" && l.rename != "":
		t.line("rename mac/", l.mac, "=", name, "\nauto ", name)
	case l.mac != "":
		t.line("auto mac/", l.mac, "=", name)
	case l.names != "":
		t.line("auto /", l.names, "=", name)
	default:
		t.line("auto ", name)
	}
	method4, method6 := "manual", ""
	if l.dhcp4 {
		method4 = "dhcp"
	}
	if l.dhcp6 {
		method6 = "dhcp"
	} else if l.ra != nil && *l.ra {
		method6 = "auto"
	}
	if method4 == "manual" && has(l.addresses, 4) {
		method4 = ""
	}
	var stanzas []stanza
	for i, method := range []string{method4, method6} {
		family := 4 + 2*i
		if method != "" {
			stanzas = append(stanzas, stanza{family, method, ""})
		}
		for _, a := range l.addresses {
			if a.Addr().Is4() == (family == 4) {
				stanzas = append(stanzas, stanza{family, "static", a.String()})
			}
		}
	}
	for i, s := range stanzas {
		t.line("iface ", l.device(), map[int]string{4: " inet ", 6: " inet6 "}[s.family], s.method)
		t.set("    address ", s.address)
		if i == 0 {
			t.whole(links, l)
		}
		// Behind the family's last address, so that the gateway is reached.
		if i == len(stanzas)-1 || stanzas[i+1].family != s.family {
			t.upRoutes(l, s.family)
		}
	}
}

// A stanza is one "iface" of interfaces(5): one method of one family.
type stanza struct {
	family          int
	method, address string
}

func (t *text) upRoutes(l *link, family int) {
	for _, r := range l.routes {
		if r.to.Addr().Is4() == (family == 4) {
			t.line("    up ip -", strconv.Itoa(family), " route add ", r.command(), " dev $IFACE || true")
		}
	}
}

func has(addresses []netip.Prefix, family int) bool {
	for _, a := range addresses {
		if a.Addr().Is4() == (family == 4) {
			return true
		}
	}
	return false
}

// whole writes what belongs to the link, not to one of its addresses.
func (t *text) whole(links []*link, l *link) {
	t.number("    mtu ", l.mtu)
	t.set("    hwaddress ", l.address)
	t.set("    dns-nameservers ", strings.Join(addrs(l.dns, 0), " "))
	t.set("    dns-search ", strings.Join(l.search, " "))
	if m, ok := master(links, l); ok && m.kind == bond {
		t.line("    bond-master ", m.device())
	}
	var members []string
	for _, m := range l.members {
		members = append(members, deviceOf(links, m))
	}
	switch l.kind {
	case vlan:
		t.line("    vlan-raw-device ", deviceOf(links, l.parent), "\n    vlan-id ", strconv.FormatInt(l.tag, 10))
	case bond:
		t.line("    bond-slaves none")
	case bridge:
		t.line("    bridge_ports ", strings.Join(append(members, "none")[:max(len(members), 1)], " "))
	}
	for _, p := range l.params {
		value := p.value
		switch value {
		case "true":
			value = "on"
		case "false":
			value = "off"
		}
		t.line("    ", p.known(l.kind).ifupdown, " ", value)
	}
}

// command is the route as ip-route(8) takes it.
func (r route) command() string {
	s := r.to.String()
	if r.isDefault() {
		s = "default"
	}
	if r.via.IsValid() {
		s += " via " + r.via.String()
	}
	if r.metric != 0 {
		s += " metric " + strconv.FormatInt(r.metric, 10)
	}
	if r.onLink {
		s += " onlink"
	}
	return s
}
