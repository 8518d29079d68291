package fetch

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// dialHedge is how long a connection may be in the making before
	// another is tried beside it: a lost packet costs no more than that,
	// where the kernel would repeat it after a second.
	dialHedge = 75 * time.Millisecond
	// dialFirst is how long the first tries may take. Each round of
	// failures doubles it, up to dialTimeout.
	dialFirst   = 300 * time.Millisecond
	dialTimeout = 3 * time.Second
	// farTimeout is the limit where more than a handshake is needed: a name
	// must be resolved, or TLS takes a process and several round trips.
	farTimeout = 10 * time.Second
)

// A service is the pool of connections to one address. Connections are made
// apart from the requests that want them: whichever is ready first serves
// whoever waits.
type service struct {
	client *Client
	addr   string
	host   string
	tls    bool
	far    bool // connecting takes more than a handshake

	mu      sync.Mutex
	conns   []*conn
	dialing int
	waiting int
	fails   int           // connections that could not be made
	lost    int           // how many of them because nobody answered
	failing int           // how many of them since the last that could
	failure error         // why the last of them could not
	keeps   bool          // the service kept the last connection open
	mute    bool          // it left a pipelined request unanswered
	closed  bool          // the client is
	changed chan struct{} // closed, and replaced, at every change
}

func newService(c *Client, u *url.URL) *service {
	s := &service{client: c, addr: address(u), host: u.Hostname(), tls: u.Scheme == "https", changed: make(chan struct{})}
	_, err := netip.ParseAddr(s.host)
	s.far = s.tls || err != nil
	return s
}

// open makes sure that n connections are there or under way.
func (s *service) open(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.conns)+s.dialing < n && !s.closed {
		s.dial()
	}
}

// acquire gives a connection to send a request on: an idle one, else a new
// one, else, for a request that may be pipelined, one with a single request
// outstanding. Each acquire needs its release.
func (s *service) acquire(ctx context.Context, mayPipeline bool) (*conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting++
	defer func() { s.waiting-- }()
	fails, lost, late := s.fails, s.lost, false
	for {
		if s.closed {
			return nil, context.Canceled
		}
		if cn := s.pick(mayPipeline); cn != nil {
			cn.depth++
			cn.paired = cn.depth > 1
			return cn, nil
		}
		wanted := s.fails == fails && s.waiting > s.dialing
		late, lost = (late || s.lost > lost) && !s.far, s.lost
		if (wanted || late && s.dialing > 0) && len(s.conns)+s.dialing < MaxConns {
			s.dial()
		}
		if s.fails > fails && len(s.conns)+s.dialing == 0 {
			return nil, s.failure
		}
		var err error
		if late, err = s.sleep(ctx); err != nil {
			return nil, err
		}
	}
}

// sleep waits, with mu given up meanwhile, until something has changed or
// dialHedge is over.
func (s *service) sleep(ctx context.Context) (late bool, err error) {
	changed := s.changed
	s.mu.Unlock()
	defer s.mu.Lock()
	t := time.NewTimer(dialHedge)
	defer t.Stop()
	select {
	case <-changed:
		return false, nil
	case <-t.C:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// pick finds a connection that can take a request now. Called with mu held.
func (s *service) pick(mayPipeline bool) *conn {
	s.conns = slices.DeleteFunc(s.conns, func(cn *conn) bool { return cn.depth == 0 && cn.broken.Load() })
	var behind *conn
	for _, cn := range s.conns {
		switch {
		case cn.broken.Load():
		case cn.depth == 0:
			return cn
		case cn.depth == 1 && !cn.paired:
			behind = cn
		}
	}
	full := len(s.conns)+s.dialing >= MaxConns && s.waiting > s.dialing
	if mayPipeline && full && s.keeps && !s.mute {
		return behind
	}
	return nil
}

// release gives a connection back, and up when it is broken.
func (s *service) release(cn *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cn.depth--
	cn.paired = cn.paired && cn.depth > 0
	s.keeps = !cn.broken.Load()
	s.mute = s.mute || cn.mute.Load()
	if !s.keeps {
		s.conns = slices.DeleteFunc(s.conns, func(x *conn) bool { return x == cn })
	}
	s.signal()
}

// dial makes one connection in the background. Called with mu held.
func (s *service) dial() {
	s.dialing++
	s.client.dials.Add(1)
	limit := min(dialFirst<<min(s.failing/MaxConns, 10), dialTimeout)
	if s.far {
		limit = farTimeout
	}
	go func() {
		defer s.client.dials.Done()
		cn, err := s.connect(limit)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.dialing--
		switch {
		case err != nil:
			s.fails++
			s.failing++
			if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
				s.lost++
			}
			s.failure = err
		case s.closed:
			cn.close()
		default:
			s.failing = 0
			s.client.connections.Add(1)
			s.conns = append(s.conns, cn)
		}
		s.signal()
	}()
}

// connect makes one connection, TLS included, within limit.
func (s *service) connect(limit time.Duration) (*conn, error) {
	ctx, cancel := context.WithTimeout(s.client.ctx, limit)
	defer cancel()
	if s.tls && s.client.cfg.TLS == nil {
		return nil, ErrNeedsTLS
	}
	nc, err := s.client.cfg.Dial(ctx, "tcp", s.addr)
	if err != nil {
		return nil, err
	}
	if s.tls {
		secure, err := s.client.cfg.TLS(ctx, nc, s.host)
		if err != nil {
			nc.Close()
			return nil, err
		}
		nc = secure
	}
	return newConn(nc), nil
}

// close closes what is open; what is being dialled closes itself.
func (s *service) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, cn := range s.conns {
		cn.close()
	}
	s.conns = nil
	s.signal()
}

// signal wakes all that wait. Called with mu held.
func (s *service) signal() {
	close(s.changed)
	s.changed = make(chan struct{})
}
