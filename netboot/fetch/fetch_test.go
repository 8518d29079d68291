package fetch

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
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

// says answers the first request of each connection with text, and closes.
func says(text string) func(net.Conn, int) {
	return func(conn net.Conn, _ int) {
		if _, err := request(bufio.NewReader(conn)); err == nil {
			io.WriteString(conn, text)
		}
	}
}

// repeats writes text again and again until the client has had enough.
func repeats(start, text string, pause time.Duration) func(net.Conn, int) {
	return func(conn net.Conn, _ int) {
		request(bufio.NewReader(conn))
		_, err := io.WriteString(conn, start)
		for err == nil {
			time.Sleep(pause)
			_, err = io.WriteString(conn, text)
		}
	}
}

func gzipped(plain []byte) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(plain)
	w.Close()
	return b.String()
}

// TestAnswers takes every form in which an answer may come.
func TestAnswers(t *testing.T) {
	zipped := gzipped([]byte("plain text"))
	tests := []struct {
		name, answer string
		want         string // the body
		err          error
	}{
		{"content length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", nil},
		{"bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "hello", nil},
		{"no reason phrase", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", "hello", nil},
		{"until close", "HTTP/1.1 200 OK\r\n\r\nhello", "hello", nil},
		{"http 1.0", "HTTP/1.0 200 OK\r\n\r\nhello", "hello", nil},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: x\r\n\r\n", "hello", nil},
		{"early hints", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", nil},
		{"gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zipped, "plain text", nil},
		{"same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "hello", nil},
		{"binary", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\x00\xff\r\n", "\x00\xff\r\n", nil},

		{"404", "HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx", "", ErrNotFound},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n", "", ErrNotFound},
		{"empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", ErrNotFound},
		{"empty until close", "HTTP/1.1 200 OK\r\n\r\n", "", ErrNotFound},
		{"403", "HTTP/1.1 403 Forbidden\r\n\r\n", "", &StatusError{Code: 403}},
		{"503", "HTTP/1.1 503 Not Yet\r\nRetry-After: 7200\r\n\r\n", "", &StatusError{Code: 503, RetryAfter: MaxRetryAfter}},
		{"304", "HTTP/1.1 304 Not Modified\r\n\r\n", "", &StatusError{Code: 304}},

		{"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", "", io.ErrUnexpectedEOF},
		{"half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "", io.ErrUnexpectedEOF},
		{"no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "", io.ErrUnexpectedEOF},
		{"half a header", "HTTP/1.1 200 OK\r\nContent-Le", "", io.ErrUnexpectedEOF},
		{"half a gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zipped[:len(zipped)-4], "", ErrMalformed},
		{"not http", "SSH-2.0-OpenSSH_9.2\r\n", "", ErrMalformed},
		{"http 2", "HTTP/2 200\r\n\r\n", "", ErrMalformed},
		{"not a status", "HTTP/1.1 +20 OK\r\n\r\n", "", ErrMalformed},
		{"nothing", "", "", ErrMalformed},
		{"folded header", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "", ErrMalformed},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "", ErrMalformed},
		{"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", "", ErrMalformed},
		{"negative chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", "", ErrMalformed},
		{"chunk without end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", "", ErrMalformed},
		{"unknown transfer coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", "", ErrMalformed},
		{"unknown content coding", "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\nx", "", ErrMalformed},
		{"hints for ever", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 10), "", ErrMalformed},

		{"too long", "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\nx", "", ErrTooLarge},
		{"longer than any number", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx", "", ErrMalformed},
		{"chunk too long", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nx", "", ErrTooLarge},
		{"line too long", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", maxLine) + "\r\n\r\n", "", ErrTooLarge},
		{"header too long", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: "+strings.Repeat("x", 1000)+"\r\n", 100), "", ErrTooLarge},
		{"gzip bomb", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzipped(make([]byte, MaxBody+1)), "", ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := listen(t, says(tt.answer))
			resp, err := c.Do(t.Context(), Request{URL: "http://host/doc", Once: true})
			if tt.err == nil {
				if err != nil || string(resp.Body) != tt.want {
					t.Fatalf("got %+v, %v, want body %q", resp, err, tt.want)
				}
				return
			}
			var want *StatusError
			if errors.As(tt.err, &want) {
				var got *StatusError
				if !errors.As(err, &got) || *got != *want {
					t.Errorf("got %v, %v, want %+v", resp, err, *want)
				}
			} else if !errors.Is(err, tt.err) {
				t.Errorf("got %v, %v, want %v", resp, err, tt.err)
			}
			if errors.Is(err, ErrNotFound) != (tt.err == ErrNotFound) {
				t.Errorf("%v: not found or cannot tell?", err)
			}
		})
	}
}

// TestBounds meets servers that never come to an end. Each costs its bound.
func TestBounds(t *testing.T) {
	tests := []struct {
		name  string
		serve func(net.Conn, int)
		want  error
	}{
		{"silent", func(conn net.Conn, _ int) { io.Copy(io.Discard, conn) }, context.DeadlineExceeded},
		{"a byte now and then", repeats("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", "x", 50*time.Millisecond), context.DeadlineExceeded},
		{"a header now and then", repeats("HTTP/1.1 200 OK\r\n", "A: b\r\n", 50*time.Millisecond), context.DeadlineExceeded},
		{"endless body", repeats("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 1<<16), 0), ErrTooLarge},
		{"endless chunks", repeats("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "10000\r\n"+strings.Repeat("x", 1<<16)+"\r\n", 0), ErrTooLarge},
		{"endless header", repeats("HTTP/1.1 200 OK\r\n", "A: "+strings.Repeat("x", 1000)+"\r\n", 0), ErrTooLarge},
		{"endless error page", repeats("HTTP/1.1 403 Forbidden\r\n\r\n", strings.Repeat("x", 1<<16), 0), &StatusError{Code: 403}},
		{"always reset", func(conn net.Conn, _ int) { conn.(*net.TCPConn).SetLinger(0) }, context.DeadlineExceeded},
		{"always half", says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), context.DeadlineExceeded},
		{"always 500", says("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), context.DeadlineExceeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := listen(t, tt.serve)
			const bound = 1500 * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), bound)
			defer cancel()
			start := time.Now()
			_, err := c.Do(ctx, Request{URL: "http://host/doc", MaxBody: 100_000})
			if want := Status(tt.want); want != 0 && Status(err) != want || want == 0 && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if errors.Is(err, ErrNotFound) {
				t.Errorf("%v passes for not found", err)
			}
			if took := time.Since(start); took > 2*bound {
				t.Errorf("took %v of %v", took, bound)
			}
		})
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

// TestKeepAlive: requests that follow each other share a connection, one that
// the server closed meanwhile costs a new one and no failure.
func TestKeepAlive(t *testing.T) {
	c := listen(t, func(conn net.Conn, _ int) {
		br := bufio.NewReader(conn)
		for range 3 {
			if _, err := request(br); err != nil {
				return
			}
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
		}
	})
	for i := range 7 {
		if _, err := c.Do(t.Context(), Request{URL: "http://host/", Once: true}); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	if n := c.Stats().Connections; n != 3 {
		t.Errorf("%d connections for 7 requests, 3 on each", n)
	}
}

// TestParallel: many requests at once use MaxConns connections, no more.
func TestParallel(t *testing.T) {
	var open, most, served atomic.Int32
	c := handler(t, func(w http.ResponseWriter, r *http.Request) {
		n := open.Add(1)
		defer open.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		time.Sleep(5 * time.Millisecond)
		served.Add(1)
		io.WriteString(w, r.URL.Path)
	})
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			path := fmt.Sprintf("/%d", i)
			resp, err := c.Do(t.Context(), Request{URL: "http://host" + path, Once: true})
			if err != nil || string(resp.Body) != path {
				t.Errorf("%s: got %+v, %v", path, resp, err)
			}
		})
	}
	all.Wait()
	if s := c.Stats(); s.Connections != MaxConns || s.Requests != 30 || served.Load() != 30 || most.Load() != MaxConns {
		t.Errorf("%+v, %d served, at most %d at once", s, served.Load(), most.Load())
	}
}

// TestPipelining: a connection that has proved itself carries requests before
// earlier ones are answered, and answers find their requests.
func TestPipelining(t *testing.T) {
	var deepest atomic.Int32
	c := listen(t, func(conn net.Conn, _ int) {
		requests := make(chan string, 10)
		go func() {
			defer close(requests)
			br := bufio.NewReader(conn)
			for {
				r, err := request(br)
				if err != nil {
					return
				}
				requests <- strings.Fields(r)[1]
				if n := int32(len(requests)); n > deepest.Load() {
					deepest.Store(n)
				}
			}
		}()
		for path := range requests {
			time.Sleep(20 * time.Millisecond)
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(path), path)
		}
	})
	fetchAll(t, c, 1, 12)
	if deepest.Load() == 0 {
		t.Error("no request was sent before the one before it was answered")
	}
	if s := c.Stats(); s.Connections != MaxConns || s.Requests != 13 {
		t.Errorf("%+v for 13 requests", s)
	}
}

// fetchAll fetches one document, then n at once, and compares the bodies.
func fetchAll(t *testing.T, c *Client, first, n int) {
	t.Helper()
	var all sync.WaitGroup
	get := func(path string) {
		resp, err := c.Do(t.Context(), Request{URL: "http://host" + path})
		if err != nil || string(resp.Body) != path {
			t.Errorf("%s: got %+v, %v", path, resp, err)
		}
	}
	for i := range first {
		get(fmt.Sprintf("/first%d", i))
	}
	for i := range n {
		all.Go(func() { get(fmt.Sprintf("/%d", i)) })
	}
	all.Wait()
}

// TestPipeliningRefused: services that drop or cut pipelined requests are
// asked again one by one.
func TestPipeliningRefused(t *testing.T) {
	answer := func(conn net.Conn, r string) {
		path := strings.Fields(r)[1]
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(path), path)
	}
	t.Run("dropped", func(t *testing.T) {
		c := listen(t, func(conn net.Conn, _ int) {
			buf := make([]byte, 4096)
			for {
				n, err := conn.Read(buf)
				if err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond) // more may come, and is thrown away
				conn.SetReadDeadline(time.Now().Add(time.Millisecond))
				io.Copy(io.Discard, conn)
				conn.SetReadDeadline(time.Time{})
				answer(conn, string(buf[:n]))
			}
		})
		start := time.Now()
		fetchAll(t, c, 1, 12)
		if took := time.Since(start); took > TryTimeout {
			t.Errorf("took %v", took)
		}
	})
	t.Run("cut", func(t *testing.T) {
		c := listen(t, func(conn net.Conn, n int) {
			br := bufio.NewReader(conn)
			for range 2 { // closes after two, without saying so
				r, err := request(br)
				if err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
				answer(conn, r)
			}
		})
		fetchAll(t, c, 1, 12)
	})
	t.Run("connection: close", func(t *testing.T) {
		c := listen(t, func(conn net.Conn, _ int) {
			r, err := request(bufio.NewReader(conn))
			if err != nil {
				return
			}
			path := strings.Fields(r)[1]
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(path), path)
		})
		fetchAll(t, c, 1, 12)
	})
}

// TestOpen: connections are made ahead of the first request.
func TestOpen(t *testing.T) {
	c := handler(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(20 * time.Millisecond)
		io.WriteString(w, r.URL.Path)
	})
	c.Open("http://host/", 99)
	fetchAll(t, c, 0, 4)
	if n := c.Stats().Connections; n != MaxConns {
		t.Errorf("%d connections, want %d", n, MaxConns)
	}
}

func TestRequest(t *testing.T) {
	tests := []struct {
		name string
		req  Request
		want string
	}{
		{"get", Request{Method: "GET", URL: "http://h/a%20b?x=y#z", Header: map[string]string{"B": "2", "A": "1"}},
			"GET /a%20b?x=y HTTP/1.1\r\nHost: h\r\nUser-Agent: boothook/1\r\nAccept-Encoding: identity\r\nConnection: keep-alive\r\nAccept: */*\r\nA: 1\r\nB: 2\r\n\r\n"},
		{"put", Request{Method: "PUT", URL: "http://h:8080", Header: map[string]string{"Accept": "text/plain"}},
			"PUT / HTTP/1.1\r\nHost: h:8080\r\nUser-Agent: boothook/1\r\nAccept-Encoding: identity\r\nConnection: keep-alive\r\nContent-Length: 0\r\nAccept: text/plain\r\n\r\n"},
		{"zone and password", Request{Method: "GET", URL: "http://u:p@[fe80::1%25eth0]:80/"},
			"GET / HTTP/1.1\r\nHost: [fe80::1]:80\r\nUser-Agent: boothook/1\r\nAccept-Encoding: identity\r\nConnection: keep-alive\r\nAuthorization: Basic dTpw\r\nAccept: */*\r\n\r\n"},
	}
	for _, tt := range tests {
		u, err := parseURL(tt.req.URL)
		if err != nil {
			t.Fatal(err)
		}
		got, err := requestHead(u, tt.req, "1")
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	if _, err := requestHead(&url.URL{Host: "h"}, Request{Header: map[string]string{"A": "1\r\nB: 2"}}, "1"); err == nil {
		t.Error("a line break went into a header")
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

func TestTLSHook(t *testing.T) {
	c := listen(t, says("HTTP/1.1 200 OK\r\n\r\nhello"))
	var host string
	c.cfg.TLS = func(_ context.Context, conn net.Conn, name string) (net.Conn, error) {
		host = name
		return conn, nil
	}
	body, err := c.Get(t.Context(), "https://host.example/doc")
	if err != nil || string(body) != "hello" || host != "host.example" {
		t.Errorf("got %q, %v over tls to %q", body, err, host)
	}
	refuse := listen(t, says(""))
	refuse.cfg.TLS = func(context.Context, net.Conn, string) (net.Conn, error) {
		return nil, fmt.Errorf("%w: unknown authority", ErrTLS)
	}
	if _, err := refuse.Get(t.Context(), "https://host/"); !errors.Is(err, ErrTLS) {
		t.Errorf("got %v, want %v", err, ErrTLS)
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
				if late > max(eagerWait, at/128) {
					t.Errorf("noticed %v after it was ready", late)
				}
				if dials > 300 {
					t.Errorf("%d connections tried", dials)
				}
			})
		})
	}
}

// TestLostSYN: connections that nobody answers cost little, whether only the
// first is lost or all of them until the service is up.
func TestLostSYN(t *testing.T) {
	for at, bound := range map[time.Duration]time.Duration{
		time.Millisecond: dialHedge, time.Second: 2 * dialHedge, 10 * time.Second: time.Second,
	} {
		t.Run(at.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				c := New(Config{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
					if time.Since(start) < at {
						<-ctx.Done()
						return nil, ctx.Err()
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
				if late := time.Since(start) - at; late > bound {
					t.Errorf("noticed %v after it was ready, want at most %v", late, bound)
				}
			})
		})
	}
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

// TestClose: closing the client ends what is under way.
func TestClose(t *testing.T) {
	c := listen(t, func(conn net.Conn, _ int) { io.Copy(io.Discard, conn) })
	time.AfterFunc(50*time.Millisecond, c.Close)
	if _, err := c.Do(t.Context(), Request{URL: "http://host/"}); err == nil {
		t.Error("no error")
	}
	if _, err := c.Do(t.Context(), Request{URL: "http://host/"}); !errors.Is(err, context.Canceled) {
		t.Errorf("after closing: %v", err)
	}
}

func FuzzReadResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: x\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 404 No\r\nConnection: keep-alive\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzipped([]byte("hello"))))
	f.Fuzz(func(t *testing.T, answer []byte) {
		const limit = 1000
		r, keep, err := readResponse(bufio.NewReaderSize(bytes.NewReader(answer), maxLine), "GET", limit)
		if err != nil {
			if keep {
				t.Error("a connection is kept after an error")
			}
			return
		}
		if len(r.Body) > limit || r.Status < 200 || r.Status > 999 {
			t.Errorf("status %d with %d bytes", r.Status, len(r.Body))
		}
	})
}
