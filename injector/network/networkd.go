package network

import (
	"net/netip"
	"strings"

	"boothook/injector/plan"
)

const networkdDir = "/etc/systemd/network/10-cloud-init-"

// networkdTable is how systemd-networkd is told what settings, in which
// section of the .network (n), .link (l) and .netdev (d) file, of a route (r)
// and of a rule (u): systemd.network(5), systemd.link(5), systemd.netdev(5).
const networkdTable = `
n activation-mode Link ActivationPolicy off=always-down
n mtu Link MTUBytes
n macaddress Link MACAddress
n optional Link RequiredForOnline ! yn
n emit-lldp Network EmitLLDP yn
n accept-ra Network IPv6AcceptRA yn
n ipv6-privacy Network IPv6PrivacyExtensions yn
n ipv6-mtu Network IPv6MTUBytes
n critical Network KeepConfiguration true=yes false=
n hairpin Bridge HairPin yn
n port-mac-learning Bridge Learning yn
n neigh-suppress Bridge NeighborSuppression yn
n infiniband-mode IPoIB Mode
n dhcp-identifier DHCPv4 ClientIdentifier
n dhcp4-overrides.hostname DHCPv4 Hostname
n dhcp4-overrides.send-hostname DHCPv4 SendHostname yn
n dhcp4-overrides.use-dns DHCPv4 UseDNS yn
n dhcp4-overrides.use-domains DHCPv4 UseDomains yn
n dhcp4-overrides.use-hostname DHCPv4 UseHostname yn
n dhcp4-overrides.use-ntp DHCPv4 UseNTP yn
n dhcp4-overrides.use-routes DHCPv4 UseRoutes yn
n dhcp6-overrides.hostname DHCPv6 Hostname
n dhcp6-overrides.send-hostname DHCPv6 SendHostname yn
n dhcp6-overrides.use-dns DHCPv6 UseDNS yn
n dhcp6-overrides.use-domains DHCPv6 UseDomains yn
n dhcp6-overrides.use-hostname DHCPv6 UseHostname yn
n dhcp6-overrides.use-mtu IPv6AcceptRA UseMTU yn
n dhcp6-overrides.use-ntp DHCPv6 UseNTP yn
n dhcp6-overrides.use-routes IPv6AcceptRA UseGateway yn
n dhcp6-overrides.use-routes IPv6AcceptRA UseRoutePrefix yn
n ra-overrides.use-dns IPv6AcceptRA UseDNS yn
n ra-overrides.use-domains IPv6AcceptRA UseDomains yn
n ra-overrides.table IPv6AcceptRA RouteTable
l set-name Link Name
l mtu Link MTUBytes
l wakeonlan Link WakeOnLan true=magic false=off
l receive-checksum-offload Link ReceiveChecksumOffload yn
l transmit-checksum-offload Link TransmitChecksumOffload yn
l tcp-segmentation-offload Link TCPSegmentationOffload yn
l tcp6-segmentation-offload Link TCP6SegmentationOffload yn
l generic-segmentation-offload Link GenericSegmentationOffload yn
l generic-receive-offload Link GenericReceiveOffload yn
l large-receive-offload Link LargeReceiveOffload yn
d macaddress NetDev MACAddress
d mtu NetDev MTUBytes
bonds parameters.mode Bond Mode
bonds parameters.lacp-rate Bond LACPTransmitRate
bonds parameters.mii-monitor-interval Bond MIIMonitorSec ms
bonds parameters.min-links Bond MinLinks
bonds parameters.transmit-hash-policy Bond TransmitHashPolicy
bonds parameters.ad-select Bond AdSelect
bonds parameters.all-members-active Bond AllSlavesActive yn
bonds parameters.arp-interval Bond ARPIntervalSec ms
bonds parameters.arp-ip-targets Bond ARPIPTargets
bonds parameters.arp-validate Bond ARPValidate
bonds parameters.arp-all-targets Bond ARPAllTargets
bonds parameters.up-delay Bond UpDelaySec ms
bonds parameters.down-delay Bond DownDelaySec ms
bonds parameters.fail-over-mac-policy Bond FailOverMACPolicy
bonds parameters.gratuitous-arp Bond GratuitousARP
bonds parameters.packets-per-member Bond PacketsPerSlave
bonds parameters.primary-reselect-policy Bond PrimaryReselectPolicy
bonds parameters.resend-igmp Bond ResendIGMP
bonds parameters.learn-packet-interval Bond LearnPacketIntervalSec
bonds parameters.ad-actor-sys-prio Bond AdActorSystemPriority
bonds parameters.ad-actor-system Bond AdActorSystem
bonds parameters.ad-user-port-key Bond AdUserPortKey
bonds parameters.tlb-dynamic-lb Bond DynamicTransmitLoadBalancing yn
bridges parameters.ageing-time Bridge AgeingTimeSec
bridges parameters.forward-delay Bridge ForwardDelaySec
bridges parameters.hello-time Bridge HelloTimeSec
bridges parameters.max-age Bridge MaxAgeSec
bridges parameters.priority Bridge Priority
bridges parameters.stp Bridge STP yn
vlans id VLAN Id
vrfs table VRF Table
vxlan id VXLAN VNI
vxlan local VXLAN Local
vxlan type-of-service VXLAN TOS
vxlan ttl VXLAN TTL
vxlan mac-learning VXLAN MacLearning yn
vxlan ageing VXLAN FDBAgeingSec
vxlan limit VXLAN MaximumFDBEntries
vxlan arp-proxy VXLAN ReduceARPProxy yn
vxlan short-circuit VXLAN RouteShortCircuit yn
vxlan port VXLAN DestinationPort
vxlan port-range VXLAN PortRange
vxlan flow-label VXLAN FlowLabel
vxlan do-not-fragment VXLAN IPDoNotFragment yn
wireguard port WireGuard ListenPort
wireguard mark WireGuard FirewallMark
tunnels local Tunnel Local
tunnels remote Tunnel Remote
tunnels ttl Tunnel TTL
tunnels key Tunnel Key
tunnels keys.input Tunnel InputKey
tunnels keys.output Tunnel OutputKey
r routes.type Route Type unicast=
r routes.metric Route Metric
r routes.table Route Table
r routes.mtu Route MTUBytes
r routes.congestion-window Route InitialCongestionWindow
r routes.advertised-receive-window Route InitialAdvertisedReceiveWindow
r routes.advertised-mss Route TCPAdvertisedMaximumSegmentSize
u routing-policy.from RoutingPolicyRule From
u routing-policy.to RoutingPolicyRule To
u routing-policy.table RoutingPolicyRule Table
u routing-policy.priority RoutingPolicyRule Priority
u routing-policy.mark RoutingPolicyRule FirewallMark
u routing-policy.type-of-service RoutingPolicyRule TypeOfService
p peers.keys.public WireGuardPeer PublicKey
p peers.allowed-ips WireGuardPeer AllowedIPs ,
p peers.keepalive WireGuardPeer PersistentKeepalive
p peers.endpoint WireGuardPeer Endpoint
`

