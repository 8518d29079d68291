package nic

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"boothook/netboot/nic/dhcp/dhcptest"
	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

func linkLocal(s string) *rtnl.Addr {
	return &rtnl.Addr{Index: 2, Prefix: netip.PrefixFrom(netip.MustParseAddr(s), 64), Scope: unix.RT_SCOPE_LINK, Flags: unix.IFA_F_PERMANENT}
}

func TestForeignAddr(t *testing.T) {
	of := func(prefix string, scope uint8, flags uint32) rtnl.Addr {
		return rtnl.Addr{Prefix: netip.MustParsePrefix(prefix), Scope: scope, Flags: flags}
	}
	byHand := of("fd00::5/64", 0, unix.IFA_F_PERMANENT)
	by4 := of("10.0.0.5/24", 0, 0)
	for _, tt := range []struct {
		name  string
		addrs []rtnl.Addr
		want  string
	}{
		{"none", nil, ""},
		{"link-local ones", []rtnl.Addr{*linkLocal("fe80::1"), of("169.254.3.4/16", unix.RT_SCOPE_LINK, unix.IFA_F_PERMANENT)}, ""},
		{"one that the kernel made of an advertisement", []rtnl.Addr{of("fd00::5/64", 0, 0)}, ""},
		{"one for IPv4, leased", []rtnl.Addr{by4}, "10.0.0.5/24"},
		{"one for IPv6, by hand", []rtnl.Addr{byHand}, "fd00::5/64"},
		{"one for IPv6, leased by a program", []rtnl.Addr{of("fd00::5/64", 0, unix.IFA_F_NOPREFIXROUTE)}, "fd00::5/64"},
		{"one that may be another host's, too", []rtnl.Addr{of("fd00::5/64", 0, unix.IFA_F_PERMANENT|unix.IFA_F_TENTATIVE)}, ""},
		{"IPv4 before IPv6", []rtnl.Addr{byHand, by4}, "10.0.0.5/24"},
	} {
		got, ok := foreignAddr(tt.addrs)
		if ok != (tt.want != "") || ok && got.String() != tt.want {
			t.Errorf("%s: %v, %v; want %q", tt.name, got, ok, tt.want)
		}
	}
}

func TestForeignRoutes(t *testing.T) {
	all := []rtnl.Route{
		{Dst: prefix("10.0.0.0/24")},
		{Dst: prefix("192.0.2.0/24"), Via: addr("10.0.0.9")},
		{Dst: prefix("0.0.0.0/0"), Via: addr("10.0.0.1")},
		{Dst: prefix("0.0.0.0/0"), Via: addr("10.0.0.2"), Metric: 100},
		{Dst: prefix("::/0"), Via: addr("fe80::1")},
	}
	if routes, gateway := foreignRoutes(all, true); len(routes) != 3 || gateway != addr("10.0.0.1") {
		t.Errorf("IPv4: %v, %v", routes, gateway)
	}
	if routes, gateway := foreignRoutes(all, false); len(routes) != 1 || gateway != addr("fe80::1") {
		t.Errorf("IPv6: %v, %v", routes, gateway)
	}
}

// A link that another program configured is adopted: its address, routes and
// name servers are told, and nothing is done to it.
func TestAdopt(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.configure(2, "10.1.0.7/24", "10.1.0.1")
		f.write("/run/net-eth0.conf", "IPV4DNS0='10.1.0.1'\nHOSTNAME='node'\n")
		f.write("/etc/resolv.conf", "nameserver 10.1.0.2\n")
		before := f.state()
		m := f.start(t.Context(), Options{})
		l := next(t, m, time.Second)
		if !l.Adopted || l.By != ByAdopted || l.Prefix != prefix("10.1.0.7/24") || l.Gateway != addr("10.1.0.1") ||
			len(l.DNS) != 1 || l.DNS[0] != addr("10.1.0.1") || l.Hostname != "node" || !m.Idle() {
			t.Errorf("lease %+v", l)
		}
		restored(t, m, f, before)
		if ops := f.done(); len(ops) != 0 {
			t.Errorf("done to an adopted link: %q", ops)
		}
	})
}

// A link without a default route, which is waited for a little, is adopted all
// the same; a resolver on this machine is one.
func TestAdoptWithoutRouter(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.configure(2, "fd00:1::7/64", "")
		f.write("/run/systemd/resolve/resolv.conf", "nameserver 127.0.0.53\n")
		began := time.Now()
		m := f.start(t.Context(), Options{})
		l := next(t, m, 2*adoptWait)
		if l.Gateway.IsValid() || l.At.Sub(began) != adoptWait || len(l.DNS) != 1 || l.DNS[0] != addr("127.0.0.53") {
			t.Errorf("lease %+v after %v", l, l.At.Sub(began))
		}
	})
}

