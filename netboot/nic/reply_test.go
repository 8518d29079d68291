package nic

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"boothook/netboot/nic/dhcp"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// reply6 makes a DHCPv6 REPLY that gives addr for a time, as the library writes it.
func reply6(addr string, valid time.Duration, more ...dhcpv6.Modifier) []byte {
	m, err := dhcpv6.NewMessage(append([]dhcpv6.Modifier{
		dhcpv6.WithIANA(dhcpv6.OptIAAddress{IPv6Addr: net.ParseIP(addr), PreferredLifetime: valid, ValidLifetime: valid}),
	}, more...)...)
	if err != nil {
		panic(err)
	}
	m.MessageType = dhcpv6.MessageTypeReply
	return m.ToBytes()
}

// leaseOf reads the lease that a message gives.
func leaseOf(t *testing.T, msg []byte) (Lease, []string, error) {
	t.Helper()
	m, err := dhcp.ReadMessage6(msg)
	if err != nil {
		t.Fatal(err)
	}
	return leaseFromReply(m)
}

func TestLeaseFromReply(t *testing.T) {
	got, ignored, err := leaseOf(t, reply6("2001:db8::7", time.Hour, dhcpv6.WithDNS(net.ParseIP("fd00:ec2::253"), net.ParseIP("ff02::1"), net.ParseIP("::1"), net.ParseIP("2001:db8::7"), net.ParseIP("::ffff:10.0.0.1")),
		dhcpv6.WithDomainSearchList("six.example", "a b")))
	want := Lease{By: ByDHCP6, Prefix: netip.MustParsePrefix("2001:db8::7/128"), Lifetime: time.Hour,
		DNS: []netip.Addr{netip.MustParseAddr("fd00:ec2::253")}, Search: []string{"six.example"}}
	if diff := cmp.Diff(want, got, sameAddr, samePrefix); diff != "" || err != nil || len(ignored) != 4 {
		t.Errorf("%v, ignored %q, lease (-want +got):\n%s", err, ignored, diff)
	}
	if l, _, err := leaseOf(t, reply6("2001:db8::7", (1<<32-1)*time.Second)); err != nil || l.Lifetime != 0 {
		t.Errorf("without end: %v, %v", l.Lifetime, err)
	}
	refused := dhcpv6.WithOption(&dhcpv6.OptStatusCode{StatusCode: iana.StatusNoAddrsAvail})
	empty, _ := dhcpv6.NewMessage()
	for name, m := range map[string][]byte{
		"refused": reply6("2001:db8::7", time.Hour, refused), "nothing": empty.ToBytes(), "no address": reply6("::", time.Hour),
		"multicast": reply6("ff02::1", time.Hour), "mapped": reply6("::ffff:10.0.0.1", time.Hour),
		"link-local": reply6("fe80::1", time.Hour), "expired": reply6("2001:db8::7", 0),
	} {
		if l, _, err := leaseOf(t, m); !errors.Is(err, errBadLease) {
			t.Errorf("%s: lease %v, error %v", name, l.Prefix, err)
		}
	}
}

func FuzzReply6(f *testing.F) {
	f.Add(reply6("2001:db8::7", time.Hour, dhcpv6.WithDNS(net.ParseIP("fd00:ec2::253")), dhcpv6.WithDomainSearchList("a.b")))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := dhcp.ReadMessage6(data)
		if err != nil {
			return
		}
		l, _, err := leaseFromReply(m)
		if err == nil && (!l.Prefix.Addr().IsGlobalUnicast() || len(l.DNS) > maxServers || len(l.Search) > maxSearch || l.Lifetime < 0) {
			t.Errorf("lease out of bounds: %+v", l)
		}
		for _, a := range l.DNS {
			if !isOtherHost(a, l.Prefix) {
				t.Errorf("name server %v on %v", a, l.Prefix)
			}
		}
	})
}
