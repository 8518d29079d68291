//go:build net && bench

package nettest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"boothook/netboot/simulate"
)

// benchRuns is how often each contender runs at each distance. They take
// turns, so that whatever else the machine does hits all of them.
const benchRuns = 20

// A contender does the whole cycle: from a dark NIC to the user-data in the
// root, and the NIC dark again.
type contender struct {
	name     string
	userData string
	run      func(l *lab) (root string, u usage, log string)
	// file is where the root then has what came.
	file, want string
}

// distance makes everything take half of rtt in each direction.
func distance(rtt time.Duration) func([]byte) time.Duration {
	return func([]byte) time.Duration { return rtt / 2 }
}

const ignitionConfig = `{"ignition": {"version": "3.3.0"}, "storage": {"files": [
	{"path": "/etc/hostname", "mode": 420, "overwrite": true, "contents": {"source": "data:,name%0A"}},
	{"path": "/usr/local/late", "mode": 493, "contents": {"source": "data:,%23!%2Fbin%2Fsh%0Aecho%20late%0A"}}]}}
`

func contenders(t *testing.T) []contender {
	scripts, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	agent := agentBinary(t)
	const script = "var/lib/cloud/instances/" + ec2ID + "/scripts/part-001"
	return []contender{
		{"boothook-agent", userData, func(l *lab) (string, usage, string) {
			b := l.boot(agent, l.firmware(dmi("product_uuid", ec2UUID)), "boothook.timeout=30s")
			return b.root, b.usage, b.log
		}, script, userData},
		{"udhcpc, wget", userData, func(l *lab) (string, usage, string) {
			root := l.root()
			log, u := l.run("busybox", "sh", filepath.Join(scripts, "shell.sh"), root)
			return root, u, log
		}, script, userData},
		{"udhcpc, ignition", ignitionConfig, func(l *lab) (string, usage, string) {
			root := l.root()
			cache, err := os.MkdirTemp(l.dir, "cache")
			if err != nil {
				l.t.Fatal(err)
			}
			log, u := l.run("busybox", "sh", filepath.Join(scripts, "ignition.sh"), root, cache)
			return root, u, log
		}, "usr/local/late", "#!/bin/sh\necho late\n"},
	}
}

// TestBench prints what the whole cycle takes, and what it takes others.
func TestBench(t *testing.T) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "delay\t\twall ms\tcpu ms\trequests\tconnections\tpeak MiB\t")
	for _, delay := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond} {
		all := contenders(t)
		labs := make([]*lab, len(all))
		used := make([][]usage, len(all))
		for i, c := range all {
			labs[i] = benchLab(t, c, delay)
		}
		for range benchRuns {
			for i, c := range all {
				root, u, log := c.run(labs[i])
				if got := (boot{root: root}).file(c.file); got != c.want {
					t.Fatalf("%s: %s is %q\n%s", c.name, c.file, got, log)
				}
				used[i] = append(used[i], u)
			}
		}
		for i, c := range all {
			asked, connections := labs[i].asked.list()
			fmt.Fprintf(w, "%v\t%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", delay, c.name,
				ms(median(used[i], func(u usage) int64 { return int64(u.took) })), ms(median(used[i], func(u usage) int64 { return int64(u.cpu) })),
				float64(len(asked))/benchRuns, float64(connections)/benchRuns,
				float64(median(used[i], func(u usage) int64 { return u.peak }))/(1<<20))
		}
	}
	w.Flush()
	t.Logf("medians of %d runs, each from a dark NIC to a dark NIC\n%s", benchRuns, text.String())
}

// benchLab is EC2 as it is for a contender, so far away. Version 1 is allowed.
func benchLab(t *testing.T, c contender, delay time.Duration) *lab {
	l := newLab(t)
	l.dnsmasq()
	l.address("169.254.169.254/32", "lo")
	l.handle("169.254.169.254:80", simulate.EC2{V1: true, Machine: simulate.Machine{
		InstanceID: ec2ID, Hostname: "name", PublicKeys: []string{key}, UserData: []byte(c.userData),
	}})
	l.wire.set(func(w *wire) { w.delay = distance(delay) })
	return l
}

func median(all []usage, of func(usage) int64) int64 {
	var list []int64
	for _, u := range all {
		list = append(list, of(u))
	}
	slices.Sort(list)
	return list[len(list)/2]
}

func ms(n int64) float64 { return float64(n) / float64(time.Millisecond) }
