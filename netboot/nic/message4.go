package nic

import (
	"encoding/binary"
	"math/rand/v2"
	"net"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// The library's constructors draw a transaction id from getrandom(2) and, as
// long as the kernel's random numbers are not good yet, spin on it: on a
// machine without RDRAND or virtio-rng that is most of a minute, while the
// boot waits. An id need only be unlikely (RFC 2131 §2), so messages are made
// here, with what math/rand was seeded with by the kernel at exec.

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
