//go:build boot && inits

package boottest

import (
	"encoding/json"
	"fmt"
	"testing"

	"boothook/cmd/boothook/vm"
)

// TestSourceWithoutNetwork boots a root as Debian's cloud images are, with
// cloud-init and netplan, from a seed that says nothing of the network. Its
// cloud-init would have used DHCP, and is switched off.
func TestSourceWithoutNetwork(t *testing.T) {
	w := rootWorld(t, "trixie", "cloud")
	b := w.boot(t, machine{
		initrd: w.image.baked, volume: w.volume(t, "CIDATA", w.seedFiles()), words: "root=LABEL=root", key: w.login, port: 22,
		reach: []route{{vm.ServerAddress, vm.GuestAddress}, {farAway, vm.GuestAddress}}, ask: networkQuestions("systemd-networkd.service"),
	})
	checkFirstStart(t, b, "neither the source nor the image configures the network: it is DHCP on")
	b.checkLines(t, "addresses", "inet 10.77.0.10/24 .. dynamic")
	b.checkLines(t, "routes", "default via 10.77.0.1 .. proto dhcp")
}

// TestSourceOpenNebula boots a root with systemd-networkd from OpenNebula's
// volume, whose variables say what the network is.
func TestSourceOpenNebula(t *testing.T) {
	w := rootWorld(t, "trixie", "networkd")
	context := fmt.Sprintf(`VMID='%s'
SET_HOSTNAME='nebula'
SSH_PUBLIC_KEY='%s'
ETH0_MAC='%s'
ETH0_IP='%s'
ETH0_MASK='255.255.255.0'
ETH0_GATEWAY='%s'
ETH0_DNS='%[5]s'
ETH0_MTU='1400'
ETH0_ROUTES='198.51.100.0/24 via 10.77.0.2'
`, random(8), w.login.Public, vm.GuestMAC, vm.GuestAddress, vm.ServerAddress)
	questions := networkQuestions("systemd-networkd.service")
	questions["name"] = "getent ahostsv4 " + w.name
	questions["hostname"] = "hostname"
	b := w.boot(t, machine{
		initrd: w.image.baked, volume: w.volume(t, "CONTEXT", map[string][]byte{"context.sh": []byte(context)}),
		words: "root=LABEL=root", key: w.login, port: 22,
		reach: []route{{vm.ServerAddress, vm.GuestAddress}, {farAway, vm.GuestAddress}}, ask: questions,
	})
	checkFirstStart(t, b)
	b.checkLines(t, "links", "mtu 1400")
	b.checkLines(t, "addresses", "inet 10.77.0.10/24")
	b.checkLines(t, "routes", "default via 10.77.0.1", "198.51.100.0/24 via 10.77.0.2")
	b.checkLines(t, "name", vm.ServerAddress)
	b.checkLines(t, "hostname", "nebula")
}

// TestSourceOpenStackBond boots a root with netplan from OpenStack's config
// drive, whose only address is on a VLAN on a bond of two NICs. The drive calls
// links by ids, of which the root has none.
func TestSourceOpenStackBond(t *testing.T) {
	w := rootWorld(t, "trixie", "netplan")
	trunk := w.serveVLAN(t, 30)
	w.leaveToVLAN(t, 30)
	links, err := json.Marshal(map[string]any{
		"links": []map[string]any{
			{"id": "tap-a", "type": "phy", "ethernet_mac_address": vm.GuestMAC, "mtu": 1500},
			{"id": "tap-b", "type": "phy", "ethernet_mac_address": "0e:77:00:00:00:11", "mtu": 1500},
			{"id": "bond-x", "type": "bond", "bond_links": []string{"tap-a", "tap-b"}, "bond_mode": 1, "bond_miimon": 100},
			{"id": "vlan-x", "type": "vlan", "vlan_link": "bond-x", "vlan_id": "30", "vlan_mac_address": vm.GuestMAC},
		},
		"networks": []map[string]any{{"id": "n0", "type": "ipv4", "link": "vlan-x", "ip_address": vm.GuestAddress, "netmask": "255.255.255.0",
			"routes": []map[string]any{{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": vm.ServerAddress}}}},
		"services": []map[string]any{{"type": "dns", "address": vm.ServerAddress}},
	})
	check(t, err)
	metadata, err := json.Marshal(map[string]any{"uuid": random(8), "hostname": "stack", "public_keys": map[string]string{"me": w.login.Public}})
	check(t, err)
	questions := networkQuestions("systemd-networkd.service")
	questions["bond"] = "cat /proc/net/bonding/*"
	questions["vlan"] = "cat /proc/net/vlan/config"
	questions["name"] = "getent ahostsv4 " + w.name
	b := w.boot(t, machine{
		initrd: w.image.baked, words: "root=LABEL=root", key: w.login, port: 22,
		volume: w.volume(t, "config-2", map[string][]byte{
			"openstack/latest/meta_data.json": metadata, "openstack/latest/network_data.json": links}),
		nics:  bondNICs(trunk),
		reach: []route{{vm.ServerAddress, vm.GuestAddress}, {farAway, vm.GuestAddress}}, ask: questions,
	})
	checkFirstStart(t, b)
	b.checkLines(t, "bond", "Bonding Mode: fault-tolerance (active-backup)", "MII Polling Interval (ms): 100")
	b.checkLines(t, "vlan", "30 | bond0")
	b.checkLines(t, "addresses", "inet 10.77.0.10/24")
	b.checkLines(t, "routes", "default via 10.77.0.1")
	b.checkLines(t, "name", vm.ServerAddress)
}
