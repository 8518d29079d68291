//go:build net && faults

package nettest

import (
	"fmt"
	"math/rand/v2"
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
	// these side by side.
	readyRuns   = 9
	readyAtOnce = 3
	// soonEnough bounds the median of the delays, beyond what the same takes
	// here with everything ready from the beginning.
	soonEnough = 50 * time.Millisecond
)

// A network and a service that become ready some time after the agent has
// begun, with no sign that they are (the cable is there from the beginning;
// what the agent sends is lost), are found soon however long that took.
func TestReadyLater(t *testing.T) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	var atOnce time.Duration
	fmt.Fprintln(w, "ready after s\tfetched after ms: median\tleast\tmost\t")
	for _, after := range []time.Duration{0, 500, 1000, 2000, 3000, 5000, 7000, 10_000} {
		after *= time.Millisecond
		t.Run(after.String(), func(t *testing.T) {
			delays := make([]time.Duration, readyRuns)
			for wave := range slices.Chunk(delays, readyAtOnce) {
				var runs sync.WaitGroup
				for i := range wave {
					l := readyLab(t) // here, because it may end the test
					runs.Go(func() { wave[i] = l.delay(after) })
				}
				runs.Wait()
			}
			slices.Sort(delays)
			median := delays[readyRuns/2]
			fmt.Fprintf(w, "%.1f\t%d\t%d\t%d\t\n", after.Seconds(), median.Milliseconds(), delays[0].Milliseconds(), delays[readyRuns-1].Milliseconds())
			if after == 0 {
				atOnce = median
			}
			if median-atOnce > soonEnough {
				t.Errorf("median %v, and %v with everything ready at once", median, atOnce)
			}
		})
	}
	w.Flush()
	t.Logf("\n%s", text.String())
}

// readyLab is a cloud whose wire is not through yet.
func readyLab(t *testing.T) *lab {
	l := newLab(t)
	l.dnsmasq()
	faulty(simulate.Faults{})(l)
	l.wire.set(func(w *wire) { w.cut = true })
	return l
}

// delay is how long after the network was ready the agent had everything.
func (l *lab) delay(after time.Duration) time.Duration {
	ready := now()
	connect := func() {
		ready = now()
		l.wire.set(func(w *wire) { w.cut = false })
	}
	if after == 0 {
		connect()
	} else {
		// The agent asks in a rhythm, which is met at any point.
		time.AfterFunc(after-rand.N(200*time.Millisecond), connect)
	}
	b := l.boot(agentBinary(l.t), l.firmware(dmi("product_uuid", ec2UUID)), "boothook.timeout=30s")
	fetched, ok := b.at("instance fetched")
	if !ok {
		l.t.Errorf("not fetched:\n%s", b.log)
	}
	if started, _ := b.at("worker started"); after == 0 {
		ready = started
	}
	return fetched - ready
}

// now is the time since the kernel started, as the agent's report has it.
func now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // the clock is always there
	}
	return time.Duration(ts.Nano())
}
