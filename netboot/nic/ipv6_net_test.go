//go:build net

package nic

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// A router announces a prefix and a name server; there is no IPv4 at all.
func TestRouterAnnouncement(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "fd00:1::1/64")
	sh(t, "ip -n "+ns+" addr add fd00:ec2::254/128 dev lo")
	dnsmasq(t, ns, "--enable-ra", "--dhcp-range=fd00:1::,ra-only", "--dhcp-option=option6:dns-server,[fd00:1::1]", "--dhcp-option=option6:domain-search,six.example")
	before := state(t)
	m := startReal(t, t.Context(), Options{LinkLocal6: true})
	began := time.Now()
	if l := next(t, m, time.Second); l.By != ByLinkLocal || !l.Prefix.Addr().IsLinkLocalUnicast() {
		t.Errorf("first lease %+v, want a link-local one", l)
	}
	l := next(t, m, 5*time.Second)
	t.Logf("after %v", time.Since(began))
	if l.By != ByRA || l.Prefix.Masked() != netip.MustParsePrefix("fd00:1::/64") || !l.Gateway.IsLinkLocalUnicast() ||
		len(l.DNS) != 1 || l.DNS[0] != netip.MustParseAddr("fd00:1::1") || strings.Join(l.Search, " ") != "six.example" {
		t.Errorf("lease %+v", l)
	}
	if got := fetch(t, ns, &l, "[fd00:ec2::254]:80"); got != ns {
		t.Errorf("fetched %q", got)
	}
	stateRestored(t, m, before)
}

// A router says that addresses come by DHCPv6; its range has one only, which
// the next client gets, although its identifier is another: it was released.
func TestDHCPv6InNamespace(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "fd00:1::1/64")
	sh(t, "ip -n "+ns+" addr add fd00:ec2::254/128 dev lo")
	dnsmasq(t, ns, "--enable-ra", "--dhcp-range=fd00:1::100,fd00:1::100,64,1h", "--dhcp-option=option6:dns-server,[fd00:1::53]")
	for range 2 {
		before := state(t)
		began := time.Now()
		m := startReal(t, t.Context(), Options{})
		l := next(t, m, 5*time.Second)
		t.Logf("after %v", time.Since(began))
		if l.By != ByDHCP6 || l.Prefix != netip.MustParsePrefix("fd00:1::100/128") || !l.Gateway.IsLinkLocalUnicast() ||
			len(l.DNS) != 1 || l.Lifetime != time.Hour {
			t.Errorf("lease %+v", l)
		}
		if got := fetch(t, ns, &l, "[fd00:ec2::254]:80"); got != ns {
			t.Errorf("fetched %q", got)
		}
		stateRestored(t, m, before)
		sh(t, "ip link set eth0 address 02:00:00:00:00:02; ip -n "+ns+" neigh flush dev p")
	}
}

// Both at once: each family has its own lease.
func TestDualStack(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "10.1.0.1/24")
	sh(t, "ip -n "+ns+" addr add fd00:1::1/64 dev p")
	dnsmasq(t, ns, "--no-ping", "--dhcp-range=10.1.0.50,10.1.0.99,1h", "--enable-ra", "--dhcp-range=fd00:1::,ra-stateless")
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	seen := map[string]bool{}
	for range 2 {
		seen[next(t, m, 5*time.Second).By] = true
	}
	if !seen[ByDHCP4] || !seen[ByRA] {
		t.Errorf("leases by %v", seen)
	}
	stateRestored(t, m, before)
}

// boothook.ip= with IPv6, and a gateway that only the link knows.
func TestStatic6(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "fd00:1::1/64")
	sh(t, "ip -n "+ns+" addr add fe80::1/64 dev p; ip -n "+ns+" addr add fd00:ec2::254/128 dev lo; sleep 2")
	c, err := ParseIP("[fd00:1::9]::[fe80::1]:64::eth0:none")
	if err != nil {
		t.Fatal(err)
	}
	before := state(t)
	m := startReal(t, t.Context(), Options{Configs: []Config{c}})
	l := next(t, m, time.Second)
	if got := fetch(t, ns, &l, "[fd00:ec2::254]:80"); got != ns {
		t.Errorf("fetched %q", got)
	}
	stateRestored(t, m, before)
}

// A cloud with metadata and no DHCP.
func TestLinkLocal4(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "169.254.169.254/16")
	before := state(t)
	m := startReal(t, t.Context(), Options{LinkLocal4: true})
	l := next(t, m, time.Second)
	if l.By != ByLinkLocal || l.Prefix.Masked() != netip.MustParsePrefix("169.254.0.0/16") {
		t.Errorf("lease %+v", l)
	}
	if got := fetch(t, ns, &l, "169.254.169.254:80"); got != ns {
		t.Errorf("fetched %q", got)
	}
	stateRestored(t, m, before)
}
