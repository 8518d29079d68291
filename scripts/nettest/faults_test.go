//go:build net && faults

package nettest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"boothook/initramfs/report"
	"boothook/netboot/simulate"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

const (
	// budget is what the agent is given where there is nothing to be had.
	budget = 2 * time.Second
	// slack is what a whole run may take beyond what is waited for.
	slack = 1500 * time.Millisecond
	// maxPeak is the most memory of the agent, in bytes, whatever it is sent.
	maxPeak = 32 << 20
)

// clockBehind is how far the machine's clock is behind the rest of the world: as if
// it began at 1970. The clock of a namespace cannot be set, so the world is ahead.
const clockBehind = 56 * 365 * 24 * time.Hour

// A fault is something wrong with the world around the agent.
type fault struct {
	name string
	// network replaces the common one, dnsmasq; service the common one, EC2.
	network func(*lab)
	service func(*lab)
	// later goes on while the agent runs.
	later func(*lab)
	// dmi is the firmware; nil: that of EC2. words are the kernel's.
	dmi   map[string]string
	words string
	// want is the outcome, and within what the run may take. silent means
	// that not one packet may be sent.
	want   report.Result
	within time.Duration
	silent bool
	// requests is the most that the service may be asked; 0: any number.
	requests int
	// defence is what holds against it, to be taken out once: one of defences.
	defence string
}

func nothing(*lab) {}

func faults() []fault {
	lost, found := report.Failed, report.Applied
	gone := "the budget"
	events := "link events"
	another := "shunning servers"
	retries := "asking again"
	all := []fault{
		{name: "no carrier", network: func(l *lab) { l.dnsmasq(); l.wire.plug(l.t, false) }, want: lost, within: budget, defence: gone},
		{name: "carrier after 5 s", network: func(l *lab) { l.dnsmasq(); l.wire.plug(l.t, false) }, words: "boothook.timeout=20s",
			later: func(l *lab) { time.Sleep(5 * time.Second); l.wire.plug(l.t, true) }, want: found, within: 5 * time.Second, defence: events},
		{name: "link flaps during DHCP", network: nothing, words: "boothook.timeout=10s", later: flap, want: found, within: 2 * time.Second,
			defence: "starting over"},
		{name: "no DHCP server", network: nothing, want: lost, within: budget, defence: gone},
		{name: "server never acknowledges", network: func(l *lab) {
			l.scripted(firstThen(rogue(dhcpv4.MessageTypeNone), honest("10.9.0.1", "10.9.0.50")))
		}, words: "boothook.timeout=10s", want: found, within: 4 * time.Second, defence: another},
		{name: "server refuses (NAK)", network: func(l *lab) {
			l.scripted(firstThen(rogue(dhcpv4.MessageTypeNak), honest("10.9.0.1", "10.9.0.50")))
		}, words: "boothook.timeout=10s", want: found, within: 2 * time.Second, defence: another},
		{name: "lease from a wrong subnet", network: func(l *lab) { l.scripted(honest("192.168.77.1", "192.168.77.50")) }, want: lost, within: budget, defence: gone},
		{name: "/32 lease, gateway off the link", network: func(l *lab) {
			command(l.t, "ip", "-n", l.cloud, "route", "add", "10.77.7.7", "dev", "s0")
			l.scripted(honest("10.9.0.1", "10.77.7.7", dhcpv4.WithNetmask([]byte{255, 255, 255, 255})))
		}, words: "boothook.timeout=4s", want: found, within: time.Second,
			defence: "the on-link route"},
		{name: "two servers", network: func(l *lab) {
			l.scripted(jealous("10.9.0.2", "10.9.0.51", honest("10.9.0.1", "10.9.0.50")))
		}, want: found, within: time.Second,
			defence: "hearing the chosen one only"},
		{name: "forged and malformed messages", network: func(l *lab) { l.scripted(noise(honest("10.9.0.1", "10.9.0.50"))) }, want: found, within: time.Second,
			defence: "the transaction's number"},
		{name: "odd and oversized options", network: func(l *lab) { l.scripted(honest("10.9.0.1", "10.9.0.50", odd()...)) }, want: found, within: time.Second,
			defence: "gateways that can be one"},
		{name: "16 NICs, the 13th leads there", network: sixteen, words: "boothook.timeout=4s", want: found, within: 2 * time.Second,
			defence: "all NICs at once"},
		{name: "NIC that appears after 3 s", network: func(l *lab) {
			l.dnsmasq()
			command(l.t, "ip", "netns", "add", l.machine+"x")
			l.t.Cleanup(func() { command(l.t, "ip", "netns", "del", l.machine+"x") })
			command(l.t, "ip", "-n", l.machine, "link", "set", "eth0", "netns", l.machine+"x")
		}, words: "boothook.timeout=10s", later: func(l *lab) {
			time.Sleep(3 * time.Second)
			command(l.t, "ip", "-n", l.machine+"x", "link", "set", "eth0", "netns", l.machine)
		}, want: found, within: 3 * time.Second,
			defence: "considering new links"},
		{name: "service refuses connections", service: func(l *lab) { l.address("169.254.169.254/32", "lo") }, want: lost, within: budget, defence: gone},
		{name: "service is not there", service: nothing, want: lost, within: budget, defence: gone},
		{name: "service resets connections", service: faulty(simulate.Faults{Reset: true}), want: lost, within: budget, defence: gone},
		{name: "service never answers", service: faulty(simulate.Faults{Hang: true}), want: lost, within: budget, defence: gone},
		{name: "a byte a second", service: behind("/latest/meta-data", trickle), want: lost, within: budget, defence: gone},
		{name: "half of the user-data", service: behind("/latest/user-data", half), want: lost, within: budget,
			defence: "counting the bytes"},
		{name: "10 GiB of user-data", service: behind("/latest/user-data", endless), words: "boothook.timeout=4s", want: lost, within: 4 * time.Second,
			defence: "the size limit"},
		{name: "redirects for ever", service: behind("/latest/user-data", redirect), want: lost, within: budget, requests: 20,
			defence: "counting redirects"},
		{name: "names are not resolved", words: "boothook.url=http://seed.example/user-data boothook.timeout=2s", want: lost, within: budget, defence: gone},
		{name: "https with the clock at 1970", network: func(l *lab) { l.dnsmasq("--address=/seed.example/10.9.0.1") },
			service: func(l *lab) {
				faulty(simulate.Faults{})(l)
				l.serveTLS("10.9.0.1:443", "seed.example", time.Now().Add(clockBehind))
			},
			words: "boothook.url=https://seed.example/user-data", want: found, within: time.Second,
			defence: "the time of baking"},
		{name: "impostor, machine not identified", dmi: map[string]string{"sys_vendor": "QEMU"}, want: report.NoPlatform, within: 0, silent: true,
			defence: "identifying first"},
	}
	// The budget is long, and they still do not take it all.
	for _, status := range []int{401, 403, 404} {
		all = append(all, fault{name: fmt.Sprintf("always %d, and time left", status), service: faulty(simulate.Faults{Status: status}),
			words: "boothook.timeout=15s", want: lost, within: 6 * time.Second,
			defence: "giving up early"})
	}
	all = append(all, fault{name: "always 404, and the cable of another NIC comes late", network: func(l *lab) {
		l.dnsmasq()
		l.another()
	}, service: faulty(simulate.Faults{Status: 404}), later: func(l *lab) {
		time.Sleep(3 * time.Second)
		l.second.plug(l.t, true)
	}, words: "boothook.timeout=15s", want: found, within: 4 * time.Second,
		defence: "the time for late links"})
	for _, status := range []int{401, 403, 404, 429, 500, 503} {
		all = append(all, fault{name: fmt.Sprintf("always %d", status), service: faulty(simulate.Faults{Status: status}), want: lost, within: budget, defence: gone})
	}
	for _, status := range []int{429, 500, 503} {
		all = append(all, fault{name: fmt.Sprintf("%d five times", status), service: faulty(simulate.Faults{Status: status, Times: 5, Path: "/latest/meta-data"}),
			words: "boothook.timeout=10s", want: found, within: 4 * time.Second, defence: retries})
	}
	return all
}

