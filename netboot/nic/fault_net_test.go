//go:build net

package nic

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"boothook/netboot/nic/dhcp/dhcptest"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/mdlayher/packet"
)

const mac = "02:00:00:00:00:01"

// A /32 lease whose gateway is on the link but in no subnet, as AWS, Hetzner
// and OVH give them; the service is beyond the gateway.
func TestOffLinkGateway(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "172.31.1.1/32")
	sh(t, "ip -n "+ns+" addr add 169.254.169.254/32 dev lo; ip -n "+ns+" route add 10.9.9.9/32 dev p")
	dnsmasqShared(t, ns)
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	l := next(t, m, 3*time.Second)
	if l.Prefix != netip.MustParsePrefix("10.9.9.9/32") || l.Gateway != netip.MustParseAddr("172.31.1.1") {
		t.Errorf("lease %+v", l)
	}
	if got := fetch(t, ns, &l, "169.254.169.254:80"); got != ns {
		t.Errorf("fetched %q", got)
	}
	stateRestored(t, m, before)
}

// dnsmasqShared serves 10.9.9.9/32 with a gateway outside.
func dnsmasqShared(t *testing.T, ns string) {
	dnsmasq(t, ns, "--dhcp-range=10.9.9.9,10.9.9.9,255.255.255.255,1h", "--shared-network=p,10.9.9.9", "--no-ping",
		"--dhcp-option=option:netmask,255.255.255.255", "--dhcp-option=option:router,172.31.1.1")
}

// The cable comes late: the lease must follow it at once.
func TestLateCarrierInNamespace(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "10.1.0.1/24")
	dnsmasq(t, ns, "--dhcp-range=10.1.0.50,10.1.0.99,1h", "--no-ping")
	sh(t, "ip -n "+ns+" link set p down")
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	time.Sleep(2 * time.Second)
	up := time.Now()
	sh(t, "ip -n "+ns+" link set p up")
	l := next(t, m, 10*time.Second)
	t.Logf("lease %v after the carrier", l.At.Sub(up))
	if d := l.At.Sub(up); d > 1500*time.Millisecond {
		t.Errorf("lease %v after the carrier came", d)
	}
	stateRestored(t, m, before)
}

// The link goes down and up again, on our side and on the other, while no
// server answers; then one does.
func TestFlapWhileAsking(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "10.1.0.1/24")
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	time.Sleep(500 * time.Millisecond)
	for range 3 {
		sh(t, "ip link set eth0 down; sleep 0.1; ip link set eth0 up; sleep 0.1; ip -n "+ns+" link set p down; sleep 0.1; ip -n "+ns+" link set p up")
	}
	dnsmasq(t, ns, "--dhcp-range=10.1.0.50,10.1.0.99,1h", "--no-ping")
	next(t, m, 3*time.Second)
	stateRestored(t, m, before)
}

// A flap after the lease takes the routes away; they must come back.
func TestFlapAfterLease(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "10.1.0.1/24")
	dnsmasq(t, ns, "--dhcp-range=10.1.0.50,10.1.0.99,1h", "--no-ping")
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	next(t, m, 3*time.Second)
	routes := sh(t, "ip route")
	sh(t, "ip link set eth0 down; ip link set eth0 up")
	for deadline := time.Now().Add(3 * time.Second); sh(t, "ip route") != routes; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("routes are not back:\n%swant\n%s", sh(t, "ip route"), routes)
		}
	}
	stateRestored(t, m, before)
}

// A lease shorter than the boot is renewed; when the server refuses at last,
// the address goes at its end.
func TestRenewalInNamespace(t *testing.T) {
	if !inNetns(t) {
		return
	}
	short := dhcpv4.WithLeaseTime(4)
	scripted(t, "eth0", mac, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
		switch {
		case kind == dhcpv4.MessageTypeDiscover:
			return []*dhcpv4.DHCPv4{dhcptest.Answer(msg, dhcpv4.MessageTypeOffer, "10.1.0.1", "10.1.0.50", short)}
		case n > 1 && msg.ClientIPAddr.String() != "10.1.0.50":
			t.Errorf("renewal for %v", msg.ClientIPAddr)
		case n == 3:
			return []*dhcpv4.DHCPv4{dhcptest.Answer(msg, dhcpv4.MessageTypeNak, "10.1.0.1", "0.0.0.0")}
		}
		return []*dhcpv4.DHCPv4{dhcptest.Answer(msg, dhcpv4.MessageTypeAck, "10.1.0.1", "10.1.0.50", short)}
	})
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	next(t, m, 3*time.Second)
	time.Sleep(4800 * time.Millisecond) // its end is over, and the second renewal refused
	if addrs := sh(t, "ip addr show eth0"); !strings.Contains(addrs, "10.1.0.50") {
		t.Errorf("not renewed:\n%s", addrs)
	}
	time.Sleep(2700 * time.Millisecond)
	if addrs := sh(t, "ip addr show eth0"); strings.Contains(addrs, "10.1.0.50") {
		t.Errorf("kept beyond its end:\n%s", addrs)
	}
	stateRestored(t, m, before)
}

