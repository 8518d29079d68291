package network

import (
	"strings"

	"boothook/injector/plan"
)

// The folders of both families of sysconfig files.
const (
	ifcfgDir     = "/etc/sysconfig/network-scripts/"
	ifcfgSUSEDir = "/etc/sysconfig/network/"
)

// ifcfgTable is how ifcfg files of Red Hat's kind say what settings (i), those
// of NetworkManager's plugin for them (n), of each kind, and a bond's options
// (o). The scripts' documentation is sysconfig.txt of the initscripts package;
// the plugin's is nm-settings-ifcfg-rh(5).
const ifcfgTable = `
i mtu - MTU
i ipv6-mtu - IPV6_MTU
i macaddress - MACADDR
i match.macaddress - HWADDR
i accept-ra - IPV6_FORCE_ACCEPT_RA yn
i wakeonlan - ETHTOOL_OPTS true=wol_g false=wol_d
i ipv6-privacy - IPV6_PRIVACY true=rfc3041 false=no
i infiniband-mode - CONNECTED_MODE connected=yes datagram=no
4 dhcp4-overrides.hostname - DHCP_HOSTNAME
4 dhcp4-overrides.send-hostname - DHCP_SEND_HOSTNAME yn
4 dhcp4-overrides.use-dns - PEERDNS yn
4 dhcp4-overrides.use-ntp - PEERNTP yn
4 dhcp4-overrides.use-routes - PEERROUTES yn
4 dhcp4-overrides.route-metric - IPV4_ROUTE_METRIC
4 dhcp-identifier - DHCP_CLIENT_ID
6 dhcp6-overrides.hostname - DHCPV6_HOSTNAME
6 dhcp6-overrides.send-hostname - DHCPV6_SEND_HOSTNAME yn
6 dhcp6-overrides.use-dns - IPV6_PEERDNS yn
6 dhcp6-overrides.use-routes - IPV6_PEERROUTES yn
6 dhcp6-overrides.route-metric - IPV6_ROUTE_METRIC
vlans id - VLAN_ID
bridges parameters.stp - STP yn
bridges parameters.forward-delay - DELAY
bridges parameters.ageing-time - AGEING
bridges parameters.priority - PRIO
o parameters.mode - mode
o parameters.lacp-rate - lacp_rate
o parameters.mii-monitor-interval - miimon
o parameters.min-links - min_links
o parameters.transmit-hash-policy - xmit_hash_policy
o parameters.ad-select - ad_select
o parameters.all-members-active - all_slaves_active 01
o parameters.arp-interval - arp_interval
o parameters.arp-ip-targets - arp_ip_target ,
o parameters.arp-validate - arp_validate
o parameters.arp-all-targets - arp_all_targets
o parameters.up-delay - updelay
o parameters.down-delay - downdelay
o parameters.fail-over-mac-policy - fail_over_mac
o parameters.gratuitous-arp - num_grat_arp
o parameters.num-unsol-na - num_unsol_na
o parameters.packets-per-member - packets_per_slave
o parameters.primary-reselect-policy - primary_reselect
o parameters.resend-igmp - resend_igmp
o parameters.learn-packet-interval - lp_interval
o parameters.ad-actor-sys-prio - ad_actor_sys_prio
o parameters.ad-actor-system - ad_actor_system
o parameters.ad-user-port-key - ad_user_port_key
o parameters.peer-notif-delay - peer_notif_delay
o parameters.tlb-dynamic-lb - tlb_dynamic_lb 01
o parameters.use-carrier - use_carrier 01
ports parameters.ageing-time - ageing_time
ports parameters.hello-time - hello_time
ports parameters.max-age - max_age
ports parameters.priority - priority
suse mtu - MTU
suse macaddress - LLADDR
suse wakeonlan - ETHTOOL_OPTIONS true=wol_g false=wol_d
suse parameters.stp - BRIDGE_STP onoff
suse parameters.ageing-time - BRIDGE_AGEINGTIME
suse parameters.forward-delay - BRIDGE_FORWARDDELAY
suse parameters.hello-time - BRIDGE_HELLOTIME
suse parameters.max-age - BRIDGE_MAXAGE
suse parameters.priority - BRIDGE_PRIORITY
suse infiniband-mode - IPOIB_MODE
suse id - VLAN_ID
`