// TestFaults runs the agent against each fault, and once more without what
// defends it; then the row must not hold.
func TestFaults(t *testing.T) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\toutcome\ttook ms\tat most ms\tpeak MiB\tboot goes on\twithout\tthen")
	builds := builds{t: t, dir: t.TempDir()}
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			b, why := f.run(t, agentBinary(t))
			if why != "" {
				t.Errorf("%s\n%s", why, b.log)
			}
			_, then := f.run(t, builds.without(t, f.defence))
			if then == "" {
				then = "THE SAME"
				t.Errorf("holds without %s, too", f.defence)
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n", f.name, b.Result, b.took.Milliseconds(),
				(f.within + slack).Milliseconds(), b.peak>>20, "yes", f.defence, then)
		})
	}
	w.Flush()
	t.Logf("\n%s", text.String())
}

// run runs an agent against the fault, and says why the row does not hold, ""
// if it does. That the boot goes on is that run returns: the agent has ended
// by itself and left a report.
func (f fault) run(t *testing.T, agent string) (b boot, why string) {
	l := newLab(t)
	if f.network == nil {
		l.dnsmasq()
	} else {
		f.network(l)
	}
	if f.service == nil {
		faulty(simulate.Faults{})(l)
	} else {
		f.service(l)
	}
	if f.dmi == nil {
		f.dmi = dmi("product_uuid", ec2UUID)
	}
	if !strings.Contains(f.words, "boothook.timeout=") {
		f.words += fmt.Sprintf(" boothook.timeout=%v", budget)
	}
	if f.later != nil {
		done := make(chan bool)
		go func() {
			defer close(done)
			f.later(l)
		}()
		defer func() { <-done }()
	}
	b = l.boot(agent, l.firmware(f.dmi), f.words)
	untouched := b.file("etc/hostname") == "" && b.file("var/lib/cloud/data/instance-id") == ""
	switch {
	case b.Result != f.want:
		why = "result " + string(b.Result)
	case untouched == (f.want == report.Applied):
		why = fmt.Sprintf("result %s, and the root is untouched: %v", b.Result, untouched)
	case f.want == report.Applied && b.file("var/lib/cloud/instances/"+ec2ID+"/user-data.txt") != userData:
		why = "wrong user-data"
	case b.took > f.within+slack:
		why = fmt.Sprintf("took %d ms", b.took.Milliseconds())
	case b.peak > maxPeak:
		why = fmt.Sprintf("took %d MiB", b.peak>>20)
	case f.requests > 0 && l.asked.count() > f.requests:
		why = fmt.Sprintf("asked %d times", l.asked.count())
	case f.silent && l.wire.frames() > 0:
		why = fmt.Sprintf("sent %d packets", l.wire.frames())
	}
	return b, why
}

