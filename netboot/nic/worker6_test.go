package nic

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"boothook/netboot/nic/dhcp/dhcptest"
	"boothook/netboot/rtnl"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"golang.org/x/sys/unix"
)

// A router that becomes ready without announcing itself is found by being
// asked; its name servers come right after its address.
func TestRouterAdvertisement(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		asked := 0
		f.solicited[2] = func(msg []byte) {
			if !bytes.Equal(msg, []byte{133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 2}) {
				t.Errorf("solicitation %x", msg)
			}
			if asked++; asked == 4 {
				f.advertise(2, "fd00:1::50/64", 0, "")
				time.AfterFunc(namesWait/2, func() { f.advertise(2, "", 0, rdnss+dnssl) })
			}
		}
		before := f.state()
		began := time.Now()
		m := f.start(t.Context(), Options{})
		l := next(t, m, 5*time.Second)
		if l.By != ByRA || l.Prefix != prefix("fd00:1::50/64") || l.Gateway != addr("fe80::1") || l.Lifetime != time.Hour ||
			len(l.DNS) != 1 || l.DNS[0] != addr("fd00:ec2::253") || len(l.Search) != 1 || l.Search[0] != "six.example" {
			t.Errorf("lease %+v", l)
		}
		if d := l.At.Sub(began); d > time.Second {
			t.Errorf("found after %v", d)
		}
		if m.Idle() {
			t.Error("idle without a lease for IPv4")
		}
		restored(t, m, f, before)
	})
}

// A network need not have name servers, nor the carrier be there at first.
func TestRouterWithoutNames(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.plug(2, false)
		m := f.start(t.Context(), Options{})
		f.advertise(2, "fd00:1::50/64", 0, "")
		time.Sleep(time.Second)
		began := time.Now()
		f.plug(2, true)
		f.advertise(2, "", 0, "\x19\x03\x00\x00\x00\x00\x0e\x10"+string(netip.IPv6Loopback().AsSlice()))
		if l := next(t, m, time.Second); len(l.DNS) != 0 || l.At.Sub(began) != namesWait || !f.logged("ignored: name server ::1") {
			t.Errorf("lease %+v after %v, log %q", l, l.At.Sub(began), f.log)
		}
	})
}

// A router says that addresses come by DHCPv6. The address is given back when
// the link is restored.
func TestDHCPv6(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		var released *dhcpv6.Message
		honest := dhcptest.Honest6("fd00:1::100", dhcpv6.WithDNS(net.ParseIP("fd00:1::53"), net.ParseIP("::1"), net.ParseIP("fd00:1::100")))
		conn := new(dhcptest.Conn)
		conn.Serve6(func(msg *dhcpv6.Message) []*dhcpv6.Message {
			if msg.MessageType == dhcpv6.MessageTypeRelease {
				released = msg
			}
			return honest(msg)
		})
		f.dhcp6[2] = conn
		before := f.state()
		m := f.start(t.Context(), Options{})
		f.advertise(2, "", raManaged, "")
		l := next(t, m, 5*time.Second)
		if l.By != ByDHCP6 || l.Prefix != prefix("fd00:1::100/128") || l.Gateway != addr("fe80::1") || len(l.DNS) != 1 || l.Lifetime != time.Hour {
			t.Errorf("lease %+v", l)
		}
		if !f.hasAddr(2, "fd00:1::100/128") || !f.logged("ignored: name server fd00:1::100") || !f.logged("ignored: name server ::1") {
			t.Errorf("log %q, the machine is\n%s", f.log, f.state())
		}
		// A flap takes the address away.
		f.SetDown(2)
		synctest.Wait()
		f.SetUp(2)
		synctest.Wait()
		if !f.hasAddr(2, "fd00:1::100/128") {
			t.Error("the address is not back after a flap")
		}
		restored(t, m, f, before)
		if released == nil {
			t.Error("the address was not given back")
		}
	})
}

