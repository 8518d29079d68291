package nic

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"boothook/netboot/nic/dhcp/dhcptest"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/sys/unix"
)

// onMachine runs a test on a machine in memory, with a clock of its own.
func onMachine(t *testing.T, test func(t *testing.T, f *fakeMachine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newMachine(t)) })
}

// restored restores and checks that the machine is as it was found.
func restored(t *testing.T, m *Manager, f *fakeMachine, before string) {
	t.Helper()
	if err := m.Restore(); err != nil {
		t.Errorf("restore: %v", err)
	}
	if after := f.state(); after != before {
		t.Errorf("found\n%s\nleft\n%s", before, after)
	}
}

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

var router = dhcpv4.WithRouter(net.IPv4(10, 1, 0, 1))

// One card, one server: the link is raised, leased, used and left as found.
func TestLease(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		var requested []byte
		honest := dhcptest.Honest("10.1.0.1", "10.1.0.50", router, dhcpv4.WithGeneric(dhcpv4.OptionInterfaceMTU, []byte{5, 120}),
			dhcpv4.WithGeneric(dhcpv4.GenericOptionCode(245), []byte{1, 2, 3, 4}))
		f.serve(2, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
			requested = msg.Options.Get(dhcpv4.OptionParameterRequestList)
			return honest(kind, n, msg)
		})
		before := f.state()
		m := f.start(t.Context(), Options{DHCPOptions: []uint8{245}})
		l := next(t, m, time.Second)
		if l.By != ByDHCP4 || l.Index != 2 || l.Name != "eth0" || l.HW.String() != "02:00:00:00:00:02" || l.Prefix != prefix("10.1.0.50/24") ||
			l.Gateway != addr("10.1.0.1") || l.MTU != 1400 || l.Lifetime != time.Hour || !l.At.Equal(time.Now()) ||
			!slices.Equal(l.Options[245], []byte{1, 2, 3, 4}) || !slices.Contains(requested, 245) {
			t.Errorf("lease %+v", l)
		}
		if !f.isUp(2) || !f.hasAddr(2, "10.1.0.50/24") || !slices.Equal(f.defaultRouters(), []string{"10.1.0.1"}) {
			t.Errorf("the machine is\n%s", f.state())
		}
		if got, want := files(f.root).sysctls("eth0"), quick(DefaultPace); got != want {
			t.Errorf("sysctls %q, want %q", got, want)
		}
		if m.Panics() != 0 || !f.logged("eth0: 10.1.0.50/24, gateway 10.1.0.1 (dhcp4)") {
			t.Errorf("%d panics, log %q", m.Panics(), f.log)
		}
		if f.logged("nil") {
			t.Errorf("what went well is logged as a failure: %q", f.log)
		}
		restored(t, m, f, before)
		if _, more := <-m.Leases(); more {
			t.Error("leases go on")
		}
		f.done()
		if err := m.Restore(); err != nil || len(f.done()) != 0 {
			t.Errorf("again: %v", err)
		}
	})
}

// The end of the context ends the work; Restore works all the same.
func TestNoServer(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		before := f.state()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		m := f.start(ctx, Options{})
		if l, ok := <-m.Leases(); ok || time.Since(began) != 10*time.Second {
			t.Errorf("lease %+v after %v", l, time.Since(began))
		}
		if m.Idle() {
			t.Error("idle, although a lease was awaited")
		}
		restored(t, m, f, before)
	})
}

// The cable comes late, and the lease with it at once; without one no message
// is sent and nothing is awaited.
func TestLateCarrier(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.plug(2, false)
		sent := 0
		honest := dhcptest.Honest("10.1.0.1", "10.1.0.50")
		f.serve(2, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
			sent++
			return honest(kind, n, msg)
		})
		before := f.state()
		m := f.start(t.Context(), Options{})
		time.Sleep(2 * time.Second)
		if !m.Idle() || sent != 0 || !f.isUp(2) {
			t.Errorf("without a carrier: idle %v, %d messages sent", m.Idle(), sent)
		}
		plugged := time.Now()
		f.plug(2, true)
		synctest.Wait()
		if l := next(t, m, time.Second); l.At != plugged {
			t.Errorf("lease %v after the carrier", l.At.Sub(plugged))
		}
		if !m.Idle() {
			t.Error("not idle after the lease")
		}
		restored(t, m, f, before)
	})
}

