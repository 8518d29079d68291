package network

import (
	"hash/fnv"
	"strconv"
	"strings"

	"boothook/injector/plan"
)

const (
	keyfileDir = "/etc/NetworkManager/system-connections/cloud-init-"
	// keyfilePriority is above that of the connection that NetworkManager makes
	// up for a bare device, and of most images' own.
	keyfilePriority = "120"
)

// keyfileTable is how NetworkManager is told what settings: of any connection
// (k), of each kind, of a route (r, its options) and of a rule (u):
// nm-settings-keyfile(5).
const keyfileTable = `
k match.driver match driver ;
k dhcp-identifier ipv4 dhcp-client-id
k ipv6-privacy ipv6 ip6-privacy true=2 false=0
k ipv6-mtu ipv6 mtu
k dhcp4-overrides.hostname ipv4 dhcp-hostname
k dhcp4-overrides.send-hostname ipv4 dhcp-send-hostname
k dhcp4-overrides.route-metric ipv4 route-metric
k dhcp4-overrides.use-dns ipv4 ignore-auto-dns !
k dhcp4-overrides.use-routes ipv4 ignore-auto-routes !
k dhcp4-overrides.use-routes ipv4 never-default !
k dhcp4-overrides.use-hostname hostname from-dhcp 01
k dhcp6-overrides.hostname ipv6 dhcp-hostname
k dhcp6-overrides.send-hostname ipv6 dhcp-send-hostname
k dhcp6-overrides.route-metric ipv6 route-metric
k dhcp6-overrides.use-dns ipv6 ignore-auto-dns !
k dhcp6-overrides.use-routes ipv6 ignore-auto-routes !
k dhcp6-overrides.use-routes ipv6 never-default !
k hairpin bridge-port hairpin-mode
k wakeonlan ethernet wake-on-lan true=64 false=0
k receive-checksum-offload ethtool feature-rx
k transmit-checksum-offload ethtool feature-tx
k tcp-segmentation-offload ethtool feature-tso
k tcp6-segmentation-offload ethtool feature-tx-tcp6-segmentation
k generic-segmentation-offload ethtool feature-gso
k generic-receive-offload ethtool feature-gro
k large-receive-offload ethtool feature-lro
k infiniband-mode infiniband transport-mode
k auth.method 802-1x eap
k auth.identity 802-1x identity
k auth.anonymous-identity 802-1x anonymous-identity
k auth.password 802-1x password
k auth.ca-certificate 802-1x ca-cert
k auth.client-certificate 802-1x client-cert
k auth.client-key 802-1x private-key
k auth.client-key-password 802-1x private-key-password
k auth.phase2-auth 802-1x phase2-auth
bonds parameters.mode bond mode
bonds parameters.lacp-rate bond lacp_rate
bonds parameters.mii-monitor-interval bond miimon
bonds parameters.min-links bond min_links
bonds parameters.transmit-hash-policy bond xmit_hash_policy
bonds parameters.ad-select bond ad_select
bonds parameters.all-members-active bond all_slaves_active 01
bonds parameters.arp-interval bond arp_interval
bonds parameters.arp-ip-targets bond arp_ip_target ,
bonds parameters.arp-validate bond arp_validate
bonds parameters.arp-all-targets bond arp_all_targets
bonds parameters.up-delay bond updelay
bonds parameters.down-delay bond downdelay
bonds parameters.fail-over-mac-policy bond fail_over_mac
bonds parameters.gratuitous-arp bond num_grat_arp
bonds parameters.packets-per-member bond packets_per_slave
bonds parameters.primary-reselect-policy bond primary_reselect
bonds parameters.resend-igmp bond resend_igmp
bonds parameters.learn-packet-interval bond lp_interval
bonds parameters.ad-actor-sys-prio bond ad_actor_sys_prio
bonds parameters.ad-actor-system bond ad_actor_system
bonds parameters.ad-user-port-key bond ad_user_port_key
bonds parameters.peer-notif-delay bond peer_notif_delay
bonds parameters.tlb-dynamic-lb bond tlb_dynamic_lb 01
bonds parameters.use-carrier bond use_carrier 01
bridges parameters.ageing-time bridge ageing-time
bridges parameters.forward-delay bridge forward-delay
bridges parameters.hello-time bridge hello-time
bridges parameters.max-age bridge max-age
bridges parameters.priority bridge priority
bridges parameters.stp bridge stp
vlans id vlan id
vrfs table vrf table
vxlan id vxlan id
vxlan local vxlan local
vxlan remote vxlan remote
vxlan ageing vxlan ageing
vxlan mac-learning vxlan learning
vxlan limit vxlan limit
vxlan arp-proxy vxlan proxy
vxlan port vxlan destination-port
vxlan type-of-service vxlan tos
vxlan ttl vxlan ttl
vxlan short-circuit vxlan rsc
wireguard port wireguard listen-port
wireguard mark wireguard fwmark
tunnels local ip-tunnel local
tunnels remote ip-tunnel remote
tunnels ttl ip-tunnel ttl
tunnels key ip-tunnel input-key
tunnels key ip-tunnel output-key
tunnels keys.input ip-tunnel input-key
tunnels keys.output ip-tunnel output-key
r routes.advertised-receive-window - initrwnd
r routes.congestion-window - initcwnd
r routes.mtu - mtu
r routes.table - table
r routes.from - src
r routes.advertised-mss - advmss
u routing-policy.priority - priority
u routing-policy.from - from
u routing-policy.to - to
u routing-policy.type-of-service - tos
u routing-policy.mark - fwmark
u routing-policy.table - table
`

