package nic

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"boothook/netboot/dial"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// A client6 asks one link for one address by DHCPv6 (RFC 8415), as routers
// that set the managed flag want it.
//
// Its DUID is made of the hardware address (DUID-LL), because nothing else is
// known before the root is there. The real system's will be another, so that
// the address must be released for it to get the same one.
type client6 struct {
	conn  net.PacketConn
	to    net.Addr
	duid  dhcpv6.DUID
	iaid  [4]byte
	start time.Time
	pace  time.Duration
}

// newClient6 opens the client's port on one link. It must be closed.
func newClient6(index int, name string, hw net.HardwareAddr, pace time.Duration) (*client6, error) {
	d := dial.Dialer{Index: index, Name: name}
	conn, err := d.ListenPacket(netip.AddrPortFrom(netip.IPv6Unspecified(), dhcpv6.DefaultClientPort))
	if err != nil {
		return nil, fmt.Errorf("open dhcpv6 socket: %w", err)
	}
	c := &client6{
		conn:  conn,
		to:    &net.UDPAddr{IP: dhcpv6.AllDHCPRelayAgentsAndServers, Port: dhcpv6.DefaultServerPort, Zone: name},
		duid:  &dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: hw},
		start: time.Now(),
		pace:  pace,
	}
	copy(c.iaid[:], hw[max(0, len(hw)-len(c.iaid)):])
	return c, nil
}

func (c *client6) close() { c.conn.Close() }

// lease gets an address and the REPLY that it came with. It tries until it has
// one or ctx ends. A SOLICIT is repeated under the same transaction, so that
// the answer of a slow server still counts.
func (c *client6) lease(ctx context.Context) (Lease, *dhcpv6.Message, error) {
	defer interrupt(ctx, c.conn)()
	solicit := c.message(dhcpv6.MessageTypeSolicit, dhcpv6.WithRapidCommit, dhcpv6.WithIAID(c.iaid))
	for waits := newRhythm(c.pace, c.start); ; {
		solicit.UpdateOption(c.elapsed())
		answer, err := c.ask(ctx, solicit, waits.next(), isOffer6)
		if err == nil && answer.MessageType == dhcpv6.MessageTypeAdvertise {
			answer, err = c.request(ctx, answer)
		}
		if err == nil {
			var l Lease
			if l, err = leaseFromReply(answer); err == nil {
				return l, answer, nil
			}
		}
		switch {
		case ctx.Err() != nil:
			return Lease{}, nil, ctx.Err()
		case errors.Is(err, errLinkDown):
			return Lease{}, nil, err
		case !errors.Is(err, errNoAnswer): // refused, or the link-local address is not there yet
			if err := sleep(ctx, waits.next()); err != nil {
				return Lease{}, nil, err
			}
		}
	}
}

// isOffer6 says whether a message gives an address: an ADVERTISE, or at once
// a REPLY, if the server takes the short way (rapid commit, RFC 8415 §18.2.1).
func isOffer6(m *dhcpv6.Message) bool {
	_, err := leaseFromReply(m)
	short := m.MessageType == dhcpv6.MessageTypeReply && m.GetOneOption(dhcpv6.OptionRapidCommit) != nil
	return err == nil && (short || m.MessageType == dhcpv6.MessageTypeAdvertise)
}

// request asks for what was advertised.
func (c *client6) request(ctx context.Context, adv *dhcpv6.Message) (*dhcpv6.Message, error) {
	msg := c.message(dhcpv6.MessageTypeRequest,
		dhcpv6.WithServerID(adv.Options.ServerID()), dhcpv6.WithOption(adv.Options.OneIANA()))
	return c.ask(ctx, msg, requestFor, func(m *dhcpv6.Message) bool { return m.MessageType == dhcpv6.MessageTypeReply })
}

// release gives an address back; nobody waits for the answer.
func (c *client6) release(reply *dhcpv6.Message) error {
	msg := c.message(dhcpv6.MessageTypeRelease,
		dhcpv6.WithServerID(reply.Options.ServerID()), dhcpv6.WithOption(reply.Options.OneIANA()))
	_, err := c.conn.WriteTo(msg.ToBytes(), c.to)
	return err
}

// message makes a message with what all of ours have. Its transaction id does
// not come from the library, which waits for the kernel's random numbers.
func (c *client6) message(kind dhcpv6.MessageType, more ...dhcpv6.Modifier) *dhcpv6.Message {
	m := &dhcpv6.Message{MessageType: kind}
	id := rand.Uint32()
	m.TransactionID = dhcpv6.TransactionID{byte(id >> 16), byte(id >> 8), byte(id)}
	m.AddOption(dhcpv6.OptClientID(c.duid))
	m.AddOption(c.elapsed())
	m.AddOption(dhcpv6.OptRequestedOption(dhcpv6.OptionDNSRecursiveNameServer, dhcpv6.OptionDomainSearchList))
	for _, change := range more {
		change(m)
	}
	return m
}

// elapsed is the time spent so far, which the protocol counts up to 655 s.
func (c *client6) elapsed() dhcpv6.Option {
	return dhcpv6.OptElapsedTime(min(time.Since(c.start), 10*time.Minute))
}

// ask sends a message and waits for an answer to it that matches.
func (c *client6) ask(ctx context.Context, msg *dhcpv6.Message, wait time.Duration, match func(*dhcpv6.Message) bool) (*dhcpv6.Message, error) {
	var answer *dhcpv6.Message
	err := ask(ctx, c.conn, msg.ToBytes(), c.to, wait, func(data []byte) bool {
		m, err := dhcpv6.MessageFromBytes(data)
		if err != nil || m.TransactionID != msg.TransactionID || m.Options.ServerID() == nil ||
			m.Options.ClientID() == nil || !c.duid.Equal(m.Options.ClientID()) {
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

// leaseFromReply reads what an ADVERTISE or a REPLY gives. DHCPv6 has no
// prefix lengths and no routes: those are the router's to announce.
func leaseFromReply(m *dhcpv6.Message) (Lease, error) {
	ia := m.Options.OneIANA()
	if ia == nil {
		return Lease{}, fmt.Errorf("%w: no address", errBadLease)
	}
	for _, status := range []*dhcpv6.OptStatusCode{m.Options.Status(), ia.Options.Status()} {
		if status != nil && status.StatusCode != iana.StatusSuccess {
			return Lease{}, fmt.Errorf("%w: status %v", errBadLease, status.StatusCode)
		}
	}
	given := ia.Options.OneAddress()
	if given == nil {
		return Lease{}, fmt.Errorf("%w: no address", errBadLease)
	}
	addr, ok := netip.AddrFromSlice(given.IPv6Addr)
	if !ok || !addr.Is6() || addr.Is4In6() || !addr.IsGlobalUnicast() || given.ValidLifetime <= 0 {
		return Lease{}, fmt.Errorf("%w: address %v for %v", errBadLease, given.IPv6Addr, given.ValidLifetime)
	}
	l := Lease{By: ByDHCP6, Prefix: netip.PrefixFrom(addr, 128), Lifetime: given.ValidLifetime}
	if given.ValidLifetime >= (1<<32-1)*time.Second {
		l.Lifetime = 0 // infinity, RFC 8415 §7.7
	}
	for _, ip := range m.Options.DNS() {
		l.DNS = addServer(l.DNS, ip.String())
	}
	if labels := m.Options.DomainSearchList(); labels != nil {
		l.Search = cleanSearch(labels.Labels)
	}
	return l, nil
}
