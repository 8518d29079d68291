package nic

import (
	"encoding/binary"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"boothook/netboot/nic/dhcp/dhcptest"
	"boothook/netboot/nic/kernel"

	"golang.org/x/sys/unix"
)

func config(t *testing.T, s string) Config {
	t.Helper()
	c, err := ParseIP(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// An address without a server, on one card of two: the other stays down.
func TestStatic(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.nic(3, "eth1")
		before := f.state()
		m := f.start(t.Context(), Options{Configs: []Config{config(t, "10.1.0.9::10.1.0.1:24:node:eth0:none:10.1.0.1")}})
		l := next(t, m, time.Second)
		if l.By != ByStatic || l.Hostname != "node" || l.Name != "eth0" || l.Gateway != addr("10.1.0.1") || len(l.DNS) != 1 {
			t.Errorf("lease %+v", l)
		}
		if f.isUp(3) || !slices.Equal(f.defaultRouters(), []string{"10.1.0.1"}) {
			t.Errorf("the machine is\n%s", f.state())
		}
		restored(t, m, f, before)
	})
}

// An address for any card goes to the first that has a carrier, and to another
// when that one is pulled out.
func TestStaticForAny(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		for i, name := range []string{"eth0", "eth1", "eth2"} {
			f.nic(2+i, name)
			f.plug(2+i, false)
		}
		m := f.start(t.Context(), Options{Configs: []Config{config(t, "10.1.0.9::10.1.0.1:24")}})
		synctest.Wait()
		f.plug(3, true)
		synctest.Wait()
		f.plug(4, true)
		if l := next(t, m, time.Second); l.Name != "eth1" {
			t.Errorf("lease on %s", l.Name)
		}
		synctest.Wait()
		if f.hasAddr(4, "10.1.0.9/24") {
			t.Error("a second card has the address")
		}
		f.plug(3, false) // it may come back
		time.Sleep(time.Second)
		if f.hasAddr(4, "10.1.0.9/24") {
			t.Error("a second card has the address")
		}
		f.unplug(3)
		if l := next(t, m, time.Second); l.Name != "eth2" || !f.hasAddr(4, "10.1.0.9/24") {
			t.Errorf("lease on %s", l.Name)
		}
	})
}

// What a Config says beside the address counts more than what the server says.
func TestConfigOverServer(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.serve(2, dhcptest.Honest("10.1.0.1", "10.1.0.50"))
		m := f.start(t.Context(), Options{Configs: []Config{{Method: MethodDHCP, Hostname: "node", MTU: 1400, DNS: config(t, "10.0.0.1::::::none:9.9.9.9").DNS}}})
		if l := next(t, m, time.Second); l.Hostname != "node" || l.MTU != 1400 || len(l.DNS) != 1 || l.DNS[0] != addr("9.9.9.9") {
			t.Errorf("lease %+v", l)
		}
	})
}

// A Config that comes from elsewhere than ParseIP, with what no network has, is
// used without that.
func TestStaticNonsense(t *testing.T) {
	c := Config{Method: MethodStatic, Prefix: prefix("10.1.0.9/24"), Gateway: addr("127.0.0.1"), DNS: config(t, "10.0.0.1::::::none:9.9.9.9").DNS}
	c.DNS = append(c.DNS, addr("224.0.0.1"), addr("127.0.0.1"))
	l, ignored := c.lease()
	if l.Gateway.IsValid() || len(l.Routes) != 0 || len(l.DNS) != 2 || len(ignored) != 2 {
		t.Errorf("lease %+v, ignored %q", l, ignored)
	}
	c = Config{Method: MethodStatic, Prefix: prefix("10.1.0.9/32"), Peer: addr("192.0.2.1"), Gateway: addr("192.0.2.1")}
	l, ignored = c.lease()
	if len(l.Routes) != 2 || l.Routes[0].Via.IsValid() || l.Gateway != addr("192.0.2.1") || len(ignored) != 0 {
		t.Errorf("point to point: %+v, ignored %q", l, ignored)
	}
}

// VLANs are made when what carries them is up, used like cards, and deleted; a
// card that only carries them is not leased, and is not waited for.
func TestVLAN(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.nic(3, "eth1")
		f.serve(205, dhcptest.Honest("10.5.0.1", "10.5.0.50"))
		before := f.state()
		m := f.start(t.Context(), Options{
			Configs: []Config{config(t, "eth0.5:dhcp")},
			VLANs:   []VLAN{{"eth1.7", "eth0", 7}},
		})
		l := next(t, m, time.Second)
		if l.Name != "eth0.5" || l.Index != 205 || !m.Idle() || f.isUp(3) {
			t.Errorf("lease %+v, idle %v", l, m.Idle())
		}
		if _, err := f.Link(207); err != nil || f.isUp(207) {
			t.Error("a VLAN that no Config is for is not made, or is up")
		}
		if err := m.Settle(205); err != nil {
			t.Error(err)
		}
		if !f.isUp(2) || !f.isUp(205) {
			t.Errorf("settling on a VLAN:\n%s", f.state())
		}
		f.done()
		restored(t, m, f, before)
		if ops := f.done(); len(ops) == 0 || ops[0] != "delete addr 205 10.5.0.50/24" && ops[0] != "delete route 205 route to 10.5.0.0/24 on the link" {
			t.Errorf("restored in the order %q", ops)
		}
	})
}

