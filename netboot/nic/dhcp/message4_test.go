package dhcp

import (
	"bytes"
	"maps"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"boothook/netboot/nic/dhcp/dhcptest"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// library4 reads a message with the library.
func library4(t *testing.T, m *Message4) *dhcpv4.DHCPv4 {
	t.Helper()
	read, err := dhcpv4.FromBytes(m.bytes())
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// The messages made here are those that the library would make, but for the
// transaction id and the order of what is requested.
func TestMessagesAreTheLibrarys(t *testing.T) {
	c := &Client4{HW: hw, start: time.Now()}
	like := func(id dhcpv4.TransactionID) dhcpv4.Modifier {
		return func(m *dhcpv4.DHCPv4) {
			m.TransactionID = id
			m.UpdateOption(dhcpv4.OptMaxMessageSize(MaxMessage))
			// 121 before 3, RFC 3442.
			m.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionParameterRequestList, []byte{121, 1, 3, 15, 6, 12, 26, 119, 249}))
		}
	}
	same := func(name string, got *Message4, want *dhcpv4.DHCPv4, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.bytes(), want.ToBytes()) {
			t.Errorf("%s:\n%s\nthe library makes\n%s", name, library4(t, got).Summary(), want.Summary())
		}
	}
	discover := c.newMessage4(discover4)
	want, err := dhcpv4.NewDiscovery(hw, like(discover.id))
	same("discover", discover, want, err)
	if again := c.newMessage4(discover4); again.id == discover.id {
		t.Error("two messages have one transaction id")
	}
	discover.secs, discover.flags, discover.client, discover.Options[rapidCommit4] = 0x1234, 0x8000, netip.MustParseAddr("10.0.0.7"), nil
	want.NumSeconds, want.Flags, want.ClientIPAddr = 0x1234, 0x8000, net.IPv4(10, 0, 0, 7)
	want.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionRapidCommit, nil))
	same("a discover with all that may be in it", discover, want, nil)

	with := &Client4{HW: hw, Request: []uint8{245, 3}}
	if got := with.newMessage4(discover4).Options[requested4]; !bytes.Equal(got, append(slices.Clone(c.newMessage4(discover4).Options[requested4]), 245)) {
		t.Errorf("what the caller wants beside the usual is requested as %d", got)
	}

	offer := dhcptest.Answer(want, dhcpv4.MessageTypeOffer, "10.0.0.1", "10.0.0.9", dhcpv4.WithServerIP(net.IPv4(10, 0, 0, 1)))
	read, err := ReadMessage4(offer.ToBytes())
	if err != nil {
		t.Fatal(err)
	}
	request, err := dhcpv4.NewRequestFromOffer(offer, like(offer.TransactionID))
	// The library also copies the relay's and the server's address, which
	// RFC 2131 table 5 wants to be zero in a client's message.
	request.ServerIPAddr, request.GatewayIPAddr = net.IPv4zero, net.IPv4zero
	same("request", c.newRequest4(read), request, err)
}

// FuzzMessage4 compares with the library: whatever it reads is read here, with
// the same content.
func FuzzMessage4(f *testing.F) {
	asked, err := dhcpv4.NewDiscovery(hw)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(asked.ToBytes())
	f.Add(dhcptest.Answer(asked, dhcpv4.MessageTypeOffer, "10.0.0.1", "10.0.0.9", dhcpv4.WithRouter(net.IPv4(10, 0, 0, 1)),
		dhcpv4.WithGeneric(dhcpv4.OptionRapidCommit, nil), dhcpv4.WithGeneric(dhcpv4.OptionDNSDomainSearchList, make([]byte, 300))).ToBytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ReadMessage4(data)
		theirs, theirErr := dhcpv4.FromBytes(data)
		if len(data) == header4 && theirErr == nil {
			return // no options at all, which the library takes; such a message has no type
		}
		if (err == nil) != (theirErr == nil) {
			t.Fatalf("%v; the library: %v", err, theirErr)
		}
		if err != nil {
			return
		}
		addr := func(ip net.IP) netip.Addr {
			a, _ := netip.AddrFromSlice(ip.To4())
			return a
		}
		if m.op != uint8(theirs.OpCode) || m.id != theirs.TransactionID || m.secs != theirs.NumSeconds || m.flags != theirs.Flags ||
			m.client != addr(theirs.ClientIPAddr) || m.Your != addr(theirs.YourIPAddr) || !bytes.Equal(m.hw, theirs.ClientHWAddr) {
			t.Errorf("header %+v, the library reads\n%s", m, theirs.Summary())
		}
		if !maps.EqualFunc(m.Options, Options4(theirs.Options), bytes.Equal) {
			t.Errorf("options %x, the library reads %x", m.Options, theirs.Options)
		}
		if m.kind() != uint8(theirs.MessageType()) {
			t.Errorf("type %d, the library reads %d", m.kind(), theirs.MessageType())
		}
		if m.Server() != addr(theirs.ServerIdentifier()) {
			t.Errorf("server %v, the library reads %v", m.Server(), theirs.ServerIdentifier())
		}
		var servers []netip.Addr
		for _, ip := range theirs.DNS() {
			servers = append(servers, addr(ip))
		}
		if !slices.Equal(m.Options.Addrs(OptionDNS), servers) {
			t.Errorf("name servers %v, the library reads %v", m.Options.Addrs(OptionDNS), servers)
		}
	})
}