// flagNames are systemd.netdev(5)'s names of what a vxlan lists.
const flagNames = "l2-miss=L2MissNotification l3-miss=L3MissNotification udp=UDPChecksum zero-udp6-tx=UDP6ZeroChecksumTx" +
	" zero-udp6-rx=UDP6ZeroChecksumRx remote-tx=RemoteChecksumTx remote-rx=RemoteChecksumRx" +
	" group-policy=GroupPolicyExtension generic-protocol=GenericProtocolExtension "

// networkd writes a .network file for each link, a .link file for hardware
// that gets a name or settings of its own, and a .netdev file for what is to be
// made.
func networkd(all links, group string) []plan.Step {
	var steps []plan.Step
	for _, l := range all {
		// Of a pair the first end makes both.
		if l.virtual() && (l.kind != veth || l.id < l.said.get("peer") || all.byID(l.said.get("peer")) == nil) {
			f := l.netdev(all)
			step := f.step(networkdDir+l.id+".netdev", 0o644)
			if l.secret() {
				step.Mode, step.Group, step.Secret = 0o640, group, true
			}
			steps = append(steps, step)
		} else if f := l.linkFile(); len(f.sections) > 1 {
			steps = append(steps, f.step(networkdDir+l.id+".link", 0o644))
		}
		f := l.networkd(all)
		steps = append(steps, f.step(networkdDir+l.id+".network", 0o644))
	}
	return steps
}

// secret says whether the link's configuration has a key or password.
func (l *link) secret() bool {
	for _, p := range l.peers {
		if p.said.has("peers.keys.shared") {
			return true
		}
	}
	return l.kind == tunnel && l.private() != "" || l.said.has("auth.password") || l.said.has("auth.client-key-password")
}