// A VLAN that the kernel refuses costs itself.
func TestVLANRefused(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.nic(2, "eth0")
		f.serve(2, dhcptest.Honest("10.1.0.1", "10.1.0.50"))
		f.refusing(func(op string, _ int) error {
			if op == "add vlan" {
				return unix.EOPNOTSUPP
			}
			return nil
		})
		before := f.state()
		m := f.start(t.Context(), Options{VLANs: []VLAN{{"eth0.5", "eth0", 5}}})
		if l := next(t, m, time.Second); l.Name != "eth0" || !f.logged("make VLAN eth0.5: operation not supported") {
			t.Errorf("lease on %s, log %q", l.Name, f.log)
		}
		restored(t, m, f, before)
	})
}

func TestWantsVLANs(t *testing.T) {
	for want, o := range map[bool]Options{true: {Configs: []Config{{Device: "eth0.5"}}}, false: {Configs: []Config{{Device: "eth0"}}}} {
		if o.WantsVLANs() != want || len(o.VLANs) != 0 {
			t.Errorf("%+v wants VLANs: %v", o, !want)
		}
	}
}

// udevMessage makes a message as udevd sends it (libudev-monitor.c).
func udevMessage(properties string) []byte {

	m := make([]byte, 40, 40+len(properties))
	copy(m, "libudev\x00")
	binary.BigEndian.PutUint32(m[8:], 0xfeedcafe)
	binary.NativeEndian.PutUint32(m[12:], 40)
	binary.NativeEndian.PutUint32(m[16:], 40)
	binary.NativeEndian.PutUint32(m[20:], uint32(len(properties)))
	binary.BigEndian.PutUint32(m[24:], kernel.UdevNet)
	return append(m, properties...)
}

// Where a udevd runs, a link stays down until udevd has finished with it: it
// says so, or its database does, or the bound is over.
func TestUdev(t *testing.T) {
	for _, tt := range []struct {
		name string
		tell func(f *fakeMachine)
		want time.Duration
		warn bool
	}{
		{"a message", func(f *fakeMachine) {
			f.udev <- udevMessage("ACTION=add\x00SUBSYSTEM=net\x00IFINDEX=9\x00")
			f.udev <- udevMessage("ACTION=add\x00SUBSYSTEM=net\x00IFINDEX=2\x00")
		}, time.Second, false},
		{"the database, as messages were lost", func(f *fakeMachine) {
			f.write("/run/udev/data/n2", "E:ID_NET_NAME=eth0\nI:4711\n")
			f.udev <- nil
		}, time.Second, false},
		{"nothing", func(f *fakeMachine) {}, 3 * time.Second, true},
	} {
		onMachine(t, func(t *testing.T, f *fakeMachine) {
			f.udev = make(chan []byte)
			f.nic(2, "eth0")
			f.serve(2, dhcptest.Honest("10.1.0.1", "10.1.0.50"))
			began := time.Now()
			m := f.start(t.Context(), Options{UdevWait: 3 * time.Second})
			time.Sleep(time.Second)
			if f.isUp(2) {
				t.Errorf("%s: raised before udevd has finished", tt.name)
			}
			tt.tell(f)
			if l := next(t, m, 5*time.Second); l.At.Sub(began) != tt.want || f.logged("warning: udevd") != tt.warn {
				t.Errorf("%s: lease after %v, log %q", tt.name, l.At.Sub(began), f.log)
			}
		})
	}
}

// A link that is up already, or that there is a message about before it is asked
// for, is not waited for; one whose new name is not the wanted one is not touched
// until it has that name.
func TestUdevRenames(t *testing.T) {
	onMachine(t, func(t *testing.T, f *fakeMachine) {
		f.udev = make(chan []byte)
		f.nic(2, "eth0")
		f.nic(3, "lan0")
		f.serve(2, dhcptest.Honest("10.1.0.1", "10.1.0.50"))
		f.SetUp(2)
		m := f.start(t.Context(), Options{UdevWait: time.Minute, Only: "lan0"})
		synctest.Wait()
		f.rename(3, "lan1") // udevd's word of it may come before the kernel's
		f.udev <- udevMessage("ACTION=move\x00SUBSYSTEM=net\x00IFINDEX=3\x00")
		synctest.Wait()
		if f.isUp(3) {
			t.Error("a link of another name is raised")
		}
		f.rename(2, "lan0")
		if l := next(t, m, time.Second); l.Index != 2 {
			t.Errorf("lease on link %d", l.Index)
		}
		f.rename(3, "lan0")
		synctest.Wait()
		if !f.isUp(3) {
			t.Error("a link that got the wanted name later is not raised")
		}
	})
}