// Idle is false from the moment when a link with a carrier is known.
func TestIdle(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		m := f.start(t.Context(), Options{})
		if !m.Idle() {
			t.Error("not idle without any link")
		}
		f.nic(2, "eth0")
		synctest.Wait()
		if m.Idle() {
			t.Error("idle while a link asks for a lease")
		}
		f.plug(2, false)
		synctest.Wait()
		if !m.Idle() || !f.logged("eth0: lost its carrier") {
			t.Errorf("not idle when the only cable is pulled; log %q", f.log)
		}
	})
}

// The link goes down and up while nobody answers, and again after the lease,
// which takes the routes away: they come back.
func TestFlaps(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		before := f.state()
		m := f.start(t.Context(), Options{})
		flap := func() {
			for _, change := range []func(){
				func() { f.SetDown(2) }, func() { f.SetUp(2) },
				func() { f.plug(2, false) }, func() { f.plug(2, true) },
			} {
				change()
				time.Sleep(100 * time.Millisecond)
			}
		}
		time.Sleep(time.Second)
		flap()
		f.serve(2, dhcptest.Honest("10.1.0.1", "10.1.0.50", router))
		flap() // the client opens its socket anew
		next(t, m, 3*time.Second)
		leased := f.state()
		f.SetDown(2)
		synctest.Wait()
		if len(f.defaultRouters()) != 0 {
			t.Error("routes on a link that is down")
		}
		f.SetUp(2)
		synctest.Wait()
		if got := f.state(); got != leased {
			t.Errorf("leased\n%s\nafter a flap\n%s", leased, got)
		}
		restored(t, m, f, before)
	})
}

// The link goes down and up so fast that both are known at once: its routes are
// gone all the same, and come back, whatever kind of lease they are of.
func TestFastFlap(t *testing.T) {
	for _, tt := range []struct {
		name   string
		o      Options
		leases int
		server dhcptest.Script
	}{
		{"leased", Options{}, 1, dhcptest.Honest("10.1.0.1", "10.1.0.50", router)},
		{"static", Options{Configs: []Config{config(t, "10.1.0.9::10.1.0.1:24")}}, 1, nil},
		{"link-local", Options{LinkLocal4: true}, 1, nil},
		{"leased and link-local", Options{LinkLocal4: true}, 2, dhcptest.Honest("10.1.0.1", "10.1.0.50", router)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onMachine(t, func(t *testing.T, f *fakeMachine) {
				f.nic(2, "eth0")
				if tt.server != nil {
					f.serve(2, tt.server)
				}
				before := f.state()
				m := f.start(t.Context(), tt.o)
				for range tt.leases {
					next(t, m, time.Second)
				}
				leased := f.state()
				for range 3 {
					f.SetDown(2)
					f.SetUp(2)
					synctest.Wait()
					if got := f.state(); got != leased {
						t.Errorf("before\n%s\nafter a flap\n%s\nlog %q", leased, got, f.log)
					}
				}
				restored(t, m, f, before)
			})
		})
	}
}