func ec2() http.Handler {
	return simulate.EC2{Machine: simulate.Machine{InstanceID: ec2ID, Hostname: "name", UserData: []byte(userData)}}
}

// faulty is EC2 with faults.
func faulty(f simulate.Faults) func(*lab) {
	return func(l *lab) {
		l.address("169.254.169.254/32", "lo")
		l.serve("169.254.169.254:80", simulate.Server{Handler: ec2(), Faults: f})
	}
}

// behind is EC2, but for what is below a path.
func behind(path string, wrong http.HandlerFunc) func(*lab) {
	return func(l *lab) {
		l.address("169.254.169.254/32", "lo")
		right := ec2()
		l.handle("169.254.169.254:80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, path) {
				wrong(w, r)
			} else {
				right.ServeHTTP(w, r)
			}
		}))
	}
}

// trickle sends a byte a second.
func trickle(w http.ResponseWriter, r *http.Request) {
	for range 60 {
		w.Write([]byte("i"))
		http.NewResponseController(w).Flush()
		select {
		case <-time.After(time.Second):
		case <-r.Context().Done():
			return
		}
	}
}

// half sends half of what it says, and closes.
func half(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", fmt.Sprint(len(userData)))
	w.Write([]byte(userData[:len(userData)/2]))
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// endless sends 10 GiB, or as much of them as anybody takes.
func endless(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", fmt.Sprint(int64(10)<<30))
	piece := make([]byte, 1<<20)
	for range 10 << 10 {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

// redirect sends who asks back to where it is.
func redirect(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, r.URL.Path, http.StatusFound)
}

// flap pulls the cable, each time when the machine has just asked something,
// and puts it back; then a server comes.
func flap(l *lab) {
	for range 3 {
		before := l.wire.frames()
		for n := 0; n < 300 && l.wire.frames() == before; n++ { // a machine that has given up asks nothing
			time.Sleep(10 * time.Millisecond)
		}
		l.wire.plug(l.t, false)
		time.Sleep(200 * time.Millisecond)
		l.wire.plug(l.t, true)
	}
	l.dnsmasq()
}

// sixteen has eth0 to eth15, all with a carrier, of which eth12 is the one.
func sixteen(l *lab) {
	l.wire.near.Close()
	l.wire.far.Close()
	for i := range 16 {
		far := fmt.Sprintf("s%d", i+20)
		if i == 12 {
			far = "s0"
		}
		newWire(l.t, l.machine, fmt.Sprintf("eth%d", i), l.cloud, far)
	}
	l.address("10.9.0.1/24", "s0")
	l.dnsmasq()
}

// another gives the machine an eth1 without a cable, which leads to a cloud
// without faults.
func (l *lab) another() {
	o := &lab{t: l.t, dir: l.t.TempDir(), machine: l.machine, cloud: l.cloud + "b"}
	command(l.t, "ip", "netns", "add", o.cloud)
	l.t.Cleanup(func() { command(l.t, "ip", "netns", "del", o.cloud) })
	command(l.t, "ip", "-n", o.cloud, "link", "set", "lo", "up")
	o.wire = newWire(l.t, l.machine, "eth1", o.cloud, "s0")
	o.wire.plug(l.t, false)
	o.address("10.9.0.1/24", "s0")
	o.dnsmasq()
	faulty(simulate.Faults{})(o)
	l.second = o.wire
}

// builds makes agents that lack a defence.
type builds struct {
	t    *testing.T
	dir  string
	made map[string]string
}

// without builds the agent as it is but for one defence. The source stays as
// it is: the compiler is given another text in its place.
func (b *builds) without(t *testing.T, name string) string {
	t.Helper()
	if agent := b.made[name]; agent != "" {
		return agent
	}
	d := defences()[name]
	text, err := d.removed()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	file, err := filepath.Abs(filepath.Join("../..", d.file))
	if err != nil {
		t.Fatal(err)
	}
	if b.made == nil {
		b.made = map[string]string{}
	}
	base := filepath.Join(b.dir, fmt.Sprint(len(b.made)))
	for path, text := range map[string]string{
		base + ".go":   text,
		base + ".json": fmt.Sprintf(`{"Replace": {%q: %q}}`, file, base+".go"),
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command(t, "go", "build", "-C", "../..", "-trimpath", "-buildvcs=false", "-gcflags=all=-l", "-overlay", base+".json",
		"-o", base, "./cmd/boothook-agent")
	b.made[name] = base
	return base
}