// tunnelModes are the kernel's IP tunnels in the order of libnm's
// NMIPTunnelMode, which counts from 1.
const tunnelModes = "ipip gre sit isatap vti ip6ip6 ipip6 ip6gre vti6 gretap ip6gretap"

// keyfiles writes a connection for each link. NetworkManager ignores files
// that others can read.
func keyfiles(all links) []plan.Step {
	var steps []plan.Step
	for _, l := range all {
		if l.loopback && !l.addressed() {
			continue // it is there, with its own addresses
		}
		step := l.keyfile(all).step(keyfileDir+l.id+".nmconnection", 0o600)
		step.Secret = l.secret()
		steps = append(steps, step)
	}
	return steps
}

// uuid makes up an identity for a connection that is the same on every boot:
// version 8 of RFC 9562, of a hash of the link's name.
func (l *link) uuid() string {
	h := fnv.New128a()
	h.Write([]byte("boothook network-config " + l.id))
	b := h.Sum(nil)
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	const digits = "0123456789abcdef"
	var s strings.Builder
	for i, c := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			s.WriteByte('-')
		}
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

// keyfileKind is NetworkManager's name of the link's kind.
func (l *link) keyfileKind() string {
	switch mode := l.said.get("mode"); {
	case l.loopback:
		return "loopback"
	case l.infiniband:
		return "infiniband"
	case l.kind == dummy:
		return "dummy"
	case l.kind == veth:
		return "veth"
	case l.kind == tunnel && mode != "wireguard" && mode != "vxlan":
		return "ip-tunnel"
	case l.kind == tunnel:
		return mode
	}
	return strings.TrimSuffix(l.kind, "s")
}

func (l *link) keyfile(all links) *ini {
	f := &ini{}
	said, kind := l.said, l.keyfileKind()
	f.set("connection", "id", "cloud-init "+l.id)
	f.set("connection", "uuid", l.uuid())
	f.set("connection", "type", kind)
	if name, known := l.name(); said.has("match.macaddress") {
		// Enough; the link has its network even if renaming fails.
		f.set("match", "interface-name", said.get("match.name"))
	} else if known {
		f.set("connection", "interface-name", name)
	} else {
		f.set("match", "interface-name", said.get("match.name"))
	}
	f.set("connection", "autoconnect-priority", keyfilePriority)
	if said.get("activation-mode") == "manual" {
		f.set("connection", "autoconnect", "false")
	}
	port := all.master(l)
	if port != nil {
		f.set("connection", "master", port.device())
		f.set("connection", "slave-type", strings.TrimSuffix(port.kind, "s"))
		f.set("bridge-port", "path-cost", port.cost("parameters.path-cost", l.id))
		f.set("bridge-port", "priority", port.cost("parameters.port-priority", l.id))
	}
	ether := "ethernet"
	if kind == "infiniband" {
		ether = kind
	}
	f.set(ether, "mac-address", strings.ToUpper(said.get("match.macaddress")))
	if l.infiniband && !said.has("infiniband-mode") {
		f.set(ether, "transport-mode", "datagram") // the kernel's default, which must be said
	}
	f.set(ether, "cloned-mac-address", said.get("macaddress"))
	if kind == "wireguard" {
		f.set(kind, "mtu", said.get("mtu"))
	} else if kind == "loopback" {
		// A connection without the section is not read; 0 is what is there.
		f.set(kind, "mtu", either(said.has("mtu"), said.get("mtu"), "0"))
	} else {
		f.set(ether, "mtu", said.get("mtu"))
	}
	l.keyfileSections(all, f, kind)
	if port == nil || port.kind == vrf || l.addressed() {
		l.family(all, f, 4)
		l.family(all, f, 6)
	}
	f.settings(keyfileTable, "k", l.relevant())
	return f
}

