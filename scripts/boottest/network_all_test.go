//go:build boot && inits

package boottest

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"boothook/cmd/boothook/vm"
)

// TestNetworkOnLink boots a root with netplan, whose only address is in no
// network with its gateway: as clouds give them.
func TestNetworkOnLink(t *testing.T) {
	w, volume := networkWorld(t, "trixie", "netplan", `network:
  version: 2
  ethernets:
    wan:
      match: {macaddress: "`+vm.GuestMAC+`"}
      set-name: wan0
      addresses: [`+vm.GuestAddress+`/32]
      routes: [{to: default, via: 198.51.100.1}]
      nameservers: {addresses: [`+vm.ServerAddress+`]}
`, "address add 198.51.100.1/32 dev "+vm.TapName)
	questions := networkQuestions("systemd-networkd.service")
	questions["name"] = "getent ahostsv4 " + w.name
	b := w.boot(t, machine{
		initrd: w.image.baked, volume: volume, words: "root=LABEL=root", key: w.login, port: 22,
		reach: []route{{vm.ServerAddress, vm.GuestAddress}, {farAway, vm.GuestAddress}}, ask: questions,
	})
	checkFirstStart(t, b)
	b.checkLines(t, "addresses", "wan0 inet 10.77.0.10/32")
	b.checkLines(t, "routes", "default via 198.51.100.1 dev wan0 .. onlink")
	b.checkLines(t, "name", vm.ServerAddress)
}

// TestNetworkBond boots a root with ifupdown, whose only address is on a VLAN
// on a bond of two NICs.
func TestNetworkBond(t *testing.T) {
	w, volume := networkWorld(t, "plain", "ifupdown", `version: 1
config:
- {type: physical, name: port0, mac_address: "`+vm.GuestMAC+`"}
- {type: physical, name: port1, mac_address: "0e:77:00:00:00:11"}
- type: bond
  name: bond0
  bond_interfaces: [port0, port1]
  params: {bond-mode: active-backup, bond-miimon: 100, bond-primary: port1}
- type: vlan
  name: bond0.30
  vlan_link: bond0
  vlan_id: 30
  subnets: [{type: static, address: `+vm.GuestAddress+`/24, gateway: `+vm.ServerAddress+`}]
`)
	trunk := w.serveVLAN(t, 30)
	w.leaveToVLAN(t, 30)
	questions := networkQuestions("networking.service")
	questions["bond"] = "cat /proc/net/bonding/bond0"
	questions["vlan"] = "cat /proc/net/vlan/bond0.30"
	b := w.boot(t, machine{
		initrd: w.image.baked, volume: volume, words: "root=LABEL=root", key: w.login, port: 22,
		nics:  bondNICs(trunk),
		reach: []route{{vm.ServerAddress, vm.GuestAddress}, {farAway, vm.GuestAddress}}, ask: questions,
	})
	checkFirstStart(t, b)
	b.checkLines(t, "bond", "Bonding Mode: fault-tolerance (active-backup)", "Primary Slave: port1 (primary_reselect always)", "Slave Interface: port0", "Slave Interface: port1", "MII Polling Interval (ms): 100", "Currently Active Slave: port1")
	b.checkLines(t, "vlan", "bond0.30 VID: 30 .. dev->priv_flags:", "Device: bond0")
	b.checkLines(t, "addresses", "bond0.30 inet 10.77.0.10/24")
	b.checkLines(t, "routes", "default via 10.77.0.1 dev bond0.30")
}

// TestNetworkWireGuard boots a root with networkd and a WireGuard tunnel, whose
// key nobody but root and networkd may read.
func TestNetworkWireGuard(t *testing.T) {
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i + 1)
	}
	secret := base64.StdEncoding.EncodeToString(key)
	w, volume := networkWorld(t, "trixie", "networkd", `version: 2
ethernets:
  wan:
    match: {macaddress: "`+vm.GuestMAC+`"}
    addresses: [`+vm.GuestAddress+`/24]
    routes: [{to: default, via: `+vm.ServerAddress+`}]
tunnels:
  wg0:
    mode: wireguard
    key: "`+secret+`"
    port: 51820
    addresses: [10.9.0.1/24]
    peers:
    - keys: {public: "9QZrAB7cHFr2Q1mS1EQIkuJxbVbQ1hPCtHFLNLfVRks="}
      allowed-ips: [10.9.0.0/24]
      endpoint: "`+vm.ServerAddress+`:51820"
`)
	questions := networkQuestions("systemd-networkd.service")
	questions["links"] = "ip -o -d link"
	questions["files"] = "stat -c '%n %a %U:%G' /etc/systemd/network/*.netdev"
	questions["leaks"] = "grep -rlF '" + secret + "' /run /var/log /etc --exclude-dir=network; journalctl -b --no-pager | grep -cF '" + secret + "'"
	b := w.boot(t, machine{
		initrd: w.image.baked, volume: volume, words: "root=LABEL=root", key: w.login, port: 22,
		reach: []route{{vm.ServerAddress, vm.GuestAddress}, {farAway, vm.GuestAddress}}, ask: questions,
	})
	checkFirstStart(t, b)
	b.checkLines(t, "links", "wg0: .. wireguard")
	b.checkLines(t, "addresses", "wg0 inet 10.9.0.1/24")
	b.checkLines(t, "files", "/etc/systemd/network/10-cloud-init-wg0.netdev 640 root:systemd-network")
	if got := strings.TrimSpace(b.answer["leaks"]); got != "0" {
		t.Errorf("the key is elsewhere, too: %s", got)
	}
}

