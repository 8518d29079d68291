package dhcp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"boothook/netboot/nic/dhcp/dhcptest"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"golang.org/x/sys/unix"
)

// try6 makes a client whose messages a server answers by a script, and gives
// the kinds of messages that it sent.
func try6(t *testing.T, s dhcptest.Script6) (*Client6, *dhcptest.Conn, func() []dhcpv6.MessageType) {
	conn := new(dhcptest.Conn)
	var kinds []dhcpv6.MessageType
	conn.Serve6(func(msg *dhcpv6.Message) []*dhcpv6.Message {
		kinds = append(kinds, msg.MessageType)
		return s(msg)
	})
	return &Client6{Conn: conn, Zone: "eth0", HW: hw, Pace: pace,
		Check: func(m *Message6) error {
			_, err := m.Grant()
			return err
		},
		Panicked: func(cause any) { t.Errorf("panic: %v", cause) },
	}, conn, func() []dhcpv6.MessageType { return kinds }
}

// granted names the address that a message grants.
func granted(m *Message6) string {
	g, _ := m.Grant()
	return g.Addr.String()
}

// Four messages, or two where the server takes the rapid commit that it is offered.
func TestLease6(t *testing.T) {
	const solicit, request = dhcpv6.MessageTypeSolicit, dhcpv6.MessageTypeRequest
	for _, tt := range []struct {
		name   string
		script dhcptest.Script6
		sent   []dhcpv6.MessageType
	}{
		{"four messages", dhcptest.Honest6("fd00::5"), []dhcpv6.MessageType{solicit, request}},
		{"rapid commit", func(msg *dhcpv6.Message) []*dhcpv6.Message {
			if msg.GetOneOption(dhcpv6.OptionRapidCommit) == nil {
				t.Error("rapid commit is not offered")
			}
			return []*dhcpv6.Message{dhcptest.Answer6(msg, dhcpv6.MessageTypeReply, "fd00::5", dhcpv6.WithRapidCommit)}
		}, []dhcpv6.MessageType{solicit}},
	} {
		synctest.Test(t, func(t *testing.T) {
			c, _, kinds := try6(t, tt.script)
			reply, err := c.Lease(t.Context())
			if err != nil || granted(reply) != "fd00::5" || !slices.Equal(kinds(), tt.sent) {
				t.Errorf("%s: %v, %v; sent %v", tt.name, reply, err, kinds())
			}
		})
	}
}

// Answers to others, those without an address and replies to what was not asked
// for are passed over; a server that refuses is asked again.
func TestNoise6(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		honest := dhcptest.Honest6("fd00::5")
		refused := false
		var conn *dhcptest.Conn
		c, conn, kinds := try6(t, func(msg *dhcpv6.Message) []*dhcpv6.Message {
			reply := func(kind dhcpv6.MessageType, more ...dhcpv6.Modifier) *dhcpv6.Message {
				return dhcptest.Answer6(msg, kind, "fd00::6", more...)
			}
			without := func(code dhcpv6.OptionCode) dhcpv6.Modifier {
				return func(d dhcpv6.DHCPv6) { d.(*dhcpv6.Message).Options.Del(code) }
			}
			bad := []*dhcpv6.Message{
				reply(dhcpv6.MessageTypeAdvertise, func(d dhcpv6.DHCPv6) { d.(*dhcpv6.Message).TransactionID[0]++ }),
				reply(dhcpv6.MessageTypeAdvertise, without(dhcpv6.OptionServerID)),
				reply(dhcpv6.MessageTypeAdvertise, without(dhcpv6.OptionClientID)),
				reply(dhcpv6.MessageTypeAdvertise, without(dhcpv6.OptionClientID), dhcpv6.WithClientID(dhcptest.Server6)),
				reply(dhcpv6.MessageTypeAdvertise, without(dhcpv6.OptionIANA)),
			}
			if msg.MessageType == dhcpv6.MessageTypeSolicit {
				bad = append(bad, reply(dhcpv6.MessageTypeReply)) // without rapid commit
			}
			for _, m := range bad {
				conn.Deliver(m.ToBytes())
			}
			conn.Deliver([]byte{1})
			if msg.MessageType == dhcpv6.MessageTypeRequest && !refused {
				refused = true
				return []*dhcpv6.Message{reply(dhcpv6.MessageTypeReply, without(dhcpv6.OptionIANA),
					dhcpv6.WithOption(&dhcpv6.OptStatusCode{StatusCode: iana.StatusNoAddrsAvail}))}
			}
			return honest(msg)
		})
		reply, err := c.Lease(t.Context())
		if err != nil || granted(reply) != "fd00::5" || len(kinds()) != 4 {
			t.Errorf("%v, %v; sent %v", reply, err, kinds())
		}
	})
}

// Nobody answers, the link goes down, or the link-local address that messages
// are sent from is not there yet.
func TestLease6Ends(t *testing.T) {
	silent := func(*dhcpv6.Message) []*dhcpv6.Message { return nil }
	synctest.Test(t, func(t *testing.T) {
		c, _, kinds := try6(t, silent)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if reply, err := c.Lease(ctx); !errors.Is(err, context.DeadlineExceeded) || len(kinds()) < 5 {
			t.Errorf("%v, %v; sent %v", reply, err, kinds())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c, conn, _ := try6(t, silent)
		time.AfterFunc(time.Second, func() { conn.Fail(unix.ENETDOWN) })
		if reply, err := c.Lease(t.Context()); !errors.Is(err, ErrLinkDown) {
			t.Errorf("%v, %v", reply, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c, conn, _ := try6(t, dhcptest.Honest6("fd00::5"))
		conn.Fail(unix.EADDRNOTAVAIL)
		time.AfterFunc(time.Second, func() { conn.Fail(nil) })
		if reply, err := c.Lease(t.Context()); err != nil {
			t.Errorf("%v, %v", reply, err)
		}
		conn.Fail(unix.EADDRNOTAVAIL)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if reply, err := c.Lease(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, %v", reply, err)
		}
	})
}

// What was granted is given back in the words of the server that granted it.
func TestRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var released *dhcpv6.Message
		honest := dhcptest.Honest6("fd00::5")
		c, _, _ := try6(t, func(msg *dhcpv6.Message) []*dhcpv6.Message {
			if msg.MessageType == dhcpv6.MessageTypeRelease {
				released = msg
			}
			return honest(msg)
		})
		reply, err := c.Lease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Release(reply); err != nil || released == nil {
			t.Fatalf("%v, %v", released, err)
		}
		if ia := released.Options.OneIANA(); !ia.Options.OneAddress().IPv6Addr.Equal(net.ParseIP("fd00::5")) ||
			ia.IaId != c.iaid() || !released.Options.ServerID().Equal(dhcptest.Server6) || !bytes.Equal(released.Options.ClientID().ToBytes(), duid(hw)) {
			t.Errorf("released\n%s", released.Summary())
		}
	})
}