// relevant is what is said, less a match by driver that a new name replaces:
// udev gives the name before NetworkManager sees the link.
func (l *link) relevant() mentions {
	var out mentions
	for _, m := range l.said {
		if m.key != "match.driver" || !l.said.has("set-name") {
			out = append(out, m)
		}
	}
	return out
}

// parent is how a connection names the one below it: by the interface, or by
// the connection where its name is not known.
func (all links) parent(id string) string {
	l := all.byID(id)
	if l == nil {
		return id
	}
	if name, known := l.name(); known {
		return name
	}
	return l.uuid()
}

// keyfileSections writes what only links of a kind have.
func (l *link) keyfileSections(all links, f *ini, kind string) {
	said := l.said
	if kind+"s" == l.kind {
		f.settings(keyfileTable, l.kind, said)
	}
	switch kind {
	case "bond":
		f.set("bond", "primary", all.nameOf(said.get("parameters.primary")))
		f.set("bond", "active_slave", all.nameOf(said.get("parameters.active-slave")))
		na := said.get("parameters.num-unsol-na")
		if na == "" {
			na = said.get("parameters.gratuitous-arp")
		}
		// The kernel has one number for both; the last one set counts.
		f.set("bond", "num_unsol_na", na)
	case "bridge":
		if said.under("parameters.") && !said.has("parameters.stp") {
			f.set("bridge", "stp", "true") // netplan's default beside other parameters
		}
	case "vlan":
		f.set("vlan", "parent", all.parent(said.get("link")))
	case "veth":
		f.set("veth", "peer", said.get("peer"))
	case "vxlan":
		f.settings(keyfileTable, kind, said)
		if said.has("link") {
			f.set(kind, "parent", all.parent(said.get("link")))
		}
		from, most, _ := strings.Cut(said.get("port-range"), "-")
		f.set(kind, "source-port-min", from)
		f.set(kind, "source-port-max", most)
		for _, flag := range strings.Fields(said.get("notifications")) {
			f.set(kind, flag, "true")
		}
	case "ip-tunnel":
		for i, mode := range strings.Fields(tunnelModes) {
			if mode == said.get("mode") {
				f.set(kind, "mode", strconv.Itoa(i+1))
			}
		}
		f.settings(keyfileTable, l.kind, said)
	case "wireguard":
		f.settings(keyfileTable, kind, said)
		f.set(kind, "private-key", l.private())
		flags := 0
		for _, flag := range strings.Fields(said.get("keys.private-key-flags")) {
			n, _ := strconv.Atoi(oneOf("agent-owned=1 not-saved=2 not-required=4", flag))
			flags |= n
		}
		if flags > 0 {
			f.set(kind, "private-key-flags", strconv.Itoa(flags))
		}
		for _, p := range l.peers {
			at := "wireguard-peer." + p.said.get("peers.keys.public")
			f.begin(at)
			f.set(at, "endpoint", p.said.get("peers.endpoint"))
			f.set(at, "allowed-ips", listed(strings.Fields(p.said.get("peers.allowed-ips"))))
			keepalive := p.said.get("peers.keepalive")
			if len(p.said) == 1 {
				keepalive = "0" // the default; a section without a line is none
			}
			f.set(at, "persistent-keepalive", keepalive)
			if shared := p.said.get("peers.keys.shared"); shared != "" {
				f.set(at, "preshared-key", shared)
				f.set(at, "preshared-key-flags", "0")
			}
		}
	}
}

