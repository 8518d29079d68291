package nic

import (
	"bytes"
	"net"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// The messages made here are those that the library would make, but for the
// transaction id.
func TestMessagesAreTheLibrarys(t *testing.T) {
	hw := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	c := &client4{hw: hw}
	same := func(name string, got, want *dhcpv4.DHCPv4) {
		t.Helper()
		want.TransactionID = got.TransactionID
		if !bytes.Equal(got.ToBytes(), want.ToBytes()) {
			t.Errorf("%s:\n%s\nthe library makes\n%s", name, got.Summary(), want.Summary())
		}
	}
	discover, err := dhcpv4.NewDiscovery(hw, c.common)
	if err != nil {
		t.Fatal(err)
	}
	ours := newMessage4(hw, dhcpv4.MessageTypeDiscover, c.common)
	same("discover", ours, discover)
	if again := newMessage4(hw, dhcpv4.MessageTypeDiscover); again.TransactionID == ours.TransactionID {
		t.Error("two messages have one transaction id")
	}

	c.more = []uint8{245}
	if with := newMessage4(hw, dhcpv4.MessageTypeDiscover, c.common); !with.IsOptionRequested(dhcpv4.GenericOptionCode(245)) ||
		!with.IsOptionRequested(dhcpv4.OptionHostName) || ours.IsOptionRequested(dhcpv4.GenericOptionCode(245)) {
		t.Errorf("an option that a source reads is not asked for, or always:\n%s", with.Summary())
	}

	offer, err := dhcpv4.NewReplyFromRequest(ours, dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer),
		dhcpv4.WithYourIP(net.IPv4(10, 0, 0, 9)), dhcpv4.WithServerIP(net.IPv4(10, 0, 0, 1)),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IPv4(10, 0, 0, 1))))
	if err != nil {
		t.Fatal(err)
	}
	request, err := dhcpv4.NewRequestFromOffer(offer, c.common)
	if err != nil {
		t.Fatal(err)
	}
	got := newRequest4(hw, offer, c.common)
	if got.TransactionID != offer.TransactionID {
		t.Error("the request is not under the offer's transaction")
	}
	// The library also copies the relay's and the server's address, which
	// RFC 2131 table 5 wants to be zero in a client's message.
	request.ServerIPAddr, request.GatewayIPAddr = net.IPv4zero, net.IPv4zero
	same("request", got, request)
}
