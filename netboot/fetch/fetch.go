// Package fetch is boothook's one HTTP/1.1 client.
//
// In goes a request for a small document: a metadata service's answer, a
// piece of user-data that an #include names. Out comes the whole body, or an
// error that tells "there is no such document" (ErrNotFound) from "cannot
// tell" (everything else). A service that is not ready yet is asked
// again within the context's deadline.
//
// It speaks over connections that an injected Dial makes, and never resolves
// names, opens files or starts processes by itself. It does without net/http,
// which would add more than 1.3 MB to the agent. Every size, count and wait
// has a bound, named below. No message holds a query, a password or a header.
package fetch

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"boothook/netboot/instance"
)

// The bounds of the client.
const (
	// MaxConns is how many connections one service is given at a time.
	MaxConns = 4
	// MaxBody is the size limit of a body, gzip undone, unless a request
	// sets its own: 4 MiB, far above any cloud's limit for user-data.
	MaxBody = 4 << 20
	// MaxDocument is the size limit of a document that Get fetches.
	MaxDocument = 16 << 20
	// MaxRedirects is how many redirects one request follows.
	MaxRedirects = 5
	// MaxRetryAfter caps what a service may ask for by Retry-After.
	MaxRetryAfter = 5 * time.Second
	// TryTimeout bounds one try of one request unless the request sets its
	// own; documentTimeout is that of Get, whose documents are larger and
	// farther away.
	TryTimeout      = 5 * time.Second
	documentTimeout = 30 * time.Second
	// Budget bounds a request whose context has no deadline.
	Budget = time.Minute
)

// A Config is what a Client is made with.
type Config struct {
	// Dial makes a connection, and resolves a name where addr has one. It
	// must return soon after ctx is done.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLS wraps a fresh connection to host for https; nil refuses https
	// with ErrNeedsTLS.
	TLS func(ctx context.Context, conn net.Conn, host string) (net.Conn, error)
	// Packet opens a UDP socket, and resolves addr, HOST:PORT, to where
	// packets are to be sent; nil refuses tftp with ErrBadURL.
	Packet func(ctx context.Context, addr string) (net.PacketConn, net.Addr, error)
	// Proxy is the proxy that Get uses (ParseProxy); nil: none.
	Proxy *url.URL
	// Version is what follows "boothook/" in the User-Agent.
	Version string
}

// A Client fetches documents. It is safe for concurrent use.
type Client struct {
	cfg    Config
	ctx    context.Context // done when the client is closed
	cancel context.CancelFunc
	dials  sync.WaitGroup

	mu       sync.Mutex
	services map[string]*service // by scheme and address

	requests, connections, received atomic.Int64
}

// New gives a client. Close it to give its connections back.
func New(cfg Config) *Client {
	ctx, cancel := context.WithCancel(context.Background())
	return &Client{cfg: cfg, ctx: ctx, cancel: cancel, services: map[string]*service{}}
}

// Close closes all connections and waits until nothing of the client runs.
// Requests under way fail.
func (c *Client) Close() {
	c.cancel()
	c.mu.Lock()
	for _, s := range c.services {
		s.close()
	}
	c.mu.Unlock()
	c.dials.Wait()
}

// Stats counts what a client has done so far.
type Stats struct {
	Requests    int64 `json:"requests"`    // sent, retries included
	Connections int64 `json:"connections"` // made
	Bytes       int64 `json:"bytes"`       // received in bodies
}

// Stats returns the counts.
func (c *Client) Stats() Stats {
	return Stats{c.requests.Load(), c.connections.Load(), c.received.Load()}
}

// A Request asks for one document.
type Request struct {
	// Method is GET when empty.
	Method string
	// URL is an http or https address. A user and password in it are sent
	// as basic authentication.
	URL string
	// Header fields are sent along, but not to another service that a
	// redirect leads to.
	Header map[string]string
	Body   []byte
	// MaxBody is the body's size limit in bytes; 0 stands for MaxBody.
	MaxBody int64
	// Timeout bounds one try; 0 stands for TryTimeout.
	Timeout time.Duration
	// NotYet lists statuses that are to be tried again, besides 408, 425,
	// 429 and all from 500 on.
	NotYet []int
	// Once makes the first failure final.
	Once bool
	// distant marks a service that is not the hypervisor's own: one that
	// answers with an error is asked again ever less often, and a proxy may
	// be in between.
	distant bool
}

// A Response is an answer of status 2xx.
type Response struct {
	Status int
	// Header holds the fields by lower-case name; of repeated fields the
	// first counts.
	Header map[string]string
	Body   []byte
}

// Do sends a request until there is an answer that counts, at the latest until
// ctx is done (or for Budget, when ctx has no deadline). Statuses other than
// 2xx come as *StatusError. For GET, 404, 204 and an empty body are
// ErrNotFound.
func (c *Client) Do(ctx context.Context, req Request) (*Response, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, Budget)
		defer cancel()
	}
	if req.Method == "" {
		req.Method = "GET"
	}
	if req.MaxBody == 0 {
		req.MaxBody = MaxBody
	}
	if req.Timeout == 0 {
		req.Timeout = TryTimeout
	}
	resp, err := c.retry(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", strings.ToLower(req.Method), instance.Redact(req.URL), err)
	}
	return resp, nil
}

