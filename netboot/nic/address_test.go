package nic

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

func TestIsOtherHost(t *testing.T) {
	for _, tt := range []struct {
		own string
		yes []string
		no  []string
	}{
		{"10.1.0.50/24", []string{"10.1.0.1", "10.1.0.254", "10.1.1.255", "192.0.2.1", "169.254.1.1", "240.0.0.1"},
			[]string{"10.1.0.50", "10.1.0.0", "10.1.0.255", "0.0.0.0", "0.0.0.1", "127.0.0.1", "127.9.9.9", "224.0.0.1", "255.255.255.255", "::ffff:10.1.0.1"}},
		{"10.1.2.50/22", []string{"10.1.0.255", "10.1.1.0"}, []string{"10.1.0.0", "10.1.3.255"}},
		{"10.1.0.4/31", []string{"10.1.0.5"}, []string{"10.1.0.4"}}, // RFC 3021
		{"10.1.0.4/32", []string{"10.1.0.5", "10.1.0.0", "10.1.0.255"}, []string{"10.1.0.4"}},
		{"fd00::50/64", []string{"fd00::1", "fd00::", "fe80::1", "fe80::1%eth0", "10.0.0.1"}, []string{"fd00::50", "::", "::1", "ff02::1", "::ffff:127.0.0.1", "127.0.0.1"}},
	} {
		for want, list := range map[bool][]string{true: tt.yes, false: tt.no} {
			for _, s := range list {
				if got := isOtherHost(addr(s), prefix(tt.own)); got != want {
					t.Errorf("%s beside %s: %v", s, tt.own, got)
				}
			}
		}
	}
	if isOtherHost(netip.Addr{}, prefix("10.1.0.50/24")) || !isOtherHost(addr("10.0.0.255"), netip.Prefix{}) {
		t.Error("no address is one, or one without a subnet is none")
	}
}

// Of many routes the first maxRoutes are kept, and not every other is told.
func TestManyRoutes(t *testing.T) {
	var list []Route
	for i := range 100 {
		list = append(list, route(fmt.Sprintf("11.%d.0.0/16", i), "10.1.0.1"))
	}
	f := filter{own: prefix("10.1.0.50/24")}
	if kept := f.routes(slices.Concat(list, list)); len(kept) != maxRoutes || len(f.ignored) != maxIgnored+1 || f.ignored[maxIgnored] != "and more" {
		t.Errorf("%d kept, ignored %q", len(kept), f.ignored)
	}
}

func TestLastAddr(t *testing.T) {
	for p, want := range map[string]string{"10.1.2.3/20": "10.1.15.255", "10.1.2.3/0": "255.255.255.255", "10.1.2.3/32": "10.1.2.3", "10.1.2.128/25": "10.1.2.255"} {
		if got := lastAddr(prefix(p)); got != addr(want) {
			t.Errorf("%s: %v, want %s", p, got, want)
		}
	}
}

// A name server that only the link knows is written with the link.
func TestResolvConf(t *testing.T) {
	l := Lease{Name: "eth0", Prefix: prefix("fd00::50/64"), DNS: []netip.Addr{addr("fe80::1"), addr("fd00::1")}, Search: []string{"a.example", "b.example"}}
	if got, want := string(l.ResolvConf()), "search a.example b.example\nnameserver fe80::1%eth0\nnameserver fd00::1\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (&Lease{Search: l.Search}).ResolvConf(); got != nil {
		t.Errorf("without a name server: %q", got)
	}
}
