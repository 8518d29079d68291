package network

import (
	"strconv"
	"strings"

	"boothook/injector/plan"
)

const (
	interfacesFile = "/etc/network/interfaces"
	interfacesDir  = "/etc/network/interfaces.d"
	ifupdownFile   = interfacesDir + "/50-cloud-init"
)

// ifupdownTable is how ifupdown and the scripts of the packages ifenslave,
// bridge-utils and ethtool are told what settings: of any stanza (i), of each
// kind, and of one family (4, 6): interfaces(5).
const ifupdownTable = `
i mtu - mtu
i macaddress - hwaddress
i wakeonlan - ethernet-wol true=g false=d
i receive-checksum-offload - offload-rx onoff
i transmit-checksum-offload - offload-tx onoff
i tcp-segmentation-offload - offload-tso onoff
i generic-segmentation-offload - offload-gso onoff
i generic-receive-offload - offload-gro onoff
i large-receive-offload - offload-lro onoff
bonds parameters.mode - bond-mode
bonds parameters.lacp-rate - bond-lacp-rate
bonds parameters.mii-monitor-interval - bond-miimon
bonds parameters.transmit-hash-policy - bond-xmit-hash-policy
bonds parameters.ad-select - bond-ad-select
bonds parameters.arp-interval - bond-arp-interval
bonds parameters.arp-ip-targets - bond-arp-ip-target
bonds parameters.arp-validate - bond-arp-validate
bonds parameters.up-delay - bond-updelay
bonds parameters.down-delay - bond-downdelay
bonds parameters.fail-over-mac-policy - bond-fail-over-mac
bonds parameters.gratuitous-arp - bond-num-grat-arp
bonds parameters.num-unsol-na - bond-num-unsol-na
bonds parameters.packets-per-member - bond-packets-per-slave
bonds parameters.primary-reselect-policy - bond-primary-reselect
bonds parameters.tlb-dynamic-lb - bond-tlb-dynamic-lb 01
bonds parameters.use-carrier - bond-use-carrier 01
file parameters.min-links - min_links
file parameters.all-members-active - all_slaves_active 01
file parameters.arp-all-targets - arp_all_targets
file parameters.resend-igmp - resend_igmp
file parameters.learn-packet-interval - lp_interval
bridges parameters.ageing-time - bridge_ageing
bridges parameters.forward-delay - bridge_fd
bridges parameters.hello-time - bridge_hello
bridges parameters.max-age - bridge_maxage
bridges parameters.priority - bridge_bridgeprio
bridges parameters.stp - bridge_stp onoff
bridges parameters.gcint - bridge_gcint
bridges parameters.hw - bridge_hw
bridges parameters.maxwait - bridge_maxwait
bridges parameters.waitport - bridge_waitport
vlans id - vlan-id
4 dhcp4-overrides.route-metric - metric
4 dhcp4-overrides.hostname - hostname
proc ipv6-privacy - use_tempaddr true=2 false=0
proc ipv6-mtu - mtu
r routes.table - table
r routes.metric - metric
r routes.mtu - mtu
r routes.congestion-window - initcwnd
r routes.advertised-receive-window - initrwnd
r routes.advertised-mss - advmss
r routes.from - src
u routing-policy.from - from
u routing-policy.to - to
u routing-policy.mark - fwmark
u routing-policy.type-of-service - tos
u routing-policy.table - lookup
u routing-policy.priority - priority
`

// ifupdown writes interfaces(5), as a file of its own where the root's
// interfaces file includes it, else as the whole file.
func ifupdown(all links, folder bool) []plan.Step {
	t := &text{}
	path := ifupdownFile
	t.WriteString(heading)
	if !folder {
		path = interfacesFile
		t.line("auto lo\niface lo inet loopback")
	}
	for _, l := range all.ordered() {
		t.interfaces(all, l)
	}
	return []plan.Step{t.step(path, 0o644)}
}

// ordered puts what a link stands on before it, since ifup(8) goes from top to
// bottom.
func (all links) ordered() links {
	var out links
	done := map[string]bool{}
	var visit func(l *link)
	visit = func(l *link) {
		if l == nil || done[l.id] {
			return
		}
		done[l.id] = true
		visit(all.byID(l.said.get("link")))
		for _, id := range l.members {
			visit(all.byID(id))
		}
		out = append(out, l)
	}
	for _, l := range all {
		visit(l)
	}
	return out
}

// A stanza is one "iface" of interfaces(5): one method of one family.
type stanza struct {
	family          int
	method, address string
}

