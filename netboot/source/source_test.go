package source

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/simulate"
)

// A service is a simulated cloud and a client that takes it for every address.
type service struct {
	env Env

	mu      sync.Mutex
	entries []simulate.Entry
}

// start runs a simulated service until the test ends.
func start(t *testing.T, h http.Handler, f simulate.Faults) *service {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- simulate.Server{Handler: h, Faults: f, Log: s.log}.Serve(ctx, ln)
	}()
	client := fetch.New(fetch.Config{Version: "test", Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, ln.Addr().String())
	}})
	t.Cleanup(func() {
		client.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("simulated service: %v", err)
		}
	})
	s.env.HTTP = client
	return s
}

func (s *service) log(e simulate.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, e)
}

// count counts the requests by method, and the connections that carried any.
func (s *service) count() (byMethod map[string]int, conns int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	byMethod = map[string]int{}
	seen := map[int]bool{}
	for _, e := range s.entries {
		byMethod[e.Method]++
		seen[e.Conn] = true
	}
	return byMethod, len(seen)
}

// within gives a context that ends after d, and with the test.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestCheckID(t *testing.T) {
	for id, warnings := range map[string]int{
		"i-0123456789abcdef0": 0, "iid-local01": 0, "nocloud": 0, "ec2:us-east-1": 0, "é": 0, "a/b": 1, "../x": 1, "a b": 1,
	} {
		in := &instance.Instance{ID: id}
		if err := checkID(in); err != nil || len(in.Problems) != warnings {
			t.Errorf("checkID(%q) = %v, and says %v", id, err, in.Problems)
		}
	}
	for _, id := range []string{"", ".", "..", "a\nb", "a\x00b", string(make([]byte, MaxID+1))} {
		if err := checkID(&instance.Instance{ID: id}); !errors.Is(err, ErrBadID) {
			t.Errorf("checkID(%q) = %v, want %v", id, err, ErrBadID)
		}
	}
}

// TestDocument holds that each source is described for those who use it.
func TestDocument(t *testing.T) {
	page, err := os.ReadFile("../../docs/sources.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Table() {
		if !strings.Contains(string(page), "`"+s.Name+"`") {
			t.Errorf("docs/sources.md says nothing of %s", s.Name)
		}
	}
}