// A lease shorter than the boot is renewed half-way; when the server refuses at
// last, it is not asked any more, and the kernel removes the address at its end.
func TestRenewal(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		began := time.Now()
		var asked []time.Duration
		honest := dhcptest.Honest("10.1.0.1", "10.1.0.50", dhcpv4.WithLeaseTime(100))
		f.serve(2, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
			if kind == dhcpv4.MessageTypeRequest {
				asked = append(asked, time.Since(began))
			}
			switch {
			case n > 1 && !msg.ClientIPAddr.Equal(net.IPv4(10, 1, 0, 50)):
				t.Errorf("renewal for %v", msg.ClientIPAddr)
			case n == 4:
				return []*dhcpv4.DHCPv4{dhcptest.Answer(msg, dhcpv4.MessageTypeNak, "10.1.0.1", "0.0.0.0")}
			}
			return honest(kind, n, msg)
		})
		m := f.start(t.Context(), Options{})
		next(t, m, time.Second)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if want := []time.Duration{0, 50 * time.Second, 100 * time.Second, 150 * time.Second}; !slices.Equal(asked, want) {
			t.Errorf("asked at %v, want %v", asked, want)
		}
		if !f.logged("lease not renewed: server refused") {
			t.Errorf("log %q", f.log)
		}
		f.mu.Lock()
		if valid := f.addrs[0].Valid; valid != 100 {
			t.Errorf("the address is valid for %d s", valid)
		}
		f.mu.Unlock()
	})
}

// While a lease is renewed the link goes down: the rest of its time counts.
func TestRenewalOverAFlap(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		var silent atomic.Bool
		renewed := time.Time{}
		honest := dhcptest.Honest("10.1.0.1", "10.1.0.50", dhcpv4.WithLeaseTime(100))
		f.serve(2, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
			if silent.Load() {
				return nil
			}
			if n > 1 {
				renewed = time.Now()
			}
			return honest(kind, n, msg)
		})
		m := f.start(t.Context(), Options{})
		l := next(t, m, time.Second)
		silent.Store(true)
		time.Sleep(60 * time.Second)
		f.dhcp4[2].Fail(unix.ENETDOWN)
		f.SetDown(2)
		time.Sleep(10 * time.Second)
		silent.Store(false)
		f.SetUp(2)
		synctest.Wait()
		if d := renewed.Sub(l.At); d != 70*time.Second {
			t.Errorf("renewed after %v; log %q", d, f.log)
		}
		silent.Store(true)
		time.Sleep(5 * time.Minute)
		if !f.logged("lease not renewed: context deadline exceeded") {
			t.Errorf("log %q", f.log)
		}
	})
}

