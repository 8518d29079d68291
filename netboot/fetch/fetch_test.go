package fetch

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// listen runs a server that hands every connection, numbered from 1, to
// serve. The client returned reaches it under any name.
func listen(t *testing.T, serve func(conn net.Conn, n int)) *Client {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for n := 1; ; n++ {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				serve(conn, n)
			})
		}
	})
	c := clientOf(ln.Addr().String())
	t.Cleanup(func() {
		c.Close()
		ln.Close()
		running.Wait()
	})
	return c
}

func clientOf(addr string) *Client {
	return New(Config{Version: "test", Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}})
}

// handler is listen for an orderly service.
func handler(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	c := clientOf(s.Listener.Addr().String())
	t.Cleanup(func() { c.Close(); s.Close() })
	return c
}

// request reads one request off a connection, up to its empty line.
func request(br *bufio.Reader) (string, error) {
	var all strings.Builder
	for {
		line, err := br.ReadString('\n')
		all.WriteString(line)
		if err != nil || line == "\r\n" {
			return all.String(), err
		}
	}
}

// TestTryTimeout: a server that swallows one request is asked again.
func TestTryTimeout(t *testing.T) {
	c := listen(t, func(conn net.Conn, n int) {
		if n == 1 {
			io.Copy(io.Discard, conn)
		}
		says("HTTP/1.1 200 OK\r\n\r\nhello")(conn, n)
	})
	resp, err := c.Do(t.Context(), Request{URL: "http://host/", Timeout: 100 * time.Millisecond})
	if err != nil || string(resp.Body) != "hello" {
		t.Errorf("got %+v, %v", resp, err)
	}
}

func TestRedirects(t *testing.T) {
	var tokens sync.Map
	c := handler(t, func(w http.ResponseWriter, r *http.Request) {
		tokens.Store(r.Host+r.URL.Path, r.Header.Get("Token"))
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, "/end", http.StatusFound)
		case "/other":
			http.Redirect(w, r, "http://other.example/end", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/file":
			w.Header().Set("Location", "file:///etc/shadow")
			w.WriteHeader(http.StatusFound)
		case "/nowhere":
			w.WriteHeader(http.StatusFound)
		case "/tls":
			http.Redirect(w, r, "https://host/end", http.StatusFound)
		default:
			io.WriteString(w, "end")
		}
	})
	for path, want := range map[string]error{
		"/same": nil, "/other": nil, "/loop": ErrRedirect, "/file": ErrRedirect, "/nowhere": ErrRedirect, "/tls": ErrNeedsTLS,
	} {
		_, err := c.Do(t.Context(), Request{URL: "http://host" + path, Header: map[string]string{"Token": "secret"}})
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", path, err, want)
		}
	}
	for at, want := range map[string]string{"host/end": "secret", "other.example/end": ""} {
		if got, _ := tokens.Load(at); got != want {
			t.Errorf("%s was sent the token %q, want %q", at, got, want)
		}
	}
}

func TestRedirectOutOfTLS(t *testing.T) {
	from, err := parseURL("https://host/")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := redirected(from, "http://host/"); !errors.Is(err, ErrRedirect) {
		t.Errorf("from https to http: %v", err)
	}
}

func TestRetryOfNotYet(t *testing.T) {
	var n atomic.Int32
	c := handler(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) < 3 {
			w.WriteHeader(http.StatusGone)
			return
		}
		io.WriteString(w, "ready")
	})
	resp, err := c.Do(t.Context(), Request{URL: "http://host/", NotYet: []int{404, 410}})
	if err != nil || string(resp.Body) != "ready" {
		t.Errorf("got %+v, %v", resp, err)
	}
	if n.Store(0); c.Stats().Requests != 3 {
		t.Errorf("%d requests", c.Stats().Requests)
	}
	if _, err = c.Do(t.Context(), Request{URL: "http://host/"}); Status(err) != 410 {
		t.Errorf("got %v, want status 410", err)
	}
}

// TestNoSecrets: no message repeats what an address hides.
func TestNoSecrets(t *testing.T) {
	c := handler(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "ftp://user:secret@host/?sig=secret", http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusForbidden)
	})
	for _, raw := range []string{
		"http://user:secret@host/doc?sig=secret#secret", "http://host/redirect", "http://user:secret@host:port/",
		"http:secret", "://secret", "http://us er:secret@host/", "https://user:secret@host/", "gopher://u:secret@host/",
	} {
		_, err := c.Do(t.Context(), Request{URL: raw, Once: true, Header: map[string]string{"Token": "secret"}})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// TestReadyAt: whenever the service comes up, it is noticed soon after.
func TestReadyAt(t *testing.T) {
	for _, at := range []time.Duration{0, 30 * time.Millisecond, time.Second, 5 * time.Second, 10 * time.Second} {
		t.Run(at.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				dials := 0
				c := New(Config{Dial: func(context.Context, string, string) (net.Conn, error) {
					if dials++; time.Since(start) < at {
						return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
					}
					here, there := net.Pipe()
					go func() {
						defer there.Close()
						says("HTTP/1.1 200 OK\r\n\r\nhello")(there, 0)
					}()
					return here, nil
				}})
				defer c.Close()
				if _, err := c.Do(t.Context(), Request{URL: "http://host/"}); err != nil {
					t.Fatal(err)
				}
				late := time.Since(start) - at
				if late > max(eagerWait, at/256) {
					t.Errorf("noticed %v after it was ready", late)
				}
				if dials > 400 {
					t.Errorf("%d connections tried", dials)
				}
			})
		})
	}
}

// TestSlowFailure: a connection that fails only after a while has cost its time,
// and another is tried at once.
func TestSlowFailure(t *testing.T) {
	const each = 100 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var dials atomic.Int64
		c := New(Config{Dial: func(context.Context, string, string) (net.Conn, error) {
			dials.Add(1)
			time.Sleep(each)
			return nil, &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}
		}})
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := c.Do(ctx, Request{URL: "http://host/"}); !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("got %v", err)
		}
		// The time may end just before or just after one has begun.
		if want, n := int64(time.Since(start)/each), dials.Load(); n < want || n > want+1 {
			t.Errorf("%d connections tried, want %d", n, want)
		}
	})
}

// TestPatience: a distant service in trouble is asked ever less often, and
// Retry-After is obeyed within its bound.
func TestPatience(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		most         int64
	}{
		{"503", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 90},
		{"429 and later", "HTTP/1.1 429 Slow Down\r\nRetry-After: 600\r\nContent-Length: 0\r\n\r\n", 13},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New(Config{Dial: func(context.Context, string, string) (net.Conn, error) {
					here, there := net.Pipe()
					go func() {
						defer there.Close()
						br := bufio.NewReader(there)
						for {
							if _, err := request(br); err != nil {
								return
							}
							io.WriteString(there, tt.answer)
						}
					}()
					return here, nil
				}})
				defer c.Close()
				start := time.Now()
				if _, err := c.Get(t.Context(), "http://host/"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(start); took != Budget {
					t.Errorf("took %v, want %v", took, Budget)
				}
				if n := c.Stats().Requests; n > tt.most || n < 5 {
					t.Errorf("%d requests in %v, want at most %d", n, Budget, tt.most)
				}
			})
		})
	}
}
