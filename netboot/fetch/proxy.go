package fetch

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// ParseProxy reads a proxy's address, as dracut's proxy= has it:
// [http://][USER:PASSWORD@]HOST:PORT. Errors wrap ErrBadURL.
func ParseProxy(s string) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := parseURL(s)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	if u.Scheme != "http" {
		return nil, fmt.Errorf("proxy: %w: scheme %q", ErrBadURL, u.Scheme)
	}
	return u, nil
}

// proxyFor says by which proxy a request goes, if by any. Only what users name
// may be behind one; metadata services and what is on the link never are.
func (c *Client) proxyFor(u *url.URL, distant bool) *url.URL {
	ip, err := netip.ParseAddr(u.Hostname())
	near := err == nil && (ip.IsLinkLocalUnicast() || ip.IsLoopback()) || u.Hostname() == "localhost"
	if !distant || near {
		return nil
	}
	return c.cfg.Proxy
}

// proxyAuth is the line of a header by which the proxy knows us, if it wants to.
func proxyAuth(proxy *url.URL) string {
	if proxy.User == nil {
		return ""
	}
	return "Proxy-Authorization: " + basicAuth(proxy.User) + "\r\n"
}

// tunnel asks the proxy at the other end of nc for a way to a service (RFC 9110
// §9.3.6).
func tunnel(ctx context.Context, nc net.Conn, proxy *url.URL, to string) error {
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := fmt.Fprintf(nc, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n%s\r\n", to, proxyAuth(proxy)); err != nil {
		return err
	}
	br := bufio.NewReader(nc)
	h, err := readHead(br)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("proxy: %w", unexpected(err))
	case h.status > 499:
		return fmt.Errorf("proxy: %w", &StatusError{Code: h.status})
	case h.status > 299:
		return fmt.Errorf("%w by the proxy: status %d", ErrRefused, h.status)
	case br.Buffered() > 0: // in TLS the client speaks first
		return fmt.Errorf("proxy: %w", ErrMalformed)
	}
	return nil
}