// A server's nonsense costs itself: what is in the kernel and what the lease
// says agree, whatever the server sends.
func TestLeaseIsWhatTheKernelHas(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options map[uint8]string
		gateway string // of both
		routes  int    // in the lease
		ignored []string
	}{
		{"two default routes", map[uint8]string{121: "\x00\x0a\x01\x00\x01" + "\x00\x0a\x01\x00\x02"}, "10.1.0.1", 1, []string{"route to 0.0.0.0/0 via 10.1.0.2", "not the first"}},
		{"two routes to a network", map[uint8]string{121: "\x08\x0b\x0a\x01\x00\x01" + "\x08\x0b\x0a\x01\x00\x02" + "\x00\x0a\x01\x00\x03"}, "10.1.0.3", 2, []string{"11.0.0.0/8 via 10.1.0.2"}},
		{"a default route on the link and one by a router", map[uint8]string{121: "\x00\x0a\x01\x00\x01" + "\x00\x00\x00\x00\x00"}, "10.1.0.1", 1, []string{"0.0.0.0/0 on the link"}},
		{"loopback", map[uint8]string{121: "\x00\x7f\x00\x00\x01" + "\x00\x0a\x01\x00\x02"}, "10.1.0.2", 1, []string{"via 127.0.0.1: not the address of another host"}},
		{"ourselves", map[uint8]string{3: "\x0a\x01\x00\x32" + "\x0a\x01\x00\x02"}, "10.1.0.2", 1, []string{"router 10.1.0.50"}},
		{"the subnet's broadcast address", map[uint8]string{3: "\x0a\x01\x00\xff"}, "", 0, []string{"router 10.1.0.255"}},
		{"the subnet's own address", map[uint8]string{3: "\x0a\x01\x00\x00"}, "", 0, []string{"router 10.1.0.0"}},
		{"multicast, broadcast, nothing", map[uint8]string{3: "\xe0\x00\x00\x01" + "\xff\xff\xff\xff" + "\x00\x00\x00\x00" + "\x00\x00\x00\x01"}, "", 0, []string{"router 224.0.0.1"}},
		{"the subnet by a router", map[uint8]string{121: "\x18\x0a\x01\x00\x0a\x01\x00\x09" + "\x00\x0a\x01\x00\x01"}, "10.1.0.1", 1, []string{"10.1.0.0/24 via 10.1.0.9: the subnet is on the link"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onMachine(t, func(t *testing.T, f *fakeMachine) {
				f.nic(2, "eth0")
				f.serve(2, dhcptest.Honest("10.1.0.1", "10.1.0.50", func(m *dhcpv4.DHCPv4) {
					for code, value := range tt.options {
						m.UpdateOption(dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(code), []byte(value)))
					}
				}))
				m := f.start(t.Context(), Options{})
				l := next(t, m, time.Second)
				gateway := ""
				if l.Gateway.IsValid() {
					gateway = l.Gateway.String()
				}
				if kernel := strings.Join(f.defaultRouters(), " "); gateway != tt.gateway || kernel != tt.gateway || len(l.Routes) != tt.routes {
					t.Errorf("lease %s with %v, kernel %s, want %s", gateway, l.Routes, kernel, tt.gateway)
				}
				if !f.logged(append(tt.ignored, "ignored: ")...) {
					t.Errorf("log %q", f.log)
				}
			})
		})
	}
}

// A route that the kernel refuses is no part of the lease, and does not cost it;
// an address that it refuses is tried again.
func TestKernelRefuses(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.serve(2, dhcptest.Honest("10.1.0.1", "10.1.0.50", router))
		var firmware, full atomic.Bool
		f.refusing(func(op string, index int) error {
			switch {
			case op == "up" && !firmware.Load():
				return unix.ENOENT
			case op == "addr" && !full.Swap(true):
				return unix.ENOBUFS
			}
			return nil
		})
		began := time.Now()
		m := f.start(t.Context(), Options{})
		synctest.Wait()
		if f.isUp(2) || !f.logged("set up: no such file") {
			t.Fatalf("log %q", f.log)
		}
		firmware.Store(true)
		f.rename(2, "lan0") // any change will do
		l := next(t, m, 3*time.Second)
		if d := l.At.Sub(began); d != retryWait || !f.logged("lan0: add address 10.1.0.50/24: no buffer space") {
			t.Errorf("lease after %v, log %q", d, f.log)
		}
	})
	for _, tt := range []struct {
		name   string
		refuse string // the route that is refused, by its place
		err    error
		want   string // the lease's router
		after  time.Duration
	}{
		{"the default route", "route 2", unix.ENETUNREACH, "invalid IP", 0},
		{"the subnet's", "route 1", unix.EINVAL, "10.1.0.1", retryWait},
		{"the default route, as the link is down", "route 2", unix.ENETDOWN, "10.1.0.1", retryWait},
	} {
		onMachine(t, func(t *testing.T, f *fakeMachine) {
			f.nic(2, "eth0")
			f.serve(2, dhcptest.Honest("10.1.0.1", "10.1.0.50", router))
			routes := 0
			f.refusing(func(op string, index int) error {
				if op == "route" {
					if routes++; fmt.Sprint("route ", routes) == tt.refuse {
						return tt.err
					}
				}
				return nil
			})
			began := time.Now()
			m := f.start(t.Context(), Options{})
			l := next(t, m, 3*time.Second)
			if d := l.At.Sub(began); d != tt.after || l.Gateway.String() != tt.want || !f.logged("route to ", tt.err.Error()) {
				t.Errorf("%s is refused: router %v after %v; log %q", tt.name, l.Gateway, d, f.log)
			}
			if len(f.defaultRouters()) != len(l.Routes) {
				t.Errorf("%s is refused: lease with %v, kernel with %v", tt.name, l.Routes, f.defaultRouters())
			}
			// The whole lease is tried again when the link comes back.
			f.SetDown(2)
			f.SetUp(2)
			synctest.Wait()
			if got := f.defaultRouters(); !slices.Equal(got, []string{"10.1.0.1"}) {
				t.Errorf("%s was refused: routers %v after the link came back", tt.name, got)
			}
		})
	}
}

