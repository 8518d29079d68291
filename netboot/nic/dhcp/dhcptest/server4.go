package dhcptest

import (
	"net"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// A Script says what a DHCPv4 server answers to a message, the n-th of its
// kind, counted from 1.
type Script func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4

// Serve answers the client's messages at once, by a script.
func (c *Conn) Serve(s Script) {
	count := map[dhcpv4.MessageType]int{}
	c.Receive(func(data []byte) {
		msg, err := dhcpv4.FromBytes(data)
		if err != nil {
			panic(err) // no client sends that
		}
		count[msg.MessageType()]++
		for _, answer := range s(msg.MessageType(), count[msg.MessageType()], msg) {
			c.Deliver(answer.ToBytes())
		}
	})
}

// Answer makes a server's answer to a message: an address in a /24 for an hour,
// unless more says otherwise.
func Answer(msg *dhcpv4.DHCPv4, kind dhcpv4.MessageType, server, addr string, more ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
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

// Honest is a server that does what the protocol says, and has one address.
func Honest(server, addr string, more ...dhcpv4.Modifier) Script {
	return func(kind dhcpv4.MessageType, _ int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
		named := msg.ServerIdentifier()
		switch {
		case kind == dhcpv4.MessageTypeDiscover:
			return []*dhcpv4.DHCPv4{Answer(msg, dhcpv4.MessageTypeOffer, server, addr, more...)}
		case kind == dhcpv4.MessageTypeRequest && (named == nil || named.Equal(net.ParseIP(server))):
			return []*dhcpv4.DHCPv4{Answer(msg, dhcpv4.MessageTypeAck, server, addr, more...)}
		}
		return nil
	}
}
