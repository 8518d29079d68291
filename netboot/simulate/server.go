package simulate

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// An Entry is one request as the server saw it.
type Entry struct {
	// Time is when the request had been read, Took how long the answer was
	// in the making, injected delay included.
	Time time.Time
	Took time.Duration
	// Conn numbers the connections from 1 in the order they were accepted.
	Conn         int
	Method, Path string
	Status       int
	Bytes        int
}

// Faults makes a service misbehave. The zero value behaves.
type Faults struct {
	// Delay is added to every answer.
	Delay time.Duration
	// Status answers the first Times requests whose path has the prefix
	// Path (all, when Times is 0), instead of the service.
	Status int
	Times  int
	Path   string
	// Hang never answers those requests instead.
	Hang bool
	// Reset drops their connection without an answer.
	Reset bool
}

// A Server runs a service on a listener.
type Server struct {
	Handler http.Handler
	Faults  Faults
	// Log, if set, is called once for each request. Calls do not overlap.
	Log func(Entry)
}

type connKey struct{}

// Serve answers on ln until ctx is done, closes everything and returns nil;
// any other end is an error.
func (s Server) Serve(ctx context.Context, ln net.Listener) error {
	var (
		mu     sync.Mutex
		conns  int
		faulty int
	)
	srv := &http.Server{
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			mu.Lock()
			defer mu.Unlock()
			conns++
			return context.WithValue(ctx, connKey{}, conns)
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			bad := s.Faults.hits(r.URL.Path, faulty)
			if bad {
				faulty++
			}
			mu.Unlock()
			start := time.Now()
			rec := &recorder{ResponseWriter: w}
			s.answer(rec, r, bad)
			if s.Log == nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			conn, _ := r.Context().Value(connKey{}).(int)
			s.Log(Entry{start, time.Since(start), conn, r.Method, r.URL.Path, rec.status, rec.bytes})
		}),
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// hits reports whether a request is to go wrong, given how many already did.
func (f Faults) hits(path string, already int) bool {
	return (f.Status != 0 || f.Hang || f.Reset) && (f.Times == 0 || already < f.Times) && strings.HasPrefix(path, f.Path)
}

func (s Server) answer(w *recorder, r *http.Request, bad bool) {
	if s.Faults.Delay > 0 {
		select {
		case <-time.After(s.Faults.Delay):
		case <-r.Context().Done():
		}
	}
	switch {
	case bad && s.Faults.Hang:
		<-r.Context().Done()
	case bad && s.Faults.Reset:
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				tcp.SetLinger(0) // a reset, not an orderly end
			}
			conn.Close()
		}
	case bad:
		http.Error(w, http.StatusText(s.Faults.Status), s.Faults.Status)
	default:
		s.Handler.ServeHTTP(w, r)
	}
}

// A recorder notes what was answered.
type recorder struct {
	http.ResponseWriter
	status, bytes int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += n
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
