package dhcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

const (
	// otherOfferWait is how long a client that knows of an offer of a server
	// that granted nothing before waits for the offer of another server.
	otherOfferWait = time.Second
	// retryWait is the pause after a refusal.
	retryWait = 500 * time.Millisecond
)

// A Client4 asks the DHCPv4 servers of one link for one lease. RFC 2131 §4.1
// repeats messages after 4, 8, 16 s, which is longer than a whole boot; here the
// pace is the caller's.
//
// It sends no client identifier (option 61). Servers then file the lease under
// the hardware address, and find it again for the real system's client
// whatever identifier that one sends (dnsmasq, Kea and ISC dhcpd compare
// identifiers only where both sides have one), so that it gets the same
// address. For the same reason nothing is released at the end.
type Client4 struct {
	Conn    net.PacketConn
	HW      net.HardwareAddr
	Pace    time.Duration // between messages at first
	Rapid   bool          // ask for RFC 4039's two-message exchange
	Request []uint8       // codes of options to request beside the usual ones
	// Check gives an error for an offer or an ACK that no host could use.
	Check func(*dhcpv4.DHCPv4) error
	// Log takes one line about each attempt that failed.
	Log func(string)
	// Panicked is told of each panic on a message that was received; nil: nobody is.
	Panicked func(cause any)

	start time.Time
	// failed are servers that offered an address and did not grant it: offers
	// of others are preferred as long as one comes.
	failed map[string]bool
}

// Lease gives the ACK that grants a lease. It tries until there is one or ctx
// ends; it returns ErrLinkDown if the link went down.
func (c *Client4) Lease(ctx context.Context) (*dhcpv4.DHCPv4, error) {
	c.start, c.failed = time.Now(), map[string]bool{}
	defer c.wire().interrupt(ctx)()
	for {
		ack, err := c.exchange(ctx)
		switch {
		case err == nil:
			return ack, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, ErrLinkDown):
			return nil, err
		}
		c.Log("dhcp: " + err.Error() + "; asking again")
		if !errors.Is(err, errNoAnswer) { // that one has taken its time
			if err := Sleep(ctx, jitter(retryWait)); err != nil {
				return nil, err
			}
		}
	}
}

// AskAgain ends the wait for an answer, so that the message is repeated now.
func (c *Client4) AskAgain() { c.Conn.SetReadDeadline(time.Now()) }

// Renew asks whichever server there is for more time for an address that the
// link has, in the form of RFC 2131's REBINDING, which needs no answer of the
// first server. It returns ErrNAK when a server refuses.
func (c *Client4) Renew(ctx context.Context, addr netip.Addr) (*dhcpv4.DHCPv4, error) {
	c.start = time.Now()
	defer c.wire().interrupt(ctx)()
	msg := newMessage4(c.HW, dhcpv4.MessageTypeRequest, c.common, dhcpv4.WithClientIP(addr.AsSlice()))
	for waits := NewBackoff(c.Pace, c.start); ; {
		msg.NumSeconds = c.seconds()
		answer, err := c.ask(ctx, msg, waits.Next(), func(m *dhcpv4.DHCPv4) bool {
			same, _ := netip.AddrFromSlice(m.YourIPAddr.To4())
			return m.MessageType() == dhcpv4.MessageTypeNak || m.MessageType() == dhcpv4.MessageTypeAck && same == addr
		})
		switch {
		case errors.Is(err, errNoAnswer):
			continue
		case err != nil:
			return nil, err
		case answer.MessageType() == dhcpv4.MessageTypeNak:
			return nil, ErrNAK
		}
		return answer, c.Check(answer)
	}
}