// sysconfig writes ifcfg files, those of openSUSE's wicked or of Red Hat's
// scripts and NetworkManager's plugin for them. The scripts have files of
// rules, the plugin has lines.
func sysconfig(all links, suse, scripts bool) []plan.Step {
	var steps []plan.Step
	for _, l := range all {
		if l.loopback && !l.addressed() {
			continue
		}
		if suse {
			steps = append(steps, l.ifcfgSUSE(all)...)
		} else {
			steps = append(steps, l.ifcfg(all, scripts)...)
		}
	}
	return steps
}

// A shell is a file of variables as the shell reads them.
type shell struct{ text }

func (s *shell) set(name, value string) {
	switch {
	case value == "":
	case strings.ContainsAny(value, " \t*?[]"):
		s.line(name, `="`, value, `"`)
	default:
		s.line(name, "=", value)
	}
}

func (s *shell) from(table string, said mentions) {
	translate(ifcfgTable, table, said, func(_, name, value string) { s.set(name, strings.Replace(value, "wol_", "wol ", 1)) })
}

// options are a table's settings in one line.
func options(table string, said mentions) string {
	var words []string
	translate(ifcfgTable, table, said, func(_, name, value string) { words = append(words, name+"="+value) })
	return strings.Join(words, " ")
}

func (l *link) ifcfg(all links, scripts bool) []plan.Step {
	s := &shell{}
	said := l.said
	device, known := l.name()
	s.WriteString(heading)
	if known {
		s.set("DEVICE", device)
	}
	s.set("NAME", "cloud-init "+l.id)
	s.set("TYPE", oneOf("bonds=Bond bridges=Bridge vlans=Vlan ethernets=Ethernet", l.kind))
	if l.infiniband {
		s.set("TYPE", "InfiniBand")
	}
	s.set("ONBOOT", either(said.has("activation-mode"), "no", "yes"))
	s.set("BOOTPROTO", either(l.dhcp4(), "dhcp", "none"))
	s.from("i", said)
	if l.dhcp4() {
		s.from("4", said)
	}
	switch l.kind {
	case bond:
		s.set("BONDING_MASTER", "yes")
		opts := options("o", said)
		for _, key := range []string{"primary", "active-slave"} {
			if m := said.get("parameters." + key); m != "" {
				opts += " " + strings.ReplaceAll(key, "-", "_") + "=" + all.deviceOf(m)
			}
		}
		s.set("BONDING_OPTS", strings.TrimSpace(opts))
	case bridge:
		s.set("BRIDGING_OPTS", options("ports", said))
		s.from(bridge, said)
	case vlan:
		s.set("VLAN", "yes")
		s.set("PHYSDEV", all.deviceOf(said.get("link")))
		s.from(vlan, said)
	}
	if m := all.master(l); m != nil && m.kind == bond {
		s.set("MASTER", m.device())
		s.set("SLAVE", "yes")
	} else if m != nil && m.kind == bridge {
		s.set("BRIDGE", m.device())
		opts := ""
		for _, o := range [][2]string{{"parameters.path-cost", "path_cost="}, {"parameters.port-priority", "priority="}} {
			if c := m.cost(o[0], l.id); c != "" {
				opts += " " + o[1] + c
			}
		}
		s.set("BRIDGING_OPTS", strings.TrimSpace(opts))
	}
	l.ifcfgAddresses(s)
	var rules, rules6 text
	for _, p := range l.rules {
		line := ""
		translate(ifupdownTable, "u", p.said, func(_, name, value string) { line += " " + strings.Replace(name, "lookup", "table", 1) + " " + value })
		line = strings.TrimSpace(line)
		if p.six {
			rules6.line(line)
		} else {
			rules.line(line)
		}
	}
	steps := []plan.Step{}
	file := func(name string, t *text) {
		if t.Len() > 0 {
			steps = append(steps, plan.Step{Kind: plan.File, Path: ifcfgDir + name + device, Body: []byte(heading + t.String()), Mode: 0o644})
		}
	}
	if scripts {
		file("rule-", &rules)
		file("rule6-", &rules6)
	} else {
		for i, t := range []*text{&rules, &rules6} {
			n := 0
			for line := range strings.Lines(t.String()) {
				n++
				s.set([]string{"ROUTING_RULE_", "ROUTING_RULE6_"}[i]+number(n), strings.TrimSpace(line))
			}
		}
	}
	var routes, routes6 text
	for _, p := range l.routes {
		line := p.command()
		if known && !p.deviceless() {
			line += " dev " + device
		}
		if p.onLink {
			line += " onlink"
		}
		if p.to.Addr().Is4() {
			routes.line(line)
		} else {
			routes6.line(line)
		}
	}
	file("route-", &routes)
	file("route6-", &routes6)
	return append([]plan.Step{s.step(ifcfgDir+"ifcfg-"+device, 0o644)}, steps...)
}

