//go:build net

package nic

import (
	"net"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"boothook/netboot/nic/kernel"
)

// A script says what a DHCP server answers to a message, the n-th of its
// kind, counted from 1.
type script func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4

// scripted runs a DHCP server that no real one can be made to be, behind a
// link NAME that it makes.
func scripted(t *testing.T, name, mac string, s script) {
	t.Helper()
	raw := listenIn(t, newPeer(t, name, mac, "10.1.0.1/24"), "p")
	t.Cleanup(func() { raw.Close() })
	serveOn(t, nclient4.NewBroadcastUDPConn(raw, &net.UDPAddr{Port: nclient4.ServerPort}), s)
}

// serveOn answers on a connection until it is closed.
func serveOn(t *testing.T, conn net.PacketConn, s script) {
	go func() {
		count := map[dhcpv4.MessageType]int{}
		buf := make([]byte, 1500)
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			msg, err := dhcpv4.FromBytes(buf[:n])
			if err != nil {
				t.Errorf("the client sent nonsense: %v", err)
				continue
			}
			count[msg.MessageType()]++
			for _, answer := range s(msg.MessageType(), count[msg.MessageType()], msg) {
				conn.WriteTo(answer.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: nclient4.ClientPort})
			}
		}
	}()
}

// listenIn opens a packet socket on a link of another namespace.
func listenIn(t *testing.T, ns, name string) (conn *packet.Conn) {
	t.Helper()
	within(t, ns, func() error {
		ifi, err := net.InterfaceByName(name)
		if err != nil {
			return err
		}
		conn, err = packet.Listen(ifi, packet.Datagram, unix.ETH_P_IP, nil)
		return err
	})
	return conn
}

// answer makes a server's answer to a message.
func answer(msg *dhcpv4.DHCPv4, kind dhcpv4.MessageType, server, addr string, more ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	m, err := dhcpv4.NewReplyFromRequest(msg, append([]dhcpv4.Modifier{
		dhcpv4.WithMessageType(kind),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.ParseIP(server))),
		dhcpv4.WithYourIP(net.ParseIP(addr)),
		dhcpv4.WithNetmask(net.CIDRMask(24, 32)),
		dhcpv4.WithLeaseTime(3600),
	}, more...)...)
	if err != nil {
		panic(err)
	}
	return m
}

// honest is a server that does what it should.
func honest(server, addr string) script {
	return func(kind dhcpv4.MessageType, _ int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
		switch {
		case kind == dhcpv4.MessageTypeDiscover:
			return []*dhcpv4.DHCPv4{answer(msg, dhcpv4.MessageTypeOffer, server, addr)}
		case kind == dhcpv4.MessageTypeRequest && msg.ServerIdentifier().Equal(net.ParseIP(server)):
			return []*dhcpv4.DHCPv4{answer(msg, dhcpv4.MessageTypeAck, server, addr)}
		}
		return nil
	}
}

// announceUdev sends a message as udevd does after its rules have run.
func announceUdev(t *testing.T, msg []byte) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (kernel.UdevGroup - 1)}); err != nil {
		t.Fatal(err)
	}
}
