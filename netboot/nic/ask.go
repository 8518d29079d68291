package nic

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The waits that DHCPv4 and DHCPv6 share.
const (
	minWait    = 40 * time.Millisecond // for the first answer, or an eighth of the pace
	eagerFor   = 12 * time.Second      // for an answer at the pace; then each wait is twice the last
	maxWait    = 8 * time.Second
	spread     = 50   // percent that a wait may be shorter or longer, by chance
	maxMessage = 1500 // bytes of a message that we take
)

// The outcomes of an exchange that are no lease.
var (
	errLinkDown = errors.New("link went down")
	errNoAnswer = errors.New("no answer")
	errNAK      = errors.New("server refused")
)

// ask sends a message and reads until accept takes an answer or wait is over,
// which is errNoAnswer. The end of ctx ends it only if something moves the
// connection's deadline then (interrupt does).
func ask(ctx context.Context, conn net.PacketConn, msg []byte, to net.Addr, wait time.Duration, accept func([]byte) bool) error {
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil { // the deadline just set would outlive the end of ctx
		return err
	}
	// ENOBUFS comes from a queue that is full or, just after a link came up,
	// not attached yet: the message is lost, as any may be.
	if _, err := conn.WriteTo(msg, to); err != nil && !errors.Is(err, unix.ENOBUFS) {
		return socketError("send", err)
	}
	buf := make([]byte, maxMessage)
	for {
		done, err := hear(conn, buf, accept)
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

// interrupt ends what reads from conn when ctx ends, until the returned
// function is called.
func interrupt(ctx context.Context, conn net.PacketConn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
}

// hear reads one message and hands it to accept. One that the framing or the
// decoder panics on (older versions of the library did) is not accepted.
func hear(conn net.PacketConn, buf []byte, accept func([]byte) bool) (done bool, err error) {
	defer func() {
		if recover() != nil {
			done, err = false, nil
		}
	}()
	n, _, err := conn.ReadFrom(buf)
	if err != nil {
		return false, err
	}
	return accept(buf[:n]), nil
}

// socketError turns what a downed link makes of its sockets into errLinkDown.
func socketError(op string, err error) error {
	if errors.Is(err, unix.ENETDOWN) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) {
		return errLinkDown
	}
	return fmt.Errorf("%s dhcp message: %w", op, err)
}

// A rhythm says how long to wait for the answer to each message. The first
// waits are short, because just after a link came up the first answer is often
// lost: the other side's queue, or a switch, was not ready for it.
type rhythm struct {
	pace  time.Duration
	start time.Time
	wait  time.Duration
}

func newRhythm(pace time.Duration, start time.Time) *rhythm {
	return &rhythm{pace: pace, start: start, wait: min(pace, max(pace/8, minWait)) / 2}
}

// next gives the next wait.
func (r *rhythm) next() time.Duration {
	limit := r.pace
	if time.Since(r.start) > eagerFor {
		limit = maxWait
	}
	r.wait = max(min(2*r.wait, limit), r.wait)
	return jitter(r.wait)
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