// Another program configures the link while a lease is asked for: the asking
// ends, and what that program did stays.
func TestForeignComesFirst(t *testing.T) {
	for _, o := range []Options{{}, {AdoptOnly: true}} {
		onMachine(t, func(t *testing.T, f *fakeMachine) {
			f.nic(2, "eth0")
			m := f.start(t.Context(), o)
			time.Sleep(200 * time.Millisecond)
			if f.isUp(2) == o.AdoptOnly {
				t.Errorf("AdoptOnly %v: link up is %v", o.AdoptOnly, f.isUp(2))
			}
			f.configure(2, "10.1.0.7/24", "10.1.0.1")
			if l := next(t, m, time.Second); !l.Adopted || l.Gateway != addr("10.1.0.1") || l.By != ByAdopted {
				t.Errorf("lease %+v", l)
			}
			restored(t, m, f, f.state())
			if got := files(f.root).sysctls("eth0"); got != (sysctls{"1", "1", "1"}) || !f.hasAddr(2, "10.1.0.7/24") {
				t.Errorf("sysctls %q, the machine is\n%s", got, f.state())
			}
		})
	}
}

// What the kernel makes of a router's advertisement is no other program's work,
// nor is the address that is leased here.
func TestOwnIsNotForeign(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.serve(2, dhcptest.Honest("10.1.0.1", "10.1.0.50", router))
		m := f.start(t.Context(), Options{LinkLocal4: true})
		f.advertise(2, "fd00:1::50/64", 0, "")
		seen := map[string]bool{}
		for range 3 {
			seen[next(t, m, time.Second).By] = true
		}
		synctest.Wait()
		if !seen[ByDHCP4] || !seen[ByRA] || !seen[ByLinkLocal] {
			t.Errorf("leases by %v", seen)
		}
		select {
		case l := <-m.Leases():
			t.Errorf("another lease: %+v", l)
		default:
		}
	})
}

// Work that ends while a link is awaited, or its default route, ends at once.
func TestAdoptionEnds(t *testing.T) {
	for _, configured := range []bool{false, true} {
		onMachine(t, func(t *testing.T, f *fakeMachine) {
			f.nic(2, "eth0")
			if configured {
				f.configure(2, "10.1.0.7/24", "")
			}
			ctx, cancel := context.WithTimeout(t.Context(), adoptWait/2)
			defer cancel()
			m := f.start(ctx, Options{AdoptOnly: true})
			if l, ok := <-m.Leases(); ok {
				t.Errorf("lease %+v", l)
			}
		})
	}
}

func TestForeignConfs(t *testing.T) {
	dns, search, host := klibcConf([]byte("DEVICE='eth0'\nPROTO='dhcp'\nIPV4ADDR='10.0.0.5'\nIPV4DNS0='10.0.0.1'\nIPV4DNS1='0.0.0.0'\nHOSTNAME='node'\nDNSDOMAIN='example.org'\nDOMAINSEARCH=''\n"))
	if len(dns) != 1 || dns[0] != addr("10.0.0.1") || host != "node" || len(search) != 1 || search[0] != "example.org" {
		t.Errorf("klibc: %v, %q, %q", dns, search, host)
	}
	if _, search, _ := klibcConf([]byte("DOMAINSEARCH='a.example b.example'\nDNSDOMAIN='c.example'\n")); len(search) != 2 {
		t.Errorf("klibc: search %q", search)
	}
	dns, search = resolvConf([]byte("# made by hand\nnameserver 10.0.0.1\nnameserver\nnameserver x\nnameserver fd00::1\nsearch a.example b.example\noptions edns0"))
	if len(dns) != 2 || dns[1] != addr("fd00::1") || len(search) != 2 || search[1] != "b.example" {
		t.Errorf("resolv.conf: %v, %q", dns, search)
	}
}

// A file that is no file, or longer than one of its kind, says nothing.
func TestFiles(t *testing.T) {
	f := newMachine(t)
	f.write("/run/long", string(make([]byte, maxFile+1)))
	f.write("/run/short", "short\n")
	files := files(f.root)
	for _, path := range []string{"/run", "/run/long", "/run/none"} {
		if got := files.read(path); got != nil {
			t.Errorf("%s: %d bytes", path, len(got))
		}
	}
	if got := files.sysctl("/run/short"); got != "short" {
		t.Errorf("%q", got)
	}
}
