package fetch

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

func TestParseProxy(t *testing.T) {
	for s, want := range map[string]string{
		"proxy.example:3128": "http://proxy.example:3128", "http://10.0.0.1": "http://10.0.0.1",
		"http://user:word@[fe80::1]:80/": "http://user:word@[fe80::1]:80/",
	} {
		if got, err := ParseProxy(s); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "https://proxy", "socks5://proxy", "http://", "user:secret@"} {
		if got, err := ParseProxy(s); !errors.Is(err, ErrBadURL) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
}

// TestProxy: what users name is asked for by the proxy, http in whole addresses
// and https in a tunnel; what is near and what sources want is not.
func TestProxy(t *testing.T) {
	const auth = "Proxy-Authorization: Basic dTpw"
	for _, tt := range []struct {
		name, url, answer string
		dialled           string
		heads             []string // what the other end was told, by first line and credentials
		want              error
	}{
		{"http", "http://seed.example/a?b", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "proxy:3128",
			[]string{"GET http://seed.example/a?b HTTP/1.1", auth}, nil},
		{"https", "https://seed.example/a", "HTTP/1.1 200 OK\r\n\r\n", "proxy:3128",
			[]string{"CONNECT seed.example:443 HTTP/1.1", auth, "GET /a HTTP/1.1"}, nil},
		{"it will not", "https://seed.example/a", "HTTP/1.1 403 No\r\n\r\n", "proxy:3128",
			[]string{"CONNECT seed.example:443 HTTP/1.1", auth}, ErrRefused},
		{"it wants credentials", "http://seed.example/a", "HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n", "proxy:3128",
			[]string{"GET http://seed.example/a HTTP/1.1", auth}, &StatusError{Code: 407}},
		{"it speaks first", "https://seed.example/a", "HTTP/1.1 200 OK\r\n\r\nmore", "proxy:3128",
			[]string{"CONNECT seed.example:443 HTTP/1.1", auth}, ErrMalformed},
		{"near", "http://169.254.169.254/a", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "169.254.169.254:80",
			[]string{"GET /a HTTP/1.1"}, nil},
		{"near, IPv6", "http://[fe80::1]/a", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "[fe80::1]:80",
			[]string{"GET /a HTTP/1.1"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var heads []string
				dialled := ""
				c := New(Config{
					Proxy: &url.URL{Scheme: "http", Host: "proxy:3128", User: url.UserPassword("u", "p")},
					Dial: func(_ context.Context, _, addr string) (net.Conn, error) {
						mu.Lock()
						defer mu.Unlock()
						dialled = addr
						here, there := net.Pipe()
						go serveProxy(there, tt.answer, func(line string) {
							mu.Lock()
							defer mu.Unlock()
							heads = append(heads, line)
						})
						return here, nil
					},
					TLS: func(_ context.Context, conn net.Conn, _ string) (net.Conn, error) { return conn, nil },
				})
				defer c.Close()
				ctx := t.Context()
				if errors.Is(tt.want, ErrMalformed) { // that may be over at the next try
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, firstWait/4)
					defer cancel()
				}
				body, err := c.Get(ctx, tt.url)
				if tt.want == nil && (err != nil || string(body) != "hello") ||
					tt.want != nil && !errors.Is(err, tt.want) && (Status(tt.want) == 0 || Status(err) != Status(tt.want)) {
					t.Errorf("got %q, %v", body, err)
				}
				mu.Lock()
				defer mu.Unlock()
				if dialled != tt.dialled {
					t.Errorf("dialled %s", dialled)
				}
				if strings.Join(heads, "\n") != strings.Join(tt.heads, "\n") {
					t.Errorf("said %q, want %q", heads, tt.heads)
				}
			})
		})
	}
}

// serveProxy answers the first request so, and the others with a document; it
// tells the first line of each, and credentials.
func serveProxy(conn net.Conn, answer string, tell func(string)) {
	defer conn.Close()
	br := bufio.NewReader(conn)
	for {
		for first := true; ; first = false {
			line, err := br.ReadString('\n')
			if err != nil {
				return
			}
			line = strings.TrimSpace(line)
			if line == "" {
				break
			}
			if first || strings.HasPrefix(line, "Proxy-") {
				tell(line)
			}
		}
		io.WriteString(conn, answer)
		answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	}
}
