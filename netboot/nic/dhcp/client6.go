package dhcp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"time"
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
	Check func(*Message6) error
	// Panicked is told of each panic on a message that was received; nil: nobody is.
	Panicked func(cause any)

	start time.Time
}

// Lease gives the REPLY that grants an address. It tries until there is one or
// ctx ends; it returns ErrLinkDown if the link went down. A SOLICIT is repeated
// under the same transaction, so that the answer of a slow server still counts.
func (c *Client6) Lease(ctx context.Context) (*Message6, error) {
	c.start = time.Now()
	defer c.wire().interrupt(ctx)()
	solicit := c.solicit()
	for waits := NewBackoff(c.Pace, c.start); ; {
		solicit.setElapsed(time.Since(c.start))
		answer, err := c.ask(ctx, solicit, waits.Next(), c.isOffer)
		if err == nil && answer.kind == advertise6 {
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
func (c *Client6) Release(reply *Message6) error {
	c.start = time.Now()
	_, err := c.Conn.WriteTo(c.messageOn(release6, reply).bytes(), c.wire().to)
	return err
}

// isOffer says whether a message gives a usable address: an ADVERTISE, or at
// once a REPLY, if the server takes the two-message exchange (rapid commit, RFC
// 8415 §18.2.1).
func (c *Client6) isOffer(m *Message6) bool {
	rapid := m.kind == reply6 && m.options.get(rapidCommit6) != nil
	return (rapid || m.kind == advertise6) && c.Check(m) == nil
}

// request asks for what was advertised.
func (c *Client6) request(ctx context.Context, adv *Message6) (*Message6, error) {
	return c.ask(ctx, c.messageOn(request6, adv), grantWait, func(m *Message6) bool { return m.kind == reply6 })
}

// solicit asks for one address, and for the two-message exchange.
func (c *Client6) solicit() *Message6 {
	m := c.message(solicit6)
	m.options.add(rapidCommit6)
	iaid := c.iaid()
	m.options.add(iaNA6, slices.Concat(iaid[:], make([]byte, 8))...) // T1 and T2 are the server's to choose
	return m
}

// message makes a message with what all of the client's have.
func (c *Client6) message(kind uint8) *Message6 {
	m := newMessage6(kind)
	m.options.add(clientID6, duid(c.HW)...)
	m.options.add(elapsed6, 0, 0)
	m.setElapsed(time.Since(c.start))
	m.options.add(requested6, 0, byte(dns6), 0, byte(search6))
	return m
}

// messageOn makes a message on what a server has said: to that server, about
// those addresses.
func (c *Client6) messageOn(kind uint8, said *Message6) *Message6 {
	m := c.message(kind)
	m.options.add(serverID6, said.options.get(serverID6)...)
	m.options.add(iaNA6, said.options.get(iaNA6)...)
	return m
}

// iaid identifies the link's address among the client's: the last bytes of the
// hardware address.
func (c *Client6) iaid() (id [4]byte) {
	copy(id[:], c.HW[max(0, len(c.HW)-len(id)):])
	return id
}

// ask sends a message and waits for an answer to it that matches.
func (c *Client6) ask(ctx context.Context, msg *Message6, wait time.Duration, match func(*Message6) bool) (*Message6, error) {
	var answer *Message6
	err := c.wire().ask(ctx, msg.bytes(), wait, func(data []byte) bool {
		m, err := ReadMessage6(data)
		if err != nil || m.id != msg.id || len(m.options.get(serverID6)) < 2 ||
			!bytes.Equal(m.options.get(clientID6), duid(c.HW)) {
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
	// All_DHCP_Relay_Agents_and_Servers, RFC 8415 §7.1.
	allServers6 := net.IP{0: 0xff, 1: 2, 13: 1, 15: 2}
	to := &net.UDPAddr{IP: allServers6, Port: serverPort6, Zone: c.Zone}
	return &wire{conn: c.Conn, to: to, panicked: c.Panicked}
}