// No server at all: the end of the context is the bound, Restore works, and
// the leases end.
func TestNoServerInNamespace(t *testing.T) {
	if !inNetns(t) {
		return
	}
	newPeer(t, "eth0", mac, "10.1.0.1/24")
	before := state(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	m := startReal(t, ctx, Options{})
	if l, ok := <-m.Leases(); ok {
		t.Errorf("lease %+v", l)
	}
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
	stateRestored(t, m, before)
}

// A server that checks an address with a ping before it offers it is slow;
// its late offer must still count. dnsmasq does that by default.
func TestSlowServer(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "10.1.0.1/24")
	dnsmasq(t, ns, "--dhcp-range=10.1.0.50,10.1.0.99,1h")
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	next(t, m, 6*time.Second)
	stateRestored(t, m, before)
}

// One that offers and never acknowledges must not keep a second one out.
func TestNeverAcknowledges(t *testing.T) {
	if !inNetns(t) {
		return
	}
	scripted(t, "eth0", mac, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
		bad := dhcptest.Answer(msg, dhcpv4.MessageTypeOffer, "10.6.6.6", "10.6.6.50")
		switch {
		case kind == dhcpv4.MessageTypeDiscover: // the bad one is always first
			return append([]*dhcpv4.DHCPv4{bad}, dhcptest.Honest("10.1.0.1", "10.1.0.50")(kind, n, msg)...)
		default:
			return dhcptest.Honest("10.1.0.1", "10.1.0.50")(kind, n, msg)
		}
	})
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	if l := next(t, m, 8*time.Second); l.ServerID != netip.MustParseAddr("10.1.0.1") {
		t.Errorf("lease %+v", l)
	}
	stateRestored(t, m, before)
}

// A server that refuses once is asked again.
func TestNAK(t *testing.T) {
	if !inNetns(t) {
		return
	}
	scripted(t, "eth0", mac, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
		if kind == dhcpv4.MessageTypeRequest && n == 1 {
			return []*dhcpv4.DHCPv4{dhcptest.Answer(msg, dhcpv4.MessageTypeNak, "10.1.0.1", "0.0.0.0")}
		}
		return dhcptest.Honest("10.1.0.1", "10.1.0.50")(kind, n, msg)
	})
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	next(t, m, 4*time.Second)
	stateRestored(t, m, before)
}

// Every other message is lost, and each answer comes with forged ones.
func TestLossAndNoise(t *testing.T) {
	if !inNetns(t) {
		return
	}
	scripted(t, "eth0", mac, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
		if n%2 == 1 {
			return nil
		}
		otherXID := dhcptest.Answer(msg, dhcpv4.MessageTypeOffer, "10.6.6.6", "10.6.6.50", dhcpv4.WithTransactionID(dhcpv4.TransactionID{1, 2, 3, 4}))
		otherHW := dhcptest.Answer(msg, dhcpv4.MessageTypeOffer, "10.6.6.6", "10.6.6.50", dhcpv4.WithHwAddr([]byte{2, 0, 0, 0, 0, 9}))
		noAddr := dhcptest.Answer(msg, dhcpv4.MessageTypeOffer, "10.6.6.6", "0.0.0.0")
		otherAck := dhcptest.Answer(msg, dhcpv4.MessageTypeAck, "10.6.6.6", "10.6.6.50")
		return append([]*dhcpv4.DHCPv4{otherXID, otherHW, noAddr, otherAck}, dhcptest.Honest("10.1.0.1", "10.1.0.50")(kind, n, msg)...)
	})
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	if l := next(t, m, 6*time.Second); l.Prefix.String() != "10.1.0.50/24" {
		t.Errorf("lease %+v", l)
	}
	stateRestored(t, m, before)
}

