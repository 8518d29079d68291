package nic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"boothook/netboot/rtnl"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// The waits of a DHCPv4 exchange. RFC 2131 §4.1 repeats after 4, 8, 16 s:
// longer than a whole boot.
const (
	// DefaultPace is how often a DHCPv4 server is asked at first. Switches
	// that guard against floods cut off ports with more than 10 to 15 DHCP
	// messages a second, so a physical network must not be asked much faster.
	DefaultPace = 500 * time.Millisecond
	// CloudPace suits virtual networks, where a server that becomes ready
	// without a sign is found 14 ms later on the average. On each link that is
	// 40 messages a second, and with eagerFor 480 in all before it gets less.
	CloudPace = 25 * time.Millisecond

	requestFor  = 2 * time.Second // for the server's yes or no to what it has offered
	patience    = time.Second     // for another offer than that of a server that failed us
	nakInterval = 500 * time.Millisecond
)

// A client4 asks one link for one lease.
//
// It uses the codec of insomniacslk/dhcp but not its nclient4.Client, which reads in a goroutine of its own: there one ENETDOWN
// ends the reading for good while the sending goes on, and a panic in the
// decoder would kill the process. Here one goroutine sends, reads and recovers.
//
// No client identifier (option 61) is sent. Servers then file the lease under
// the hardware address, and find it again for the real system's client
// whatever identifier that one sends (dnsmasq, Kea and ISC dhcpd compare
// identifiers only where both sides have one), so that it gets the same
// address. For the same reason nothing is released at the end.
type client4 struct {
	conn  net.PacketConn
	hw    net.HardwareAddr
	start time.Time
	pace  time.Duration // between messages at first
	rapid bool          // ask for RFC 4039's two-message exchange
	more  []uint8       // codes of further options to ask for

	// shunned are servers whose offers led nowhere: another's offer is
	// preferred as long as one comes.
	shunned map[string]bool
}

// lease4 gets a DHCPv4 lease for a link. It tries until it has one or ctx
// ends; it returns errLinkDown if the link does.
func lease4(ctx context.Context, l *link, o *Options, log func(string)) (Lease, error) {
	conn, err := listenRaw(l.index, dhcpv4.ClientPort)
	if err != nil {
		return Lease{}, fmt.Errorf("open dhcp socket: %w", err)
	}
	defer conn.Close()
	attrs, _ := l.now()
	c := &client4{conn: conn, hw: attrs.Addr, start: time.Now(), pace: o.Pace, rapid: o.RapidCommit, more: o.DHCPOptions, shunned: map[string]bool{}}
	defer interrupt(ctx, conn)()
	if attrs.Oper != rtnl.OperUp {
		go askAgainWhenUp(ctx, l, conn)
	}
	for {
		l, err := c.exchange(ctx)
		switch {
		case err == nil:
			return l, nil
		case ctx.Err() != nil:
			return Lease{}, ctx.Err()
		case errors.Is(err, errLinkDown):
			return Lease{}, err
		}
		log("dhcp: " + err.Error() + "; asking again")
		if !errors.Is(err, errNoAnswer) { // that one has cost its time
			if err := sleep(ctx, jitter(nakInterval)); err != nil {
				return Lease{}, err
			}
		}
	}
}

// askAgainWhenUp ends the wait for an answer when the link becomes operational.
// A link has its carrier a little before that, and on some, what is sent or
// answered in between is lost (veth drops it until its queue is attached); yet
// to wait for it would cost a second on others, as the kernel may report it late.
func askAgainWhenUp(ctx context.Context, l *link, conn net.PacketConn) {
	if l.until(ctx, func(a *rtnl.Link) bool { return a.Oper == rtnl.OperUp }) == nil {
		conn.SetReadDeadline(time.Now())
	}
}

// exchange runs DISCOVER, OFFER, REQUEST, ACK once. The DISCOVER is repeated
// under the same transaction until an offer comes, so that the answer of a
// slow server (dnsmasq and dhcpd ping an address before they offer it) still
// counts.
func (c *client4) exchange(ctx context.Context) (Lease, error) {
	discover := newMessage4(c.hw, dhcpv4.MessageTypeDiscover, c.common)
	if c.rapid {
		discover.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionRapidCommit, nil))
	}
	offer, err := c.discover(ctx, discover)
	if err != nil {
		return Lease{}, err
	}
	if offer.MessageType() == dhcpv4.MessageTypeAck {
		return leaseFromACK(offer) // rapid commit
	}
	l, err := c.request(ctx, offer)
	if err != nil && !errors.Is(err, errLinkDown) && ctx.Err() == nil {
		server := offer.ServerIdentifier().String()
		c.shunned[server] = true
		return Lease{}, fmt.Errorf("server %s: %w", server, err)
	}
	return l, err
}

