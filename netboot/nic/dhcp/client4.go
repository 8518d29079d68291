package dhcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
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
	Check func(*Message4) error
	// Log takes one line about each attempt that failed.
	Log func(string)
	// Panicked is told of each panic on a message that was received; nil: nobody is.
	Panicked func(cause any)

	start time.Time
	// failed are servers that offered an address and did not grant it: offers
	// of others are preferred as long as one comes.
	failed map[netip.Addr]bool
}

// Lease gives the ACK that grants a lease. It tries until there is one or ctx
// ends; it returns ErrLinkDown if the link went down.
func (c *Client4) Lease(ctx context.Context) (*Message4, error) {
	c.start, c.failed = time.Now(), map[netip.Addr]bool{}
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
func (c *Client4) Renew(ctx context.Context, addr netip.Addr) (*Message4, error) {
	c.start = time.Now()
	defer c.wire().interrupt(ctx)()
	msg := c.newMessage4(request4)
	msg.client = addr
	for waits := NewBackoff(c.Pace, c.start); ; {
		msg.secs = c.seconds()
		answer, err := c.ask(ctx, msg, waits.Next(), func(m *Message4) bool {
			return m.kind() == nak4 || m.kind() == ack4 && m.Your == addr
		})
		switch {
		case errors.Is(err, errNoAnswer):
			continue
		case err != nil:
			return nil, err
		case answer.kind() == nak4:
			return nil, ErrNAK
		}
		return answer, c.Check(answer)
	}
}

// exchange runs DISCOVER, OFFER, REQUEST, ACK once. The DISCOVER is repeated
// under the same transaction until an offer comes, so that the answer of a
// slow server (dnsmasq and dhcpd ping an address before they offer it) still
// counts.
func (c *Client4) exchange(ctx context.Context) (*Message4, error) {
	discover := c.newMessage4(discover4)
	if c.Rapid {
		discover.Options[rapidCommit4] = nil
	}
	offer, err := c.discover(ctx, discover)
	if err != nil || offer.kind() == ack4 { // rapid commit
		return offer, err
	}
	ack, err := c.request(ctx, offer)
	if err != nil && !errors.Is(err, ErrLinkDown) && ctx.Err() == nil {
		server := offer.Server()
		c.failed[server] = true
		return nil, fmt.Errorf("server %s: %w", server, err)
	}
	return ack, err
}

// discover sends a DISCOVER until there is a usable offer. That of a server
// that failed before is taken only when no other came in otherOfferWait.
func (c *Client4) discover(ctx context.Context, msg *Message4) (*Message4, error) {
	var second *Message4
	begun := time.Now()
	for waits := NewBackoff(c.Pace, c.start); ; {
		msg.secs = c.seconds()
		offer, err := c.ask(ctx, msg, waits.Next(), func(m *Message4) bool {
			if !c.isOffer(m) {
				return false
			}
			if c.failed[m.Server()] {
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
func (c *Client4) isOffer(m *Message4) bool {
	rapid := c.Rapid && m.kind() == ack4 && m.Options.Has(rapidCommit4)
	if m.kind() != offer4 && !rapid || !m.Server().IsValid() {
		return false
	}
	return c.Check(m) == nil
}

// request asks for what was offered until the server says yes or no.
func (c *Client4) request(ctx context.Context, offer *Message4) (*Message4, error) {
	request := c.newRequest4(offer)
	server := offer.Server()
	begun := time.Now()
	for waits := NewBackoff(c.Pace, c.start); time.Since(begun) < grantWait; {
		request.secs = c.seconds()
		ack, err := c.ask(ctx, request, waits.Next(), func(m *Message4) bool {
			return (m.kind() == ack4 || m.kind() == nak4) && m.Server() == server
		})
		switch {
		case errors.Is(err, errNoAnswer):
			continue
		case err != nil:
			return nil, err
		case ack.kind() == nak4:
			return nil, ErrNAK
		}
		return ack, c.Check(ack)
	}
	return nil, errNoAnswer
}

// ask sends a message and waits for an answer to it that matches.
func (c *Client4) ask(ctx context.Context, msg *Message4, wait time.Duration, match func(*Message4) bool) (*Message4, error) {
	var answer *Message4
	err := c.wire().ask(ctx, msg.bytes(), wait, func(data []byte) bool {
		m, err := ReadMessage4(data)
		if err != nil || m.op != bootReply || m.id != msg.id || !bytes.Equal(m.hw, c.HW) {
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
	return &wire{conn: c.Conn, to: &net.UDPAddr{Port: ServerPort4}, panicked: c.Panicked}
}