// exchange runs DISCOVER, OFFER, REQUEST, ACK once. The DISCOVER is repeated
// under the same transaction until an offer comes, so that the answer of a
// slow server (dnsmasq and dhcpd ping an address before they offer it) still
// counts.
func (c *Client4) exchange(ctx context.Context) (*dhcpv4.DHCPv4, error) {
	discover := newMessage4(c.HW, dhcpv4.MessageTypeDiscover, c.common)
	if c.Rapid {
		discover.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionRapidCommit, nil))
	}
	offer, err := c.discover(ctx, discover)
	if err != nil || offer.MessageType() == dhcpv4.MessageTypeAck { // rapid commit
		return offer, err
	}
	ack, err := c.request(ctx, offer)
	if err != nil && !errors.Is(err, ErrLinkDown) && ctx.Err() == nil {
		server := offer.ServerIdentifier().String()
		c.failed[server] = true
		return nil, fmt.Errorf("server %s: %w", server, err)
	}
	return ack, err
}

// discover sends a DISCOVER until there is a usable offer. That of a server
// that failed before is taken only when no other came in otherOfferWait.
func (c *Client4) discover(ctx context.Context, msg *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, error) {
	var second *dhcpv4.DHCPv4
	begun := time.Now()
	for waits := NewBackoff(c.Pace, c.start); ; {
		msg.NumSeconds = c.seconds()
		offer, err := c.ask(ctx, msg, waits.Next(), func(m *dhcpv4.DHCPv4) bool {
			if !c.isOffer(m) {
				return false
			}
			if c.failed[m.ServerIdentifier().String()] {
				second = m
				return false
			}
			return true
		})
		switch {
		case !errors.Is(err, errNoAnswer):
			return offer, err
		case second != nil && time.Since(begun) > otherOfferWait:
			return second, nil
		}
	}
}

// isOffer says whether a message offers what a host can use; with rapid
// commit an ACK may do that, too.
func (c *Client4) isOffer(m *dhcpv4.DHCPv4) bool {
	rapid := c.Rapid && m.MessageType() == dhcpv4.MessageTypeAck && m.Options.Has(dhcpv4.OptionRapidCommit)
	if m.MessageType() != dhcpv4.MessageTypeOffer && !rapid || m.ServerIdentifier() == nil {
		return false
	}
	return c.Check(m) == nil
}

// request asks for what was offered until the server says yes or no.
func (c *Client4) request(ctx context.Context, offer *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, error) {
	request := newRequest4(c.HW, offer, c.common)
	server := offer.ServerIdentifier()
	begun := time.Now()
	for waits := NewBackoff(c.Pace, c.start); time.Since(begun) < grantWait; {
		request.NumSeconds = c.seconds()
		ack, err := c.ask(ctx, request, waits.Next(), func(m *dhcpv4.DHCPv4) bool {
			kind := m.MessageType()
			return (kind == dhcpv4.MessageTypeAck || kind == dhcpv4.MessageTypeNak) && m.ServerIdentifier().Equal(server)
		})
		switch {
		case errors.Is(err, errNoAnswer):
			continue
		case err != nil:
			return nil, err
		case ack.MessageType() == dhcpv4.MessageTypeNak:
			return nil, ErrNAK
		}
		return ack, c.Check(ack)
	}
	return nil, errNoAnswer
}

// ask sends a message and waits for an answer to it that matches.
func (c *Client4) ask(ctx context.Context, msg *dhcpv4.DHCPv4, wait time.Duration, match func(*dhcpv4.DHCPv4) bool) (*dhcpv4.DHCPv4, error) {
	var answer *dhcpv4.DHCPv4
	err := c.wire().ask(ctx, msg.ToBytes(), wait, func(data []byte) bool {
		m, err := dhcpv4.FromBytes(data)
		if err != nil || m.OpCode != dhcpv4.OpcodeBootReply ||
			m.TransactionID != msg.TransactionID || !bytes.Equal(m.ClientHWAddr, c.HW) {
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

func (c *Client4) wire() *wire {
	return &wire{conn: c.Conn, to: &net.UDPAddr{Port: dhcpv4.ServerPort}, panicked: c.Panicked}
}