// bondNICs are two NICs behind a trunk.
func bondNICs(trunk []string) []string {
	return append(trunk,
		"-netdev", "hubport,id=port0,hubid=0", "-device", "virtio-net-pci,romfile=,netdev=port0,mac="+vm.GuestMAC,
		"-netdev", "hubport,id=port1,hubid=0", "-device", "virtio-net-pci,romfile=,netdev=port1,mac=0e:77:00:00:00:11")
}

// leaveToVLAN has the server's address on vlanN alone: untagged, nothing
// reaches the guest.
func (w *world) leaveToVLAN(t *testing.T, id uint16) {
	t.Helper()
	for _, args := range []string{
		"link set " + vm.TapName + " down",
		fmt.Sprintf("address add %s/24 dev vlan%d", vm.ServerAddress, id), fmt.Sprintf("link set vlan%d up", id),
	} {
		_, err := w.network.Run(t.Context(), "ip", strings.Fields(args)...)
		check(t, err)
	}
}

// serveVLAN makes the interface vlanN in the network, whose frames a guest gets
// with the tag (IEEE 802.1Q), and returns QEMU's options that plug them into
// its hub 0. It is a switch of our own, since not every kernel has VLANs.
func (w *world) serveVLAN(t *testing.T, id uint16) []string {
	t.Helper()
	tap, err := w.network.Open(func() (*os.File, error) { return openTap(fmt.Sprint("vlan", id)) })
	check(t, err)
	here, there := filepath.Join(w.dir, "trunk"), filepath.Join(w.dir, "trunk-qemu")
	trunk, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: here, Net: "unixgram"})
	check(t, err)
	tag := binary.BigEndian.AppendUint16([]byte{0x81, 0x00}, id)
	const addresses, maxFrame = 12, 2048
	done := make(chan error, 2)
	go func() {
		frame := make([]byte, maxFrame)
		for {
			n, err := tap.Read(frame)
			if err != nil {
				done <- err
				return
			}
			tagged := append(append(append([]byte{}, frame[:addresses]...), tag...), frame[addresses:n]...)
			// A guest that is off gets nothing.
			_, _ = trunk.WriteToUnix(tagged, &net.UnixAddr{Name: there, Net: "unixgram"})
		}
	}()
	go func() {
		frame := make([]byte, maxFrame)
		for {
			n, err := trunk.Read(frame)
			if err != nil {
				done <- err
				return
			}
			if n < addresses+len(tag) || string(frame[addresses:addresses+len(tag)]) != string(tag) {
				continue // untagged, or another VLAN's
			}
			plain := append(append([]byte{}, frame[:addresses]...), frame[addresses+len(tag):n]...)
			if _, err := tap.Write(plain); err != nil && !errors.Is(err, unix.EIO) { // EIO: it is down
				done <- err
				return
			}
		}
	}()
	t.Cleanup(func() {
		check(t, errors.Join(tap.Close(), trunk.Close()))
		for range 2 {
			if err := <-done; !errors.Is(err, os.ErrClosed) && !errors.Is(err, net.ErrClosed) {
				t.Errorf("the trunk: %v", err)
			}
		}
	})
	return []string{
		"-netdev", "dgram,id=trunk,local.type=unix,local.path=" + there + ",remote.type=unix,remote.path=" + here,
		"-netdev", "hubport,id=uplink,hubid=0,netdev=trunk",
	}
}

// openTap makes a tap of that name in the calling thread's network.
func openTap(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "tap "+name), nil
}
