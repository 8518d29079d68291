package nic

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

const (
	rdnss = "\x19\x03\x00\x00\x00\x00\x0e\x10\xfd\x00\x0e\xc2\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x53"
	dnssl = "\x1f\x03\x00\x00\x00\x00\x0e\x10\x03six\x07example\x00\x00\x00\x00"
)

func TestNamesOf(t *testing.T) {
	dns, search := namesOf([]byte(rdnss + dnssl))
	if !slices.Equal(dns, []netip.Addr{addr("fd00:ec2::253")}) || !slices.Equal(search, []string{"six.example"}) {
		t.Errorf("%v, %q", dns, search)
	}
	withdrawn := rdnss[:4] + "\x00\x00\x00\x00" + rdnss[8:]
	for _, s := range []string{withdrawn, rdnss[:20], "\x19\x00\x00\x00\x00\x00\x00\x01", "", dnssl[:8]} {
		if dns, search := namesOf([]byte(s)); len(dns) != 0 || len(search) != 0 {
			t.Errorf("%q gives %v, %q", s, dns, search)
		}
	}
	if _, search := namesOf([]byte("\x1f\x02\x00\x00\x00\x00\x0e\x10\x05split\x7f\x00")); len(search) != 0 {
		t.Errorf("a label beyond the end: %q", search)
	}
}

// FuzzRA feeds the options of router advertisements, as the kernel passes them
// on, one after the other to a link: whatever they say, the lease's name servers
// and search domains are within their bounds, are other hosts', and cannot write
// a line of their own into resolv.conf.
func FuzzRA(f *testing.F) {
	f.Add([]byte(rdnss+dnssl), []byte(rdnss))
	f.Add([]byte("\x19\x03\x00\x00\x00\x00\x0e\x10"+string(netip.IPv6Loopback().AsSlice())), []byte(dnssl[:8]))
	f.Add([]byte(strings.Repeat(rdnss, 9)), []byte("\x1f\x02\x00\x00\x00\x00\x0e\x10\x01\n\x01a\x00"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		m := &Manager{links: map[int]*link{7: newLink(&rtnl.Link{Index: 7, Name: "eth0"}, nil)}}
		for _, options := range [][]byte{first, second} {
			m.event(&rtnl.Event{Type: unix.RTM_NEWNDUSEROPT, Index: 7, Options: options})
			m.event(&rtnl.Event{Type: unix.RTM_NEWNDUSEROPT, Index: 8, Options: options})
		}
		l := Lease{By: ByRA, Name: "eth0", Prefix: prefix("fd00::50/64")}
		fl := filter{own: l.Prefix}
		var dns []netip.Addr
		dns, l.Search = m.links[7].announced()
		l.DNS = fl.servers(dns)
		if len(l.DNS) > maxServers || len(l.Search) > maxSearch || len(fl.ignored) > maxIgnored+1 {
			t.Errorf("out of bounds: %+v, ignored %q", l, fl.ignored)
		}
		for _, a := range l.DNS {
			if !a.Is6() || !isOtherHost(a, l.Prefix) {
				t.Errorf("name server %v", a)
			}
		}
		dns, search := resolvConf(l.ResolvConf())
		if len(l.DNS) > 0 && (len(dns) != len(l.DNS) || !slices.Equal(search, l.Search)) {
			t.Errorf("resolv.conf reads back as %v, %q:\n%s", dns, search, l.ResolvConf())
		}
	})
}