// ifcfgAddresses writes what concerns addresses, and name servers.
func (l *link) ifcfgAddresses(s *shell) {
	four, six := 0, []string(nil)
	if l.loopback {
		s.set("IPADDR", "127.0.0.1")
		s.set("PREFIX", "8")
		four++
	}
	for _, a := range l.addresses {
		if !a.Addr().Is4() {
			six = append(six, a.String())
			continue
		}
		n := ""
		if four > 0 {
			n = number(four)
		}
		four++
		s.set("IPADDR"+n, a.Addr().String())
		s.set("PREFIX"+n, number(a.Bits()))
	}
	if l.dhcp6() || l.six != "" || len(six) > 0 || l.said.is("accept-ra") {
		s.set("IPV6INIT", "yes")
	}
	switch {
	case l.six == "stateful":
		s.set("IPV6_AUTOCONF", "no")
		s.set("DHCPV6C", "yes")
		s.set("IPV6_FAILURE_FATAL", "yes")
	case l.six == "stateless":
		s.set("IPV6_AUTOCONF", "yes")
		s.set("DHCPV6C", "yes")
		s.set("DHCPV6C_OPTIONS", "-S")
	case l.six == "slaac":
		s.set("IPV6_AUTOCONF", "yes")
	case l.dhcp6():
		s.set("DHCPV6C", "yes")
	case len(six) > 0 && !l.said.is("accept-ra"):
		s.set("IPV6_AUTOCONF", "no")
		if !l.said.has("accept-ra") {
			s.set("IPV6_FORCE_ACCEPT_RA", "no")
		}
	}
	if l.dhcp6() {
		s.from("6", l.said)
	}
	if len(six) > 0 {
		s.set("IPV6ADDR", six[0])
		s.set("IPV6ADDR_SECONDARIES", strings.Join(six[1:], " "))
	}
	if token := l.said.get("ipv6-address-token"); token != "" {
		s.set("IPV6_ADDR_GEN_MODE", "eui64")
		s.set("IPV6_TOKEN", token)
	} else {
		s.set("IPV6_ADDR_GEN_MODE", l.said.get("ipv6-address-generation"))
	}
	for i, a := range l.dns {
		s.set("DNS"+number(i+1), a.String())
	}
	s.set("DOMAIN", strings.Join(l.search, " "))
}

