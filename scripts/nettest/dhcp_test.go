//go:build net && faults

package nettest

import (
	"context"
	"net"
	"syscall"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/sys/unix"
)

// An answers function says what a DHCP server that no real one can be made to
// be sends for a message, datagram by datagram.
type answers func(*dhcpv4.DHCPv4) [][]byte

// scripted runs such a server in the cloud.
func (l *lab) scripted(answer answers) {
	l.t.Helper()
	var conn net.PacketConn
	within(l.t, l.cloud, func() (err error) {
		lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
			control := c.Control(func(fd uintptr) {
				if err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1); err == nil {
					err = unix.BindToDevice(int(fd), "s0")
				}
			})
			if control != nil {
				return control
			}
			return err
		}}
		conn, err = lc.ListenPacket(context.Background(), "udp4", ":67")
		return err
	})
	l.t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			msg, err := dhcpv4.FromBytes(buf[:n])
			if err != nil {
				l.t.Errorf("the agent sent nonsense: %v", err)
				continue
			}
			for _, a := range answer(msg) {
				conn.WriteTo(a, &net.UDPAddr{IP: net.IPv4bcast, Port: 68})
			}
		}
	}()
}

// reply makes an answer to a message.
func reply(msg *dhcpv4.DHCPv4, kind dhcpv4.MessageType, server, addr string, more ...dhcpv4.Modifier) []byte {
	m, err := dhcpv4.NewReplyFromRequest(msg, append([]dhcpv4.Modifier{
		dhcpv4.WithMessageType(kind),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.ParseIP(server))),
		dhcpv4.WithYourIP(net.ParseIP(addr)),
		dhcpv4.WithNetmask(net.CIDRMask(24, 32)),
		dhcpv4.WithLeaseTime(uint32(time.Hour / time.Second)),
	}, more...)...)
	if err != nil {
		panic(err)
	}
	return m.ToBytes()
}

// honest answers as a server should, and leaves alone who wants another.
func honest(server, addr string, more ...dhcpv4.Modifier) answers {
	more = append([]dhcpv4.Modifier{dhcpv4.WithRouter(net.ParseIP(server))}, more...)
	return func(msg *dhcpv4.DHCPv4) [][]byte {
		switch {
		case msg.MessageType() == dhcpv4.MessageTypeDiscover:
			return [][]byte{reply(msg, dhcpv4.MessageTypeOffer, server, addr, more...)}
		case msg.MessageType() == dhcpv4.MessageTypeRequest && msg.ServerIdentifier().Equal(net.ParseIP(server)):
			return [][]byte{reply(msg, dhcpv4.MessageTypeAck, server, addr, more...)}
		}
		return nil
	}
}

// rogue offers, and then answers a request with kind, or not at all.
func rogue(kind dhcpv4.MessageType) answers {
	const server = "10.9.0.66"
	return func(msg *dhcpv4.DHCPv4) [][]byte {
		switch {
		case msg.MessageType() == dhcpv4.MessageTypeDiscover:
			return [][]byte{reply(msg, dhcpv4.MessageTypeOffer, server, "10.9.0.67")}
		case kind != dhcpv4.MessageTypeNone && msg.ServerIdentifier().Equal(net.ParseIP(server)):
			return [][]byte{reply(msg, kind, server, "0.0.0.0")}
		}
		return nil
	}
}

// firstThen has one server always answer before another.
func firstThen(first, second answers) answers {
	return func(msg *dhcpv4.DHCPv4) [][]byte { return append(first(msg), second(msg)...) }
}

// jealous is a server that stands beside another: it offers, too, and refuses
// in its own name whatever the other one gives, before that one gives it.
func jealous(server, addr string, other answers) answers {
	own := honest(server, addr)
	return func(msg *dhcpv4.DHCPv4) [][]byte {
		if msg.MessageType() != dhcpv4.MessageTypeRequest || msg.ServerIdentifier().Equal(net.ParseIP(server)) {
			return append(other(msg), own(msg)...)
		}
		return append([][]byte{reply(msg, dhcpv4.MessageTypeNak, server, "0.0.0.0")}, other(msg)...)
	}
}

// noise sends, before each right answer, what must be dropped: messages for
// others and for other transactions, ones that are cut short or end within an
// option, routes and names that are none, a thousand bytes too many.
func noise(right answers) answers {
	const server = "10.9.0.66"
	return func(msg *dhcpv4.DHCPv4) [][]byte {
		offer := reply(msg, dhcpv4.MessageTypeOffer, server, "10.9.0.67")
		ack := func(more ...dhcpv4.Modifier) []byte {
			return reply(msg, dhcpv4.MessageTypeAck, server, "10.9.0.67", more...)
		}
		options := func(b ...byte) []byte { return append(offer[:240:240], b...) }
		other := dhcpv4.WithTransactionID(dhcpv4.TransactionID{1, 2, 3, 4})
		endless := make([]byte, 1000)
		for i := range endless {
			endless[i] = 121
		}
		wrong := [][]byte{
			nil,
			make([]byte, 300),
			offer[:100],
			options(53, 200, 2),
			options(53, 1, 2, 54, 4, 10),
			append(options(53, 1, 2), endless...),
			ack(other),
			reply(msg, dhcpv4.MessageTypeNak, "10.9.0.1", "0.0.0.0", other),
			ack(dhcpv4.WithHwAddr(net.HardwareAddr{2, 0, 0, 0, 0, 9})),
			reply(msg, dhcpv4.MessageTypeNak, server, "0.0.0.0"),
			reply(msg, dhcpv4.MessageTypeOffer, server, "255.255.255.255"),
			reply(msg, dhcpv4.MessageTypeOffer, server, "0.0.0.0"),
		}
		return append(wrong, right(msg)...)
	}
}

// odd are options that are not to be believed: a name with a line break, an
// MTU of 1, a gateway that is a group's address, thirty routes more, name
// servers that are none.
func odd() []dhcpv4.Modifier {
	routes := []byte{24, 172, 17, 0, 224, 0, 0, 1, 0, 10, 9, 0, 1}
	for i := range 30 {
		routes = append(routes, 24, 172, 16, byte(i), 10, 9, 0, 1)
	}
	return []dhcpv4.Modifier{
		dhcpv4.WithGeneric(dhcpv4.OptionHostName, []byte("evil\nroot::0:0")),
		dhcpv4.WithGeneric(dhcpv4.OptionInterfaceMTU, []byte{0, 1}),
		dhcpv4.WithGeneric(dhcpv4.OptionClasslessStaticRoute, routes),
		dhcpv4.WithGeneric(dhcpv4.OptionDomainNameServer, []byte{255, 255, 255, 255, 0, 0, 0, 0, 1}),
		dhcpv4.WithGeneric(dhcpv4.GenericOptionCode(245), []byte{1, 2}),
	}
}