// Get fetches the document that a user's address names, as for #include. Beside
// http and https it may be tftp.
func (c *Client) Get(ctx context.Context, rawURL string) ([]byte, error) {
	if u, err := url.Parse(strings.TrimSpace(rawURL)); err == nil && u.Scheme == "tftp" && c.cfg.Packet != nil {
		body, err := c.tftp(ctx, u)
		if err != nil {
			return nil, fmt.Errorf("get %s: %w", instance.Redact(rawURL), err)
		}
		return body, nil
	}
	resp, err := c.Do(ctx, Request{URL: rawURL, MaxBody: MaxDocument, Timeout: documentTimeout, distant: true})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// Open begins to make connections to the service of rawURL, so that n are
// there or under way. It does not wait, and failures show only when a request
// needs a connection.
func (c *Client) Open(rawURL string, n int) {
	u, err := parseURL(rawURL)
	if err != nil {
		return
	}
	c.service(u, nil).open(min(n, MaxConns))
}

// retry tries until an answer counts, pacing itself.
func (c *Client) retry(ctx context.Context, req Request) (*Response, error) {
	pace := pacer{start: time.Now()}
	why := errSilent
	for {
		begun := time.Now()
		resp, err := c.try(ctx, req)
		if err == nil || !again(err, req.NotYet) {
			return resp, err
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			why = err // says more than that a try took too long
		}
		if req.Once {
			return nil, why
		}
		if ctx.Err() != nil || !pace.wait(ctx, err, begun, req.distant) {
			return nil, fmt.Errorf("%w (%w)", why, ctx.Err())
		}
	}
}

// try sends the request once and follows redirects.
func (c *Client) try(ctx context.Context, req Request) (*Response, error) {
	ctx, cancel := context.WithTimeout(ctx, req.Timeout)
	defer cancel()
	u, err := parseURL(req.URL)
	if err != nil {
		return nil, err
	}
	for range MaxRedirects + 1 {
		resp, err := c.exchange(ctx, u, req)
		if err != nil {
			return nil, err
		}
		if !isRedirect(resp.Status) || req.Method != "GET" {
			return resp, verdict(req.Method, resp)
		}
		next, err := redirected(u, resp.Header["location"])
		if err != nil {
			return nil, err
		}
		if serviceKey(next) != serviceKey(u) {
			req.Header = nil
		}
		u = next
	}
	return nil, fmt.Errorf("%w: more than %d", ErrRedirect, MaxRedirects)
}

// exchange sends one request over some connection. A kept connection that
// turns out to have been closed meanwhile costs another try, not a failure.
func (c *Client) exchange(ctx context.Context, u *url.URL, req Request) (*Response, error) {
	proxy := c.proxyFor(u, req.distant)
	head, err := requestHead(u, proxy, req, c.cfg.Version)
	if err != nil {
		return nil, err
	}
	s := c.service(u, proxy)
	for range 2 * MaxConns {
		cn, err := s.acquire(ctx, req.Method == "GET", req.Once)
		if err != nil {
			return nil, err
		}
		c.requests.Add(1)
		resp, err := cn.exchange(ctx, head, req)
		s.release(cn)
		if err == nil {
			c.received.Add(int64(len(resp.Body)))
			return resp, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !errors.Is(err, errStale) {
			return nil, err
		}
	}
	return nil, errStale
}

// service gives the pool of connections for an address, by a proxy or directly.
func (c *Client) service(u, proxy *url.URL) *service {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := serviceKey(u)
	if proxy != nil {
		key += " by proxy"
	}
	s := c.services[key]
	if s == nil {
		s = newService(c, u, proxy)
		c.services[key] = s
	}
	return s
}

// parseURL accepts the addresses that this client can fetch.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Hostname() == "" {
		return nil, ErrBadURL // url's own error would quote a password
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%w: scheme %q", ErrBadURL, u.Scheme)
	}
	return u, nil
}

// redirected resolves a Location. A redirect from https to http is refused.
func redirected(from *url.URL, location string) (*url.URL, error) {
	to, err := from.Parse(location)
	if err != nil || location == "" {
		return nil, fmt.Errorf("%w: no usable location", ErrRedirect)
	}
	if to, err = parseURL(to.String()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRedirect, err)
	}
	if from.Scheme == "https" && to.Scheme != "https" {
		return nil, fmt.Errorf("%w: from https to %s", ErrRedirect, instance.Redact(to.String()))
	}
	return to, nil
}

func isRedirect(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// serviceKey names the service of an address; the same key, the same pool.
func serviceKey(u *url.URL) string { return u.Scheme + "://" + address(u) }

// address gives HOST:PORT for dialling.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// basicAuth gives the Authorization for the user and password of an address.
func basicAuth(u *url.Userinfo) string {
	password, _ := u.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password))
}
