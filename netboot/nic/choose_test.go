package nic

import (
	"testing"

	"boothook/netboot/rtnl"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestCounts(t *testing.T) {
	ether := rtnl.Link{Name: "eth0", Type: unix.ARPHRD_ETHER, Addr: parseHW("02:00:00:00:00:01"), PermAddr: parseHW("02:00:00:00:00:02"), AltNames: []string{"enp0s3"}}
	with := func(change func(*rtnl.Link)) rtnl.Link { a := ether; change(&a); return a }
	for _, tt := range []struct {
		name             string
		attrs            rtnl.Link
		device, wireless bool
		options          Options
		want             bool
	}{
		{"a NIC", ether, true, false, Options{}, true},
		{"a veth", ether, false, false, Options{}, false},
		{"a veth when virtual links count", ether, false, false, Options{Virtual: true}, true},
		{"a veth asked for", ether, false, false, Options{Only: "eth0"}, true},
		{"by its other name", ether, true, false, Options{Only: "enp0s3"}, true},
		{"by its address", ether, true, false, Options{Only: "02-00-00-00-00-01"}, true},
		{"by its permanent address, as PXE writes it", ether, true, false, Options{Only: "01-02-00-00-00-00-02"}, true},
		{"another was asked for", ether, true, false, Options{Only: "02:00:00:00:00:03"}, false},
		{"loopback", with(func(a *rtnl.Link) { a.Flags = unix.IFF_LOOPBACK }), false, false, Options{Virtual: true}, false},
		{"a tunnel", with(func(a *rtnl.Link) { a.Type = unix.ARPHRD_NONE }), false, false, Options{Virtual: true}, false},
		{"a bond's member", with(func(a *rtnl.Link) { a.Master = 9 }), true, false, Options{}, false},
		{"a bridge", with(func(a *rtnl.Link) { a.Kind = "bridge" }), false, false, Options{Virtual: true}, false},
		{"wireless", ether, true, true, Options{}, false},
		{"a VLAN asked for", with(func(a *rtnl.Link) { a.Kind, a.Name = "vlan", "eth0.5" }), false, false, Options{VLANs: []VLAN{{"eth0.5", "eth0", 5}}}, true},
		{"another VLAN", with(func(a *rtnl.Link) { a.Kind, a.Name = "vlan", "eth0.6" }), false, false, Options{VLANs: []VLAN{{"eth0.5", "eth0", 5}}}, false},
		{"a bond of the initrd's own stack", with(func(a *rtnl.Link) { a.Kind = "bond" }), false, false, Options{AdoptOnly: true}, true},
	} {
		if got := counts(&tt.attrs, tt.device, tt.wireless, &tt.options); got != tt.want {
			t.Errorf("%s: counts = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestConfigFor(t *testing.T) {
	a := &rtnl.Link{Name: "eth0", Addr: parseHW("02:00:00:00:00:01")}
	general, byName, byMAC, other := Config{Method: MethodStatic}, Config{Device: "eth0", Method: MethodOff},
		Config{Device: "02:00:00:00:00:01", MTU: 7}, Config{Device: "eth1"}
	for _, tt := range []struct {
		configs []Config
		want    *Config
	}{
		{nil, &Config{Method: MethodDHCP}},
		{[]Config{other}, nil},
		{[]Config{general, byName}, &byName},
		{[]Config{other, byMAC, byName}, &byMAC},
		{[]Config{other, general}, &general},
	} {
		if diff := cmp.Diff(tt.want, configFor(tt.configs, a), sameAddr, samePrefix); diff != "" {
			t.Errorf("configFor(%+v) (-want +got):\n%s", tt.configs, diff)
		}
	}
}

// Without a bus that the kernel names, sysfs tells devices and wireless links.
func TestWanted(t *testing.T) {
	f := newMachine(t)
	f.write("/sys/class/net/eth0/device/vendor", "0x1af4")
	f.write("/sys/class/net/wlan0/device/vendor", "0x8086")
	f.write("/sys/class/net/wlan0/phy80211/name", "phy0")
	link := func(name, parent string) *rtnl.Link {
		return &rtnl.Link{Name: name, Type: unix.ARPHRD_ETHER, ParentDev: parent}
	}
	for _, tt := range []struct {
		name    string
		link    *rtnl.Link
		options Options
		want    bool
	}{
		{"a device by sysfs", link("eth0", ""), Options{}, true},
		{"a device by the kernel", link("eth1", "0000:00:03.0"), Options{}, true},
		{"no device", link("veth0", ""), Options{}, false},
		{"wireless", link("wlan0", "0000:00:04.0"), Options{}, false},
		{"no Config for it", link("eth0", ""), Options{Configs: []Config{{Device: "eth1", Method: MethodDHCP}}}, false},
		{"off", link("eth0", ""), Options{Configs: []Config{{Method: MethodOff}}}, false},
		{"off, but it carries a VLAN", link("eth0", ""), Options{Configs: []Config{{Method: MethodOff}}, VLANs: []VLAN{{"eth0.5", "eth0", 5}}}, true},
	} {
		m := &Manager{opts: tt.options, machine: &machine{files: files(f.root)}}
		if got := m.wanted(tt.link); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestClaims(t *testing.T) {
	c := claims{}
	anywhere, there, dhcp := &Config{Method: MethodStatic}, &Config{Method: MethodStatic, Device: "eth0"}, &Config{Method: MethodDHCP}
	for _, tt := range []struct {
		config *Config
		index  int
		want   bool
	}{{anywhere, 2, true}, {anywhere, 3, false}, {anywhere, 2, true}, {there, 2, true}, {there, 3, true}, {dhcp, 2, true}, {dhcp, 3, true}} {
		if got := c.take(tt.config, tt.index); got != tt.want {
			t.Errorf("link %d takes %+v: %v", tt.index, *tt.config, got)
		}
	}
	c.release(3)
	if c.take(anywhere, 3) {
		t.Error("a link that had nothing released it")
	}
	c.release(2)
	if !c.take(anywhere, 3) || c.take(anywhere, 2) {
		t.Error("what was released cannot be taken")
	}
}
