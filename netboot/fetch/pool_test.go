package fetch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

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

// TestLostSYN: connections that nobody answers cost little, whether only the
// first is lost or all of them until the service is up.
func TestLostSYN(t *testing.T) {
	for at, bound := range map[time.Duration]time.Duration{
		time.Millisecond: dialHedge, time.Second: dialHedge, 10 * time.Second: 2 * dialHedge, // a try had ended
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
				if _, err := c.Do(t.Context(), Request{URL: "http://169.254.169.254/"}); err != nil {
					t.Fatal(err)
				}
				if late := time.Since(start) - at; late > bound {
					t.Errorf("noticed %v after it was ready, want at most %v", late, bound)
				}
			})
		})
	}
}

// TestFar: connections to a service behind a long way are all made, though
// none is there when others are tried beside it.
func TestFar(t *testing.T) {
	const way = 600 * time.Millisecond // there and back
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(way):
			}
			here, there := net.Pipe()
			go func() {
				defer there.Close()
				says("HTTP/1.1 200 OK\r\n\r\nhello")(there, 0)
			}()
			return here, nil
		}})
		defer c.Close()
		start := time.Now()
		var all sync.WaitGroup
		for range MaxConns {
			all.Go(func() {
				if _, err := c.Do(t.Context(), Request{URL: "http://192.0.2.1/"}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if took := time.Since(start); took > way+dialHedge {
			t.Errorf("took %v", took)
		}
	})
}

// TestRefusedFar: what is asked for once is refused once, however many
// connections a long way would have had tried beside it.
func TestRefusedFar(t *testing.T) {
	const way = 200 * time.Millisecond // there and back
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(way):
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
		}})
		defer c.Close()
		start := time.Now()
		_, err := c.Do(t.Context(), Request{URL: "http://192.0.2.1/", Once: true})
		if took := time.Since(start); !errors.Is(err, syscall.ECONNREFUSED) || took > way {
			t.Errorf("%v after %v", err, took)
		}
	})
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