// What happens to a link while the list of links is under way counts more than
// the list, which is older.
func TestListIsOlder(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.plug(2, false)
		f.SetUp(2)
		f.serve(2, func(dhcpv4.MessageType, int, *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 { return nil })
		f.listed = func() {
			f.plug(2, true)
			time.Sleep(time.Millisecond) // what hears of it acts on it
		}
		m := f.start(t.Context(), Options{})
		f.serve(2, dhcptest.Honest("10.1.0.1", "10.1.0.50"))
		next(t, m, 3*time.Second)
	})
}

// A message that decoding panics on is counted and logged, and costs no lease.
func TestPanicsAreCounted(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.serve(2, dhcptest.Honest("10.1.0.1", "10.1.0.50"))
		f.wrap4 = panics
		m := f.start(t.Context(), Options{})
		next(t, m, 3*time.Second)
		if m.Panics() != 2 || !f.logged("eth0: panic in decoding a message: runtime error: slice bounds out of range [:9]") {
			t.Errorf("%d panics, log %q", m.Panics(), f.log)
		}
	})
}

func TestPanicsOfDHCPv6AreCounted(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.dhcp6[2] = new(dhcptest.Conn)
		f.dhcp6[2].Serve6(dhcptest.Honest6("fd00:1::100"))
		f.wrap6 = panics
		m := f.start(t.Context(), Options{})
		f.advertise(2, "", raManaged, "")
		if l := next(t, m, 5*time.Second); l.By != ByDHCP6 || m.Panics() != 2 || !f.logged("eth0: panic in decoding a message") {
			t.Errorf("lease %+v, %d panics, log %q", l, m.Panics(), f.log)
		}
	})
}

// A panicking connection panics on the first messages that are read.
type panicking struct {
	net.PacketConn
	left int
}

func panics(conn net.PacketConn) net.PacketConn { return &panicking{PacketConn: conn, left: 2} }

func (p *panicking) ReadFrom(b []byte) (int, net.Addr, error) {
	if p.left > 0 {
		p.left--
		n := 9 // one more than there is room for
		return len(b[:8:8][:n]), nil, nil
	}
	return p.PacketConn.ReadFrom(b)
}

// A card that is plugged in later is used, one that is pulled out forgotten; at
// most maxLinks are worked on.
func TestHotplug(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		m := f.start(t.Context(), Options{})
		synctest.Wait()
		f.serve(3, dhcptest.Honest("10.2.0.1", "10.2.0.50"))
		f.nic(3, "eth1")
		if l := next(t, m, time.Second); l.Name != "eth1" {
			t.Errorf("lease on %s", l.Name)
		}
		f.unplug(2)
		f.unplug(3)
		synctest.Wait()
		if !m.Idle() {
			t.Error("not idle without any link")
		}
		for i := range maxLinks + 2 {
			f.nic(10+i, fmt.Sprintf("eth%d", 10+i))
		}
		synctest.Wait()
		if f.isUp(10+maxLinks) || !f.isUp(10+maxLinks-1) || !f.logged("eth75: not used, 64 links are in use") {
			t.Errorf("log %q", f.log)
		}
		if err := m.Restore(); err != nil {
			t.Error(err)
		}
	})
}

