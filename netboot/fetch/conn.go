package fetch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// pipelineGrace is how long, beyond twice the time that the request before it
// took, a pipelined request waits for its answer to begin. A service that
// drops pipelined requests costs no more than that, once.
const pipelineGrace = 100 * time.Millisecond

// A conn is one connection. Requests are written as they come and answered in
// that order, so each waits for its turn to read.
type conn struct {
	nc     net.Conn
	br     *bufio.Reader
	broken atomic.Bool // closed, or about to be
	mute   atomic.Bool // it left a pipelined request unanswered

	// depth and paired belong to the service, under its mutex: how many
	// requests are outstanding, and that two were. A pair must be done
	// before the next request is sent: a service that dropped the second
	// would otherwise answer the third in its place.
	depth  int
	paired bool

	mu   sync.Mutex    // held while a request is written
	last chan struct{} // closed when the last request has had its turn

	// took is how long the answer before this one was in coming, and used
	// that there was one. Only who has the turn touches them.
	took time.Duration
	used bool
}

func newConn(nc net.Conn) *conn {
	ready := make(chan struct{})
	close(ready)
	return &conn{nc: nc, br: bufio.NewReaderSize(nc, maxLine), last: ready}
}

func (c *conn) close() {
	if !c.broken.Swap(true) {
		c.nc.Close()
	}
}

// exchange sends a request and reads its answer. When ctx ends first, the
// connection is given up, since what comes over it belongs to nobody then.
func (c *conn) exchange(ctx context.Context, head []byte, req Request) (*Response, error) {
	stop := context.AfterFunc(ctx, c.close)
	defer stop()
	sent := time.Now()
	turn, done, err := c.send(head, req.Body)
	defer close(done)
	if err != nil {
		c.close()
	}
	pipelined := false
	select {
	case <-turn:
	default:
		pipelined = true
		select {
		case <-turn:
		case <-ctx.Done():
			c.close() // before the next in line is let through
			return nil, ctx.Err()
		}
	}
	if c.broken.Load() {
		if err != nil && !c.used {
			return nil, err
		}
		return nil, errStale
	}
	if err := c.await(pipelined); err != nil {
		c.close()
		return nil, err
	}
	resp, keep, err := readResponse(c.br, req.Method, req.MaxBody)
	if err != nil || !keep {
		c.close()
	}
	c.took, c.used = time.Since(sent), true
	return resp, err
}

// send writes a request. turn closes when all answers before its own are
// read; whoever sent must close done.
func (c *conn) send(head, body []byte) (turn <-chan struct{}, done chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	turn, done = c.last, make(chan struct{})
	c.last = done
	// One segment for small requests: a separate body would be one more
	// round trip wherever the service waits for all of it.
	_, err = c.nc.Write(append(head[:len(head):len(head)], body...))
	return turn, done, err
}

// await waits for the first byte of an answer. That none comes over a
// connection which served before is no failure of the service's.
func (c *conn) await(pipelined bool) error {
	if pipelined {
		if err := c.nc.SetReadDeadline(time.Now().Add(2*c.took + pipelineGrace)); err != nil {
			return err
		}
	}
	_, err := c.br.Peek(1)
	switch {
	case err == nil && pipelined:
		return c.nc.SetReadDeadline(time.Time{})
	case err == nil:
		return nil
	case pipelined && errors.Is(err, os.ErrDeadlineExceeded):
		c.mute.Store(true)
		return errStale
	case c.used:
		return errStale
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: connection closed", ErrMalformed)
	}
	return err
}