// hardware writes what says which hardware is meant. Names are those before
// (OriginalName) or after renaming.
func (l *link) hardware(f *ini, name string) {
	said := l.said
	f.set("Match", "Driver", said.get("match.driver"))
	// Not the current address, which a vlan or bond on top shares.
	f.set("Match", "PermanentMACAddress", said.get("match.macaddress"))
	switch {
	case name == "OriginalName" && said.has("match.name"):
		f.set("Match", name, said.get("match.name"))
	case name == "OriginalName":
	case said.has("match.macaddress") && !said.has("match.name"):
		// Enough; the link has its network even if renaming fails.
	case said.has("set-name"):
		f.set("Match", name, said.get("set-name"))
	default:
		f.set("Match", name, said.get("match.name"))
	}
	if !said.under("match.") {
		f.set("Match", name, l.id)
	}
}

func (l *link) linkFile() *ini {
	f := &ini{}
	if l.virtual() || l.loopback {
		return f
	}
	l.hardware(f, "OriginalName")
	f.settings(networkdTable, "l", l.said)
	if len(f.sections) > 1 && !l.said.has("set-name") {
		// The first .link file that matches is the only one; systemd's own
		// says this.
		f.set("Link", "NamePolicy", "keep kernel database onboard slot path")
	}
	return f
}

func (l *link) netdev(all links) *ini {
	f := &ini{}
	kind := strings.TrimSuffix(l.kind, "s")
	mode := l.said.get("mode")
	switch {
	case l.kind == dummy:
		kind = "dummy"
	case l.kind == veth:
		kind = "veth"
	case l.kind == tunnel && (mode == "ip6ip6" || mode == "ipip6"):
		kind = "ip6tnl"
	case l.kind == tunnel:
		kind = mode
	}
	f.set("NetDev", "Name", l.device())
	f.set("NetDev", "Kind", kind)
	f.settings(networkdTable, "d", l.said)
	switch {
	case l.kind == veth:
		f.set("Peer", "Name", l.said.get("peer"))
	case mode == "wireguard":
		l.networkdWireguard(f)
	case mode == "vxlan":
		remote, _ := netip.ParseAddr(l.said.get("remote"))
		if remote.IsMulticast() {
			f.set("VXLAN", "Group", remote.String())
		} else {
			f.set("VXLAN", "Remote", l.said.get("remote"))
		}
		f.settings(networkdTable, mode, l.said)
		for _, key := range []string{"notifications", "checksums", "extensions"} {
			for _, flag := range strings.Fields(l.said.get(key)) {
				f.set("VXLAN", oneOf(flagNames, flag), "yes")
			}
		}
		if !l.said.has("link") {
			f.set("VXLAN", "Independent", "yes")
		}
	case l.kind == tunnel:
		f.set("Tunnel", "Independent", "yes")
		if kind == "ip6tnl" {
			f.set("Tunnel", "Mode", mode)
		}
		f.settings(networkdTable, l.kind, l.said)
	default:
		f.settings(networkdTable, l.kind, l.said)
		if l.kind == bridge && l.said.under("parameters.") && !l.said.has("parameters.stp") {
			f.set("Bridge", "STP", "yes") // netplan's default beside other parameters
		}
	}
	return f
}

func (l *link) networkdWireguard(f *ini) {
	key := func(section, name, value string) {
		if isKeyFile(value) {
			name += "File"
		}
		f.set(section, name, value)
	}
	key("WireGuard", "PrivateKey", l.private())
	f.settings(networkdTable, "wireguard", l.said)
	for _, p := range l.peers {
		f.begin("WireGuardPeer")
		f.settings(networkdTable, "p", p.said)
		key("WireGuardPeer", "PresharedKey", p.said.get("peers.keys.shared"))
	}
}

// families says which of both systemd's settings mean.
func families(four, six bool) string {
	switch {
	case four && six:
		return "yes"
	case four:
		return "ipv4"
	}
	return either(six, "ipv6", "no")
}