// Events that are lost are made up for by looking at everything again; when
// there are no more at all, that is logged.
func TestLostEvents(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.plug(2, false)
		f.serve(2, dhcptest.Honest("10.1.0.1", "10.1.0.50"))
		m := f.start(t.Context(), Options{})
		synctest.Wait()
		f.mu.Lock() // the event of the carrier never arrives
		f.plugged[2] = true
		f.set(f.links[2])
		f.queue, f.fault = nil, unix.ENOBUFS
		f.mu.Unlock()
		next(t, m, time.Second)
		f.refusing(func(op string, _ int) error { return errors.New(op + " refused") })
		f.lose(unix.ENOBUFS)
		synctest.Wait()
		f.lose(unix.EBADF)
		synctest.Wait()
		if !f.logged("list links refused") || !f.logged("link events: bad file descriptor") {
			t.Errorf("log %q", f.log)
		}
	})
}

func TestStartFails(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.refusing(func(op string, _ int) error { return unix.EPERM })
		m, err := start(t.Context(), Options{Log: func(string) {}}, &machine{netlink: f, events: f.changes(), sockets: fakeSockets{f}, files: files(f.root)})
		if m != nil || !errors.Is(err, unix.EPERM) {
			t.Errorf("%v, %v", m, err)
		}
	})
}

// Start on the machine that runs the test: it has no link of that name, and
// nothing is done to any.
func TestStartOnThisMachine(t *testing.T) {
	m, err := Start(t.Context(), Options{Only: "no such link", UdevWait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if !m.Idle() {
		t.Error("not idle")
	}
	if err := m.Restore(); err != nil {
		t.Error(err)
	}
	if l, more := <-m.Leases(); more {
		t.Errorf("lease %+v", l)
	}
}

// Two cards, one of which leads somewhere: the other is restored, what is
// plugged in later is left alone.
func TestSettle(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		for i, name := range []string{"eth0", "eth1"} {
			f.nic(2+i, name)
			f.serve(2+i, dhcptest.Honest("10.1.0.1", fmt.Sprintf("10.1.0.5%d", i)))
		}
		before := f.state()
		m := f.start(t.Context(), Options{})
		for range 2 {
			next(t, m, time.Second)
		}
		if err := m.Settle(3); err != nil {
			t.Error(err)
		}
		if f.isUp(2) || !f.isUp(3) || f.hasAddr(2, "10.1.0.50/24") || !f.hasAddr(3, "10.1.0.51/24") {
			t.Errorf("after settling\n%s", f.state())
		}
		f.nic(4, "eth2")
		synctest.Wait()
		if f.isUp(4) {
			t.Error("a card that came later was raised")
		}
		f.unplug(4)
		restored(t, m, f, before)
	})
}

// What was up before, with addresses and routes of its own, is made exactly that
// again, whatever hooks did to it meanwhile; all that goes wrong is told.
func TestRestoreWhatWasUp(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.SetUp(2)
		f.SetMTU(2, 1450)
		f.ReplaceRoute(kernelRoute(2, &Lease{Prefix: prefix("192.0.2.1/24")}, Route{Dst: prefix("192.0.2.0/24")}, 0))
		f.putAddr(linkLocal("fe80::2"))
		f.serve(2, dhcptest.Honest("10.1.0.1", "10.1.0.50", router))
		before := f.state()
		meddle := func() {
			f.SetMTU(2, 1300)
			f.ReplaceAddr(kernelAddr(2, &Lease{Prefix: prefix("10.77.0.1/16")}, time.Now()))
			f.ReplaceRoute(kernelRoute(2, &Lease{Prefix: prefix("10.77.0.1/16")}, Route{prefix("198.51.100.0/24"), addr("10.77.0.9")}, 0))
			f.SetDown(2) // the routes and the link-local address go
		}
		m := f.start(t.Context(), Options{})
		next(t, m, 3*time.Second)
		meddle()
		restored(t, m, f, before)

		m = f.start(t.Context(), Options{}) // nothing can be done any more
		f.refusing(func(op string, _ int) error {
			if op == "read link" || strings.HasPrefix(op, "list") || strings.HasPrefix(op, "open") {
				return nil
			}
			return errors.New(op + " refused")
		})
		synctest.Wait()
		f.mu.Lock()
		f.putRoute(kernelRoute(2, &Lease{Prefix: prefix("10.77.0.1/16")}, Route{prefix("198.51.100.0/24"), addr("10.77.0.9")}, 0))
		f.putAddr(kernelAddr(2, &Lease{Prefix: prefix("10.77.0.1/16")}, time.Now()))
		f.links[2].MTU = 9000
		f.mu.Unlock()
		err := m.Restore()
		for _, op := range []string{"delete route", "delete addr", "mtu", "addr", "route"} {
			if err == nil || !strings.Contains(err.Error(), op+" refused") {
				t.Errorf("%s was refused, and Restore says %v", op, err)
			}
		}
	})
}

