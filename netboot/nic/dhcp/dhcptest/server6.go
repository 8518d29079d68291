package dhcptest

import (
	"net"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// Server6 is the identifier of the DHCPv6 servers that answers come from.
var Server6 = &dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: net.HardwareAddr{2, 0, 0, 0, 0, 0xfe}}

// A Script6 says what a DHCPv6 server answers to a message.
type Script6 func(msg *dhcpv6.Message) []*dhcpv6.Message

// Serve6 answers the client's messages at once, by a script.
func (c *Conn) Serve6(s Script6) {
	c.Receive(func(data []byte) {
		msg, err := dhcpv6.MessageFromBytes(data)
		if err != nil {
			panic(err) // no client sends that
		}
		for _, answer := range s(msg) {
			c.Deliver(answer.ToBytes())
		}
	})
}

// Answer6 makes a server's answer to a message, which gives addr for an hour.
func Answer6(msg *dhcpv6.Message, kind dhcpv6.MessageType, addr string, more ...dhcpv6.Modifier) *dhcpv6.Message {
	m := &dhcpv6.Message{MessageType: kind, TransactionID: msg.TransactionID}
	m.AddOption(dhcpv6.OptServerID(Server6))
	m.AddOption(dhcpv6.OptClientID(msg.Options.ClientID()))
	dhcpv6.WithIANA(dhcpv6.OptIAAddress{IPv6Addr: net.ParseIP(addr), PreferredLifetime: time.Hour, ValidLifetime: time.Hour})(m)
	if asked := msg.Options.OneIANA(); asked != nil {
		dhcpv6.WithIAID(asked.IaId)(m)
	}
	for _, change := range more {
		change(m)
	}
	return m
}

// Honest6 is a server that does what the protocol says, and has one address.
func Honest6(addr string, more ...dhcpv6.Modifier) Script6 {
	return func(msg *dhcpv6.Message) []*dhcpv6.Message {
		switch msg.MessageType {
		case dhcpv6.MessageTypeSolicit:
			return []*dhcpv6.Message{Answer6(msg, dhcpv6.MessageTypeAdvertise, addr, more...)}
		case dhcpv6.MessageTypeRequest:
			return []*dhcpv6.Message{Answer6(msg, dhcpv6.MessageTypeReply, addr, more...)}
		}
		return nil
	}
}
