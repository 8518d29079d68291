package nic

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"golang.org/x/sys/unix"
)

// reply6 makes a DHCPv6 REPLY that gives addr for a time.
func reply6(addr string, valid time.Duration, more ...dhcpv6.Modifier) *dhcpv6.Message {
	m, err := dhcpv6.NewMessage(append([]dhcpv6.Modifier{
		dhcpv6.WithIANA(dhcpv6.OptIAAddress{IPv6Addr: net.ParseIP(addr), PreferredLifetime: valid, ValidLifetime: valid}),
	}, more...)...)
	if err != nil {
		panic(err)
	}
	m.MessageType = dhcpv6.MessageTypeReply
	return m
}

func TestLeaseFromReply(t *testing.T) {
	got, err := leaseFromReply(reply6("2001:db8::7", time.Hour, dhcpv6.WithDNS(net.ParseIP("fd00:ec2::253"), net.ParseIP("ff02::1")),
		dhcpv6.WithDomainSearchList("six.example", "a b")))
	want := Lease{By: ByDHCP6, Prefix: netip.MustParsePrefix("2001:db8::7/128"), Lifetime: time.Hour,
		DNS: []netip.Addr{netip.MustParseAddr("fd00:ec2::253")}, Search: []string{"six.example"}}
	if diff := cmp.Diff(want, got, sameAddr, samePrefix); diff != "" || err != nil {
		t.Errorf("%v, lease (-want +got):\n%s", err, diff)
	}
	if l, err := leaseFromReply(reply6("2001:db8::7", (1<<32-1)*time.Second)); err != nil || l.Lifetime != 0 {
		t.Errorf("without end: %v, %v", l.Lifetime, err)
	}
	refused := dhcpv6.WithOption(&dhcpv6.OptStatusCode{StatusCode: iana.StatusNoAddrsAvail})
	empty, _ := dhcpv6.NewMessage()
	for name, m := range map[string]*dhcpv6.Message{
		"refused": reply6("2001:db8::7", time.Hour, refused), "nothing": empty, "no address": reply6("::", time.Hour),
		"multicast": reply6("ff02::1", time.Hour), "mapped": reply6("::ffff:10.0.0.1", time.Hour),
		"link-local": reply6("fe80::1", time.Hour), "expired": reply6("2001:db8::7", 0),
	} {
		if l, err := leaseFromReply(m); !errors.Is(err, errBadLease) {
			t.Errorf("%s: lease %v, error %v", name, l.Prefix, err)
		}
	}
}

func FuzzReply6(f *testing.F) {
	f.Add(reply6("2001:db8::7", time.Hour, dhcpv6.WithDNS(net.ParseIP("fd00:ec2::253")), dhcpv6.WithDomainSearchList("a.b")).ToBytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := dhcpv6.MessageFromBytes(data)
		if err != nil {
			return
		}
		l, err := leaseFromReply(m)
		if err == nil && (!l.Prefix.Addr().IsGlobalUnicast() || len(l.DNS) > maxServers || len(l.Search) > maxSearch || l.Lifetime < 0) {
			t.Errorf("lease out of bounds: %+v", l)
		}
	})
}

// userOption makes an RTM_NEWNDUSEROPT message for link 7.
func userOption(options string) []byte {
	m := make([]byte, 16, 16+len(options))
	m[0] = unix.AF_INET6
	binary.NativeEndian.PutUint16(m[2:], uint16(len(options)))
	binary.NativeEndian.PutUint32(m[4:], 7)
	return append(m, options...)
}

const (
	rdnss = "\x19\x03\x00\x00\x00\x00\x0e\x10\xfd\x00\x0e\xc2\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x53"
	dnssl = "\x1f\x03\x00\x00\x00\x00\x0e\x10\x03six\x07example\x00\x00\x00\x00"
)

func TestUserOptions(t *testing.T) {
	index, dns, search := userOptions(userOption(rdnss + dnssl))
	if index != 7 || len(dns) != 1 || dns[0] != netip.MustParseAddr("fd00:ec2::253") || cmp.Diff([]string{"six.example"}, search) != "" {
		t.Errorf("link %d, %v, %q", index, dns, search)
	}
	withdrawn := rdnss[:4] + "\x00\x00\x00\x00" + rdnss[8:]
	for _, s := range []string{withdrawn, rdnss[:20], "\x19\x00\x00\x00\x00\x00\x00\x01", "", dnssl[:8]} {
		if _, dns, search := userOptions(userOption(s)); len(dns) != 0 || len(search) != 0 {
			t.Errorf("%q gives %v, %q", s, dns, search)
		}
	}
}

func FuzzUserOptions(f *testing.F) {
	f.Add(userOption(rdnss + dnssl))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, dns, search := userOptions(data)
		if len(dns) > maxServers || len(search) > maxSearch {
			t.Errorf("%v, %q", dns, search)
		}
		for _, s := range search {
			if s == "" || hostName(s) != s {
				t.Errorf("search domain %q", s)
			}
		}
	})
}

// FuzzRouterAdvertisement takes what a router sends (RFC 4861 §4.2) apart as
// the kernel does, which hands on the options that are for others one at a
// time (net/ipv6/ndisc.c, ndisc_ra_useropt).
func FuzzRouterAdvertisement(f *testing.F) {
	const header = "\x86\x00\x00\x00\x40\xc0\x07\x08\x00\x00\x00\x00\x00\x00\x00\x00"
	f.Add([]byte(header + "\x01\x01\x02\x00\x00\x00\x00\x01" + rdnss + dnssl))
	f.Fuzz(func(t *testing.T, packet []byte) {
		if len(packet) < len(header) {
			return
		}
		for opts := packet[len(header):]; len(opts) >= 8; {
			size := 8 * int(opts[1])
			if size == 0 || size > len(opts) {
				return // the kernel drops such a packet
			}
			index, dns, search := userOptions(userOption(string(opts[:size])))
			if index != 7 || len(dns) > maxServers || len(search) > maxSearch || opts[0] != optionRDNSS && len(dns) > 0 || opts[0] != optionDNSSL && len(search) > 0 {
				t.Errorf("link %d, %v, %q of option %d", index, dns, search, opts[0])
			}
			for _, a := range dns {
				if !a.IsValid() || a.IsMulticast() || a.IsUnspecified() {
					t.Errorf("name server %v", a)
				}
			}
			for _, s := range search {
				if s == "" || hostName(s) != s {
					t.Errorf("search domain %q", s)
				}
			}
			opts = opts[size:]
		}
	})
}

func TestLinkLocalPrefix(t *testing.T) {
	seen := map[netip.Prefix]bool{}
	for i := range 256 {
		p := linkLocalPrefix(net.HardwareAddr{2, 0, 0, 0, 0, byte(i)})
		if b := p.Addr().As4(); b[0] != 169 || b[1] != 254 || b[2] < 1 || b[2] > 167 || p.Bits() != 16 {
			t.Fatalf("%v", p)
		}
		seen[p] = true
	}
	if len(seen) < 250 {
		t.Errorf("256 links share %d addresses", len(seen))
	}
}
