package network

import (
	"strings"
)

// refusals list what a daemon cannot do: the letter of the renderer (see
// renderers), the key, with a kind before a colon where only that kind's is
// meant, with a value behind "=" where only that value is, with a dot at the
// end for all of a mapping; then what it costs, and why.
//
// Costs: "-" the setting alone; "w" the same, where nothing is lost that
// anybody would miss on the network; "i" the route, rule or address that has
// it; "l" the link.
const refusals = `
u accept-ra -
k activation-mode=off l it raises what it has a connection for, and leaves the rest alone
is activation-mode=off l nothing raises it either
ks addresses.label -
ks addresses.lifetime -
n auth. - 802.1X needs wpa_supplicant, which it does not start
is auth. - 802.1X needs wpa_supplicant's own configuration
k checksums -
k critical w it keeps a connection as long as its file stays
s critical w
nkis delay-virtual-functions-rebind w %0
u dhcp-identifier -
i dhcp-identifier=duid w the DHCP client's own configuration says how it names itself
i dhcp4-overrides.send-hostname=false - %1
u dhcp4-overrides.send-hostname=false -
i dhcp4-overrides.use-dns=false - %1
u dhcp4-overrides.use-dns=false - netconfig's policy in /etc/sysconfig/network/config decides
k dhcp4-overrides.use-domains=false - its use-dns takes servers and domains together
i dhcp4-overrides.use-domains=false - %1
s dhcp4-overrides.use-domains=false -
kis dhcp4-overrides.use-domains=route -
i dhcp4-overrides.use-hostname=false - %1
s dhcp4-overrides.use-hostname=false -
k dhcp4-overrides.use-mtu=false - DHCP's MTU counts unless mtu is said
i dhcp4-overrides.use-mtu=false - %1
s dhcp4-overrides.use-mtu=false -
i dhcp4-overrides.use-ntp=false w %1
u dhcp4-overrides.use-ntp=false w netconfig's policy in /etc/sysconfig/network/config decides
k dhcp4-overrides.use-ntp=true w it sets no clock
i dhcp4-overrides.use-routes=false - %1
u dhcp4-overrides.use-routes=false -
u dhcp6-overrides. -
i dhcp6-overrides.hostname - %1
i dhcp6-overrides.route-metric - the router's announcements say how much its routes count
i dhcp6-overrides.send-hostname=false - %1
i dhcp6-overrides.use-dns=false - %1
k dhcp6-overrides.use-domains=false - its use-dns takes servers and domains together
i dhcp6-overrides.use-domains=false - %1
s dhcp6-overrides.use-domains=false -
kis dhcp6-overrides.use-domains=route -
ks dhcp6-overrides.use-hostname=false -
i dhcp6-overrides.use-hostname=false - %1
ks dhcp6-overrides.use-mtu=false -
i dhcp6-overrides.use-mtu=false - %1
i dhcp6-overrides.use-ntp=false w %1
s dhcp6-overrides.use-ntp=false w
k dhcp6-overrides.use-ntp=true w it sets no clock
i dhcp6-overrides.use-routes=false - the router's announcements bring them
k do-not-fragment -
i dummy-devices: l it makes no dummy devices
s dummy-devices: l ifcfg files make no dummy devices
nkis embedded-switch-mode - %0
kis emit-lldp w
nkis ethernets:link - %0
k extensions -
k flow-label -
s generic-receive-offload -
s generic-segmentation-offload -
is hairpin -
k ignore-carrier w it is a setting of the daemon, not of a connection
i ignore-carrier w it configures without a carrier anyway
s ignore-carrier w
u ipv6-address-generation -
i ipv6-address-generation=stable-privacy - it needs a secret that nobody keeps
u ipv6-address-token -
u ipv6-mtu -
u ipv6-privacy -
s large-receive-offload -
n keys.private-key-flags - it asks nobody for a key
n mode=isatap l it makes no such tunnels
kis neigh-suppress -
ni networkmanager - it is NetworkManager's
ks networkmanager - only netplan reads it
nkis openvswitch - netplan alone sets up Open vSwitch
k optional w its wait-online waits until all connections have been tried
is optional w the boot waits for every interface that is raised at boot
n optional-addresses w its wait-online waits for any address
k optional-addresses w its wait-online waits until all connections have been tried
is optional-addresses w the boot waits for every interface that is raised at boot
i parameters.ad-actor-sys-prio -
i parameters.ad-actor-system -
i parameters.ad-user-port-key -
n parameters.arp-validate=filter -
n parameters.arp-validate=filter_active -
n parameters.arp-validate=filter_backup -
nks parameters.gcint w the kernel's own interval stays
nks parameters.hw - give the bridge its address by mac_address
nks parameters.maxwait w it waits for no port
n parameters.num-unsol-na -
ni parameters.peer-notif-delay -
n parameters.use-carrier -
nks parameters.waitport w it waits for no port
kis port-mac-learning -
kis ra-overrides. -
s receive-checksum-offload -
k routes.type=anycast i
k routes.type=broadcast i
k routes.type=multicast i
k routes.type=nat i
is routes.type=nat i the kernel has none any more
kis routes.type=xresolve i
s tcp-segmentation-offload -
is tcp6-segmentation-offload -
s transmit-checksum-offload -
i tunnels: l it makes no such tunnels
s tunnels: l ifcfg files make no such tunnels
i virtual-ethernets: l it makes no virtual ethernets
s virtual-ethernets: l ifcfg files make no virtual ethernets
nkis virtual-function-count - %0
i vrfs: l it knows no vrf
s vrfs: l ifcfg files know no vrf
nkis wakeonwlan w there is no wireless link
`