// The link goes down while DHCPv6 is asked, no socket can be had, the kernel
// refuses the address: it is tried again, and another lease counts.
func TestDHCPv6Again(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.dhcp6[2] = new(dhcptest.Conn) // nobody answers yet
		refusals := map[string]error{"open dhcp6": unix.EADDRNOTAVAIL, "addr": unix.EACCES}
		f.refusing(func(op string, _ int) error {
			err := refusals[op]
			delete(refusals, op)
			return err
		})
		m := f.start(t.Context(), Options{})
		f.advertise(2, "", raManaged, "")
		time.Sleep(2 * time.Second)
		f.plug(2, false)
		time.Sleep(time.Second)
		f.dhcp6[2].Serve6(dhcptest.Honest6("fd00:1::100"))
		f.plug(2, true)
		l := next(t, m, 5*time.Second)
		synctest.Wait()
		if l.By != ByDHCP6 || len(refusals) != 0 || !f.logged("cannot assign requested address") || !f.logged("permission denied") {
			t.Errorf("lease %+v, log %q", l, f.log)
		}
	})
}

// With LinkLocal6 the kernel's own address is a lease, once it is ready; with
// LinkLocal4 one is made.
func TestLinkLocalLeases(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		m := f.start(t.Context(), Options{LinkLocal4: true, LinkLocal6: true})
		l := next(t, m, time.Second)
		if l.By != ByLinkLocal || l.Prefix != linkLocalPrefix(l.HW) || !f.hasAddr(2, l.Prefix.String()) || m.Idle() {
			t.Errorf("lease %+v, idle %v", l, m.Idle())
		}
		add := func(flags uint32) {
			a := linkLocal("fe80::2")
			a.Flags |= flags
			f.mu.Lock()
			defer f.mu.Unlock()
			f.putAddr(a)
		}
		add(unix.IFA_F_TENTATIVE)
		time.Sleep(time.Second)
		began := time.Now()
		add(0)
		if l := next(t, m, time.Second); l.By != ByLinkLocal || l.Prefix != prefix("fe80::2/64") || l.At != began {
			t.Errorf("lease %+v after %v", l, l.At.Sub(began))
		}
		if err := m.Restore(); err != nil {
			t.Error(err)
		}
	})
	onMachine(t, func(t *testing.T, f *fakeMachine) { // an address is worth nothing without a carrier
		f.nic(2, "eth0")
		f.plug(2, false)
		m := f.start(t.Context(), Options{LinkLocal6: true})
		f.mu.Lock()
		f.putAddr(linkLocal("fe80::2"))
		f.mu.Unlock()
		time.Sleep(time.Second)
		began := time.Now()
		f.plug(2, true)
		if l := next(t, m, time.Second); l.By != ByLinkLocal || l.Prefix != prefix("fe80::2/64") || l.At != began {
			t.Errorf("lease %+v after %v", l, l.At.Sub(began))
		}
	})
	onMachine(t, func(t *testing.T, f *fakeMachine) { // neither comes
		f.nic(2, "eth0")
		f.nic(3, "eth1")
		f.plug(3, false)
		f.refusing(func(op string, _ int) error {
			if op == "addr" {
				return unix.EACCES
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m := f.start(ctx, Options{LinkLocal4: true, LinkLocal6: true})
		if l, ok := <-m.Leases(); ok || !f.logged("add address 169.254.", "permission denied") {
			t.Errorf("lease %+v, log %q", l, f.log)
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

func TestGlobalAddr6(t *testing.T) {
	of := func(prefix string, flags uint32) rtnl.Addr {
		return rtnl.Addr{Prefix: netip.MustParsePrefix(prefix), Flags: flags, Valid: 60}
	}
	for _, tt := range []struct {
		name  string
		addrs []rtnl.Addr
		want  string
	}{
		{"none", nil, ""},
		{"link-local", []rtnl.Addr{of("fe80::1/64", 0)}, ""},
		{"not ready, a duplicate, out of date, temporary", []rtnl.Addr{of("fd00::1/64", unix.IFA_F_TENTATIVE), of("fd00::2/64", unix.IFA_F_DADFAILED),
			of("fd00::3/64", unix.IFA_F_DEPRECATED), of("fd00::4/64", unix.IFA_F_TEMPORARY)}, ""},
		{"the first that is", []rtnl.Addr{of("fd00::1/64", unix.IFA_F_TENTATIVE), of("fd00::2/64", 0), of("fd00::3/64", 0)}, "fd00::2/64"},
	} {
		got, valid := globalAddr6(tt.addrs)
		if got.IsValid() != (tt.want != "") || got.IsValid() && (got.String() != tt.want || valid != 60) {
			t.Errorf("%s: %v for %d s", tt.name, got, valid)
		}
	}
	if seconds(1<<32-1) != 0 || seconds(60) != time.Minute {
		t.Error("lifetimes are not the kernel's")
	}
}
