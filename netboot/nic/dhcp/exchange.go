// Package dhcp obtains an address from a DHCP server over one link, by DHCPv4
// (RFC 2131) or DHCPv6 (RFC 8415).
//
// In goes a net.PacketConn whose datagrams reach the servers of the link, and
// the link's hardware address; out comes the server's message that grants an
// address. What the message grants is for the caller to read, who also decides,
// by the function Check, which offers a host could use at all.
//
// Messages are read and written here. The codec of insomniacslk/dhcp has every
// option and a text for each, all of which are linked: 303 KB of the agent for
// the handful that is needed. In the tests it is the other end of the wire.
//
// One goroutine sends and reads, and a panic costs one message.
//
// Every message is repeated after the waits of a Backoff until an answer comes
// or the context ends. The package opens no socket and configures no link.
package dhcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// MaxMessage is how many bytes of a message are read; servers are told so
// (option 57).
const MaxMessage = 1500

// grantWait is how long a server has to grant what it offered.
const grantWait = 2 * time.Second

// The outcomes of an exchange without a grant.
var (
	// ErrLinkDown: the link went down, and its sockets with it.
	ErrLinkDown = errors.New("link went down")
	// ErrNAK: the server refused what was asked for.
	ErrNAK = errors.New("server refused")

	errNoAnswer = errors.New("no answer")
)

// A wire sends messages to the servers of one link and reads their answers.
type wire struct {
	conn     net.PacketConn
	to       net.Addr
	panicked func(cause any) // nil: nobody wants to know
}

// ask sends a message and reads until accept takes an answer or the wait is
// over, which is errNoAnswer. The end of ctx ends it only if something moves the
// connection's deadline then, as interrupt does.
func (w *wire) ask(ctx context.Context, msg []byte, wait time.Duration, accept func([]byte) bool) error {
	if err := w.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil { // the deadline just set would outlive the end of ctx
		return err
	}
	// ENOBUFS comes from a queue that is full or, just after a link came up,
	// not attached yet: the message is lost, as any may be.
	if _, err := w.conn.WriteTo(msg, w.to); err != nil && !errors.Is(err, unix.ENOBUFS) {
		return socketError("send", err)
	}
	buf := make([]byte, MaxMessage)
	for {
		done, err := w.receive(buf, accept)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errNoAnswer
		case err != nil:
			return socketError("receive", err)
		case done:
			return nil
		}
	}
}

// receive reads one message and hands it to accept. A message on which the
// framing or the decoder panics counts as not accepted, and the panic is reported.
func (w *wire) receive(buf []byte, accept func([]byte) bool) (done bool, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			done, err = false, nil
			if w.panicked != nil {
				w.panicked(cause)
			}
		}
	}()
	n, _, err := w.conn.ReadFrom(buf)
	if err != nil {
		return false, err
	}
	return accept(buf[:n]), nil
}

// interrupt ends what reads from the connection when ctx ends, until the
// returned function is called.
func (w *wire) interrupt(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { w.conn.SetReadDeadline(time.Unix(1, 0)) })
}

// socketError turns the errors that sockets give on a link that went down into
// ErrLinkDown.
func socketError(op string, err error) error {
	if errors.Is(err, unix.ENETDOWN) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) {
		return ErrLinkDown
	}
	return fmt.Errorf("%s dhcp message: %w", op, err)
}
