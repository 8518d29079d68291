package nic

import (
	"encoding/binary"
	"net/netip"
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

// udevMessage makes a message as udevd sends it (libudev-monitor.c).
func udevMessage(properties string) []byte {
	m := make([]byte, 40, 40+len(properties))
	copy(m, "libudev\x00")
	binary.BigEndian.PutUint32(m[8:], 0xfeedcafe)
	binary.NativeEndian.PutUint32(m[12:], 40)
	binary.NativeEndian.PutUint32(m[16:], 40)
	binary.NativeEndian.PutUint32(m[20:], uint32(len(properties)))
	binary.BigEndian.PutUint32(m[24:], netHash)
	return append(m, properties...)
}

// The filter's number is the hash of the name, as systemd computes it
// (MurmurHash2.c; here for the three bytes of "net").
func TestNetHash(t *testing.T) {
	const m = 0x5bd1e995
	h := uint32(len("net")) ^ 't'<<16 ^ 'e'<<8 ^ 'n'
	h *= m
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	if h != netHash {
		t.Errorf("%#x, want %#x", uint32(netHash), h)
	}
}

func TestProcessedLink(t *testing.T) {
	for _, tt := range []struct {
		properties string
		index      int
		ok         bool
	}{
		{"ACTION=add\x00SUBSYSTEM=net\x00INTERFACE=eth0\x00IFINDEX=7\x00", 7, true},
		{"ACTION=move\x00SUBSYSTEM=net\x00IFINDEX=2\x00", 2, true},
		{"ACTION=remove\x00SUBSYSTEM=net\x00IFINDEX=2\x00", 0, false},
		{"ACTION=add\x00SUBSYSTEM=block\x00IFINDEX=2\x00", 2, false},
		{"ACTION=add\x00SUBSYSTEM=net\x00", 0, false},
	} {
		index, ok := processedLink(udevMessage(tt.properties))
		if index != tt.index || ok != tt.ok {
			t.Errorf("%q: %d, %v; want %d, %v", tt.properties, index, ok, tt.index, tt.ok)
		}
	}
}

func FuzzProcessedLink(f *testing.F) {
	f.Add(udevMessage("ACTION=add\x00SUBSYSTEM=net\x00IFINDEX=7\x00"))
	f.Add([]byte("add@/devices/x\x00ACTION=add\x00SUBSYSTEM=net\x00IFINDEX=7\x00"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if index, ok := processedLink(msg); ok && index <= 0 {
			t.Errorf("index %d", index)
		}
	})
}

func TestForeignConfs(t *testing.T) {
	dns, search, host := klibcConf([]byte("DEVICE='eth0'\nPROTO='dhcp'\nIPV4ADDR='10.0.0.5'\nIPV4DNS0='10.0.0.1'\nIPV4DNS1='0.0.0.0'\nHOSTNAME='node'\nDNSDOMAIN='example.org'\nDOMAINSEARCH=''\n"))
	if len(dns) != 1 || dns[0] != netip.MustParseAddr("10.0.0.1") || host != "node" || cmp.Diff([]string{"example.org"}, search) != "" {
		t.Errorf("klibc: %v, %q, %q", dns, search, host)
	}
	dns, search = resolvConf([]byte("# made by hand\nnameserver 10.0.0.1\nnameserver\nnameserver x\nnameserver fd00::1\nsearch a.example b.example\noptions edns0"))
	if len(dns) != 2 || dns[1] != netip.MustParseAddr("fd00::1") || cmp.Diff([]string{"a.example", "b.example"}, search) != "" {
		t.Errorf("resolv.conf: %v, %q", dns, search)
	}
}