// Frames that no server sends: too short for UDP with padding that reads as
// the client's port (it made older versions of the library panic), options
// that end in the middle, a message cut short, one of nothing but zeros.
func TestHostileFrames(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "10.1.0.1/24")
	raw := listenIn(t, ns, "p")
	defer raw.Close()
	short := make([]byte, 46)
	copy(short, "\x45\x00\x00\x15\x00\x00\x00\x00\x40\x11\x00\x00\x0a\x01\x00\x01\xff\xff\xff\xff\x00\x43\x00\x44")
	to := &packet.Addr{HardwareAddr: nclient4.BroadcastMac}
	conn := nclient4.NewBroadcastUDPConn(raw, &net.UDPAddr{Port: nclient4.ServerPort})
	client := &net.UDPAddr{IP: net.IPv4bcast, Port: nclient4.ClientPort}
	server := dhcptest.Honest("10.1.0.1", "10.1.0.50")
	serveOn(t, conn, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
		good := dhcptest.Answer(msg, dhcpv4.MessageTypeOffer, "10.6.6.6", "10.6.6.50").ToBytes()
		raw.WriteTo(short, to)
		for _, bad := range [][]byte{good[:100], append(good[:240:240], 53, 200, 2), append(good[:240:240], bytes.Repeat([]byte{121, 255}, 500)...), make([]byte, 300), nil} {
			conn.WriteTo(bad, client)
		}
		return server(kind, n, msg)
	})
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	if l := next(t, m, 3*time.Second); l.ServerID != netip.MustParseAddr("10.1.0.1") {
		t.Errorf("lease %+v", l)
	}
	stateRestored(t, m, before)
}

// Two messages are enough where both sides want it so.
func TestRapidCommit(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "10.1.0.1/24")
	dnsmasq(t, ns, "--dhcp-range=10.1.0.50,10.1.0.99,1h", "--no-ping", "--dhcp-rapid-commit")
	before := state(t)
	m := startReal(t, t.Context(), Options{RapidCommit: true})
	l := next(t, m, 3*time.Second)
	if _, ok := l.Options[80]; !ok {
		t.Errorf("the lease did not come by rapid commit: %+v", l)
	}
	stateRestored(t, m, before)
}

// 16 NICs, the 13th of which has a server; then it is settled on.
func TestManyLinks(t *testing.T) {
	if !inNetns(t) {
		return
	}
	for i := 1; i <= 16; i++ {
		newPeer(t, fmt.Sprintf("eth%d", i), fmt.Sprintf("02:00:00:00:00:%02x", i), fmt.Sprintf("10.%d.0.1/24", i))
	}
	dnsmasq(t, "peer-eth13", "--dhcp-range=10.13.0.50,10.13.0.99,1h", "--no-ping")
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	l := next(t, m, 3*time.Second)
	if l.Name != "eth13" {
		t.Errorf("lease on %s", l.Name)
	}
	if err := m.Settle(l.Index); err != nil {
		t.Error(err)
	}
	if links := sh(t, "ip -o link show up"); strings.Count(links, ": eth") != 1 || !strings.Contains(links, ": eth13") {
		t.Errorf("up after settling:\n%s", links)
	}
	if got := fetch(t, "peer-eth13", &l, "10.13.0.1:80"); got != "peer-eth13" {
		t.Errorf("fetched %q", got)
	}
	stateRestored(t, m, before)
}

// A NIC that is plugged in later is used, one that is pulled out forgotten.
func TestHotplugInNamespace(t *testing.T) {
	if !inNetns(t) {
		return
	}
	newPeer(t, "eth0", mac, "10.1.0.1/24")
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	time.Sleep(300 * time.Millisecond)
	ns := newPeer(t, "eth1", "02:00:00:00:00:02", "10.2.0.1/24")
	dnsmasq(t, ns, "--dhcp-range=10.2.0.50,10.2.0.99,1h", "--no-ping")
	if l := next(t, m, 3*time.Second); l.Name != "eth1" {
		t.Errorf("lease on %s", l.Name)
	}
	sh(t, "ip link del eth1")
	stateRestored(t, m, before)
}

// The same addresses, and the same service, behind two NICs: each lease
// reaches its own.
func TestSameSubnetTwice(t *testing.T) {
	if !inNetns(t) {
		return
	}
	for _, n := range []string{"1", "2"} {
		ns := newPeer(t, "eth"+n, "02:00:00:00:00:0"+n, "10.1.0.1/24")
		sh(t, "ip -n "+ns+" addr add 169.254.169.254/32 dev lo")
		dnsmasq(t, ns, "--dhcp-range=10.1.0.5"+n+",10.1.0.5"+n+",1h", "--no-ping")
	}
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	for range 2 {
		l := next(t, m, 3*time.Second)
		if got := fetch(t, "peer-"+l.Name, &l, "169.254.169.254:80"); got != "peer-"+l.Name {
			t.Errorf("over %s: fetched %q", l.Name, got)
		}
	}
	stateRestored(t, m, before)
}