// A link that cannot be read is not touched.
func TestUnreadableLink(t *testing.T) {
	for _, op := range []string{"read link", "list addrs", "list routes"} {
		onMachine(t, func(t *testing.T, f *fakeMachine) {
			f.nic(2, "eth0")
			f.refusing(func(what string, _ int) error {
				if what == op {
					return unix.EIO
				}
				return nil
			})
			m := f.start(t.Context(), Options{})
			time.Sleep(time.Second)
			if f.isUp(2) || !f.logged("eth0: ", "input/output error") {
				t.Errorf("%s: log %q", op, f.log)
			}
			if err := m.Restore(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Stop keeps the network for a root that needs it; the sysctls are put back.
func TestStopKeeps(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.serve(2, dhcptest.Honest("10.1.0.1", "10.1.0.50", router))
		m := f.start(t.Context(), Options{Pace: CloudPace})
		next(t, m, time.Second)
		m.Stop()
		if got := files(f.root).sysctls("eth0"); got != (sysctls{"1", "1", "1"}) {
			t.Errorf("sysctls %q", got)
		}
		if !f.isUp(2) || !f.hasAddr(2, "10.1.0.50/24") || len(f.defaultRouters()) != 1 {
			t.Errorf("the machine is\n%s", f.state())
		}
	})
}

// No socket can be had at first: that is logged, and tried again.
func TestNoSocket(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.serve(2, dhcptest.Honest("10.1.0.1", "10.1.0.50"))
		refusals := 2
		f.refusing(func(op string, _ int) error {
			if op == "open dhcp4" && refusals > 0 {
				refusals--
				return unix.EMFILE
			}
			if op == "open icmpv6" {
				return unix.EAFNOSUPPORT // a kernel without IPv6
			}
			return nil
		})
		began := time.Now()
		m := f.start(t.Context(), Options{})
		if l := next(t, m, 5*time.Second); l.At.Sub(began) != 2*retryWait || !f.logged("too many open files") {
			t.Errorf("lease after %v, log %q", l.At.Sub(began), f.log)
		}
	})
}

// A link has its carrier before it is operational, and what was sent in between
// is lost: it is sent again when the link is operational.
func TestAsksAgainWhenOperational(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		operational := false
		honest := dhcptest.Honest("10.1.0.1", "10.1.0.50")
		f.serve(2, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
			if !operational {
				return nil
			}
			return honest(kind, n, msg)
		})
		f.plug(2, false)
		m := f.start(t.Context(), Options{})
		synctest.Wait()
		carrier := *f.links[2]
		carrier.Flags |= unix.IFF_LOWER_UP
		m.consider(&carrier)
		time.Sleep(time.Millisecond)
		operational = true
		f.plug(2, true)
		began := time.Now()
		if l := next(t, m, time.Second); l.At != began {
			t.Errorf("lease %v after the link was operational", l.At.Sub(began))
		}
	})
}
