package nic

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"boothook/netboot/nic/dhcp"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
)

// ack makes an ACK for addr with raw options, as the library writes it.
func ack(addr string, options map[uint8]string) []byte {
	m, err := dhcpv4.New(dhcpv4.WithYourIP(net.ParseIP(addr)), dhcpv4.WithMessageType(dhcpv4.MessageTypeAck))
	if err != nil {
		panic(err)
	}
	m.OpCode = dhcpv4.OpcodeBootReply
	for code, value := range options {
		m.Options[code] = []byte(value)
	}
	return m.ToBytes()
}

// leaseOfACK reads the lease that a message gives.
func leaseOfACK(t *testing.T, msg []byte) (Lease, []string, error) {
	t.Helper()
	m, err := dhcp.ReadMessage4(msg)
	if err != nil {
		t.Fatal(err)
	}
	return leaseFromACK(m)
}

const any4 = "0.0.0.0/0"

func route(dst, via string) Route {
	r := Route{Dst: netip.MustParsePrefix(dst)}
	if via != "" {
		r.Via = netip.MustParseAddr(via)
	}
	return r
}

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
var samePrefix = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func TestLeaseFromACK(t *testing.T) {
	for _, tt := range []struct {
		name    string
		addr    string
		options map[uint8]string
		want    Lease
		ignored int // how many lines say what is left out
	}{{
		name: "plain", addr: "10.0.0.5",
		options: map[uint8]string{1: "\xff\xff\xff\x00", 3: "\x0a\x00\x00\x01\x0a\x00\x00\x02", 54: "\x0a\x00\x00\x01", 51: "\x00\x00\x0e\x10",
			6: "\x0a\x00\x00\x01\x08\x08\x08\x08", 12: "node7\x00", 15: "example.org", 26: "\x05\xdc"},
		want: Lease{Prefix: netip.MustParsePrefix("10.0.0.5/24"), Gateway: netip.MustParseAddr("10.0.0.1"), Routes: []Route{route(any4, "10.0.0.1")},
			ServerID: netip.MustParseAddr("10.0.0.1"), Lifetime: time.Hour, Hostname: "node7", Search: []string{"example.org"}, MTU: 1500,
			DNS: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("8.8.8.8")}},
	}, {
		// As on GCE: the gateway is told to be on the link first.
		name: "classless routes override the router", addr: "10.128.0.9",
		options: map[uint8]string{1: "\xff\xff\xff\xff", 3: "\x01\x02\x03\x04",
			121: "\x00\x0a\x80\x00\x01" + "\x20\x0a\x80\x00\x01\x00\x00\x00\x00" + "\x20\xa9\xfe\xa9\xfe\x0a\x80\x00\x01"},
		want: Lease{Prefix: netip.MustParsePrefix("10.128.0.9/32"), Gateway: netip.MustParseAddr("10.128.0.1"),
			Routes: []Route{route("10.128.0.1/32", ""), route(any4, "10.128.0.1"), route("169.254.169.254/32", "10.128.0.1")}},
	}, {
		name: "Microsoft's number for them", addr: "10.0.0.5",
		options: map[uint8]string{1: "\xff\xff\xff\x00", 249: "\x00\x0a\x00\x00\x01"},
		want:    Lease{Prefix: netip.MustParsePrefix("10.0.0.5/24"), Gateway: netip.MustParseAddr("10.0.0.1"), Routes: []Route{route(any4, "10.0.0.1")}},
	}, {
		name: "no mask is the class's", addr: "192.168.7.5",
		want: Lease{Prefix: netip.MustParsePrefix("192.168.7.5/24")},
	}, {
		name: "a link-local address", addr: "169.254.10.15",
		options: map[uint8]string{1: "\xff\xff\x00\x00"},
		want:    Lease{Prefix: netip.MustParsePrefix("169.254.10.15/16")},
	}, {
		name: "nonsense is left out", addr: "10.0.0.5",
		options: map[uint8]string{1: "\xff\x00\x00\x00", 3: "\xff\xff\xff\xff", 6: "\xe0\x00\x00\x01\x00\x00\x00\x00", 12: "a\nnameserver 6.6.6.6",
			15: "x;y", 26: "\x00\x44", 51: "\xff\xff\xff\xff", 121: "\x21\x0a"},
		want: Lease{Prefix: netip.MustParsePrefix("10.0.0.5/8")}, ignored: 3,
	}, {
		name: "what no other host can be", addr: "10.0.0.5",
		options: map[uint8]string{1: "\xff\xff\xff\x00", 3: "\x7f\x00\x00\x01" + "\x0a\x00\x00\x05" + "\x0a\x00\x00\xff" + "\x0a\x00\x00\x01", 54: "\x7f\x00\x00\x01",
			6: "\x7f\x00\x00\x35" + "\x0a\x00\x00\x05" + "\x0a\x00\x00\x00" + "\x08\x08\x08\x08" + "\x08\x08\x08\x08"},
		want: Lease{Prefix: netip.MustParsePrefix("10.0.0.5/24"), Gateway: netip.MustParseAddr("10.0.0.1"), Routes: []Route{route(any4, "10.0.0.1")},
			DNS: []netip.Addr{netip.MustParseAddr("8.8.8.8")}}, ignored: 6,
	}, {
		name: "no class, half a mask, routes that are cut off and a search list without end", addr: "172.16.7.5",
		options: map[uint8]string{1: "\xff\xff", 3: "\x0a\x00\x00", 54: "\x0a\x00\x00\x01\x0a\x00\x00\x02", 51: "\x00", 26: "\x05", 15: "a.example b",
			119: "\x09example", 121: "\x00\xac\x10\x00\x01\x00", 249: "\x00\xac\x10\x00"},
		want: Lease{Prefix: netip.MustParsePrefix("172.16.7.5/16"), Search: []string{"a.example", "b"}},
	}, {
		name: "a search list and a domain", addr: "10.0.0.5",
		options: map[uint8]string{1: "\xff\xff\xff\x00", 15: "other", 119: "\x01a\x07example\x00\x01b\xc0\x02"},
		want:    Lease{Prefix: netip.MustParsePrefix("10.0.0.5/24"), Search: []string{"a.example", "b.example"}},
	}, {
		name: "too much", addr: "10.0.0.5",
		options: map[uint8]string{1: "\xff\xff\xff\x00", 6: "\x01\x00\x00\x01\x01\x00\x00\x02\x01\x00\x00\x03\x01\x00\x00\x04\x01\x00\x00\x05\x01\x00\x00\x06\x01\x00\x00\x07"},
		want: Lease{Prefix: netip.MustParsePrefix("10.0.0.5/24"), DNS: []netip.Addr{netip.MustParseAddr("1.0.0.1"), netip.MustParseAddr("1.0.0.2"),
			netip.MustParseAddr("1.0.0.3"), netip.MustParseAddr("1.0.0.4"), netip.MustParseAddr("1.0.0.5"), netip.MustParseAddr("1.0.0.6")}}, ignored: 1,
	}} {
		t.Run(tt.name, func(t *testing.T) {
			got, ignored, err := leaseOfACK(t, ack(tt.addr, tt.options))
			if err != nil {
				t.Fatal(err)
			}
			got.Options = nil
			tt.want.By = ByDHCP4
			if len(ignored) != tt.ignored {
				t.Errorf("ignored %q", ignored)
			}
			if diff := cmp.Diff(tt.want, got, sameAddr, samePrefix); diff != "" {
				t.Errorf("lease (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLeaseFromBadACK(t *testing.T) {
	for addr, mask := range map[string]string{
		"0.0.0.0": "\xff\xff\xff\x00", "127.0.0.1": "\xff\x00\x00\x00", "224.0.0.1": "\xff\xff\xff\x00", "255.255.255.255": "\xff\xff\xff\x00",
		"10.0.0.1": "\x00\x00\x00\x00", "10.0.0.2": "\xff\x00\xff\x00",
		"0.0.0.9": "\xff\xff\xff\x00",
	} {
		if l, _, err := leaseOfACK(t, ack(addr, map[uint8]string{1: mask})); !errors.Is(err, errBadLease) {
			t.Errorf("%s mask %x: lease %v, error %v", addr, mask, l.Prefix, err)
		}
	}
}

// A name is taken as it is, without its end, or not at all.
func TestHostName(t *testing.T) {
	for given, want := range map[string]string{
		"azAZ09-._x": "azAZ09-._x", "node7.example.\x00\x00": "node7.example", strings.Repeat("n", maxName): strings.Repeat("n", maxName),
		strings.Repeat("n", maxName+1): "", "a b": "", "a\nb": "", "a/b": "", "a:b": "", "a@b": "", "a[b": "", "a`b": "", "a{b": "", "ä": "",
	} {
		if got := hostName(given); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}

// FuzzRoutes compares option 121 with the library, which reads the same and
// refuses the same.
func FuzzRoutes(f *testing.F) {
	f.Add([]byte("\x00\x0a\x80\x00\x01" + "\x20\x0a\x80\x00\x01\x00\x00\x00\x00" + "\x11\x0a\x80\xff\x0a\x80\x00\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := classlessRoutes(data)
		var theirs dhcpv4.Routes
		if theirErr := theirs.FromBytes(data); (err == nil) != (theirErr == nil) {
			t.Fatalf("%v, %v; the library: %v", got, err, theirErr)
		}
		if err != nil {
			return
		}
		var want []Route
		for _, r := range theirs {
			bits, _ := r.Dest.Mask.Size()
			dst, _ := netip.AddrFromSlice(r.Dest.IP)
			w := Route{Dst: netip.PrefixFrom(dst, bits).Masked()}
			if via, _ := netip.AddrFromSlice(r.Router.To4()); !via.IsUnspecified() {
				w.Via = via
			}
			want = append(want, w)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v, the library reads %v", got, want)
		}
	})
}

// FuzzACK feeds whole messages: nothing may panic, and what comes out is
// within its bounds and cannot write a line of its own into resolv.conf.
func FuzzACK(f *testing.F) {
	f.Add(ack("10.0.0.5", map[uint8]string{1: "\xff\xff\xff\x00", 3: "\x0a\x00\x00\x01", 6: "\x08\x08\x08\x08", 119: "\x07example\x03org\x00",
		121: "\x00\x0a\x80\x00\x01", 26: "\x05\xdc", 12: "a", 15: "b.c d.e"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := dhcp.ReadMessage4(data)
		if err != nil {
			return
		}
		l, ignored, err := leaseFromACK(m)
		if err != nil {
			return
		}
		if !l.Prefix.IsValid() || len(l.Routes) > maxRoutes || len(l.DNS) > maxServers || len(l.Search) > maxSearch || l.MTU != 0 && l.MTU < minMTU {
			t.Errorf("lease out of bounds: %+v", l)
		}
		if len(ignored) > maxIgnored+1 {
			t.Errorf("%d lines of what is ignored", len(ignored))
		}
		seen := map[netip.Prefix]bool{}
		for _, r := range l.Routes {
			if !r.Dst.IsValid() || r.Dst != r.Dst.Masked() || r.Via.IsValid() && !isOtherHost(r.Via, l.Prefix) || seen[r.Dst] {
				t.Errorf("%v on %v", r, l.Prefix)
			}
			seen[r.Dst] = true
		}
		if l.Gateway != defaultGateway(l.Routes) {
			t.Errorf("gateway %v with %v", l.Gateway, l.Routes)
		}
		for _, a := range l.DNS {
			if !isOtherHost(a, l.Prefix) {
				t.Errorf("name server %v on %v", a, l.Prefix)
			}
		}
		dns, search := resolvConf(l.ResolvConf())
		if len(l.DNS) > 0 && (len(dns) != len(l.DNS) || len(search) != len(l.Search)) {
			t.Errorf("resolv.conf reads back as %v, %q:\n%s", dns, search, l.ResolvConf())
		}
	})
}