// Names are resolved by the lease's own server; one that is dead costs a
// time-out, not the answer.
func TestResolver(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "10.1.0.1/24")
	dnsmasq(t, ns, "--dhcp-range=10.1.0.50,10.1.0.99,1h", "--no-ping", "--port=53", "--address=/metadata.example/10.1.0.1",
		"--dhcp-option=option:dns-server,10.1.0.1")
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	l := next(t, m, 3*time.Second)
	if got := fetch(t, ns, &l, "metadata.example:80"); got != ns {
		t.Errorf("fetched %q", got)
	}
	stateRestored(t, m, before)
}

// Whoever leases next from the same NIC gets the same address, although the
// real system's client sends an identifier and ours sent none.
func TestNextClientGetsSameAddress(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "10.1.0.1/24")
	dnsmasq(t, ns, "--dhcp-range=10.1.0.50,10.1.0.99,1h", "--no-ping")
	m := startReal(t, t.Context(), Options{})
	ours := next(t, m, 3*time.Second)
	if err := m.Restore(); err != nil {
		t.Fatal(err)
	}
	sh(t, "ip link set eth0 up")
	client, err := nclient4.New("eth0", nclient4.WithTimeout(time.Second), nclient4.WithRetry(3))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	// As systemd-networkd does: RFC 4361, an IAID and a DUID.
	networkd := dhcpv4.OptGeneric(dhcpv4.OptionClientIdentifier, []byte("\xff\x00\x00\x00\x01\x00\x02\x00\x00\xab\x11\x01\x02\x03\x04\x05\x06\x07\x08"))
	offer, err := client.DiscoverOffer(t.Context(), dhcpv4.WithOption(networkd))
	if err != nil {
		t.Fatal(err)
	}
	if got := offer.YourIPAddr.String(); got != ours.Prefix.Addr().String() {
		t.Errorf("the next client is offered %s, we had %s", got, ours.Prefix.Addr())
	}
}

// A link that another program configured is adopted: its address and routes
// are used, and Restore leaves them.
func TestAdoptInNamespace(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "10.1.0.1/24")
	sh(t, "ip link set eth0 up; ip addr add 10.1.0.7/24 dev eth0; ip route add default via 10.1.0.1")
	if err := os.WriteFile("/run/net-eth0.conf", []byte("IPV4DNS0='10.1.0.1'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	l := next(t, m, time.Second)
	if !l.Adopted || l.Prefix != netip.MustParsePrefix("10.1.0.7/24") || l.Gateway != netip.MustParseAddr("10.1.0.1") || len(l.DNS) != 1 {
		t.Errorf("lease %+v", l)
	}
	if got := fetch(t, ns, &l, "10.1.0.1:80"); got != ns {
		t.Errorf("fetched %q", got)
	}
	stateRestored(t, m, before)
}

// Another program configures the link while we are asking for a lease: ours
// ends, and what it did stays.
func TestForeignComesFirstInNamespace(t *testing.T) {
	if !inNetns(t) {
		return
	}
	newPeer(t, "eth0", mac, "10.1.0.1/24")
	for _, o := range []Options{{}, {AdoptOnly: true}} {
		sh(t, "ip link set eth0 down; ip addr flush dev eth0")
		m := startReal(t, t.Context(), o)
		time.Sleep(200 * time.Millisecond)
		if up := strings.Contains(sh(t, "ip link show eth0"), ",UP"); up == o.AdoptOnly {
			t.Errorf("AdoptOnly %v: link up is %v", o.AdoptOnly, up)
		}
		sh(t, "ip link set eth0 up; ip addr add 10.1.0.7/24 dev eth0; ip route add default via 10.1.0.1")
		if l := next(t, m, 2*time.Second); !l.Adopted || l.Gateway != netip.MustParseAddr("10.1.0.1") {
			t.Errorf("lease %+v", l)
		}
		theirs := state(t)
		stateRestored(t, m, theirs)
	}
}

// boothook.ip=: an address without a server, on one NIC of two.
func TestStaticAddress(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "10.1.0.1/24")
	newPeer(t, "eth1", "02:00:00:00:00:02", "10.1.0.1/24")
	c, err := ParseIP("10.1.0.9::10.1.0.1:24:node:eth0:none:10.1.0.1")
	if err != nil {
		t.Fatal(err)
	}
	before := state(t)
	m := startReal(t, t.Context(), Options{Configs: []Config{c}})
	l := next(t, m, time.Second)
	if l.By != ByStatic || l.Hostname != "node" || l.Name != "eth0" {
		t.Errorf("lease %+v", l)
	}
	if got := fetch(t, ns, &l, "10.1.0.1:80"); got != ns {
		t.Errorf("fetched %q", got)
	}
	if links := sh(t, "ip -o link show up"); strings.Contains(links, "eth1") {
		t.Errorf("eth1 was raised:\n%s", links)
	}
	stateRestored(t, m, before)
}