// reasons are those of several refusals, which name them by "%" and place.
const reasons = `SR-IOV is set up by netplan alone
it belongs into the DHCP client's configuration`

// A renderer is one way to write the files of a daemon.
type renderer struct {
	// name is cloud-init's, which system_info.network.renderers has too.
	name string
	// daemon is what people call it.
	daemon string
	// letters are those of refusals.
	letters string
}

// renderers are all there are, in the order of DEFAULT_PRIORITY in
// cloud-init's net/renderers.py, BSD's left aside.
func renderers() []renderer {
	return []renderer{
		{"eni", "ifupdown", "i"},
		{"sysconfig", "sysconfig", "s"},
		{"netplan", "netplan", ""},
		{"network-manager", "NetworkManager", "k"},
		{"networkd", "systemd-networkd", "n"},
	}
}

// refusal says what a key with its value costs, and why; cost is 0 where the
// renderer can do it.
func (re renderer) refusal(kind, key, value string) (cost byte, why string) {
	first, _, _ := strings.Cut(key, ".")
	for line := range strings.Lines(refusals) {
		letters, _, _ := strings.Cut(line, " ")
		if !strings.Contains(line, first) || re.letters == "" || !strings.ContainsAny(letters, re.letters) {
			continue
		}
		w := strings.SplitN(strings.TrimSpace(line), " ", 4)
		pattern := w[1]
		if of, rest, ok := strings.Cut(pattern, ":"); ok {
			if of != kind {
				continue
			}
			pattern = rest
		}
		name, wanted, valued := strings.Cut(pattern, "=")
		if name == key && (!valued || wanted == value) || strings.HasSuffix(name, ".") && strings.HasPrefix(key, name) {
			why = re.daemon + " has no such setting"
			if len(w) == 4 {
				why = re.daemon + " cannot: " + reason(w[3])
			}
			return w[2][0], why
		}
	}
	return 0, ""
}

func reason(s string) string {
	if s[0] != '%' {
		return s
	}
	return strings.Split(reasons, "\n")[s[1]-'0']
}

// fit leaves out what a renderer cannot do, and says each.
func (r *reader) fit(re renderer) {
	for _, l := range r.links {
		if cost, why := re.refusal(l.kind, "", ""); cost == 'l' {
			r.problem(l.line, "%s: %s; the link is left out", l.id, why)
			l.refused = true
			continue
		}
		r.keep(re, l, &l.said)
		for _, a := range l.addresses {
			r.keep(re, l, &a.said)
		}
		for _, p := range l.peers {
			r.keep(re, l, &p.said)
		}
		l.routes = kept(l.routes, func(p *route) bool { return r.keep(re, l, &p.said) })
		l.rules = kept(l.rules, func(p *rule) bool { return r.keep(re, l, &p.said) })
		r.special(re, l)
	}
	for r.leave() {
		r.references()
	}
}

func kept[T any](items []T, keep func(T) bool) []T {
	var out []T
	for _, item := range items {
		if keep(item) {
			out = append(out, item)
		}
	}
	return out
}

