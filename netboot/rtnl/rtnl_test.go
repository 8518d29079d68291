package rtnl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// linkMessage is what the kernel says of a link, as far as a test needs it.
func linkMessage(family uint8, index int, attrs ...[]byte) []byte {
	b := linkBody(family, index, unix.IFF_UP, 0, nil)
	binary.NativeEndian.PutUint16(b[2:], unix.ARPHRD_ETHER)
	return append(b, bytes.Join(attrs, nil)...)
}

func attr(kind uint16, value []byte) []byte { return appendAttr(nil, kind, value) }

func TestParseLink(t *testing.T) {
	mac, factory := []byte{2, 0, 0, 0, 0, 1}, []byte{2, 0, 0, 0, 0, 2}
	for _, tt := range []struct {
		name string
		data []byte
		want Link
	}{
		{"a NIC with two names, a bond's member", linkMessage(unix.AF_UNSPEC, 7,
			attr(unix.IFLA_IFNAME, []byte("eth0\x00")), attr(unix.IFLA_ADDRESS, mac), attr(unix.IFLA_PERM_ADDRESS, factory),
			appendAttr32(nil, unix.IFLA_MTU, 9001), appendAttr32(nil, unix.IFLA_MASTER, 3), attr(unix.IFLA_OPERSTATE, []byte{OperUp}),
			attr(unix.IFLA_PARENT_DEV_NAME, []byte("0000:00:05.0\x00")),
			attr(unix.IFLA_PROP_LIST|unix.NLA_F_NESTED, append(attr(unix.IFLA_ALT_IFNAME, []byte("enp0s5\x00")), attr(unix.IFLA_ALT_IFNAME, []byte("lan\x00"))...))),
			Link{Index: 7, Name: "eth0", AltNames: []string{"enp0s5", "lan"}, Type: unix.ARPHRD_ETHER, Flags: unix.IFF_UP,
				Oper: OperUp, MTU: 9001, Master: 3, Addr: mac, PermAddr: factory, ParentDev: "0000:00:05.0"}},
		{"a bridge", linkMessage(unix.AF_UNSPEC, 2, attr(unix.IFLA_LINKINFO, attr(unix.IFLA_INFO_KIND, []byte("bridge\x00")))),
			Link{Index: 2, Kind: "bridge", Type: unix.ARPHRD_ETHER, Flags: unix.IFF_UP}},
		{"what IPv6 says", linkMessage(unix.AF_INET6, 2, attr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, appendAttr32(nil, unix.IFLA_INET6_FLAGS, 0x80000040))),
			Link{Family: unix.AF_INET6, Index: 2, Type: unix.ARPHRD_ETHER, Flags: unix.IFF_UP, Inet6Flags: 0x80000040}},
		{"attributes cut off", linkMessage(unix.AF_UNSPEC, 2, attr(unix.IFLA_MTU, nil), attr(unix.IFLA_OPERSTATE, nil), []byte{200, 0, 3, 0, 'e'}),
			Link{Index: 2, Type: unix.ARPHRD_ETHER, Flags: unix.IFF_UP}},
	} {
		got, err := parseLink(tt.data)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(&tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if l, err := parseLink(make([]byte, unix.SizeofIfInfomsg-1)); !errors.Is(err, errShort) {
		t.Errorf("too short: %v, %v", l, err)
	}
}

// What "ip link add link eth0 name eth0.5 type vlan id 5" sends where eth0 is
// the third link, its flags and header aside.
func TestVLANBody(t *testing.T) {
	want := []byte{
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // struct ifinfomsg
		8, 0, 5, 0, 3, 0, 0, 0, // IFLA_LINK
		11, 0, 3, 0, 'e', 't', 'h', '0', '.', '5', 0, 0, // IFLA_IFNAME
		24, 0, 18, 0, // IFLA_LINKINFO
		8, 0, 1, 0, 'v', 'l', 'a', 'n', // IFLA_INFO_KIND
		12, 0, 2, 0, 6, 0, 1, 0, 5, 0, 0, 0, // IFLA_INFO_DATA, IFLA_VLAN_ID
	}
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Fatal("the bytes above are those of a little-endian machine")
	}
	if diff := cmp.Diff(want, vlanBody(3, "eth0.5", 5)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAddrRoundTrip(t *testing.T) {
	for _, a := range []Addr{
		{Index: 3, Prefix: netip.MustParsePrefix("10.0.0.5/24"), Flags: unix.IFA_F_NOPREFIXROUTE, Valid: 3600},
		{Index: 3, Prefix: netip.MustParsePrefix("169.254.7.1/32"), Scope: unix.RT_SCOPE_LINK},
		{Index: 1 << 20, Prefix: netip.MustParsePrefix("2001:db8::5/128"), Flags: unix.IFA_F_NODAD | unix.IFA_F_NOPREFIXROUTE, Valid: 1},
	} {
		got, err := parseAddr(a.body())
		if err != nil {
			t.Errorf("%v: %v", a.Prefix, err)
			continue
		}
		if !bytes.Equal(got.body(), a.body()) {
			t.Errorf("%v: not sent back as it was said", a.Prefix)
		}
		if got.said = nil; !cmp.Equal(a, got, cmp.Comparer(equal[netip.Prefix]), cmp.AllowUnexported(Addr{})) {
			t.Errorf("%+v came back as %+v", a, got)
		}
	}
}

func equal[T comparable](a, b T) bool { return a == b }

func TestAddrParsing(t *testing.T) {
	peer := append([]byte{unix.AF_INET, 32, 0, 0, 3, 0, 0, 0},
		append(attr(unix.IFA_ADDRESS, []byte{10, 0, 0, 1}), attr(unix.IFA_LOCAL, []byte{10, 0, 0, 5})...)...)
	if a, err := parseAddr(peer); err != nil || a.Prefix != netip.MustParsePrefix("10.0.0.5/32") {
		t.Errorf("with a peer: %v, %v", a.Prefix, err)
	}
	for name, data := range map[string][]byte{
		"empty":           nil,
		"no address":      {unix.AF_INET, 24, 0, 0, 3, 0, 0, 0},
		"another's":       append([]byte{unix.AF_INET6, 24, 0, 0, 3, 0, 0, 0}, attr(unix.IFA_ADDRESS, []byte{10, 0, 0, 1})...),
		"too many bits":   append([]byte{unix.AF_INET, 33, 0, 0, 3, 0, 0, 0}, attr(unix.IFA_ADDRESS, []byte{10, 0, 0, 1})...),
		"half an address": append([]byte{unix.AF_INET, 8, 0, 0, 3, 0, 0, 0}, attr(unix.IFA_ADDRESS, []byte{10, 0})...),
	} {
		if a, err := parseAddr(data); !errors.Is(err, errShort) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	if got := broadcast(netip.MustParsePrefix("10.1.2.3/20")); !bytes.Equal(got, []byte{10, 1, 15, 255}) {
		t.Errorf("broadcast %v", got)
	}
}

var routes = []Route{
	{Index: 3, Dst: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr("10.0.0.1"), Src: netip.MustParseAddr("10.0.0.5"),
		Table: unix.RT_TABLE_MAIN, Metric: 1027, MTU: 1400, Flags: unix.RTNH_F_ONLINK, Protocol: unix.RTPROT_DHCP, Type: unix.RTN_UNICAST},
	{Index: 3, Dst: netip.MustParsePrefix("10.0.0.0/24"), Table: 1 << 20, Protocol: unix.RTPROT_KERNEL, Scope: unix.RT_SCOPE_LINK, Type: unix.RTN_UNICAST},
	{Index: 3, Dst: netip.MustParsePrefix("::/0"), Via: netip.MustParseAddr("fe80::1"), Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_RA, Type: unix.RTN_UNICAST},
}

func TestRouteRoundTrip(t *testing.T) {
	for _, r := range routes {
		got, err := parseRoute(r.body())
		if err != nil || !got.Same(&r) || got.MTU != r.MTU {
			t.Errorf("%+v came back as %+v, %v", r, got, err)
		}
		if !bytes.Equal(got.body(), r.body()) {
			t.Errorf("%v: not sent back as it was said", r.Dst)
		}
	}
}

// What the kernel adds about the carrier would have it refuse the route.
func TestRouteWithoutCarrier(t *testing.T) {
	up, down := routes[0], routes[0]
	down.Flags |= unix.RTNH_F_LINKDOWN | unix.RTNH_F_DEAD
	got, err := parseRoute(down.body())
	if err != nil || !got.Same(&up) || !bytes.Equal(got.body(), up.body()) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestMessages(t *testing.T) {
	one, two := request(unix.RTM_NEWADDR, 0, 5, []byte{1, 2, 3}), request(unix.RTM_NEWLINK, unix.NLM_F_DUMP_INTR, 6, []byte{4})
	data := append(append(one, 0), two...) // each begins at a multiple of 4
	got := messages(append(data, 0, 0, 0, 40, 0, 0, 0))
	if len(got) != 2 || got[0].kind != unix.RTM_NEWADDR || got[0].seq != 5 || !bytes.Equal(got[0].data, []byte{1, 2, 3}) ||
		got[1].kind != unix.RTM_NEWLINK || got[1].flags&unix.NLM_F_DUMP_INTR == 0 || !bytes.Equal(got[1].data, []byte{4}) {
		t.Errorf("%+v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(request(unix.RTM_NEWLINK, 0, 1, linkMessage(unix.AF_INET6, 2, attr(unix.IFLA_PROTINFO, appendAttr32(nil, unix.IFLA_INET6_FLAGS, 1)))))
	f.Add(request(unix.RTM_NEWADDR, 0, 1, (&Addr{Index: 3, Prefix: netip.MustParsePrefix("10.0.0.5/24")}).body()))
	for _, r := range routes {
		f.Add(request(unix.RTM_NEWROUTE, 0, 1, r.body()))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range messages(data) {
			if ev, ok := parseEvent(m); ok && (ev.Link != nil) != (m.kind == unix.RTM_NEWLINK || m.kind == unix.RTM_DELLINK) {
				t.Errorf("event %+v", ev)
			}
			_, _ = parseLink(m.data)
			if a, err := parseAddr(m.data); err == nil && !a.Prefix.IsValid() {
				t.Errorf("address %+v", a)
			}
			r, err := parseRoute(m.data)
			if err != nil || r.Dst.Bits() == 0 { // of the default route the address is not sent
				continue
			}
			made := r
			made.said = nil
			if again, err := parseRoute(made.body()); err != nil || !again.Same(&r) {
				t.Errorf("%+v came back as %+v, %v", r, again, err)
			}
		}
	})
}
