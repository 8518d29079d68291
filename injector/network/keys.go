package network

import "strings"

// keyTable lists version 2's keys: the kinds of links that have it, by the
// letters of kindLetters ("*" for all of them, "1" for what only version 1
// says), the key as mentions have it, the type of its value, and what else the
// type needs. docs/reference/network-config.md has a row for each, which a
// test holds. The source is netplan's YAML reference, whose grammar allows the
// same (src/parse.c of 1.1.2).
//
// Types: bool; num LEAST MOST; positive, the same where 0 says nothing; word
// and words with what is allowed, where version 1 may give the place of a word
// instead; text, texts, secret; name and names of interfaces; host; mac, or one
// of the words behind it; addr and addrs with the family, if only one is
// allowed; ms and s for times; domains, a boolean or "route"; ports, a range;
// costs, numbers by member with their most; list where code of its own reads
// it; raw what only netplan reads.
const keyTable = `
* accept-ra bool
* activation-mode word manual off
* addresses list
* addresses.label text
* addresses.lifetime word 0 forever
*1 control word hotplug
* critical bool
* dhcp-identifier word mac duid
* dhcp4 bool
* dhcp4-overrides.hostname host
* dhcp4-overrides.route-metric num 0 4294967295
* dhcp4-overrides.send-hostname bool
* dhcp4-overrides.use-dns bool
* dhcp4-overrides.use-domains domains
* dhcp4-overrides.use-hostname bool
* dhcp4-overrides.use-mtu bool
* dhcp4-overrides.use-ntp bool
* dhcp4-overrides.use-routes bool
* dhcp6 bool
* dhcp6-overrides.hostname host
* dhcp6-overrides.route-metric num 0 4294967295
* dhcp6-overrides.send-hostname bool
* dhcp6-overrides.use-dns bool
* dhcp6-overrides.use-domains domains
* dhcp6-overrides.use-hostname bool
* dhcp6-overrides.use-mtu bool
* dhcp6-overrides.use-ntp bool
* dhcp6-overrides.use-routes bool
* gateway4 addr 4
* gateway6 addr 6
* hairpin bool
* ignore-carrier bool
* ipv6-address-generation word eui64 stable-privacy
* ipv6-address-token addr 6
* ipv6-mtu positive 0 65536
* ipv6-privacy bool
* link-local words ipv4 ipv6
* macaddress mac permanent random stable preserve
* mtu positive 0 65536
* nameservers.addresses addrs
* nameservers.search texts
* neigh-suppress bool
* networkmanager raw
* openvswitch raw
* optional bool
* optional-addresses words ipv4-ll ipv6-ra dhcp4 dhcp6 static
* port-mac-learning bool
* ra-overrides.table positive 0 4294967295
* ra-overrides.use-dns bool
* ra-overrides.use-domains domains
* renderer word networkd NetworkManager
* routes list
* routes.advertised-mss positive 0 4294967295
* routes.advertised-receive-window positive 0 4294967295
* routes.congestion-window positive 0 4294967295
* routes.from addr
* routes.metric num 0 4294967295
* routes.mtu positive 0 4294967295
* routes.on-link bool
* routes.scope word global link host
* routes.table positive 0 4294967295
* routes.to text
* routes.type word unicast anycast blackhole broadcast local multicast nat prohibit throw unreachable xresolve
* routes.via addr
* routing-policy list
* routing-policy.from text
* routing-policy.mark positive 0 4294967295
* routing-policy.priority num 0 4294967295
* routing-policy.table positive 0 4294967295
* routing-policy.to text
* routing-policy.type-of-service num 0 255
e auth.anonymous-identity secret
e auth.ca-certificate secret
e auth.client-certificate secret
e auth.client-key secret
e auth.client-key-password secret
e auth.identity secret
e auth.key-management word none psk psk-sha256 eap eap-sha256 eap-suite-b-192 sae 802.1x
e auth.method word tls peap ttls leap pwd
e auth.password secret
e auth.phase2-auth text
e delay-virtual-functions-rebind bool
e embedded-switch-mode word switchdev legacy
e emit-lldp bool
e generic-receive-offload bool
e generic-segmentation-offload bool
e infiniband-mode word datagram connected
e large-receive-offload bool
e match.driver texts
e match.macaddress mac
e match.name text
e receive-checksum-offload bool
e set-name name
e tcp-segmentation-offload bool
e tcp6-segmentation-offload bool
e transmit-checksum-offload bool
e virtual-function-count num 0 4294967295
e wakeonlan bool
e wakeonwlan raw
bro interfaces names
b parameters.ad-select word stable bandwidth count
b parameters.all-members-active bool
b parameters.arp-all-targets word any all
b parameters.arp-interval ms
b parameters.arp-ip-targets addrs 4
b parameters.arp-validate word none active backup all filter filter_active filter_backup
b parameters.down-delay ms
b parameters.fail-over-mac-policy word none active follow
b parameters.gratuitous-arp num 0 255
b parameters.lacp-rate word slow fast
b parameters.learn-packet-interval s
b parameters.mii-monitor-interval ms
b parameters.min-links num 0 65535
b parameters.mode word balance-rr active-backup balance-xor broadcast 802.3ad balance-tlb balance-alb
b parameters.packets-per-member num 0 65535
b parameters.primary name
b parameters.primary-reselect-policy word always better failure
b parameters.resend-igmp num 0 255
b parameters.transmit-hash-policy word layer2 layer3+4 layer2+3 encap2+3 encap3+4 vlan+srcmac
b parameters.up-delay ms
b1 parameters.active-slave name
b1 parameters.ad-actor-sys-prio num 1 65535
b1 parameters.ad-actor-system mac
b1 parameters.ad-user-port-key num 0 1023
b1 parameters.num-unsol-na num 0 255
b1 parameters.peer-notif-delay ms
b1 parameters.tlb-dynamic-lb bool
b1 parameters.use-carrier bool
r parameters.ageing-time s
r parameters.forward-delay s
r parameters.hello-time s
r parameters.max-age s
r parameters.path-cost costs 4294967294
r parameters.port-priority costs 63
r parameters.priority num 0 65535
r parameters.stp bool
r1 parameters.gcint s
r1 parameters.hw text
r1 parameters.maxwait s
r1 parameters.waitport text
evt link name
v id num 0 4094
o table num 1 4294967295
p peer name
t ageing num 0 4294967295
t arp-proxy bool
t checksums words udp zero-udp6-tx zero-udp6-rx remote-tx remote-rx
t do-not-fragment bool
t extensions words group-policy generic-protocol
t flow-label num 0 1048575
t id num 1 16777215
t key secret
t keys.input secret
t keys.output secret
t keys.private secret
t keys.private-key-flags words agent-owned not-saved not-required
t limit num 0 4294967295
t local addr
t mac-learning bool
t mark num 0 4294967295
t mode word ipip gre sit isatap vti ip6ip6 ipip6 ip6gre vti6 gretap ip6gretap wireguard vxlan
t notifications words l2-miss l3-miss
t peers list
t peers.allowed-ips texts
t peers.endpoint text
t peers.keepalive num 0 65535
t peers.keys.public secret
t peers.keys.shared secret
t port num 0 65535
t port-range ports
t remote addr
t short-circuit bool
t ttl num 0 255
t type-of-service num 0 255
`

