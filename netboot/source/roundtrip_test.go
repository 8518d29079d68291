package source

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"boothook/netboot/fetch"
	"boothook/netboot/platform"
	"boothook/netboot/simulate"
)

// A farListener accepts connections over a wire on which everything takes
// half a round trip in each direction, and connecting a whole one. Within a
// synctest bubble that is exact.
type farListener struct {
	rtt   time.Duration
	conns chan net.Conn
	done  chan struct{}
}

func (l *farListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *farListener) Close() error   { close(l.done); return nil }
func (l *farListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *farListener) dial(context.Context, string, string) (net.Conn, error) {
	time.Sleep(l.rtt)
	here, wireHere := net.Pipe()
	wireThere, there := net.Pipe()
	go wire(wireThere, wireHere, l.rtt/2)
	go wire(wireHere, wireThere, l.rtt/2)
	l.conns <- there
	return here, nil
}

// wire carries what it reads to dst, each piece so much later.
func wire(dst, src net.Conn, delay time.Duration) {
	type piece struct {
		due  time.Time
		data []byte
	}
	pieces := make(chan piece, 1000)
	go func() {
		defer close(pieces)
		for {
			b := make([]byte, 4096)
			n, err := src.Read(b)
			if err != nil {
				return
			}
			pieces <- piece{time.Now().Add(delay), b[:n]}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		if _, err := dst.Write(p.data); err != nil {
			src.Close()
		}
	}
	dst.Close()
}

// TestRoundTrips counts round trips by the clock: after the lease, the
// handshake included, EC2 takes three, and a cloud with one document two.
func TestRoundTrips(t *testing.T) {
	const rtt = 40 * time.Millisecond
	for cloud, most := range map[string]time.Duration{
		"ec2": 3, "aliyun": 3, "akamai": 3,
		"gce":   3, // five documents over four connections, none of which has proved to stay open
		"azure": 2, "openstack": 3, "digitalocean": 2, "hetzner": 2, "vultr": 2, "upcloud": 2, "oracle": 2,
		"nwcs": 2, "cloudcix": 2, "nocloud": 2, "exoscale": 3,
	} {
		t.Run(cloud, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := simulate.Find(cloud)
				if err != nil {
					t.Fatal(err)
				}
				m := machine()
				m.InstanceID = "4711"
				ln := &farListener{rtt, make(chan net.Conn, 10), make(chan struct{})}
				ctx, cancel := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() { served <- simulate.Server{Handler: c.New(m)}.Serve(ctx, ln) }()
				client := fetch.New(fetch.Config{Dial: ln.dial})
				env := Env{HTTP: client, Evidence: platform.Evidence{Words: []string{"ds=nocloud;s=http://seed.example/"}}}
				start := time.Now()
				_, err = Fetch(ctx, platform.Match{Source: cloud}, env)
				took := time.Since(start)
				if err != nil {
					t.Error(err)
				}
				t.Logf("%.1f round trips over %d connections", float64(took)/float64(rtt), client.Stats().Connections)
				if took > most*rtt {
					t.Errorf("took %v, %.1f round trips, want at most %d", took, float64(took)/float64(rtt), most)
				}
				services := int64(1)
				if cloud == "exoscale" {
					services = 2 // that of passwords has one connection more
				}
				if n := client.Stats().Connections; n > fetch.MaxConns+services-1 {
					t.Errorf("%d connections", n)
				}
				client.Close()
				cancel()
				if err := <-served; err != nil && err != io.EOF {
					t.Error(err)
				}
			})
		})
	}
}
