package rtnl

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// A kernel stands at the other end of a Conn: it takes each request and gives
// the packets of its answer.
type kernel func(req message) (packets [][]byte)

// connect gives a Conn to a kernel, over a socket pair instead of netlink.
func connect(t *testing.T, k kernel) *Conn {
	t.Helper()
	ours, theirs := pair(t)
	go func() {
		buf := make([]byte, readSize)
		for {
			n, err := theirs.Read(buf)
			if err != nil {
				return
			}
			for _, req := range messages(buf[:n]) {
				for _, p := range k(req) {
					if _, err := theirs.Write(p); err != nil {
						return
					}
				}
			}
		}
	}()
	return &Conn{sock: ours, buf: make([]byte, readSize)}
}

func pair(t *testing.T) (a, b *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, b = os.NewFile(uintptr(fds[0]), "conn"), os.NewFile(uintptr(fds[1]), "kernel")
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// answer makes messages of one kind under a request's sequence number.
func answer(req message, kind, flags uint16, bodies ...[]byte) (packet []byte) {
	for _, body := range bodies {
		packet = append(packet, request(kind, flags, req.seq, body)...)
		packet = append(packet, make([]byte, align(len(packet))-len(packet))...)
	}
	return packet
}

// verdict ends an answer with an error number, 0 for none.
func verdict(req message, kind uint16, code unix.Errno) []byte {
	return answer(req, kind, 0, binary.NativeEndian.AppendUint32(nil, uint32(-int32(code))))
}

func TestAsk(t *testing.T) {
	c := connect(t, func(req message) [][]byte {
		switch index := int(int32(binary.NativeEndian.Uint32(req.data[4:]))); index {
		case 2: // after the rest of a request that has timed out
			stale := answer(message{seq: req.seq - 1}, unix.RTM_NEWLINK, 0, linkMessage(unix.AF_UNSPEC, 9))
			return [][]byte{append(stale, verdict(message{seq: req.seq - 1}, unix.NLMSG_ERROR, unix.EPERM)...),
				answer(req, unix.RTM_NEWLINK, 0, linkMessage(unix.AF_UNSPEC, 2)), verdict(req, unix.NLMSG_ERROR, 0)}
		case 3:
			return [][]byte{append(answer(req, unix.RTM_NEWLINK, 0, []byte{1}), verdict(req, unix.NLMSG_ERROR, 0)...)}
		case 4:
			return [][]byte{verdict(req, unix.NLMSG_ERROR, 0)}
		}
		return [][]byte{verdict(req, unix.NLMSG_ERROR, unix.ENODEV)}
	})
	if l, err := c.Link(2); err != nil || l.Index != 2 {
		t.Errorf("%+v, %v", l, err)
	}
	if l, err := c.Link(5); !errors.Is(err, unix.ENODEV) {
		t.Errorf("no such link: %+v, %v", l, err)
	}
	for _, index := range []int{3, 4} {
		if l, err := c.Link(index); !errors.Is(err, errShort) {
			t.Errorf("link %d: %+v, %v", index, l, err)
		}
	}
	if l, err := c.Link(2); err != nil { // what was left of the last answer is no part of this one
		t.Errorf("after an error: %+v, %v", l, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if l, err := c.Link(2); err == nil {
		t.Errorf("closed: %+v", l)
	}
}

// A listing that a change breaks into is begun again, and given up in the end.
func TestDump(t *testing.T) {
	interruptions, asked := 0, 0
	c := connect(t, func(req message) [][]byte {
		var flags uint16
		if asked++; asked <= interruptions {
			flags = unix.NLM_F_DUMP_INTR
		}
		return [][]byte{answer(req, unix.RTM_NEWLINK, 0, linkMessage(unix.AF_UNSPEC, 1)),
			answer(req, unix.RTM_NEWLINK, flags, linkMessage(unix.AF_UNSPEC, 2)), verdict(req, unix.NLMSG_DONE, 0)}
	})
	for interruptions = range 4 {
		asked = 0
		list, err := c.Links()
		if err != nil || len(list) != 2 || list[1].Index != 2 || asked != interruptions+1 {
			t.Errorf("%d interruptions: %v, %v after %d listings", interruptions, list, err, asked)
		}
	}
	interruptions, asked = 1000, 0
	if list, err := c.Links(); !errors.Is(err, errInterrupted) || asked != maxDumps {
		t.Errorf("always interrupted: %v, %v after %d listings", list, err, asked)
	}
}

// Listings have a bound, and their errors are told: those that the kernel
// gives, and messages that are cut off.
func TestDumpErrors(t *testing.T) {
	c := connect(t, func(req message) (packets [][]byte) {
		switch req.kind {
		case unix.RTM_GETLINK:
			for range maxDump/1000 + 1 {
				bodies := make([][]byte, 1000)
				for i := range bodies {
					bodies[i] = linkMessage(unix.AF_INET6, 1)
				}
				packets = append(packets, answer(req, unix.RTM_NEWLINK, 0, bodies...))
			}
			return append(packets, verdict(req, unix.NLMSG_DONE, 0))
		case unix.RTM_GETADDR:
			return [][]byte{answer(req, unix.RTM_NEWADDR, 0, []byte{1, 2}), verdict(req, unix.NLMSG_DONE, 0)}
		}
		return [][]byte{verdict(req, unix.NLMSG_DONE, unix.EINVAL)}
	})
	if _, err := c.Inet6Flags(1); !errors.Is(err, errTooMany) {
		t.Errorf("without an end: %v", err)
	}
	if _, err := c.Addrs(1, unix.AF_UNSPEC); !errors.Is(err, errShort) {
		t.Errorf("cut off: %v", err)
	}
	if _, err := c.Routes(1); !errors.Is(err, unix.EINVAL) {
		t.Errorf("refused: %v", err)
	}
}

// Of what the kernel lists, only what belongs to the link is given.
func TestListsOfOneLink(t *testing.T) {
	cloned, other := routes[0], routes[0]
	cloned.Flags |= unix.RTM_F_CLONED
	other.Index = 4
	mpls := append([]byte{unix.AF_MPLS}, make([]byte, 11)...)
	c := connect(t, func(req message) [][]byte {
		var bodies [][]byte
		kind := req.kind - 2 // RTM_GET… to RTM_NEW…
		switch req.kind {
		case unix.RTM_GETADDR:
			if req.data[0] != unix.AF_INET6 {
				t.Errorf("addresses of family %d asked for", req.data[0])
			}
			for _, index := range []int{2, 3} {
				bodies = append(bodies, (&Addr{Index: index, Prefix: netip.MustParsePrefix("fd00::5/64")}).body())
			}
		case unix.RTM_GETROUTE:
			bodies = [][]byte{mpls, cloned.body(), other.body(), routes[1].body()}
		case unix.RTM_GETLINK:
			flags := func(n uint32) []byte { return attr(unix.IFLA_PROTINFO, appendAttr32(nil, unix.IFLA_INET6_FLAGS, n)) }
			bodies = [][]byte{linkMessage(unix.AF_INET6, 2, flags(0x80)), linkMessage(unix.AF_INET6, 3, flags(0x40)), linkMessage(unix.AF_INET6, 4, flags(0x20))}
		}
		return [][]byte{answer(req, kind, 0, bodies...), verdict(req, unix.NLMSG_DONE, 0)}
	})
	if addrs, err := c.Addrs(3, unix.AF_INET6); err != nil || len(addrs) != 1 || addrs[0].Index != 3 {
		t.Errorf("addresses %+v, %v", addrs, err)
	}
	if list, err := c.Routes(3); err != nil || len(list) != 1 || !list[0].Same(&routes[1]) {
		t.Errorf("routes %+v, %v", list, err)
	}
	if flags, err := c.Inet6Flags(3); err != nil || flags != 0x40 {
		t.Errorf("flags %#x, %v", flags, err)
	}
}

// What is asked of the kernel is what was meant.
func TestRequests(t *testing.T) {
	var got message
	c := connect(t, func(req message) [][]byte {
		got = message{kind: req.kind, flags: req.flags, data: append([]byte(nil), req.data...)}
		return [][]byte{verdict(req, unix.NLMSG_ERROR, unix.EPERM)}
	})
	addr := Addr{Index: 3, Prefix: netip.MustParsePrefix("10.0.0.5/24")}
	route := routes[0]
	const always, create = unix.NLM_F_REQUEST | unix.NLM_F_ACK, unix.NLM_F_CREATE
	for _, tt := range []struct {
		name  string
		do    func() error
		kind  uint16
		flags uint16
		body  []byte
	}{
		{"up", func() error { return c.SetUp(3) }, unix.RTM_NEWLINK, 0, linkBody(0, 3, unix.IFF_UP, unix.IFF_UP, nil)},
		{"down", func() error { return c.SetDown(3) }, unix.RTM_NEWLINK, 0, linkBody(0, 3, 0, unix.IFF_UP, nil)},
		{"mtu", func() error { return c.SetMTU(3, 1400) }, unix.RTM_NEWLINK, 0, linkBody(0, 3, 0, 0, appendAttr32(nil, unix.IFLA_MTU, 1400))},
		{"vlan", func() error { return c.AddVLAN(3, "eth0.5", 5) }, unix.RTM_NEWLINK, create | unix.NLM_F_EXCL, vlanBody(3, "eth0.5", 5)},
		{"delete link", func() error { return c.DeleteLink(3) }, unix.RTM_DELLINK, 0, linkBody(0, 3, 0, 0, nil)},
		{"address", func() error { return c.ReplaceAddr(&addr) }, unix.RTM_NEWADDR, create | unix.NLM_F_REPLACE, addr.body()},
		{"delete address", func() error { return c.DeleteAddr(&addr) }, unix.RTM_DELADDR, 0, addr.body()},
		{"route", func() error { return c.ReplaceRoute(&route) }, unix.RTM_NEWROUTE, create | unix.NLM_F_REPLACE, route.body()},
		{"delete route", func() error { return c.DeleteRoute(&route) }, unix.RTM_DELROUTE, 0, route.body()},
	} {
		if err := tt.do(); !errors.Is(err, unix.EPERM) {
			t.Errorf("%s: %v", tt.name, err)
		}
		want := message{kind: tt.kind, flags: always | tt.flags, data: tt.body}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(message{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestEvents(t *testing.T) {
	ours, theirs := pair(t)
	e := &Events{sock: ours, buf: make([]byte, readSize)}
	userOpt := append([]byte{unix.AF_INET6, 0, 8, 0, 7, 0, 0, 0, 134, 0, 0, 0, 0, 0, 0, 0}, "25, 3 …and beyond"...)
	var packet []byte
	for _, m := range []struct {
		kind uint16
		body []byte
	}{
		{unix.RTM_NEWLINK, linkMessage(unix.AF_UNSPEC, 2, attr(unix.IFLA_IFNAME, []byte("eth0\x00")))},
		{unix.RTM_DELLINK, []byte("cut off")},
		{unix.RTM_DELADDR, (&Addr{Index: 3, Prefix: netip.MustParsePrefix("10.0.0.5/24")}).body()},
		{unix.RTM_NEWADDR, []byte("short")},
		{unix.RTM_NEWROUTE, routes[0].body()},
		{unix.RTM_NEWNDUSEROPT, userOpt},
		{unix.RTM_NEWNDUSEROPT, userOpt[:15]},
		{unix.RTM_NEWNDUSEROPT, append([]byte{unix.AF_INET}, userOpt[1:]...)},
	} {
		packet = append(packet, answer(message{}, m.kind, 0, m.body)...)
	}
	if _, err := theirs.Write(packet); err != nil {
		t.Fatal(err)
	}
	got, err := e.Receive()
	want := []Event{
		{Type: unix.RTM_NEWLINK, Index: 2, Link: &Link{Index: 2, Name: "eth0", Type: unix.ARPHRD_ETHER, Flags: unix.IFF_UP}},
		{Type: unix.RTM_DELADDR, Index: 3},
		{Type: unix.RTM_NEWROUTE},
		{Type: unix.RTM_NEWNDUSEROPT, Index: 7, Options: []byte("25, 3 …a")[:8]},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if got, err := e.Receive(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: %v, %v", got, err)
	}
}

// Sockets of the real kernel can be had without any right; reading its links
// changes nothing.
func TestOpen(t *testing.T) {
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	links, err := c.Links()
	if err != nil || len(links) == 0 {
		t.Fatalf("%v, %v", links, err)
	}
	if l, err := c.Link(links[0].Index); err != nil || l.Name != links[0].Name {
		t.Errorf("%+v, %v; listed as %+v", l, err, links[0])
	}
	e, err := Subscribe(unix.RTNLGRP_LINK)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c.Close()
	if err := c.SetUp(links[0].Index); err == nil {
		t.Error("a closed connection sets links up")
	}
}