// stanzas are what the link's addresses need; a family with routes or rules has
// one at least.
func (l *link) stanzas() []stanza {
	var out []stanza
	needs := false
	for _, p := range l.routes {
		needs = needs || !p.to.Addr().Is4()
	}
	for _, p := range l.rules {
		needs = needs || p.six
	}
	method4, method6 := "manual", ""
	switch {
	case l.loopback:
		method4 = "loopback"
	case l.dhcp4():
		method4 = "dhcp"
	case l.has(4) && l.plain(4):
		method4 = ""
	}
	switch {
	case l.dhcp6():
		method6 = "dhcp"
	case l.six != "" || l.said.is("accept-ra") && !l.has(6):
		method6 = "auto"
	case needs && !l.plain(6):
		method6 = "manual"
	}
	for i, method := range []string{method4, method6} {
		family := 4 + 2*i
		if method != "" {
			out = append(out, stanza{family, method, ""})
		}
		for _, a := range l.addresses {
			if a.Addr().Is4() == (family == 4) && len(a.said) == 0 {
				out = append(out, stanza{family, "static", a.String()})
			}
		}
	}
	return out
}

// plain says whether a family has an address without label and lifetime.
func (l *link) plain(family int) bool {
	for _, a := range l.addresses {
		if a.Addr().Is4() == (family == 4) && len(a.said) == 0 {
			return true
		}
	}
	return false
}

func (t *text) interfaces(all links, l *link) {
	if l.loopback && !l.addressed() && len(l.routes)+len(l.rules)+len(l.dns) == 0 {
		return
	}
	t.line()
	t.auto(l)
	stanzas := l.stanzas()
	for i, s := range stanzas {
		if s.method == "loopback" {
			if i+1 == len(stanzas) {
				t.line("iface lo inet loopback")
			}
			continue
		}
		t.line("iface ", l.device(), either(s.family == 4, " inet ", " inet6 "), s.method)
		t.set("    address ", s.address)
		if i == 0 || stanzas[i-1].method == "loopback" && i == 1 {
			t.whole(all, l)
		}
		if s.family == 6 && s.method != "manual" {
			t.set("    accept_ra ", changed(l.said.get("accept-ra"), "01"))
		}
		if s.method == "auto" {
			t.line("    dhcp ", either(l.six == "stateless", "1", "0"))
		}
		if s.method == "dhcp" && s.family == 4 {
			translate(ifupdownTable, "4", l.said, func(_, name, value string) { t.line("    ", name, " ", value) })
		}
		// Behind the family's last address, so that gateways are reached.
		if i == len(stanzas)-1 || stanzas[i+1].family != s.family {
			t.commands(l, s.family, len(stanzas) == 1 || i == len(stanzas)-1 && s.family == 4)
		}
	}
}

// auto says what hardware the stanzas are for, and that it is to be raised.
func (t *text) auto(l *link) {
	name, known := l.name()
	match := l.said.get("match.name")
	pattern := name
	switch {
	case l.said.has("set-name") && match != "" && match != name:
		if strings.ContainsAny(match, "*?[") {
			match = "/" + match
		}
		t.line("rename ", match, "=", name)
	case known:
	case l.said.has("match.macaddress"):
		pattern = "mac/" + l.said.get("match.macaddress") + "=" + name
	default:
		pattern = "/" + match + "=" + name
	}
	if l.said.is("critical") {
		t.line("no-auto-down ", name)
	}
	// The loopback interface is raised by what interfaces says already.
	if !l.loopback && !l.said.has("activation-mode") {
		t.line(either(l.said.has("control"), "allow-hotplug ", "auto "), pattern)
	}
}

// attempt is a line with a command that can be repeated. One that fails is
// named on standard error, which the service's log has, and keeps no other from
// running.
func (t *text) attempt(when, what string, command ...string) {
	t.line("    ", when, " ", strings.Join(command, ""), " || echo \"$IFACE: ", what, " failed\" >&2")
}

// commands write what interfaces(5) has no words for, for one family, or for
// both where no stanza of the other one follows.
func (t *text) commands(l *link, family int, both bool) {
	for _, a := range l.addresses {
		if is := a.Addr().Is4() == (family == 4); len(a.said) == 0 || !is && !both {
			continue
		}
		s := " addr replace " + a.String() + ` dev "$IFACE"`
		if label := a.said.get("addresses.label"); label != "" {
			s += " label " + label
		}
		if life := a.said.get("addresses.lifetime"); life != "" {
			s += " preferred_lft " + life
		}
		t.attempt("up", "address "+a.String(), "ip", s)
	}
	for _, p := range l.routes {
		four := p.to.Addr().Is4()
		if four != (family == 4) && !both {
			continue
		}
		command := p.command()
		ip := either(four, "ip -4", "ip -6")
		t.attempt("up", "route "+command, ip, " route replace ", command, p.where())
		if p.deviceless() {
			t.line("    down ", ip, " route del ", command, " || true")
		}
	}
	for _, p := range l.rules {
		if p.six != (family == 6) && !both {
			continue
		}
		command := ""
		translate(ifupdownTable, "u", p.said, func(_, name, value string) { command += " " + name + " " + value })
		ip := either(p.six, "ip -6 rule ", "ip -4 rule ")
		t.line("    up ", ip, "del", command, " 2>/dev/null || true")
		t.attempt("up", "rule"+command, ip, "add", command)
		t.line("    down ", ip, "del", command, " || true")
	}
}

// deviceless is true of routes that are on no link.
func (p *route) deviceless() bool {
	switch p.kind() {
	case "blackhole", "prohibit", "throw", "unreachable":
		return true
	}
	return false
}

