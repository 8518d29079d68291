// Package dhcptest has what tests of DHCP clients need: a connection in memory
// and servers that answer by a script.
package dhcptest

import (
	"net"
	"os"
	"sync"
	"time"
)

// A Conn is a client's end of a link in memory. It has the deadlines of a real
// socket and works with the clock of testing/synctest.
type Conn struct {
	mu sync.Mutex // guards what follows
	// receive is called with each message that the client sends, and may call
	// Deliver; nil: the messages are lost.
	receive  func(msg []byte)
	queue    [][]byte
	deadline time.Time
	err      error         // what reading and writing give
	changed  chan struct{} // closed and replaced with every change
}

// Deliver hands the client a message.
func (c *Conn) Deliver(msg []byte) { c.change(func() { c.queue = append(c.queue, msg) }) }

// Receive has a function called with each message that the client sends from
// now on; it may call Deliver. Before that the messages are lost.
func (c *Conn) Receive(receive func(msg []byte)) { c.change(func() { c.receive = receive }) }

// Fail has reading and writing give an error from now on; nil: none.
func (c *Conn) Fail(err error) { c.change(func() { c.err = err }) }

func (c *Conn) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	if c.changed != nil {
		close(c.changed)
	}
	c.changed = make(chan struct{})
}

// ReadFrom waits for a message, or for the deadline.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		c.mu.Lock()
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed, deadline, err := c.changed, c.deadline, c.err
		switch {
		case err != nil:
			c.mu.Unlock()
			return 0, nil, err
		case !deadline.IsZero() && !time.Now().Before(deadline):
			c.mu.Unlock()
			return 0, nil, os.ErrDeadlineExceeded
		case len(c.queue) > 0:
			n := copy(b, c.queue[0])
			c.queue = c.queue[1:]
			c.mu.Unlock()
			return n, nil, nil
		}
		c.mu.Unlock()
		var expired <-chan time.Time
		if !deadline.IsZero() {
			t := time.NewTimer(time.Until(deadline))
			defer t.Stop()
			expired = t.C
		}
		select {
		case <-changed:
		case <-expired:
		}
	}
}

// WriteTo gives a message to the server.
func (c *Conn) WriteTo(b []byte, _ net.Addr) (int, error) {
	c.mu.Lock()
	err, receive := c.err, c.receive
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if receive != nil {
		receive(append([]byte(nil), b...))
	}
	return len(b), nil
}

// Close ends the reading.
func (c *Conn) Close() error { c.Fail(net.ErrClosed); return nil }

// LocalAddr is none.
func (c *Conn) LocalAddr() net.Addr { return nil }

// SetReadDeadline sets when reading gives up.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.change(func() { c.deadline = t })
	return nil
}

// SetDeadline is SetReadDeadline, as writing never waits.
func (c *Conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline does nothing, as writing never waits.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
