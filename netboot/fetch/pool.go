package fetch

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	// dialHedge is how long a connection may be in the making before
	// another is tried beside it: a lost packet costs no more than that,
	// where the kernel would repeat it after a second. It grows with the time
	// already spent (1/256 of it), so that in a minute a service that is down
	// gets 40 packets a second at first, and some 850 in all.
	dialHedge = 25 * time.Millisecond
	// maxHedges is how many such others there may be at a time, as long as
	// there was no connection; then all count as connections. They make room
	// after hedgeTimeout, far above what a service takes that is near, and the
	// last of them are given up as soon as there is one connection.
	maxHedges    = 11
	hedgeTimeout = maxHedges * dialHedge
	dialTimeout  = 3 * time.Second
	// farTimeout is the limit where more than a handshake is needed: a name
	// must be resolved, or TLS takes a process and several round trips.
	farTimeout = 10 * time.Second
)

// A service is the pool of connections to one address. Connections are made
// apart from the requests that want them: whichever is ready first serves
// whoever waits.
type service struct {
	client *Client
	addr   string // of the service, HOST:PORT
	host   string
	tls    bool
	proxy  *url.URL // what is connected to in its place; nil: itself
	far    bool     // connecting takes more than a handshake

	mu      sync.Mutex
	conns   []*conn
	tries   []*try // connections in the making
	waiting int
	began   time.Time     // when the first connection was tried
	last    time.Time     // when the last was
	met     bool          // a connection could be made
	fails   int           // connections that could not be made
	failure error         // why the last of them could not
	keeps   bool          // the service kept the last connection open
	mute    bool          // it left a pipelined request unanswered
	closed  bool          // the client is
	changed chan struct{} // closed, and replaced, at every change
}

// A try is a connection in the making.
type try struct {
	hedge  bool // made beside others because they took long
	cancel context.CancelFunc
}

func newService(c *Client, u, proxy *url.URL) *service {
	s := &service{client: c, addr: address(u), host: u.Hostname(), tls: u.Scheme == "https", proxy: proxy, changed: make(chan struct{})}
	_, err := netip.ParseAddr(s.host)
	s.far = s.tls || err != nil || proxy != nil
	return s
}

// open makes sure that n connections are there or under way.
func (s *service) open(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.conns)+len(s.tries) < n && !s.closed {
		s.dial(false)
	}
}

// acquire gives a connection to send a request on: an idle one, else a new
// one, else, for a request that may be pipelined, one with a single request
// outstanding. Once makes the first failure to connect final; else the
// connections tried beside the one that failed are waited for, too. Each acquire
// needs its release.
func (s *service) acquire(ctx context.Context, mayPipeline, once bool) (*conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting++
	defer func() { s.waiting-- }()
	fails := s.fails
	for {
		if s.closed {
			return nil, context.Canceled
		}
		if cn := s.pick(mayPipeline); cn != nil {
			cn.depth++
			cn.paired = cn.depth > 1
			return cn, nil
		}
		full := len(s.conns)+len(s.tries) >= MaxConns
		switch {
		case once && s.fails > fails && !errors.Is(s.failure, context.DeadlineExceeded):
			return nil, s.failure
		case s.fails == fails && s.waiting > len(s.tries) && !full:
			s.dial(false)
		case s.late(full):
			s.dial(true)
		case s.fails > fails && len(s.conns)+len(s.tries) == 0:
			return nil, s.failure
		}
		if err := s.sleep(ctx); err != nil {
			return nil, err
		}
	}
}

// hedge is how long after the last try another is made beside it.
func (s *service) hedge() time.Duration { return max(dialHedge, time.Since(s.began)/256) }

// late says that another connection is to be tried beside those that take long.
func (s *service) late(full bool) bool {
	if s.far || len(s.tries) == 0 || time.Since(s.last) < s.hedge() {
		return false
	}
	hedges := 0
	for _, t := range s.tries {
		if t.hedge {
			hedges++
		}
	}
	return !full || !s.met && hedges < maxHedges
}

// sleep waits, with mu given up meanwhile, until something has changed or
// another connection may be tried.
func (s *service) sleep(ctx context.Context) error {
	changed, wait := s.changed, s.hedge()
	if left := wait - time.Since(s.last); left > 0 {
		wait = left
	}
	s.mu.Unlock()
	defer s.mu.Lock()
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-changed:
		return nil
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
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
	full := len(s.conns)+len(s.tries) >= MaxConns && s.waiting > len(s.tries)
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
func (s *service) dial(hedge bool) {
	limit := dialTimeout
	switch {
	case s.far:
		limit = farTimeout
	case hedge && !s.met:
		limit = hedgeTimeout
	}
	ctx, cancel := context.WithTimeout(s.client.ctx, limit)
	t := &try{hedge, cancel}
	s.tries = append(s.tries, t)
	s.last = time.Now()
	if s.began.IsZero() {
		s.began = s.last
	}
	s.client.dials.Add(1)
	go func() {
		defer s.client.dials.Done()
		cn, err := s.connect(ctx)
		given := errors.Is(ctx.Err(), context.Canceled) // up
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tries = slices.DeleteFunc(s.tries, func(other *try) bool { return other == t })
		switch {
		case err == nil && (given || s.closed):
			cn.close()
		case err == nil:
			s.made(t, cn)
		case !given:
			s.fails++
			s.failure = err
		}
		s.signal()
	}()
}

// made takes in a connection. If it is the first, those are given up that were
// tried because it took so long, or before it in vain. Called with mu held.
func (s *service) made(by *try, cn *conn) {
	for _, t := range s.tries {
		if !s.met && (t.hedge || by.hedge) {
			t.cancel()
		}
	}
	s.met = true
	s.client.connections.Add(1)
	s.conns = append(s.conns, cn)
}

// connect makes one connection, TLS included.
func (s *service) connect(ctx context.Context) (*conn, error) {
	if s.tls && s.client.cfg.TLS == nil {
		return nil, ErrNeedsTLS
	}
	to := s.addr
	if s.proxy != nil {
		to = address(s.proxy)
	}
	nc, err := s.client.cfg.Dial(ctx, "tcp", to)
	if err != nil {
		return nil, err
	}
	if s.tls && s.proxy != nil {
		if err := tunnel(ctx, nc, s.proxy, s.addr); err != nil {
			nc.Close()
			return nil, err
		}
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
