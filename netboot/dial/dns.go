package dial

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

const (
	// askFirst is how long a name server has for its answer at first; each
	// round doubles it, up to askLongest.
	askFirst, askLongest = time.Second, 4 * time.Second
	// maxAnswer bounds an answer: over UDP what a server may send unasked
	// (RFC 1035 §4.2.1) with room for those that send more.
	maxAnswer = 4096
	// maxAddrs is how many addresses of a name are tried.
	maxAddrs = 8
)

var (
	errNoServer  = errors.New("no name server is known")
	errNoName    = errors.New("no such name")
	errRefused   = errors.New("the name server gives no answer")
	errTruncated = errors.New("answer cut off")
	errNotOurs   = errors.New("not an answer to the question")
)

// lookup gives the addresses of a name, those of the preferred family if there
// are any and else the other's.
func (d *Dialer) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	kinds := [2]dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA}
	if d.First6 {
		kinds = [2]dnsmessage.Type{dnsmessage.TypeAAAA, dnsmessage.TypeA}
	}
	err := errNoName
	for _, kind := range kinds {
		q, bad := newQuestion(host, kind)
		if bad != nil {
			return nil, bad
		}
		var ips []netip.Addr
		if ips, err = d.ask(ctx, q); len(ips) > 0 || errors.Is(err, errNoName) {
			return ips, err
		}
	}
	if err == nil {
		err = errNoName
	}
	return nil, err
}

// ask puts a question to the servers in turn until one knows.
func (d *Dialer) ask(ctx context.Context, q *question) ([]netip.Addr, error) {
	err := errNoServer
	for wait := askFirst; wait <= askLongest; wait *= 2 {
		for _, server := range d.Servers {
			var ips []netip.Addr
			if ips, err = d.askOne(ctx, server, q, wait); err == nil || errors.Is(err, errNoName) {
				return ips, err
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			err = fmt.Errorf("ask %s: %w", server, err)
		}
	}
	return nil, err
}

// askOne asks one server over UDP, and over TCP for what did not fit.
func (d *Dialer) askOne(ctx context.Context, server netip.AddrPort, q *question, wait time.Duration) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	plain := *d
	plain.Port = 0
	ips, err := plain.exchange(ctx, unix.SOCK_DGRAM, server, q)
	if errors.Is(err, errTruncated) {
		return plain.exchange(ctx, unix.SOCK_STREAM, server, q)
	}
	return ips, err
}

// exchange sends a question and reads until its answer comes.
func (d *Dialer) exchange(ctx context.Context, kind int, server netip.AddrPort, q *question) ([]netip.Addr, error) {
	conn, err := d.connect(ctx, kind, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	read, message := conn.Read, q.message
	if kind == unix.SOCK_STREAM {
		read = func(b []byte) (int, error) { return readFramed(conn, b) }
		message = append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
	}
	if _, err := conn.Write(message); err != nil {
		return nil, err
	}
	for buf := make([]byte, maxAnswer); ; {
		n, err := read(buf)
		if err != nil {
			return nil, err
		}
		if ips, err := q.answer(buf[:n]); !errors.Is(err, errNotOurs) {
			return ips, err
		}
	}
}

// readFramed reads one message with its length before it (RFC 1035 §4.2.2).
func readFramed(conn net.Conn, b []byte) (int, error) {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return 0, err
	}
	n := int(binary.BigEndian.Uint16(size[:]))
	if n > len(b) {
		return 0, errTruncated
	}
	return io.ReadFull(conn, b[:n])
}

// A question asks for one kind of address of one name.
type question struct {
	id      uint16
	asked   dnsmessage.Question
	message []byte
}

func newQuestion(host string, kind dnsmessage.Type) (*question, error) {
	name, err := dnsmessage.NewName(strings.TrimSuffix(host, ".") + ".")
	if err != nil {
		return nil, err
	}
	q := &question{id: uint16(rand.Uint32()), asked: dnsmessage.Question{Name: name, Type: kind, Class: dnsmessage.ClassINET}}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: q.id, RecursionDesired: true})
	if err := errors.Join(b.StartQuestions(), b.Question(q.asked)); err != nil {
		return nil, err
	}
	q.message, err = b.Finish()
	return q, err
}

// answer reads the addresses in an answer; with aliases they are those of the
// name at the end of the chain, which a recursive server sends along. None is
// no error: the name may have those of the other family.
func (q *question) answer(msg []byte) ([]netip.Addr, error) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || h.ID != q.id || !h.Response {
		return nil, errNotOurs
	}
	asked, err := p.Question()
	if err != nil || asked.Type != q.asked.Type || asked.Class != q.asked.Class || !strings.EqualFold(asked.Name.String(), q.asked.Name.String()) {
		return nil, errNotOurs
	}
	switch {
	case h.Truncated:
		return nil, errTruncated
	case h.RCode == dnsmessage.RCodeNameError:
		return nil, errNoName
	case h.RCode != dnsmessage.RCodeSuccess:
		return nil, errRefused
	}
	if err := p.SkipAllQuestions(); err != nil {
		return nil, errRefused
	}
	var ips []netip.Addr
	for len(ips) < maxAddrs {
		h, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			break
		}
		var ip netip.Addr
		switch {
		case err != nil:
		case h.Type == dnsmessage.TypeA && q.asked.Type == h.Type:
			var r dnsmessage.AResource
			r, err = p.AResource()
			ip = netip.AddrFrom4(r.A)
		case h.Type == dnsmessage.TypeAAAA && q.asked.Type == h.Type:
			var r dnsmessage.AAAAResource
			r, err = p.AAAAResource()
			ip = netip.AddrFrom16(r.AAAA).Unmap()
		default:
			err = p.SkipAnswer()
		}
		if err != nil {
			return nil, errRefused
		}
		if ip.IsValid() {
			ips = append(ips, ip)
		}
	}
	return ips, nil
}