// A link that was up without an address, with settings of somebody's, is put
// back to exactly that, whatever hooks did to it meanwhile.
func TestRestoreWhatWasUpInNamespace(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "10.1.0.1/24")
	dnsmasq(t, ns, "--dhcp-range=10.1.0.50,10.1.0.99,1h", "--no-ping")
	sh(t, "sysctl -q net.ipv6.conf.eth0.accept_dad=0; ip link set eth0 mtu 1450 up; ip route add 192.0.2.0/24 dev eth0; sleep 0.2")
	before := state(t)
	m := startReal(t, t.Context(), Options{})
	next(t, m, 3*time.Second)
	sh(t, "ip link set eth0 mtu 1300; ip addr add 10.77.0.1/16 dev eth0; ip route del 192.0.2.0/24; ip route add 198.51.100.0/24 dev eth0 table 77")
	stateRestored(t, m, before)
}

// Stop keeps the network for a root that lives on it.
func TestStopKeepsInNamespace(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "10.1.0.1/24")
	dnsmasq(t, ns, "--dhcp-range=10.1.0.50,10.1.0.99,1h", "--no-ping")
	m := startReal(t, t.Context(), Options{})
	l := next(t, m, 3*time.Second)
	m.Stop()
	if got := fetch(t, ns, &l, "10.1.0.1:80"); got != ns {
		t.Errorf("fetched %q", got)
	}
}

// With a udevd, a link stays dark until udevd has finished with it, and has
// its new name by then; without its word the bound holds.
func TestUdevFinishes(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", mac, "10.1.0.1/24")
	dnsmasq(t, ns, "--dhcp-range=10.1.0.50,10.1.0.99,1h", "--no-ping")
	before := state(t)
	m := startReal(t, t.Context(), Options{UdevWait: 500 * time.Millisecond})
	time.Sleep(250 * time.Millisecond)
	if links := sh(t, "ip -o link show up"); strings.Contains(links, "eth0") {
		t.Errorf("raised before udevd had finished:\n%s", links)
	}
	next(t, m, 3*time.Second) // the bound
	stateRestored(t, m, before)

	m = startReal(t, t.Context(), Options{UdevWait: time.Minute, Only: "enp0s1"})
	time.Sleep(100 * time.Millisecond)
	sh(t, "ip link set eth0 name enp0s1")
	index := strings.TrimSpace(sh(t, "cat /sys/class/net/enp0s1/ifindex"))
	sh(t, "mkdir -p /run/udev/data && printf 'I:4711\\nE:ID_NET_NAME=enp0s1\\n' > /run/udev/data/n"+index)
	announceUdev(t, bytes.ReplaceAll(udevMessage("ACTION=add\x00SUBSYSTEM=net\x00IFINDEX=#\x00"), []byte("#"), []byte(index)))
	if l := next(t, m, 3*time.Second); l.Name != "enp0s1" {
		t.Errorf("lease on %s", l.Name)
	}
	if err := m.Restore(); err != nil {
		t.Error(err)
	}
}

// A server that becomes ready without any sign is found soon, whenever that
// is: nine links, whose servers are ready after 0 to 4 s.
func TestReadyLater(t *testing.T) {
	if !inNetns(t) {
		return
	}
	began := time.Now()
	ready := map[string]time.Duration{}
	for i := range 9 {
		name, at := fmt.Sprintf("eth%d", i), time.Duration(i)*500*time.Millisecond
		at += time.Second // making the links takes some time
		ready[name] = at
		server := dhcptest.Honest("10.1.0.1", "10.1.0.50")
		scripted(t, name, fmt.Sprintf("02:00:00:00:00:%02x", i), func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
			if time.Since(began) < at {
				return nil
			}
			return server(kind, n, msg)
		})
	}
	m := startReal(t, t.Context(), Options{Pace: CloudPace})
	var delays []time.Duration
	for range 9 {
		l := next(t, m, 8*time.Second)
		delays = append(delays, l.At.Sub(began)-ready[l.Name])
	}
	slices.Sort(delays)
	t.Logf("from ready to leased: %v", delays)
	if median := delays[len(delays)/2]; median > CloudPace {
		t.Errorf("median %v", median)
	}
	if err := m.Restore(); err != nil {
		t.Error(err)
	}
}
