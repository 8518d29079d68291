package dhcp

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// OptionMSRoutes is Microsoft's older number for option 121, with the same content.
const OptionMSRoutes = dhcpv4.GenericOptionCode(249)

// The library's constructors draw a transaction id from getrandom(2) and, as
// long as the kernel's random numbers are not good yet, spin on it: on a
// machine without RDRAND or virtio-rng that is most of a minute of the boot. An
// id need only be unlikely (RFC 2131 §2), so messages are made here, with
// math/rand, which the kernel seeded when the process was executed.

// newMessage4 makes a message of a client.
func newMessage4(hw net.HardwareAddr, kind dhcpv4.MessageType, modifiers ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	m := &dhcpv4.DHCPv4{
		OpCode: dhcpv4.OpcodeBootRequest, HWType: iana.HWTypeEthernet, ClientHWAddr: hw,
		ClientIPAddr: net.IPv4zero, YourIPAddr: net.IPv4zero, ServerIPAddr: net.IPv4zero, GatewayIPAddr: net.IPv4zero,
		Options: dhcpv4.Options{},
	}
	binary.BigEndian.PutUint32(m.TransactionID[:], rand.Uint32())
	for _, change := range append([]dhcpv4.Modifier{
		dhcpv4.WithMessageType(kind),
		dhcpv4.WithRequestedOptions(dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter,
			dhcpv4.OptionDomainName, dhcpv4.OptionDomainNameServer),
	}, modifiers...) {
		change(m)
	}
	return m
}

// newRequest4 asks for what was offered, in the SELECTING state (RFC 2131
// §4.3.2): under the offer's transaction, naming the server and the address.
func newRequest4(hw net.HardwareAddr, offer *dhcpv4.DHCPv4, modifiers ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	m := newMessage4(hw, dhcpv4.MessageTypeRequest, modifiers...)
	m.TransactionID, m.Flags = offer.TransactionID, offer.Flags
	m.UpdateOption(dhcpv4.OptRequestedIPAddress(offer.YourIPAddr))
	m.UpdateOption(dhcpv4.OptServerIdentifier(offer.ServerIdentifier()))
	return m
}

// common sets what every message of the client has.
func (c *Client4) common(m *dhcpv4.DHCPv4) {
	m.UpdateOption(dhcpv4.OptMaxMessageSize(MaxMessage))
	dhcpv4.WithRequestedOptions(
		dhcpv4.OptionClasslessStaticRoute, // first: RFC 3442 wants it before Router
		dhcpv4.OptionHostName,
		dhcpv4.OptionInterfaceMTU,
		dhcpv4.OptionDNSDomainSearchList,
		OptionMSRoutes,
	)(m)
	for _, code := range c.Request {
		dhcpv4.WithRequestedOptions(dhcpv4.GenericOptionCode(code))(m)
	}
}

// seconds is the time spent so far, for the "secs" field: relays and second
// servers answer only clients that have waited.
func (c *Client4) seconds() uint16 {
	return uint16(min(time.Since(c.start)/time.Second, 1<<16-1))
}
