//go:build net

package rtnl

import (
	"errors"
	"net/netip"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// namespace runs the test in a network namespace of its own, with a veth pair
// in it, and gives a connection and the index of its dark end. The thread is not
// unlocked: it ends with the test.
func namespace(t *testing.T) (*Conn, int) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	ip(t, "link add d0 address 02:00:00:00:00:01 type veth peer name d1")
	ip(t, "link set d1 up")
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	links, err := c.Links()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if l.Name == "d0" {
			return c, l.Index
		}
	}
	t.Fatalf("d0 is not among %d links", len(links))
	return nil, 0
}

func ip(t *testing.T, args string) string {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestLink(t *testing.T) {
	c, index := namespace(t)
	ip(t, "link property add dev d0 altname lan0")
	l, err := c.Link(index)
	if err != nil {
		t.Fatal(err)
	}
	if l.Name != "d0" || l.Kind != "veth" || l.Type != unix.ARPHRD_ETHER || l.Addr.String() != "02:00:00:00:00:01" ||
		len(l.AltNames) != 1 || l.AltNames[0] != "lan0" || l.Flags&unix.IFF_UP != 0 {
		t.Errorf("%+v", l)
	}
	if err := errors.Join(c.SetMTU(index, 1400), c.SetUp(index)); err != nil {
		t.Fatal(err)
	}
	if l, err := c.Link(index); err != nil || l.MTU != 1400 || l.Flags&unix.IFF_UP == 0 {
		t.Errorf("%+v, %v", l, err)
	}
	if err := c.SetDown(index); err != nil {
		t.Fatal(err)
	}
	if l, err := c.Link(index); err != nil || l.Flags&unix.IFF_UP != 0 {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := c.Link(index + 100); !errors.Is(err, unix.ENODEV) {
		t.Errorf("no such link: %v", err)
	}
}

// Addresses and routes come back exactly as they were, with what this package
// has no field for: labels, peers, types of service, metrics.
func TestSaidAgain(t *testing.T) {
	c, index := namespace(t)
	e, err := Subscribe(unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV6_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ip(t, "link set d0 up addrgenmode none")
	ip(t, "addr add 10.0.0.5/24 brd 10.0.0.255 label d0:1 dev d0")
	ip(t, "addr add 10.9.0.5 peer 10.9.0.1/32 dev d0")
	ip(t, "addr add 2001:db8::5/64 nodad valid_lft 3000 preferred_lft 2000 dev d0")
	ip(t, "route add 192.0.2.0/24 via 10.0.0.1 dev d0 mtu lock 1300 advmss 1200 tos 0x10 metric 7")
	ip(t, "route add 198.51.100.0/24 via 10.0.0.99 dev d0 table 1000 initcwnd 20 proto static")
	ip(t, "route add 2001:db8:1::/48 via 2001:db8::1 dev d0 metric 9 pref high")
	seconds := regexp.MustCompile(` \d+sec`) // they run
	show := func() string {
		all := ip(t, "-o addr show dev d0 scope global") + ip(t, "-4 route show table all dev d0") + ip(t, "-6 route show table all dev d0")
		return seconds.ReplaceAllString(all, "")
	}
	// The kernel completes IPv6 addresses and what a carrier brings in work of
	// its own, after the request was answered.
	before := eventually(t, e, show, func(all string) bool {
		return strings.Contains(all, "local 2001:db8::5 ") && strings.Contains(all, "multicast ff00::/8 ") && !strings.Contains(all, "linkdown")
	})

	addrs, err := c.Addrs(index, unix.AF_UNSPEC)
	if err != nil || len(addrs) != 3 {
		t.Fatalf("%v, %v", addrs, err)
	}
	routes, err := c.Routes(index)
	if err != nil {
		t.Fatal(err)
	}
	var ours []Route
	for _, r := range routes {
		if r.Metric == 7 || r.Metric == 9 || r.Table == 1000 {
			ours = append(ours, r)
		}
	}
	if len(ours) != 3 {
		t.Fatalf("routes %+v", routes)
	}
	for i := range ours {
		if err := c.DeleteRoute(&ours[i]); err != nil {
			t.Errorf("delete %+v: %v", ours[i], err)
		}
		if err := c.DeleteRoute(&ours[i]); !errors.Is(err, unix.ESRCH) {
			t.Errorf("delete again: %v", err)
		}
	}
	for i := range addrs {
		if err := c.DeleteAddr(&addrs[i]); err != nil {
			t.Errorf("delete %v: %v", addrs[i].Prefix, err)
		}
		if err := c.DeleteAddr(&addrs[i]); !errors.Is(err, unix.EADDRNOTAVAIL) {
			t.Errorf("delete again: %v", err)
		}
	}
	eventually(t, e, show, func(all string) bool {
		return !strings.Contains(all, "10.0.0") && !strings.Contains(all, "2001:db8::5")
	})
	for i := range addrs {
		if err := c.ReplaceAddr(&addrs[i]); err != nil {
			t.Errorf("put back %v: %v", addrs[i].Prefix, err)
		}
	}
	for i := range ours {
		if err := c.ReplaceRoute(&ours[i]); err != nil {
			t.Errorf("put back %v: %v", ours[i].Dst, err)
		}
	}
	eventually(t, e, show, func(after string) bool { return after == before })
}

// eventually shows something, again after each of the kernel's events, until it
// is as it should be, and gives it.
func eventually(t *testing.T, e *Events, show func() string, want func(string) bool) string {
	t.Helper()
	if err := e.sock.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for {
		got := show()
		if want(got) {
			return got
		}
		if _, err := e.Receive(); err != nil && !errors.Is(err, unix.ENOBUFS) {
			t.Fatalf("%v; the last that was seen:\n%s", err, got)
		}
	}
}

func TestMade(t *testing.T) {
	c, index := namespace(t)
	if err := c.SetUp(index); err != nil {
		t.Fatal(err)
	}
	a := Addr{Index: index, Prefix: netip.MustParsePrefix("10.0.0.5/24"), Flags: unix.IFA_F_NOPREFIXROUTE, Valid: 600}
	r := Route{Index: index, Dst: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr("10.9.9.9"), Src: a.Prefix.Addr(), Table: unix.RT_TABLE_MAIN,
		Metric: 1027, MTU: 1400, Flags: unix.RTNH_F_ONLINK, Protocol: unix.RTPROT_DHCP, Type: unix.RTN_UNICAST}
	for range 2 { // it replaces
		if err := errors.Join(c.ReplaceAddr(&a), c.ReplaceRoute(&r)); err != nil {
			t.Fatal(err)
		}
	}
	if got := ip(t, "addr show dev d0"); !strings.Contains(got, "inet 10.0.0.5/24 brd 10.0.0.255 scope global dynamic noprefixroute d0") {
		t.Error(got)
	}
	if got, want := ip(t, "route show"), "default via 10.9.9.9 dev d0 proto dhcp src 10.0.0.5 metric 1027 onlink mtu 1400"; strings.TrimSpace(got) != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if err := errors.Join(c.DeleteRoute(&r), c.DeleteAddr(&a)); err != nil {
		t.Error(err)
	}
}

func TestEventsOfARealLink(t *testing.T) {
	c, index := namespace(t)
	e, err := Subscribe(unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetUp(index); err != nil {
		t.Fatal(err)
	}
	for up := false; !up; {
		list, err := e.Receive()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			if m.Type == unix.RTM_NEWLINK {
				up = m.Index == index && m.Link.Flags&unix.IFF_UP != 0
			}
		}
	}
	a := Addr{Index: index, Prefix: netip.MustParsePrefix("10.0.0.5/24")}
	if err := c.ReplaceAddr(&a); err != nil {
		t.Fatal(err)
	}
	for seen := false; !seen; {
		list, err := e.Receive()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			seen = seen || m.Type == unix.RTM_NEWADDR && m.Index == index
		}
	}
	ended := make(chan error)
	go func() {
		_, err := e.Receive()
		ended <- err
	}()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("Receive goes on after Close")
	}
}