// ifcfgSUSE writes the files that openSUSE's wicked reads: ifcfg(5),
// ifroute(5), ifrule(5) and the manual pages of each kind.
func (l *link) ifcfgSUSE(all links) []plan.Step {
	s := &shell{}
	said, device := l.said, l.device()
	s.WriteString(heading)
	boot := "static"
	switch six := l.dhcp6() || l.six != ""; {
	case l.dhcp4() && six:
		boot = "dhcp"
	case l.dhcp4():
		boot = "dhcp4"
	case six:
		boot = "dhcp6"
	}
	if len(l.addresses) > 0 && boot != "static" {
		boot += "+static"
	}
	start := "auto"
	if said.has("activation-mode") {
		start = "manual"
	}
	m := all.master(l)
	if m != nil && m.kind != vrf {
		start = "hotplug"
		if !l.addressed() {
			boot = "none"
		}
	}
	s.set("BOOTPROTO", boot)
	s.set("STARTMODE", start)
	s.set("DHCLIENT6_MODE", oneOf("stateful=managed stateless=info slaac=info", l.six))
	translate(ifcfgTable, "suse", said, func(_, name, value string) {
		if name != "VLAN_ID" || l.kind == vlan {
			s.set(name, strings.ReplaceAll(value, "_", " "))
		}
	})
	for i, a := range l.addresses {
		n := ""
		if i > 0 {
			n = "_" + number(i)
		}
		s.set("IPADDR"+n, a.String())
		s.set("LABEL"+n, a.said.get("addresses.label"))
	}
	ports := []string{}
	for i, id := range l.members {
		ports = append(ports, all.deviceOf(id))
		if l.kind == bond {
			s.set("BONDING_SLAVE_"+number(i), all.deviceOf(id))
		}
	}
	switch l.kind {
	case bond:
		s.set("BONDING_MASTER", "yes")
		opts := options("o", said)
		if p := said.get("parameters.primary"); p != "" {
			opts += " primary=" + all.deviceOf(p)
		}
		s.set("BONDING_MODULE_OPTS", strings.TrimSpace(opts))
	case bridge:
		s.set("BRIDGE", "yes")
		s.set("BRIDGE_PORTS", strings.Join(ports, " "))
		for _, c := range [][2]string{{"parameters.path-cost", "BRIDGE_PATHCOSTS"}, {"parameters.port-priority", "BRIDGE_PORTPRIORITIES"}} {
			var costs []string
			for _, id := range l.members {
				cost := l.cost(c[0], id)
				if cost == "" {
					cost = "-"
				}
				costs = append(costs, cost)
			}
			if strings.Trim(strings.Join(costs, ""), "-") != "" {
				s.set(c[1], strings.Join(costs, " "))
			}
		}
	case vlan:
		s.set("ETHERDEVICE", all.deviceOf(said.get("link")))
	}
	steps := []plan.Step{s.step(ifcfgSUSEDir+"ifcfg-"+device, 0o644)}
	var routes, rules text
	for _, p := range l.routes {
		via := "-"
		if p.via.IsValid() {
			via = p.via.String()
		}
		if p.onLink {
			// Once there is a route to it, any gateway will do.
			routes.line(via, " - - ", device)
		}
		to := p.to.String()
		if p.isDefault() && p.to.Addr().Is4() {
			to = "default"
		}
		kind := p.kind()
		line := to + " " + via + " - " + device + " " + kind
		translate(ifcfgTable2, "r", p.said, func(_, name, value string) { line += " " + name + " " + value })
		routes.line(line)
	}
	for _, p := range l.rules {
		line := either(p.six, "ipv6", "ipv4")
		translate(ifupdownTable, "u", p.said, func(_, name, value string) { line += " " + strings.Replace(name, "lookup", "table", 1) + " " + value })
		rules.line(line)
	}
	if routes.Len() > 0 {
		steps = append(steps, routes.step(ifcfgSUSEDir+"ifroute-"+device, 0o644))
	}
	if rules.Len() > 0 {
		steps = append(steps, rules.step(ifcfgSUSEDir+"ifrule-"+device, 0o644))
	}
	return steps
}

// ifcfgTable2 is how ifroute(5) says what belongs to a route.
const ifcfgTable2 = `
r routes.metric - metric
r routes.table - table
r routes.mtu - mtu
r routes.scope - scope
r routes.from - src
r routes.congestion-window - initcwnd
r routes.advertised-receive-window - initrwnd
r routes.advertised-mss - advmss
`
