package network

import (
	"encoding/base64"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestForNow(t *testing.T) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	for _, tt := range []struct {
		name, doc string
		want      []Early
	}{
		{"version 1", `
version: 1
config:
- {type: physical, name: lan, mac_address: "52:54:00:12:34:00", mtu: 1450, subnets: [{type: static, address: 192.0.2.10/24, gateway: 192.0.2.1, dns_nameservers: [192.0.2.53]}]}
- {type: vlan, name: lan.5, vlan_link: lan, vlan_id: 5, subnets: [{type: dhcp}]}
- {type: bond, name: bond0, bond_interfaces: [a, b], subnets: [{type: static, address: 192.0.2.11/24}]}
- {type: vlan, name: bond0.7, vlan_link: bond0, vlan_id: 7}
`, []Early{
			{Device: "52:54:00:12:34:00", Prefix: prefix("192.0.2.10/24"), Gateway: addr("192.0.2.1"), DNS: []netip.Addr{addr("192.0.2.53")}, MTU: 1450},
			{Device: "lan.5", Over: "52:54:00:12:34:00", Tag: 5},
		}},
		{"version 2, within network", `
network:
  version: 2
  ethernets:
    eth0: {addresses: ["2001:db8::10/64", 192.0.2.10/24, 192.0.2.11/24], routes: [{to: default, via: "2001:db8::1", metric: 100}, {to: 0.0.0.0/0, via: 192.0.2.1}]}
    id1: {match: {name: eth1}, set-name: lan, dhcp4: true}
  vlans:
    v: {id: 9, link: id1, addresses: ["2001:db8:9::2/64"], gateway6: "2001:db8:9::1"}
`, []Early{
			{Device: "eth0", Prefix: prefix("192.0.2.10/24"), Gateway: addr("192.0.2.1")},
			{Device: "eth1"},
			{Device: "v", Prefix: prefix("2001:db8:9::2/64"), Gateway: addr("2001:db8:9::1"), Over: "eth1", Tag: 9},
		}},
		{"disabled", "config: disabled\nversion: 1\n", nil},
		{"no document", "- a\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc, _ := Read([]byte(tt.doc), "test")
			equal := []cmp.Option{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
				cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmpopts.EquateEmpty()}
			if diff := cmp.Diff(tt.want, ForNow(doc), equal...); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestWord(t *testing.T) {
	if body, err := Word(base64.StdEncoding.EncodeToString([]byte("version: 2\n"))); err != nil || string(body) != "version: 2\n" {
		t.Errorf("%q, %v", body, err)
	}
	if body, err := Word("no base64"); err == nil {
		t.Errorf("%q", body)
	}
}
