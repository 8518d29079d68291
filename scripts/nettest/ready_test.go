//go:build net && faults

package nettest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"boothook/netboot/simulate"

	"golang.org/x/sys/unix"
)

const (
	// readyRuns is how often each time is tried, readyAtOnce how many of
	// these side by side, readyApart how far from each other they end.
	readyRuns   = 15
	readyAtOnce = 8
	readyApart  = 150 * time.Millisecond
	// soonEnough bounds the median of the delays, of all runs there are.
	soonEnough = 50 * time.Millisecond
	// worthALook is a delay whose log is shown.
	worthALook = 10 * soonEnough
)

// A late is a world that is not ready yet. Nothing tells when it is: the cable
// is there from the beginning.
type late struct {
	name    string
	network func(*lab)
	// connect makes everything ready.
	connect func(*lab)
}

func lates() []late {
	through := func(l *lab) { l.wire.set(func(w *wire) { w.lost = nil }) }
	losing := func(network func(*lab), lost func([]byte) bool) func(*lab) {
		return func(l *lab) {
			network(l)
			l.wire.set(func(w *wire) { w.lost = lost })
		}
	}
	all := func([]byte) bool { return true }
	ipv4 := func(l *lab) { l.dnsmasq(); faulty(simulate.Faults{})(l) }
	ipv6 := func(l *lab) { routedIPv6(l); l.handle("[fd00:ec2::254]:80", ec2()) }
	busy := func(l *lab) {
		l.dnsmasq()
		l.address("169.254.169.254/32", "lo")
		service := ec2()
		l.handle("169.254.169.254:80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if l.open.Load() {
				service.ServeHTTP(w, r)
			} else {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
	}
	return []late{
		{"nothing is through", losing(ipv4, all), through},
		{"nothing is, IPv6 only", losing(ipv6, all), through},
		{"a lease, and nobody there", losing(ipv4, butDHCP), through},
		{"a lease, service is silent", losing(ipv4, isTCP), through},
		{"a lease, service says 503", busy, func(l *lab) { l.open.Store(true) }},
		{"a lease, service refuses", func(l *lab) { l.dnsmasq(); l.address("169.254.169.254/32", "lo") },
			func(l *lab) { l.handle("169.254.169.254:80", ec2()) }},
	}
}

// butDHCP is every frame that is no UDP over IPv4.
func butDHCP(frame []byte) bool {
	return len(frame) < 34 || binary.BigEndian.Uint16(frame[12:]) != unix.ETH_P_IP || frame[14+9] != unix.IPPROTO_UDP
}

// What becomes ready some time after the agent has begun is found soon,
// however long that took.
func TestReadyLater(t *testing.T) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "until then\tready after s\tfetched after ms: median\tleast\tmost\t")
	for _, world := range lates() {
		for _, after := range []time.Duration{0, 500, 1000, 2000, 3000, 5000, 7000, 10_000} {
			after *= time.Millisecond
			t.Run(fmt.Sprintf("%s/%v", world.name, after), func(t *testing.T) {
				delays := world.delays(t, after)
				median := delays[readyRuns/2]
				t.Log(delays)
				fmt.Fprintf(w, "%s\t%.1f\t%d\t%d\t%d\t\n", world.name, after.Seconds(), median.Milliseconds(),
					delays[0].Milliseconds(), delays[readyRuns-1].Milliseconds())
				if median >= soonEnough {
					t.Errorf("median %v", median)
				}
			})
		}
	}
	w.Flush()
	t.Logf("\n%s", text.String())
}

// delays runs the agent in that world so often, and gives the delays in order.
func (world late) delays(t *testing.T, after time.Duration) []time.Duration {
	delays := make([]time.Duration, readyRuns)
	for wave := range slices.Chunk(delays, readyAtOnce) {
		var runs sync.WaitGroup
		for i := range wave {
			l := newLab(t) // here, because it may end the test
			world.network(l)
			runs.Go(func() {
				time.Sleep(time.Duration(i) * readyApart)
				wave[i] = l.delay(world.connect, after)
			})
		}
		runs.Wait()
	}
	slices.Sort(delays)
	return delays
}

// delay is how long after the world was ready the agent had everything.
func (l *lab) delay(connect func(*lab), after time.Duration) time.Duration {
	ready := make(chan time.Duration, 1)
	get := func() {
		ready <- now()
		connect(l)
	}
	if after == 0 {
		get()
	} else {
		// The agent asks in a rhythm, which is met at any point.
		time.AfterFunc(after-rand.N(readyApart/2), get)
	}
	b := l.boot(agentBinary(l.t), l.firmware(dmi("product_uuid", ec2UUID)), "boothook.timeout=30s")
	fetched, ok := b.at("instance fetched")
	if !ok {
		l.t.Errorf("not fetched:\n%s", b.log)
	}
	started, _ := b.at("worker started")
	delay := fetched - max(started, <-ready)
	if delay > worthALook {
		l.t.Logf("%v\n%s", delay, b.log)
	}
	return delay
}

// now is the time since the kernel started, as the agent's report has it.
func now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // the clock is always there
	}
	return time.Duration(ts.Nano())
}

// What is never ready is not flooded with questions: on a link where nobody
// answers, these are the packets that docs/network.md tells of.
func TestReadyNever(t *testing.T) {
	const budget = " boothook.timeout=62s"
	for _, tt := range []struct {
		name  string
		dmi   map[string]string
		words string
		most  [3]int // packets in the first 1, 10 and 60 s
	}{
		{"recognised cloud", dmi("product_uuid", ec2UUID), "", [3]int{100, 900, 1100}},
		{"elsewhere", dmi("sys_vendor", "QEMU"), "ds=nocloud;s=http://10.9.0.1/", [3]int{20, 60, 100}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			var sent [3]int
			counted := make(chan bool)
			go func() {
				defer close(counted)
				for n := 0; n < 10_000 && l.wire.frames() == 0; n++ {
					time.Sleep(time.Millisecond)
				}
				first := time.Now()
				for i, after := range []time.Duration{time.Second, 10 * time.Second, time.Minute} {
					time.Sleep(time.Until(first.Add(after)))
					sent[i] = l.wire.frames()
				}
			}()
			b := l.boot(agentBinary(t), l.firmware(tt.dmi), tt.words+budget)
			<-counted
			t.Logf("%v packets in 1, 10 and 60 s", sent)
			for i, n := range sent {
				if n == 0 || n > tt.most[i] {
					t.Errorf("%d packets, want at most %d\n%s", n, tt.most[i], b.log)
				}
			}
		})
	}
}