// kindLetters are the letters of keyTable.
const kindLetters = "e=ethernets b=bonds r=bridges v=vlans o=vrfs t=tunnels d=dummy-devices p=virtual-ethernets "

func letterOf(kind string) byte {
	if i := strings.Index(kindLetters, "="+kind+" "); i > 0 {
		return kindLetters[i-1]
	}
	return 0
}

// A keyKind says what a key is to a kind of link.
type keyKind uint8

const (
	unknownKey keyKind = iota
	// foreignKey is another kind's.
	foreignKey
	knownKey
	// mappingKey has keys below it.
	mappingKey
)

// lookUp gives the type of a key's value and what the type needs.
func lookUp(kind, key string, v1 bool) (is keyKind, typ string, needs []string) {
	letter := letterOf(kind)
	if key == "" {
		return unknownKey, "", nil
	}
	for rest := keyTable; ; {
		i := strings.Index(rest, " "+key)
		if i < 0 {
			return is, "", nil
		}
		kinds := rest[strings.LastIndexByte(rest[:i], '\n')+1 : i]
		rest = rest[i+1+len(key):]
		below := rest[0] == '.'
		// Among what a type needs there are other words before it.
		if rest[0] != ' ' && !below || strings.Contains(kinds, " ") || !v1 && strings.Contains(kinds, "1") {
			continue
		}
		mine := kinds[0] == '*' || strings.IndexByte(kinds, letter) >= 0
		switch {
		case !mine:
			is = max(is, foreignKey)
		case below:
			is = max(is, mappingKey)
		default:
			line, _, _ := strings.Cut(rest, "\n")
			fields := strings.Fields(line)
			return knownKey, fields[0], fields[1:]
		}
	}
}

// today gives the name that a key has now.
func today(key string) string {
	for _, old := range []string{
		"parameters.aging-time=parameters.ageing-time", "parameters.gratuitious-arp=parameters.gratuitous-arp",
		"parameters.all-slaves-active=parameters.all-members-active", "parameters.packets-per-slave=parameters.packets-per-member",
		"aging=ageing",
	} {
		if from, to, _ := strings.Cut(old, "="); from == key {
			return to
		}
	}
	return key
}