func (l *link) networkd(all links) *ini {
	f := &ini{}
	l.hardware(f, "Name")
	f.begin("Link")
	four, six := l.dhcp4(), l.dhcp6()
	f.set("Network", "DHCP", families(four, six))
	if !l.loopback {
		f.set("Network", "LinkLocalAddressing", families(l.linkLocal(all, "ipv4"), l.linkLocal(all, "ipv6")))
	}
	var said mentions
	for _, m := range l.said {
		// Overrides of what is off are nothing to systemd.
		if (four || !strings.HasPrefix(m.key, "dhcp4-")) && (six || !strings.HasPrefix(m.key, "dhcp6-")) {
			said = append(said, m)
		}
	}
	if l.six != "" && l.six != "stateful" && !said.has("accept-ra") {
		said.add("accept-ra", "true", 0)
	}
	if m := said.get("ipv6-address-token"); m != "" {
		f.set("Network", "IPv6Token", "static:"+m)
	} else if said.get("ipv6-address-generation") == "stable-privacy" {
		f.set("Network", "IPv6Token", "prefixstable")
	} else {
		f.set("Network", "IPv6LinkLocalAddressGenerationMode", said.get("ipv6-address-generation"))
	}
	for _, a := range l.addresses {
		if len(a.said) == 0 {
			f.set("Network", "Address", a.String())
		}
	}
	for _, a := range l.dns {
		f.set("Network", "DNS", a.String())
	}
	f.set("Network", "Domains", strings.Join(l.search, " "))
	if l.virtual() && !said.has("ignore-carrier") || said.is("ignore-carrier") {
		f.set("Network", "ConfigureWithoutCarrier", "yes")
	}
	for _, kind := range []string{vlan, tunnel} {
		for _, name := range all.on(l, kind) {
			f.set("Network", either(kind == vlan, "VLAN", "VXLAN"), name)
		}
	}
	if v := all.vrfOf(l); v != nil {
		f.set("Network", "VRF", v.device())
	}
	if m := all.master(l); m != nil && m.kind != vrf {
		f.set("Network", either(m.kind == bond, "Bond", "Bridge"), m.device())
		if m.said.get("parameters.primary") == l.id {
			f.set("Network", "PrimarySlave", "yes")
		}
		if m.said.get("parameters.active-slave") == l.id {
			f.set("Network", "ActiveSlave", "yes")
		}
		f.set("Bridge", "Cost", m.cost("parameters.path-cost", l.id))
		f.set("Bridge", "Priority", m.cost("parameters.port-priority", l.id))
	}
	l.networkdDHCP(f, said)
	f.settings(networkdTable, "n", said)
	for _, a := range l.addresses {
		if len(a.said) > 0 {
			f.begin("Address")
			f.set("Address", "Address", a.String())
			f.set("Address", "PreferredLifetime", a.said.get("addresses.lifetime"))
			f.set("Address", "Label", a.said.get("addresses.label"))
		}
	}
	for _, p := range l.routes {
		p.networkd(f)
	}
	for _, p := range l.rules {
		f.begin("RoutingPolicyRule")
		f.settings(networkdTable, "u", p.said)
	}
	return f
}

// networkdDHCP writes what netplan says beside what is asked for: DHCP's MTU,
// which clouds need, and the metric that NetworkManager gives an ethernet.
func (l *link) networkdDHCP(f *ini, said mentions) {
	metric := "100"
	if m := said.get("dhcp4-overrides.route-metric"); m != "" {
		metric = m
	}
	if l.dhcp4() {
		f.set("DHCPv4", "RouteMetric", metric)
		mtu := said.get("dhcp4-overrides.use-mtu")
		if mtu == "" {
			mtu = "true"
		}
		f.set("DHCPv4", "UseMTU", changed(mtu, "yn"))
	}
	if l.dhcp6() {
		if m := said.get("dhcp6-overrides.route-metric"); m != "" || !l.dhcp4() {
			metric = "100"
			if m != "" {
				metric = m
			}
		}
	}
	if l.dhcp4() || l.dhcp6() {
		f.set("IPv6AcceptRA", "RouteMetric", metric)
	}
	if l.six == "slaac" {
		f.set("IPv6AcceptRA", "DHCPv6Client", "no")
	}
}

// cost is what a bridge says of a port.
func (l *link) cost(key, port string) string {
	for _, m := range l.said {
		if id, n, _ := strings.Cut(m.value, " "); m.key == key && id == port {
			return n
		}
	}
	return ""
}

// scope is the route's, by ip-route(8)'s rules where it is not said; empty for
// the whole world.
func (p *route) scope() string {
	scope := p.said.get("routes.scope")
	switch kind := p.kind(); {
	case scope == "global":
		return ""
	case scope != "":
		return scope
	case kind == "local", kind == "nat":
		return "host"
	case kind == "unicast" && !p.via.IsValid(), kind == "broadcast", kind == "multicast", kind == "anycast":
		return "link"
	}
	return ""
}

func (p *route) networkd(f *ini) {
	f.begin("Route")
	f.set("Route", "Destination", p.to.String())
	if p.via.IsValid() {
		f.set("Route", "Gateway", p.via.String())
	}
	if p.from.IsValid() {
		f.set("Route", "PreferredSource", p.from.String())
	}
	f.set("Route", "Scope", p.scope())
	if p.onLink {
		f.set("Route", "GatewayOnLink", "yes")
	}
	f.settings(networkdTable, "r", p.said)
}
