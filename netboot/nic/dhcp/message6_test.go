package dhcp

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"boothook/netboot/nic/dhcp/dhcptest"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// The messages of the client are those that the library would make of the same.
func TestMessages6AreTheLibrarys(t *testing.T) {
	c := &Client6{HW: hw, start: time.Now()}
	library := func(kind dhcpv6.MessageType, id [3]byte, more ...dhcpv6.Modifier) []byte {
		m := &dhcpv6.Message{MessageType: kind, TransactionID: id}
		m.AddOption(dhcpv6.OptClientID(&dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: hw}))
		m.AddOption(dhcpv6.OptElapsedTime(0))
		m.AddOption(dhcpv6.OptRequestedOption(dhcpv6.OptionDNSRecursiveNameServer, dhcpv6.OptionDomainSearchList))
		for _, change := range more {
			change(m)
		}
		return m.ToBytes()
	}
	solicit := c.solicit()
	solicit.setElapsed(0)
	if want := library(dhcpv6.MessageTypeSolicit, solicit.id, dhcpv6.WithRapidCommit, dhcpv6.WithIAID(c.iaid())); !bytes.Equal(solicit.bytes(), want) {
		t.Errorf("solicit\n%x\nthe library makes\n%x", solicit.bytes(), want)
	}
	asked, err := dhcpv6.MessageFromBytes(solicit.bytes())
	if err != nil {
		t.Fatal(err)
	}
	offer := dhcptest.Answer6(asked, dhcpv6.MessageTypeAdvertise, "fd00::5")
	read, err := ReadMessage6(offer.ToBytes())
	if err != nil {
		t.Fatal(err)
	}
	for kind, theirs := range map[uint8]dhcpv6.MessageType{request6: dhcpv6.MessageTypeRequest, release6: dhcpv6.MessageTypeRelease} {
		m := c.messageOn(kind, read)
		m.setElapsed(0)
		want := library(theirs, m.id, dhcpv6.WithServerID(offer.Options.ServerID()), dhcpv6.WithOption(offer.Options.OneIANA()))
		if !bytes.Equal(m.bytes(), want) {
			t.Errorf("%v\n%x\nthe library makes\n%x", theirs, m.bytes(), want)
		}
	}
	if again := c.solicit(); again.id == solicit.id {
		t.Error("two messages have one transaction id")
	}
}

func TestElapsed(t *testing.T) {
	for d, want := range map[time.Duration]uint16{0: 0, 5 * time.Millisecond: 1, time.Second: 100, 599 * time.Second: 59900, time.Hour: 60000} {
		m := newMessage6(solicit6)
		m.options.add(elapsed6, 0, 0)
		m.setElapsed(d)
		if got := m.options.get(elapsed6); int(got[0])<<8|int(got[1]) != int(want) {
			t.Errorf("%v: %x, want %d", d, got, want)
		}
	}
}

func TestGrant6Refused(t *testing.T) {
	const server, client = "\x00\x02\x00\x04abcd", "\x00\x01\x00\x04efgh"
	for name, tt := range map[string]struct{ options, want string }{
		"status":                 {"\x00\x0d\x00\x05\x00\x02all", "status NoAddrsAvail"},
		"status of the IA":       {"\x00\x03\x00\x12iaidT1..T2..\x00\x0d\x00\x02\x00\x04", "status NotOnLink"},
		"a status of its own":    {"\x00\x0d\x00\x02\x01\x00", "status 256"},
		"half a status":          {"\x00\x0d\x00\x01\x00", "malformed message"},
		"no IA":                  {"", "no address"},
		"an IA without times":    {"\x00\x03\x00\x04iaid", "no address"},
		"an option cut off":      {"\x00\x03\x00\x0fiaidT1..T2..\x00\x05\x00", "malformed message"},
		"an address cut off":     {"\x00\x03\x00\x14iaidT1..T2..\x00\x05\x00\x04addr", "no address"},
		"success, but no answer": {"\x00\x0d\x00\x02\x00\x00", "no address"},
	} {
		m, err := ReadMessage6([]byte("\x07xid" + server + client + tt.options))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if g, err := m.Grant(); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, %v; want %s", name, g, err, tt.want)
		}
	}
	for _, bad := range []string{"", "\x07xi", "\x07xid\x00", "\x07xid\x00\x0d\x00\x03ab"} {
		if m, err := ReadMessage6([]byte(bad)); err == nil {
			t.Errorf("%q is read as %v", bad, m)
		}
	}
}

// FuzzMessage6 compares with the library: whatever it reads is read here, too,
// and grants the same.
func FuzzMessage6(f *testing.F) {
	asked := &dhcpv6.Message{MessageType: dhcpv6.MessageTypeSolicit}
	asked.AddOption(dhcpv6.OptClientID(dhcptest.Server6))
	for _, more := range [][]dhcpv6.Modifier{
		nil,
		{dhcpv6.WithDNS(net.ParseIP("fd00::53"), net.ParseIP("fd00::54")), dhcpv6.WithDomainSearchList("six.example", "b")},
		{dhcpv6.WithOption(&dhcpv6.OptStatusCode{StatusCode: iana.StatusNoAddrsAvail})},
		{dhcpv6.WithRapidCommit},
	} {
		f.Add(dhcptest.Answer6(asked, dhcpv6.MessageTypeReply, "fd00::5", more...).ToBytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ReadMessage6(data)
		var g Grant6
		if err == nil {
			g, _ = m.Grant() // must not panic, whatever the library says
		}
		theirs, theirErr := dhcpv6.MessageFromBytes(data)
		if theirErr != nil {
			return
		}
		if err != nil {
			t.Fatalf("refused (%v) what the library reads:\n%s", err, theirs.Summary())
		}
		if m.kind != uint8(theirs.MessageType) || m.id != theirs.TransactionID {
			t.Errorf("header %d %x, want %d %x", m.kind, m.id, theirs.MessageType, theirs.TransactionID)
		}
		if rapid := theirs.GetOneOption(dhcpv6.OptionRapidCommit) != nil; rapid != (m.options.get(rapidCommit6) != nil) {
			t.Errorf("rapid commit is %v", rapid)
		}
		if id := theirs.Options.ServerID(); (id != nil) != (len(m.options.get(serverID6)) >= 2) {
			t.Errorf("server %v", id)
		}
		if id := theirs.Options.ClientID(); id != nil && !bytes.Equal(m.options.get(clientID6), id.ToBytes()) {
			t.Errorf("client %x, want %x", m.options.get(clientID6), id.ToBytes())
		}
		var want Grant6
		if ia := theirs.Options.OneIANA(); ia != nil && ia.Options.OneAddress() != nil && succeeded(theirs.Options.Status()) && succeeded(ia.Options.Status()) {
			a := ia.Options.OneAddress()
			want.Addr, _ = netip.AddrFromSlice(a.IPv6Addr)
			want.Valid = uint32(a.ValidLifetime / time.Second)
			for _, ip := range theirs.Options.DNS() {
				server, _ := netip.AddrFromSlice(ip)
				want.DNS = append(want.DNS, server)
			}
			if list := theirs.Options.DomainSearchList(); list != nil {
				want.Search = list.Labels
			}
		}
		if g.Addr != want.Addr || g.Valid != want.Valid || !slices.Equal(g.DNS, want.DNS) || !slices.Equal(g.Search, want.Search) {
			t.Errorf("grants %+v, the library reads %+v", g, want)
		}
	})
}

func succeeded(s *dhcpv6.OptStatusCode) bool { return s == nil || s.StatusCode == iana.StatusSuccess }