// nameOf is the name of the interface that the document calls id; empty for
// none.
func (all links) nameOf(id string) string {
	if id == "" {
		return ""
	}
	return all.deviceOf(id)
}

// listed is a list in a keyfile; nothing for nothing.
func listed(items []string) string {
	if len(items) == 0 {
		return ""
	}
	return strings.Join(items, ";") + ";"
}

// method is how addresses of a family come. What nothing is said of is left as
// systemd-networkd and the kernel have it: no IPv4, router announcements of
// IPv6 obeyed.
func (l *link) method(all links, family int) string {
	local := l.linkLocal(all, "ipv"+strconv.Itoa(family))
	switch {
	case family == 4 && l.dhcp4():
		return "auto"
	case l.six == "stateful" && family == 6:
		return "dhcp"
	case family == 6 && (l.dhcp6() || l.six != "" || l.said.is("accept-ra")):
		return "auto"
	case l.has(family):
		return "manual"
	case l.loopback:
		return "auto" // which is nothing there; no other one is taken
	case family == 4 && local:
		return "link-local"
	case family == 4, !local:
		return "disabled"
	case l.said.no("accept-ra"), l.said.no("dhcp6") && l.said.no("accept-ra"):
		return "link-local"
	}
	return "auto"
}

func (l *link) family(all links, f *ini, family int) {
	in, method := "ipv"+strconv.Itoa(family), l.method(all, family)
	f.set(in, "method", method)
	// A family that is asked for must come up, unless another one is as good.
	asked := l.has(family) || family == 4 && l.dhcp4() || family == 6 && (l.dhcp6() || l.six != "")
	if asked && !(l.dhcp4() && (l.dhcp6() || l.six != "")) && !l.said.is("optional") {
		f.set(in, "may-fail", "false")
	}
	n := 0
	for _, a := range l.addresses {
		if a.Addr().Is4() == (family == 4) {
			n++
			f.set(in, "address"+strconv.Itoa(n), a.String())
		}
	}
	if family == 4 && l.linkLocal(all, in) && method != "link-local" {
		f.set(in, "link-local", "3") // enabled beside other addresses
	}
	n = 0
	for _, p := range l.routes {
		if p.to.Addr().Is4() == (family == 4) {
			n++
			p.keyfile(f, in, "route"+strconv.Itoa(n))
		}
	}
	n = 0
	for _, p := range l.rules {
		if p.six == (family == 6) {
			n++
			var words []string
			translate(keyfileTable, "u", p.said, func(_, name, value string) { words = append(words, name, value) })
			f.set(in, "routing-rule"+strconv.Itoa(n), strings.Join(words, " "))
		}
	}
	if method == "disabled" {
		return
	}
	f.set(in, "dns", listed(addrs(l.dns, family)))
	f.set(in, "dns-search", listed(l.search))
	if asked && family == 6 && !l.v1 && !l.said.has("ipv6-privacy") {
		f.set(in, "ip6-privacy", "0") // netplan's default
	}
	if token := l.said.get("ipv6-address-token"); token != "" && family == 6 {
		f.set(in, "addr-gen-mode", "0")
		f.set(in, "token", token)
	} else if family == 6 {
		mode := oneOf("eui64=0 stable-privacy=1", l.said.get("ipv6-address-generation"))
		if mode == "" && l.keyfileKind() == "ip-tunnel" && l.said.get("mode") != "gre" {
			mode = "1" // there is no hardware address to make an identifier of, and without one no IPv6
		}
		f.set(in, "addr-gen-mode", mode)
	}
}

func (p *route) keyfile(f *ini, in, name string) {
	value := p.to.String() + ","
	if p.via.IsValid() {
		value += p.via.String()
	}
	if metric := p.said.get("routes.metric"); metric != "" {
		value += "," + metric
	}
	f.set(in, name, strings.TrimRight(value, ","))
	var options []string
	if p.onLink {
		options = append(options, "onlink=true")
	}
	if kind := p.kind(); kind != "unicast" {
		options = append(options, "type="+kind)
	}
	translate(keyfileTable, "r", p.said, func(_, name, value string) { options = append(options, name+"="+value) })
	f.set(in, name+"_options", strings.Join(options, ","))
}