// command is the route as ip-route(8) takes it, but for its link.
func (p *route) command() string {
	s := p.to.String()
	if p.isDefault() {
		s = "default"
	}
	if kind := p.kind(); kind != "unicast" {
		s = kind + " " + s
	}
	if p.via.IsValid() {
		s += " via " + p.via.String()
	}
	if scope := p.said.get("routes.scope"); scope != "" && p.to.Addr().Is4() {
		s += " scope " + scope
	}
	translate(ifupdownTable, "r", p.said, func(_, name, value string) { s += " " + name + " " + value })
	return s
}

// where is the route's link as ip-route(8) takes it.
func (p *route) where() string {
	switch {
	case p.deviceless():
		return ""
	case p.onLink:
		return ` dev "$IFACE" onlink`
	}
	return ` dev "$IFACE"`
}

// whole writes what belongs to the link, not to one of its addresses.
func (t *text) whole(all links, l *link) {
	option := func(_, name, value string) { t.line("    ", name, " ", value) }
	translate(ifupdownTable, "i", l.said, option)
	t.set("    dns-nameservers ", strings.Join(addrs(l.dns, 0), " "))
	t.set("    dns-search ", strings.Join(l.search, " "))
	if m := all.master(l); m != nil && m.kind == bond {
		t.line("    bond-master ", m.device())
		t.set("    bond-primary ", all.nameOf(m.said.get("parameters.primary")))
	}
	switch l.kind {
	case vlan:
		below := all.deviceOf(l.said.get("link"))
		t.line("    vlan-raw-device ", below)
		if !l.hookedVLAN(below) {
			t.attempt("pre-up", "vlan", `[ -e "/sys/class/net/$IFACE" ] || ip link add link `, below, ` name "$IFACE" type vlan id `, l.said.get("id"))
			t.line(`    post-down ip link del "$IFACE" || true`)
		}
	case bond:
		t.line("    bond-slaves none")
		t.set("    bond-primary ", all.nameOf(l.said.get("parameters.primary")))
		t.set("    bond-active-slave ", all.nameOf(l.said.get("parameters.active-slave")))
		translate(ifupdownTable, "file", l.said, func(_, name, value string) {
			t.attempt("up", name, "echo ", value, ` >"/sys/class/net/$IFACE/bonding/`, name, `"`)
		})
	case bridge:
		ports := []string{}
		for _, id := range l.members {
			ports = append(ports, all.deviceOf(id))
		}
		if len(ports) == 0 {
			ports = []string{"none"}
		}
		t.line("    bridge_ports ", strings.Join(ports, " "))
		for _, m := range l.said {
			id, cost, _ := strings.Cut(m.value, " ")
			switch m.key {
			case "parameters.path-cost":
				t.line("    bridge_pathcost ", all.deviceOf(id), " ", cost)
			case "parameters.port-priority":
				t.line("    bridge_portprio ", all.deviceOf(id), " ", cost)
			}
		}
		if l.said.under("parameters.") && !l.said.has("parameters.stp") && !l.v1 {
			t.line("    bridge_stp on") // netplan's default beside other parameters
		}
	}
	translate(ifupdownTable, l.kind, l.said, option)
	t.kernel(l)
}

// hookedVLAN says that the hooks of Debian's package vlan make the VLAN: they
// take its tag from its name, and make none of another name.
func (l *link) hookedVLAN(below string) bool {
	id := l.said.get("id")
	return l.device() == below+"."+id || l.device() == "vlan"+id
}

// kernel writes settings of IPv6 that only the kernel's files and ip-link(8)
// have.
func (t *text) kernel(l *link) {
	file := func(_, name, value string) {
		t.attempt("pre-up", name, "echo ", value, ` >"/proc/sys/net/ipv6/conf/$IFACE/`, name, `"`)
	}
	translate(ifupdownTable, "proc", l.said, file)
	if ra := l.said.get("accept-ra"); ra == "false" && !l.has(6) && !l.dhcp6() && l.six == "" {
		file("", "accept_ra", "0")
	}
	if mode := l.said.get("infiniband-mode"); mode != "" {
		t.attempt("pre-up", "mode "+mode, "echo ", mode, ` >"/sys/class/net/$IFACE/mode"`)
	}
	mode := l.said.get("ipv6-address-generation") // stable-privacy has been refused
	if l.said.has("link-local") && !strings.Contains(l.said.get("link-local"), "ipv6") {
		mode = "none"
	}
	if mode != "" {
		t.attempt("pre-up", "addrgenmode "+mode, `ip link set dev "$IFACE" addrgenmode `, mode)
	}
	if token := l.said.get("ipv6-address-token"); token != "" {
		t.attempt("up", "token "+token, "ip token set ", token, ` dev "$IFACE"`)
	}
}

// logical says whether ifupdown has to find the link by a pattern, so that its
// name is not known to others.
func (l *link) logical() bool {
	_, known := l.name()
	return !known
}

// number is text for a count.
func number(n int) string { return strconv.Itoa(n) }
