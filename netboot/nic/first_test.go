package nic

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFirst holds which link is taken where nobody names one.
func TestFirst(t *testing.T) {
	const down, up, none = "operstate=down", "operstate=up carrier=1", "operstate=notpresent"
	for _, c := range []struct {
		name string
		// links has one link a line: its name and what sysfs has of it; a
		// name alone is a directory.
		links string
		want  string
	}{
		{"no link", "", ""},
		{"the loopback alone", "lo " + up, ""},
		{"one", "ens3 device " + down, "ens3"},
		{"eth0 first", "ens3 device " + down + "\neth0 device " + down, "eth0"},
		{"numbers", "enp10s0 device " + down + "\nenp2s0 device " + down, "enp2s0"},
		{"a carrier counts more than eth0", "eth0 device " + down + "\neth1 device " + up, "eth1"},
		{"a carrier that is not there", "eth0 device " + none + "\neth1 device " + down, "eth1"},
		{"no device", "dummy0 " + up + "\nens3 device " + down, "ens3"},
		{"a container has no device", "eth0 " + up, "eth0"},
		{"what is on top of others", "bond0 bonding " + up + "\nbr0 bridge " + up + "\nens3 device " + down, "ens3"},
		{"a member", "eth0 device master " + up + "\neth1 device " + down, "eth1"},
		{"wireless", "wlan0 device phy80211 " + up, ""},
		{"a veth", "veth1 " + up, ""},
		{"no Ethernet", "tun0 device type=65534 " + up, ""},
		{"no address", "eth0 device address=00:00:00:00:00:00 " + up, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			sysfs := t.TempDir()
			for line := range strings.Lines(c.links) {
				w := strings.Fields(line)
				dir := filepath.Join(sysfs, "class/net", w[0])
				for _, said := range append([]string{"type=1", "address=52:54:00:AA:00:01"}, w[1:]...) {
					name, value, file := strings.Cut(said, "=")
					make := func() error { return os.MkdirAll(filepath.Join(dir, name), 0o755) }
					if file {
						make = func() error { return os.WriteFile(filepath.Join(dir, name), []byte(value+"\n"), 0o644) }
					}
					if err := os.MkdirAll(dir, 0o755); err != nil {
						t.Fatal(err)
					}
					if err := make(); err != nil {
						t.Fatal(err)
					}
				}
			}
			name, mac := First(sysfs)
			if name != c.want || (mac == "52:54:00:aa:00:01") != (c.want != "") {
				t.Errorf("%q with the address %q, want %q", name, mac, c.want)
			}
		})
	}
}

func TestNaturally(t *testing.T) {
	sorted := []string{"", "enp1s0", "enp2s0", "enp2s0f0", "enp2s0f1", "enp10s0", "eth", "eth0", "eth2", "eth10", "eth10a", "ethb"}
	for i, a := range sorted {
		for j, b := range sorted {
			if got := naturally(a, b); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%q and %q: %d", a, b, got)
			}
		}
	}
	if naturally("eth01", "eth1") != 0 {
		t.Error("a zero before a number counts")
	}
}
