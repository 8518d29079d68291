package network

import (
	"strings"
	"testing"
)

// TestLines gives documents that were once rendered wrongly, in silence, by one
// renderer or another, with what the files must have and must not have. A text
// before a colon and a space is the renderer's; others are for all.
func TestLines(t *testing.T) {
	one := func(keys string) string {
		return "version: 1\nconfig:\n- {type: physical, name: eth0, " + keys + "}\n"
	}
	subnet := func(keys string) string { return one("subnets: [{" + keys + "}]") }
	nic := func(keys string) string { return "version: 2\nethernets:\n  eth0: {" + keys + "}\n" }
	onLink := []string{"netplan: on-link: true", "networkd: GatewayOnLink=yes", "network-manager: onlink=true", `eni: via 198.51.100.1 dev "$IFACE" onlink`, "sysconfig: default via 198.51.100.1 dev eth0 onlink"}
	address := func(a string) []string {
		ip, bits, _ := strings.Cut(a, "/")
		return []string{"netplan: - " + a, "networkd: Address=" + a, "network-manager: address1=" + a, "eni: address " + a, "sysconfig: IPADDR=" + ip + "\nPREFIX=" + bits}
	}
	for _, c := range []struct {
		name, doc string
		has, not  []string
	}{
		{"version 1's gateway outside", subnet("type: static, address: 203.0.113.7/32, gateway: 198.51.100.1"), onLink, nil},
		{"gateway4 outside", nic("addresses: [203.0.113.7/32], gateway4: 198.51.100.1"), onLink, nil},
		{"a route's gateway outside", nic("addresses: [203.0.113.7/32], routes: [{to: default, via: 198.51.100.1}]"), onLink, nil},
		{"a route's gateway inside", nic("addresses: [198.51.100.7/24], routes: [{to: default, via: 198.51.100.1}]"), nil, []string{"onlink", "on-link", "GatewayOnLink"}},
		{"netmask as a number in quotes", subnet("type: static, address: 10.7.0.17, netmask: '24'"), address("10.7.0.17/24"), nil},
		{"netmask as a number", subnet("type: static, address: 10.7.0.17, netmask: 20"), address("10.7.0.17/20"), nil},
		{"netmask in dots", subnet("type: static, address: 10.7.0.17, netmask: 255.255.240.0"), address("10.7.0.17/20"), nil},
		{"prefix", subnet("type: static, address: 10.7.0.17, prefix: 20"), address("10.7.0.17/20"), nil},
		{"a mask behind the slash", subnet("type: static, address: 10.7.0.17/255.255.240.0"), address("10.7.0.17/20"), nil},
		{"no mask", subnet("type: static, address: 10.7.0.17"), address("10.7.0.17/24"), nil},
		{"no length", subnet("type: static6, address: '2001:db8::5'"), []string{"netplan: 2001:db8::5/64", "networkd: Address=2001:db8::5/64", "network-manager: address1=2001:db8::5/64", "eni: address 2001:db8::5/64", "sysconfig: IPV6ADDR=2001:db8::5/64"}, nil},
		{"a table of its own", nic("addresses: [10.7.0.2/24], routes: [{to: 0.0.0.0/0, via: 10.7.0.1, table: 101}]"),
			[]string{"netplan: table: 101", "networkd: Table=101", "network-manager: table=101", `eni: default via 10.7.0.1 table 101 dev "$IFACE"`, "sysconfig: default via 10.7.0.1 table 101 dev eth0"}, nil},
		{"overrides", nic("dhcp4: true, dhcp4-overrides: {route-metric: 200, use-dns: false}"),
			[]string{"netplan: use-dns: false", "networkd: RouteMetric=200", "networkd: UseDNS=no", "network-manager: route-metric=200", "network-manager: ignore-auto-dns=true", "eni: metric 200", "eni: !! network-config: line 3: eth0: dhcp4-overrides.use-dns", "sysconfig: PEERDNS=no"}, nil},
		{"policy", nic("addresses: [10.7.0.2/24], routing-policy: [{from: 10.7.0.2, table: 101, priority: 50}]"),
			[]string{"netplan: routing-policy:", "networkd: [RoutingPolicyRule]\nFrom=10.7.0.2\nTable=101\nPriority=50", "network-manager: routing-rule1=priority 50 from 10.7.0.2 table 101", "eni: ip -4 rule add from 10.7.0.2 lookup 101 priority 50", "sysconfig: from 10.7.0.2 table 101 priority 50"}, nil},
		{"a driver", nic("match: {driver: virtio_net}, dhcp4: true"),
			[]string{"netplan: driver: virtio_net", "networkd: Driver=virtio_net", "network-manager: driver=virtio_net", "eni: match.driver: ifupdown cannot", "sysconfig: match.driver: sysconfig cannot"}, []string{"iface eth0", "Name=eth0", "interface-name=eth0"}},
		{"a driver and a name", nic("match: {driver: virtio_net}, set-name: lan0, dhcp4: true"),
			[]string{"netplan: set-name: lan0", `networkd: DRIVERS=="virtio_net"`, `network-manager: NAME="lan0"`, "eni: iface lan0 inet dhcp", "sysconfig: DEVICE=lan0"}, nil},
		{"wake on LAN", nic("dhcp4: true, wakeonlan: true"), []string{"netplan: wakeonlan: true", "networkd: WakeOnLan=magic", "network-manager: wake-on-lan=64", "eni: ethernet-wol g", "sysconfig: wol g"}, nil},
		{"manual control", subnet("type: dhcp4, control: manual"),
			[]string{"netplan: activation-mode: manual", "networkd: ActivationPolicy=manual", "network-manager: autoconnect=false", "eni: iface eth0 inet dhcp", "sysconfig: ONBOOT=no"}, []string{"auto eth0", "allow-hotplug"}},
		{"DHCPv4 alone", subnet("type: dhcp4"), []string{"network-manager: [ipv6]\nmethod=auto"}, []string{"method=link-local"}},
		{"stateless DHCPv6", subnet("type: ipv6_dhcpv6-stateless"), []string{"networkd: IPv6AcceptRA=yes", "network-manager: method=auto", "eni: inet6 auto", "eni: dhcp 1", "sysconfig: DHCPV6C_OPTIONS=-S"}, []string{"method=dhcp", "inet6 dhcp", "DHCP=ipv6", "dhcp6: true"}},
		{"stateful DHCPv6", subnet("type: ipv6_dhcpv6-stateful"), []string{"netplan: dhcp6: true", "networkd: DHCP=ipv6", "network-manager: [ipv6]\nmethod=dhcp", "eni: inet6 dhcp", "sysconfig: DHCPV6C=yes"}, []string{"-S"}},
		{"optional", one("optional: true, subnets: [{type: dhcp4}]"), []string{"netplan: optional: true", "networkd: RequiredForOnline=no", "network-manager: ?? network-config: line 3: eth0: optional", "eni: ?? network-config: line 3: eth0: optional", "sysconfig: ?? network-config: line 3: eth0: optional"}, nil},
		{"accept-ra", one("accept-ra: false, subnets: [{type: static, address: 10.0.0.5/24}]"), []string{"netplan: accept-ra: false", "networkd: IPv6AcceptRA=no", `eni: echo 0 >"/proc/sys/net/ipv6/conf/$IFACE/accept_ra"`, "sysconfig: IPV6_FORCE_ACCEPT_RA=no"}, nil},
		{"a subnet's MTU", subnet("type: dhcp4, mtu: 1400"), []string{"netplan: mtu: 1400", "networkd: MTUBytes=1400", "network-manager: mtu=1400", "eni: mtu 1400", "sysconfig: MTU=1400"}, nil},
		{"DHCP's MTU", nic("dhcp4: true"), []string{"networkd: UseMTU=yes"}, nil},
		{"DHCP's metric", subnet("type: dhcp4, metric: 300"), []string{"netplan: route-metric: 300", "networkd: RouteMetric=300", "network-manager: route-metric=300", "eni: metric 300", "sysconfig: METRIC=300"}, nil},
		{"a gateway's metric", subnet("type: static, address: 10.0.0.5/24, gateway: 10.0.0.1, metric: 50"), []string{"netplan: metric: 50", "networkd: Metric=50", "network-manager: 0.0.0.0/0,10.0.0.1,50", "eni: via 10.0.0.1 metric 50", "sysconfig: via 10.0.0.1 metric 50"}, nil},
		{"a route beside DHCP", subnet("type: dhcp4") + "- {type: route, destination: 10.9.0.0/16, gateway: 10.0.0.9, metric: 7}\n",
			[]string{"netplan: to: 10.9.0.0/16", "networkd: Gateway=10.0.0.9\nMetric=7", "network-manager: 10.9.0.0/16,10.0.0.9,7", "eni: 10.9.0.0/16 via 10.0.0.9 metric 7", "sysconfig: 10.9.0.0/16 via 10.0.0.9 metric 7"}, nil},
		{"a route outside of the only link's network", subnet("type: static, address: 10.0.0.5/24") + "- {type: route, destination: 10.9.0.0/16, gateway: 172.16.0.9}\n",
			[]string{"netplan: on-link: true", "networkd: GatewayOnLink=yes", "network-manager: onlink=true", `eni: 10.9.0.0/16 via 172.16.0.9 dev "$IFACE" onlink`, "sysconfig: 10.9.0.0/16 via 172.16.0.9 dev eth0 onlink"}, nil},
		{"a route outside of all links' networks", subnet("type: static, address: 10.0.0.5/24") + "- {type: physical, name: eth1, subnets: [{type: static, address: 10.1.0.5/24}]}\n- {type: route, destination: 10.9.0.0/16, gateway: 172.16.0.9}\n",
			[]string{"!! network-config: line 5: route: 172.16.0.9 is in no link's network"}, []string{"10.9.0.0"}},
		{"another's name server", subnet("type: static, address: 10.0.0.5/24") + "- {type: physical, name: eth1}\n- {type: nameserver, interface: eth1, address: 192.0.2.53}\n",
			[]string{"netplan: eth1:\n      nameservers:\n        addresses:\n          - 192.0.2.53"}, nil},
		{"an address on lo", "version: 1\nconfig:\n- {type: loopback, name: lo, subnets: [{type: static, address: 10.7.0.17/32}]}\n", address("10.7.0.17/32")[:4], nil},
		{"a bond's and a bridge's settings", "version: 1\nconfig:\n- {type: physical, name: eth0}\n- {type: physical, name: eth1}\n- {type: bond, name: b0, bond_interfaces: [eth0, eth1], params: {bond-mode: active-backup, bond-primary: eth1, bond-primary-reselect: failure}}\n- {type: bridge, name: r0, bridge_interfaces: [b0], params: {bridge_pathcost: b0 20}}\n",
			[]string{"netplan: primary: eth1", "netplan: primary-reselect-policy: failure", "netplan: b0: 20", "networkd: PrimarySlave=yes", "networkd: PrimaryReselectPolicy=failure", "networkd: Cost=20", "network-manager: primary=eth1", "network-manager: primary_reselect=failure", "network-manager: path-cost=20", "eni: bond-primary eth1", "eni: bond-primary-reselect failure", "eni: bridge_pathcost b0 20", "sysconfig: primary_reselect=failure primary=eth1", "sysconfig: path_cost=20"}, nil},
		{"members by their own names", "version: 2\nethernets:\n  a: {match: {macaddress: '02:00:00:00:00:01'}, set-name: lan1}\n  b: {match: {name: ens5}}\nbonds: {b0: {interfaces: [a, b], parameters: {primary: a}}}\n",
			[]string{"networkd: Name=ens5", "network-manager: primary=lan1", "eni: iface ens5 inet manual", "eni: bond-primary lan1", "sysconfig: DEVICE=lan1"}, []string{"Name=b\n", "iface b ", "DEVICE=b\n", "interface-name=b\n"}},
		{"a kind's renderer", "version: 2\nethernets:\n  renderer: networkd\n  eth0: {dhcp4: true}\n", []string{"eth0"}, []string{"Name=renderer", "iface renderer", "DEVICE=renderer", "interface-name=renderer"}},
		{"infiniband", "version: 1\nconfig:\n- {type: infiniband, name: ib0, subnets: [{type: dhcp4}]}\n", []string{"netplan: ib0", "networkd: Name=ib0", "network-manager: type=infiniband", "eni: iface ib0 inet dhcp", "sysconfig: DEVICE=ib0"}, nil},
		{"labels and lifetimes", nic("addresses: [{10.0.0.5/24: {label: 'eth0:x', lifetime: 0}}]"), []string{"netplan: lifetime: 0", "networkd: PreferredLifetime=0\nLabel=eth0:x", "network-manager: addresses.lifetime", "eni: label eth0:x preferred_lft 0", "sysconfig: addresses.label"}, nil},
		{"a failing command is named", nic("addresses: [10.0.0.5/24], gateway4: 10.0.0.1"), []string{`eni: up ip -4 route replace default via 10.0.0.1 dev "$IFACE" || echo "$IFACE: route default via 10.0.0.1 failed" >&2`}, nil},
		{"all around version 2", "---\n# one\nnetwork:\n  version: 2\n  ethernets:\n    eth0: &all {dhcp4: true}\n    eth1: *all\n  wifis: {w0: {access-points: {home: {password: secret-word}}}}\n  modems: {m0: {apn: net}}\n...\n",
			[]string{"netplan: eth1:\n      dhcp4: true", "netplan: password: secret-word", "netplan: apn: net", "networkd: wifis: for roots with netplan only", "network-manager: modems: for roots with netplan only", "eni: iface eth1 inet dhcp", "sysconfig: DEVICE=eth1"}, []string{"---", "&all", "*all"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, re := range renderers() {
				got := show(planned([]byte(c.doc), re.name))
				for _, text := range c.has {
					if name, rest, ok := strings.Cut(text, ": "); ok && isRenderer(name) {
						if name != re.name {
							continue
						}
						text = rest
					}
					if !strings.Contains(got, text) {
						t.Errorf("%s: no %q in\n%s", re.name, text, got)
					}
				}
				for _, text := range c.not {
					if strings.Contains(got, text) {
						t.Errorf("%s: %q in\n%s", re.name, text, got)
					}
				}
			}
		})
	}
}

func isRenderer(name string) bool {
	re, ok := named(name)
	return ok && re.name == name
}
