package network

import (
	"strconv"
	"strings"

	"boothook/injector/plan"
)

const networkdDir = "/etc/systemd/network/10-cloud-init-"

// networkd writes a .network file for each link, a .link file for one that is
// renamed, and a .netdev file for one that is to be made (systemd.network(5)
// and its neighbours).
func networkd(links []*link) []plan.Step {
	var steps []plan.Step
	for _, l := range links {
		if l.kind != ethernet {
			t := l.netdev()
			steps = append(steps, t.step(networkdDir+l.id+".netdev", 0o644))
		} else if l.rename != "" && l.mac != "" {
			var t text
			t.line(heading, "[Match]\nPermanentMACAddress=", l.mac, "\n\n[Link]\nName=", l.rename)
			steps = append(steps, t.step(networkdDir+l.id+".link", 0o644))
		}
		t := l.networkd(links)
		steps = append(steps, t.step(networkdDir+l.id+".network", 0o644))
	}
	return steps
}

func (l *link) netdev() *text {
	t := &text{}
	t.line(heading, "[NetDev]\nName=", l.device(), "\nKind=", strings.TrimSuffix(l.kind, "s"))
	t.set("MACAddress=", l.address)
	t.number("MTUBytes=", l.mtu)
	switch l.kind {
	case vlan:
		t.line("\n[VLAN]\nId=", strconv.FormatInt(l.tag, 10))
	case bond:
		t.line("\n[Bond]")
	case bridge:
		t.line("\n[Bridge]")
	}
	for _, p := range l.params {
		k := p.known(l.kind)
		value := p.value
		// A bare number is milliseconds to whoever writes bond settings.
		if l.kind == bond && strings.HasSuffix(k.networkd, "Sec") && strings.Trim(value, "0123456789") == "" {
			value += "ms"
		}
		t.line(k.networkd, "=", value)
	}
	return t
}

func (l *link) networkd(links []*link) *text {
	t := &text{}
	t.line(heading, "[Match]")
	switch {
	case l.mac != "":
		// Not the current address, which a vlan on top shares.
		t.line("PermanentMACAddress=", l.mac)
	case l.names != "":
		t.line("Name=", l.names)
	default:
		t.line("Name=", l.device())
	}
	t.line("\n[Link]\nRequiredForOnline=", yesNo(!l.optional))
	if l.kind == ethernet {
		t.set("MACAddress=", l.address)
		t.number("MTUBytes=", l.mtu)
	}
	t.line("\n[Network]\nDHCP=", dhcpOf(l))
	if l.ra != nil {
		t.line("IPv6AcceptRA=", yesNo(*l.ra))
	}
	for _, a := range l.addresses {
		t.line("Address=", a.String())
	}
	for _, a := range addrs(l.dns, 0) {
		t.line("DNS=", a)
	}
	t.set("Domains=", strings.Join(l.search, " "))
	for _, v := range vlansOn(links, l) {
		t.line("VLAN=", v)
	}
	if m, ok := master(links, l); ok {
		t.line(map[string]string{bond: "Bond=", bridge: "Bridge="}[m.kind], m.device())
	}
	for _, r := range l.routes {
		t.line("\n[Route]\nDestination=", r.to.String())
		if r.via.IsValid() {
			t.line("Gateway=", r.via.String())
		}
		t.number("Metric=", r.metric)
		if r.onLink {
			t.line("GatewayOnLink=yes")
		}
	}
	return t
}

func dhcpOf(l *link) string {
	switch {
	case l.dhcp4 && l.dhcp6:
		return "yes"
	case l.dhcp4:
		return "ipv4"
	case l.dhcp6:
		return "ipv6"
	}
	return "no"
}
