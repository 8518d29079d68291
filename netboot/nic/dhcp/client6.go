package dhcp

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// A Client6 asks the DHCPv6 servers of one link for one address, as routers
// that set the managed flag want it.
//
// Its DUID is made of the hardware address (DUID-LL), because nothing else is
// known before the root is there. The real system's will be another, so that
// the address must be released for that system to get the same one.
type Client6 struct {
	Conn net.PacketConn
	Zone string // the link's name, for the servers' link-local multicast address
	HW   net.HardwareAddr
	Pace time.Duration // between messages at first
	// Check gives an error for a message that grants no address, or one that no
	// host could use.
	Check func(*dhcpv6.Message) error
	// Panicked is told of each panic on a message that was received; nil: nobody is.
	Panicked func(cause any)

	start time.Time
}

// Lease gives the REPLY that grants an address. It tries until there is one or
// ctx ends; it returns ErrLinkDown if the link went down. A SOLICIT is repeated
// under the same transaction, so that the answer of a slow server still counts.
func (c *Client6) Lease(ctx context.Context) (*dhcpv6.Message, error) {
	c.start = time.Now()
	defer c.wire().interrupt(ctx)()
	solicit := c.message(dhcpv6.MessageTypeSolicit, dhcpv6.WithRapidCommit, dhcpv6.WithIAID(c.iaid()))
	for waits := NewBackoff(c.Pace, c.start); ; {
		solicit.UpdateOption(c.elapsed())
		answer, err := c.ask(ctx, solicit, waits.Next(), c.isOffer)
		if err == nil && answer.MessageType == dhcpv6.MessageTypeAdvertise {
			answer, err = c.request(ctx, answer)
		}
		if err == nil {
			err = c.Check(answer)
		}
		switch {
		case err == nil:
			return answer, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, ErrLinkDown):
			return nil, err
		case !errors.Is(err, errNoAnswer): // refused, or the link-local address is not there yet
			if err := Sleep(ctx, waits.Next()); err != nil {
				return nil, err
			}
		}
	}
}

// Release gives the address of a REPLY back; it does not wait for the answer.
func (c *Client6) Release(reply *dhcpv6.Message) error {
	c.start = time.Now()
	msg := c.message(dhcpv6.MessageTypeRelease,
		dhcpv6.WithServerID(reply.Options.ServerID()), dhcpv6.WithOption(reply.Options.OneIANA()))
	_, err := c.Conn.WriteTo(msg.ToBytes(), c.wire().to)
	return err
}

// isOffer says whether a message gives a usable address: an ADVERTISE, or at
// once a REPLY, if the server takes the two-message exchange (rapid commit, RFC
// 8415 §18.2.1).
func (c *Client6) isOffer(m *dhcpv6.Message) bool {
	rapid := m.MessageType == dhcpv6.MessageTypeReply && m.GetOneOption(dhcpv6.OptionRapidCommit) != nil
	return (rapid || m.MessageType == dhcpv6.MessageTypeAdvertise) && c.Check(m) == nil
}

// request asks for what was advertised.
func (c *Client6) request(ctx context.Context, adv *dhcpv6.Message) (*dhcpv6.Message, error) {
	msg := c.message(dhcpv6.MessageTypeRequest,
		dhcpv6.WithServerID(adv.Options.ServerID()), dhcpv6.WithOption(adv.Options.OneIANA()))
	return c.ask(ctx, msg, grantWait, func(m *dhcpv6.Message) bool { return m.MessageType == dhcpv6.MessageTypeReply })
}

// message makes a message with what all of the client's have. Its transaction
// id does not come from the library, which waits for the kernel's random numbers.
func (c *Client6) message(kind dhcpv6.MessageType, more ...dhcpv6.Modifier) *dhcpv6.Message {
	m := &dhcpv6.Message{MessageType: kind}
	id := rand.Uint32()
	m.TransactionID = dhcpv6.TransactionID{byte(id >> 16), byte(id >> 8), byte(id)}
	m.AddOption(dhcpv6.OptClientID(c.duid()))
	m.AddOption(c.elapsed())
	m.AddOption(dhcpv6.OptRequestedOption(dhcpv6.OptionDNSRecursiveNameServer, dhcpv6.OptionDomainSearchList))
	for _, change := range more {
		change(m)
	}
	return m
}

func (c *Client6) duid() dhcpv6.DUID {
	return &dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: c.HW}
}

// iaid identifies the link's address among the client's: the last bytes of the
// hardware address.
func (c *Client6) iaid() (id [4]byte) {
	copy(id[:], c.HW[max(0, len(c.HW)-len(id)):])
	return id
}

// elapsed is the time spent so far, which the protocol counts up to 655 s.
func (c *Client6) elapsed() dhcpv6.Option {
	return dhcpv6.OptElapsedTime(min(time.Since(c.start), 10*time.Minute))
}

// ask sends a message and waits for an answer to it that matches.
func (c *Client6) ask(ctx context.Context, msg *dhcpv6.Message, wait time.Duration, match func(*dhcpv6.Message) bool) (*dhcpv6.Message, error) {
	var answer *dhcpv6.Message
	err := c.wire().ask(ctx, msg.ToBytes(), wait, func(data []byte) bool {
		m, err := dhcpv6.MessageFromBytes(data)
		if err != nil || m.TransactionID != msg.TransactionID || m.Options.ServerID() == nil ||
			m.Options.ClientID() == nil || !c.duid().Equal(m.Options.ClientID()) {
			return false
		}
		answer = m
		return match(m)
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func (c *Client6) wire() *wire {
	to := &net.UDPAddr{IP: dhcpv6.AllDHCPRelayAgentsAndServers, Port: dhcpv6.DefaultServerPort, Zone: c.Zone}
	return &wire{conn: c.Conn, to: to, panicked: c.Panicked}
}
