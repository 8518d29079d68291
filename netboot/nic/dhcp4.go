package nic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The waits of a DHCPv4 exchange. RFC 2131 §4.1 repeats after 4, 8, 16 s:
// longer than a whole boot.
const (
	// DefaultPace is how often a DHCPv4 server is asked at first. Switches
	// that guard against floods cut off ports with more than 10 to 15 DHCP
	// messages a second, so a physical network must not be asked much faster.
	DefaultPace = 500 * time.Millisecond
	// CloudPace suits virtual networks, where a server that becomes ready
	// without a sign is found 40 ms later on the average.
	CloudPace = 80 * time.Millisecond

	eagerFor    = 10 * time.Second // at that pace; then each wait is twice the last
	maxWait     = 8 * time.Second
	requestFor  = 2 * time.Second // for the server's yes or no to what it has offered
	patience    = time.Second     // for another offer than that of a server that failed us
	spread      = 50              // percent that a wait may be shorter or longer, by chance
	maxMessage  = 1500            // bytes of a message that we take
	nakInterval = 500 * time.Millisecond
)

// The outcomes of an exchange that are no lease.
var (
	errLinkDown = errors.New("link went down")
	errNoAnswer = errors.New("no answer")
	errNAK      = errors.New("server refused")
)

// A client4 asks one link for one lease.
//
// It uses the codec and the raw framing of insomniacslk/dhcp but not its
// nclient4.Client, which reads in a goroutine of its own: there one ENETDOWN
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

	// shunned are servers whose offers led nowhere: another's offer is
	// preferred as long as one comes.
	shunned map[string]bool
}

// lease4 gets a DHCPv4 lease for the link with this index. It tries until it
// has one or ctx ends; it returns errLinkDown if the link does.
func lease4(ctx context.Context, index int, hw net.HardwareAddr, o *Options, log func(string)) (Lease, error) {
	conn, err := listen4(index)
	if err != nil {
		return Lease{}, fmt.Errorf("open dhcp socket: %w", err)
	}
	defer conn.Close()
	c := &client4{conn: conn, hw: hw, start: time.Now(), pace: o.Pace, rapid: o.RapidCommit, shunned: map[string]bool{}}
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })()
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

// listen4 opens a socket that sees UDP to port 68 on one link, address or none.
func listen4(index int) (net.PacketConn, error) {
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 9, Size: 1}, // the IPv4 protocol
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 5},
		bpf.LoadAbsolute{Off: 6, Size: 2}, // the fragment offset: first fragments only
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 3},
		bpf.LoadMemShift{Off: 0},          // the header's length
		bpf.LoadIndirect{Off: 2, Size: 2}, // the destination port
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: nclient4.ClientPort, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: 1 << 16},
	})
	if err != nil {
		return nil, err
	}
	// Of the interface only the index is used, so a rename meanwhile does no harm.
	raw, err := packet.Listen(&net.Interface{Index: index}, packet.Datagram, unix.ETH_P_IP, &packet.Config{Filter: filter})
	if err != nil {
		return nil, err
	}
	return nclient4.NewBroadcastUDPConn(raw, &net.UDPAddr{Port: nclient4.ClientPort}), nil
}

// exchange runs DISCOVER, OFFER, REQUEST, ACK once. The DISCOVER is repeated
// under the same transaction until an offer comes, so that the answer of a
// slow server (dnsmasq and dhcpd ping an address before they offer it) still
// counts.
func (c *client4) exchange(ctx context.Context) (Lease, error) {
	discover, err := dhcpv4.NewDiscovery(c.hw, c.common)
	if err != nil {
		return Lease{}, fmt.Errorf("make discover: %w", err)
	}
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
	for wait := c.pace; ; {
		msg.NumSeconds = c.seconds()
		offer, err := c.ask(ctx, msg, jitter(wait), func(m *dhcpv4.DHCPv4) bool {
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
		case time.Since(c.start) > eagerFor:
			wait = min(2*wait, maxWait)
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
	request, err := dhcpv4.NewRequestFromOffer(offer, c.common)
	if err != nil {
		return Lease{}, fmt.Errorf("make request: %w", err)
	}
	server := offer.ServerIdentifier()
	begun := time.Now()
	for wait := c.pace; time.Since(begun) < requestFor; wait *= 2 {
		request.NumSeconds = c.seconds()
		ack, err := c.ask(ctx, request, jitter(wait), func(m *dhcpv4.DHCPv4) bool {
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

// ask sends a message and reads until an answer to it matches or wait is over.
func (c *client4) ask(ctx context.Context, msg *dhcpv4.DHCPv4, wait time.Duration, match func(*dhcpv4.DHCPv4) bool) (*dhcpv4.DHCPv4, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil { // the deadline just set would outlive the end of ctx
		return nil, err
	}
	if _, err := c.conn.WriteTo(msg.ToBytes(), nclient4.DefaultServers); err != nil {
		return nil, socketError("send", err)
	}
	for {
		answer, err := c.read()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, errNoAnswer
		case err != nil:
			return nil, socketError("receive", err)
		case answer == nil, answer.OpCode != dhcpv4.OpcodeBootReply,
			answer.TransactionID != msg.TransactionID, !bytes.Equal(answer.ClientHWAddr, c.hw):
			continue
		case match(answer):
			return answer, nil
		}
	}
}

// read reads one message; a frame that cannot be one, or that the decoder
// panics on (older versions did), is nil.
func (c *client4) read() (msg *dhcpv4.DHCPv4, err error) {
	defer func() {
		if recover() != nil {
			msg, err = nil, nil
		}
	}()
	buf := make([]byte, maxMessage)
	n, _, err := c.conn.ReadFrom(buf)
	if err != nil {
		return nil, err
	}
	msg, err = dhcpv4.FromBytes(buf[:n])
	if err != nil {
		return nil, nil // not DHCP, or malformed: somebody else's trouble
	}
	return msg, nil
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
		dhcpv4.GenericOptionCode(245), // Azure's wire server
	)(m)
}

// seconds is the time spent so far, for the "secs" field: relays and second
// servers answer only clients that have waited.
func (c *client4) seconds() uint16 {
	return uint16(min(time.Since(c.start)/time.Second, 1<<16-1))
}

// socketError turns what a downed link makes of its sockets into errLinkDown.
func socketError(op string, err error) error {
	if errors.Is(err, unix.ENETDOWN) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) {
		return errLinkDown
	}
	return fmt.Errorf("%s dhcp message: %w", op, err)
}

// jitter moves d by up to spread percent of itself either way, so that
// machines that were switched on together do not stay in step.
func jitter(d time.Duration) time.Duration {
	span := int64(d) * spread / 100
	return d + time.Duration(rand.Int64N(2*span+1)-span)
}

// sleep waits for d or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