// keep takes out of what is said what the renderer cannot do; false if what it
// is said of goes as a whole.
func (r *reader) keep(re renderer, l *link, said *mentions) bool {
	whole := true
	var out mentions
	for _, m := range *said {
		cost, why := re.refusal(l.kind, m.key, m.value)
		switch cost {
		case 0:
			out = append(out, m)
		case 'l':
			r.refuse(l, m.line, m.key, "%s", why)
		case 'i':
			r.problem(m.line, "%s: %s: %s; the route is left out", l.id, m.key, why)
			whole = false
		default:
			r.note(m.line, cost == 'w', "%s: %s: %s; it is left out", l.id, m.key, why)
		}
	}
	*said = out
	return whole
}

// special refuses what depends on more than one key.
func (r *reader) special(re renderer, l *link) {
	bad := func(key, why string) {
		if line := l.said.line(key); line > 0 {
			r.refuse(l, line, key, "%s cannot: %s", re.daemon, why)
		} else {
			r.refuse(l, l.line, key, "%s cannot: %s", re.daemon, why)
		}
	}
	letter := re.letters[:min(1, len(re.letters))]
	_, known := l.name()
	if b := l.said.get("renderer"); b != "" && letter != "" && !strings.HasSuffix(re.daemon, b) {
		r.warn(l.said.line("renderer"), "%s: renderer: the root's daemon is %s", l.id, re.daemon)
	}
	switch letter {
	case "n", "k":
		if letter == "k" && l.kind == tunnel {
			for _, p := range l.peers {
				if isKeyFile(p.said.get("peers.keys.shared")) {
					bad("peers.keys.shared", "it reads no key from a file")
				}
			}
			if mode := l.said.get("mode"); strings.HasPrefix(mode, "vti") {
				for _, key := range []string{"key", "keys.input", "keys.output"} {
					if l.said.has(key) && !l.refused {
						bad(key, "it has keys for gre and ip6gre tunnels only")
					}
				}
			}
			if isKeyFile(l.private()) && l.said.get("mode") == "wireguard" {
				bad("keys.private", "it reads no key from a file")
			}
		}
		if letter == "k" {
			r.keyfileLimits(l)
		}
	case "i", "s":
		if l.said.has("match.driver") && !l.said.has("set-name") {
			bad("match.driver", "it does not know links by their driver; say set-name as well")
		}
		if letter == "s" && !l.refused && !known && l.said.get("match.macaddress") == "" {
			bad("match.name", "an ifcfg file is for one interface")
		}
		if strings.Contains(l.said.get("link-local"), "ipv4") {
			r.problem(l.said.line("link-local"), "%s: link-local: %s cannot: IPv4's link-local addresses need a daemon of their own; it is left out", l.id, re.daemon)
		}
		if letter == "s" && l.said.has("link-local") && !strings.Contains(l.said.get("link-local"), "ipv6") {
			r.problem(l.said.line("link-local"), "%s: link-local: %s cannot turn IPv6's off; it is left out", l.id, re.daemon)
		}
		if below := r.links.byID(l.said.get("link")); l.kind == vlan && below != nil && below.logical() {
			bad("link", "it needs the name of "+below.id+"; give that one set-name")
		}
		for _, id := range l.members {
			if m := r.links.byID(id); m != nil && m.logical() && l.kind == bridge {
				bad("interfaces", "it needs the name of "+id+"; give that one set-name")
			}
		}
	}
}

// keyfileLimits refuses what NetworkManager's keyfiles have no place for.
func (r *reader) keyfileLimits(l *link) {
	l.rules = kept(l.rules, func(p *rule) bool {
		if !p.said.has("routing-policy.priority") {
			r.problem(p.line, "%s: routing-policy.priority: NetworkManager takes no rule without one; the rule is left out", l.id)
			return false
		}
		return true
	})
	l.routes = kept(l.routes, func(p *route) bool {
		scope := p.said.get("routes.scope")
		implied := either(p.via.IsValid(), "global", "link")
		if p.kind() == "local" {
			implied = "host"
		}
		if scope != "" && scope != implied && p.to.Addr().Is4() {
			r.problem(p.said.line("routes.scope"), "%s: routes.scope: NetworkManager sets %s itself; the route is left out", l.id, implied)
			return false
		}
		return true
	})
	if off := l.method(r.links, 4) == "disabled"; off {
		for _, a := range l.dns {
			if a.Is4() {
				r.problem(l.said.line("nameservers.addresses"), "%s: nameservers.addresses: NetworkManager takes no IPv4 server for a link without IPv4; %s is left out", l.id, a)
			}
		}
	}
}
