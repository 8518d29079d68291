//go:build net

package nic

import (
	"net"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"boothook/netboot/nic/dhcp/dhcptest"
	"boothook/netboot/nic/kernel"
)

// scripted runs a DHCP server that no real one can be made to be, behind a
// link NAME that it makes.
func scripted(t *testing.T, name, mac string, s dhcptest.Script) {
	t.Helper()
	raw := listenIn(t, newPeer(t, name, mac, "10.1.0.1/24"), "p")
	t.Cleanup(func() { raw.Close() })
	serveOn(t, nclient4.NewBroadcastUDPConn(raw, &net.UDPAddr{Port: nclient4.ServerPort}), s)
}

// serveOn answers on a connection until it is closed.
func serveOn(t *testing.T, conn net.PacketConn, s dhcptest.Script) {
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
