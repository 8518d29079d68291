//go:build boot

package boottest

import (
	"testing"

	"boothook/cmd/boothook/vm"
)

// TestNetworkTwoNICs boots a root with systemd-networkd and two NICs, of which
// one is found by its address and one by its driver. Both get new names, and
// what comes to either is answered through it.
func TestNetworkTwoNICs(t *testing.T) {
	w, volume := networkWorld(t, "trixie", "networkd", `version: 2
ethernets:
  front:
    match: {macaddress: "`+vm.GuestMAC+`"}
    set-name: front0
    addresses: [`+vm.GuestAddress+`/24]
    routes: [{to: default, via: `+vm.ServerAddress+`}]
  back:
    match: {driver: vmxnet3}
    set-name: back0
    addresses: [10.88.0.10/24]
    routes: [{to: 0.0.0.0/0, via: 10.88.0.1, table: 101}]
    routing-policy: [{from: 10.88.0.10, table: 101, priority: 1000}]
`, "tuntap add tap1 mode tap", "address add 10.88.0.1/24 dev tap1", "link set tap1 up")
	// Whatever comes in on the wrong one of the two is dropped (RFC 3704).
	for _, tap := range []string{vm.TapName, "tap1"} {
		_, err := w.network.Run(t.Context(), "sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/"+tap+"/rp_filter")
		check(t, err)
	}
	b := w.boot(t, machine{
		initrd: w.image.baked, volume: volume, words: "root=LABEL=root", key: w.login, port: 22,
		nics: []string{
			"-netdev", "tap,id=front,ifname=" + vm.TapName + ",script=no,downscript=no",
			"-device", "virtio-net-pci,romfile=,netdev=front,mac=" + vm.GuestMAC,
			"-netdev", "tap,id=back,ifname=tap1,script=no,downscript=no",
			"-device", "vmxnet3,romfile=,netdev=back,mac=0e:77:00:00:00:11",
		},
		reach: []route{{vm.ServerAddress, vm.GuestAddress}, {farAway, vm.GuestAddress}, {"10.88.0.1", "10.88.0.10"}, {farAway, "10.88.0.10"}},
		ask:   networkQuestions("systemd-networkd.service"),
	})
	checkFirstStart(t, b)
	b.checkLines(t, "links", "front0: .. 0e:77:00:00:00:10", "back0: .. 0e:77:00:00:00:11")
	b.checkLines(t, "routes", "default via 10.77.0.1 dev front0", "default via 10.88.0.1 dev back0 .. table 101")
	b.checkLines(t, "rules", "1000: from 10.88.0.10 lookup 101")
}
