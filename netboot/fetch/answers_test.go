package fetch

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"
)

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
		got, err := requestHead(u, nil, tt.req, "1")
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	if _, err := requestHead(&url.URL{Host: "h"}, nil, Request{Header: map[string]string{"A": "1\r\nB: 2"}}, "1"); err == nil {
		t.Error("a line break went into a header")
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