// discover sends a DISCOVER until there is a good offer. One from a shunned
// server is taken only when nobody else has offered in a while.
func (c *client4) discover(ctx context.Context, msg *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, error) {
	var second *dhcpv4.DHCPv4
	begun := time.Now()
	for waits := newRhythm(c.pace, c.start); ; {
		msg.NumSeconds = c.seconds()
		offer, err := c.ask(ctx, msg, waits.next(), func(m *dhcpv4.DHCPv4) bool {
			if !c.isOffer(m) {
				return false
			}
			if c.shunned[m.ServerIdentifier().String()] {
				second = m
				return false
			}
			return true
		})
		switch {
		case !errors.Is(err, errNoAnswer):
			return offer, err
		case second != nil && time.Since(begun) > patience:
			return second, nil
		}
	}
}

// isOffer says whether a message offers what a host can use; with rapid
// commit an ACK may do that, too.
func (c *client4) isOffer(m *dhcpv4.DHCPv4) bool {
	rapid := c.rapid && m.MessageType() == dhcpv4.MessageTypeAck && m.Options.Has(dhcpv4.OptionRapidCommit)
	if m.MessageType() != dhcpv4.MessageTypeOffer && !rapid || m.ServerIdentifier() == nil {
		return false
	}
	_, err := leaseFromACK(m)
	return err == nil
}

// request asks for what was offered until the server says yes or no.
func (c *client4) request(ctx context.Context, offer *dhcpv4.DHCPv4) (Lease, error) {
	request := newRequest4(c.hw, offer, c.common)
	server := offer.ServerIdentifier()
	begun := time.Now()
	for waits := newRhythm(c.pace, c.start); time.Since(begun) < requestFor; {
		request.NumSeconds = c.seconds()
		ack, err := c.ask(ctx, request, waits.next(), func(m *dhcpv4.DHCPv4) bool {
			kind := m.MessageType()
			return (kind == dhcpv4.MessageTypeAck || kind == dhcpv4.MessageTypeNak) && m.ServerIdentifier().Equal(server)
		})
		switch {
		case errors.Is(err, errNoAnswer):
			continue
		case err != nil:
			return Lease{}, err
		case ack.MessageType() == dhcpv4.MessageTypeNak:
			return Lease{}, errNAK
		}
		return leaseFromACK(ack)
	}
	return Lease{}, errNoAnswer
}

// renew4 asks whichever server there is for more time for our address, in the
// form of RFC 2131's REBINDING, which needs no answer from the first server.
func renew4(ctx context.Context, l *link, addr netip.Addr, o *Options) (Lease, error) {
	conn, err := listenRaw(l.index, dhcpv4.ClientPort)
	if err != nil {
		return Lease{}, fmt.Errorf("open dhcp socket: %w", err)
	}
	defer conn.Close()
	defer interrupt(ctx, conn)()
	attrs, _ := l.now()
	c := &client4{conn: conn, hw: attrs.Addr, start: time.Now(), more: o.DHCPOptions}
	msg := newMessage4(c.hw, dhcpv4.MessageTypeRequest, c.common, dhcpv4.WithClientIP(addr.AsSlice()))
	for waits := newRhythm(o.Pace, c.start); ; {
		msg.NumSeconds = c.seconds()
		answer, err := c.ask(ctx, msg, waits.next(), func(m *dhcpv4.DHCPv4) bool {
			same, _ := addr4(m.YourIPAddr)
			return m.MessageType() == dhcpv4.MessageTypeNak || m.MessageType() == dhcpv4.MessageTypeAck && same == addr
		})
		switch {
		case errors.Is(err, errNoAnswer):
			continue
		case err != nil:
			return Lease{}, err
		case answer.MessageType() == dhcpv4.MessageTypeNak:
			return Lease{}, errNAK
		}
		return leaseFromACK(answer)
	}
}

// ask sends a message and waits for an answer to it that matches.
func (c *client4) ask(ctx context.Context, msg *dhcpv4.DHCPv4, wait time.Duration, match func(*dhcpv4.DHCPv4) bool) (*dhcpv4.DHCPv4, error) {
	var answer *dhcpv4.DHCPv4
	err := ask(ctx, c.conn, msg.ToBytes(), &net.UDPAddr{Port: dhcpv4.ServerPort}, wait, func(data []byte) bool {
		m, err := dhcpv4.FromBytes(data)
		if err != nil || m.OpCode != dhcpv4.OpcodeBootReply ||
			m.TransactionID != msg.TransactionID || !bytes.Equal(m.ClientHWAddr, c.hw) {
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

// common sets what every message of ours has.
func (c *client4) common(m *dhcpv4.DHCPv4) {
	m.UpdateOption(dhcpv4.OptMaxMessageSize(maxMessage))
	dhcpv4.WithRequestedOptions(
		dhcpv4.OptionClasslessStaticRoute, // first: RFC 3442 wants it before Router
		dhcpv4.OptionHostName,
		dhcpv4.OptionInterfaceMTU,
		dhcpv4.OptionDNSDomainSearchList,
		optionMSRoutes,
	)(m)
	for _, code := range c.more {
		dhcpv4.WithRequestedOptions(dhcpv4.GenericOptionCode(code))(m)
	}
}

// seconds is the time spent so far, for the "secs" field: relays and second
// servers answer only clients that have waited.
func (c *client4) seconds() uint16 {
	return uint16(min(time.Since(c.start)/time.Second, 1<<16-1))
}
