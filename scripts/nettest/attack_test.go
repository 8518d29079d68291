//go:build net && attack

package nettest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"boothook/initramfs/report"
	"boothook/netboot/simulate"
	"boothook/scripts/attack"
	"boothook/scripts/programs"
)

const (
	// attackBudget is what the agent is given under attack, and attackSlack
	// what it may take beyond, on a machine that has much else to do.
	attackBudget = 2 * time.Second
	attackSlack  = 15 * time.Second
	// attackPeak is the most memory of the agent, in bytes, whatever it is sent.
	attackPeak = 32 << 20
	// mutants is how many mutated frames come for each real one, and trickle
	// how many each trickleWait without being asked for.
	mutants, trickled = 100, 10
	trickleWait       = 10 * time.Millisecond
	// attackRuns is how often the agent is started for each kind of message.
	attackRuns = 40
	// enough is how many mutated frames there must have been in these.
	enough = 5000
)

// The agent needs a name, too. Afterwards, with honest servers, it has all the
// time that a busy machine may need.
const honestWords = "boothook.url=http://seed.example/user-data boothook.timeout=30s"

var attackWords = fmt.Sprintf("boothook.url=http://seed.example/user-data boothook.timeout=%v", attackBudget)

// A meddler stands in the wire and mutates what servers say.
type meddler struct {
	kinds []attack.Kind

	mu   sync.Mutex // guards what follows
	rand *rand.Rand
	// honest is how often, out of ten, the real message comes behind the mutants.
	honest int
	heard  []attack.Frame // the last of each kind
	sent   map[attack.Kind]int
}

func newMeddler(t *testing.T, kinds ...attack.Kind) *meddler {
	return &meddler{kinds: kinds, rand: attack.Rand(t), sent: map[attack.Kind]int{}}
}

// meddle is what comes in a frame's place.
func (m *meddler) meddle(frame []byte) [][]byte {
	frame = bytes.Clone(frame)
	f, ok := attack.ParseFrame(frame)
	if !ok || !slices.Contains(m.kinds, f.Kind) {
		return [][]byte{frame}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heard = append(slices.DeleteFunc(m.heard, func(h attack.Frame) bool { return h.Kind == f.Kind }), f)
	all := m.mutate(f, mutants)
	if m.rand.IntN(10) < m.honest {
		all = append(all, frame)
	}
	return all
}

func (m *meddler) mutate(f attack.Frame, n int) (all [][]byte) {
	for range n {
		all = append(all, f.Mutate(m.rand))
	}
	m.sent[f.Kind] += n
	return all
}

// unasked is a mutated frame or more that come by themselves.
func (m *meddler) unasked() [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.heard) == 0 {
		return nil
	}
	return m.mutate(m.heard[m.rand.IntN(len(m.heard))], trickled)
}

// attackedBy puts a meddler into the wire, until the returned function is called.
func (l *lab) attackedBy(m *meddler) (stop func()) {
	l.wire.set(func(w *wire) { w.meddle = m.meddle })
	quiet := l.trickle(m.unasked)
	return func() {
		l.wire.set(func(w *wire) { w.meddle = nil })
		quiet()
	}
}

// trickle sends the NIC frames that nobody asked for, every trickleWait, until
// the returned function is called.
func (l *lab) trickle(frames func() [][]byte) (stop func()) {
	end, ended := make(chan bool), make(chan bool)
	go func() {
		defer close(ended)
		tick := time.NewTicker(trickleWait)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				for _, frame := range frames() {
					l.wire.near.Write(frame) // a NIC that is down takes none
				}
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// An attackedNetwork is the servers that a machine believes, of which some are
// meddled with.
type attackedNetwork struct {
	name    string
	kinds   []attack.Kind
	dnsmasq []string
}

func attackedNetworks() []attackedNetwork {
	const four, managed, router = "--dhcp-range=10.9.0.50,10.9.0.99,255.255.255.0,1h", "--dhcp-range=fd00:9::100,fd00:9::1ff,64,1h", "--dhcp-range=fd00:9::,ra-only"
	const both = "--dhcp-range=fd00:9::100,fd00:9::1ff,slaac,64,1h"
	return []attackedNetwork{
		{"DHCPv4", []attack.Kind{attack.KindDHCPv4}, []string{four}},
		{"DHCPv6", []attack.Kind{attack.KindDHCPv6}, []string{"--enable-ra", "--ra-param=s0,4", managed}},
		{"RA", []attack.Kind{attack.KindRA}, []string{"--enable-ra", "--ra-param=s0,4", router}},
		{"DNS", []attack.Kind{attack.KindDNS}, []string{four}},
		{"all", []attack.Kind{attack.KindDHCPv4, attack.KindDHCPv6, attack.KindRA, attack.KindDNS}, []string{four, "--enable-ra", "--ra-param=s0,4", both}},
	}
}

// attackedLab has such a network, the service of EC2, and user-data behind a name.
func attackedLab(t *testing.T, n attackedNetwork) *lab {
	l := newLab(t)
	l.ipv6()
	l.dnsmasqWith(append([]string{"--address=/seed.example/10.9.0.1", "--address=/seed.example/fd00:9::1"}, n.dnsmasq...)...)
	l.address("169.254.169.254/32", "lo")
	for _, addr := range []string{"169.254.169.254:80", "[fd00:ec2::254]:80"} {
		l.handle(addr, simulate.EC2{Machine: simulate.Machine{InstanceID: ec2ID, Hostname: "name"}})
	}
	for _, addr := range []string{"10.9.0.1:80", "[fd00:9::1]:80"} {
		l.handle(addr, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(userData)) }))
	}
	return l
}

// network is what a machine's network is like, but for what the kernel counts.
func (l *lab) network() string {
	l.t.Helper()
	text := command(l.t, "ip", "-n", l.machine, "-o", "addr") + command(l.t, "ip", "-n", l.machine, "-o", "link") +
		command(l.t, "ip", "-n", l.machine, "route", "show", "table", "all") + command(l.t, "ip", "-n", l.machine, "-6", "route", "show", "table", "all")
	return regexp.MustCompile(`valid_lft \S+ preferred_lft \S+|expires \S+|qdisc \S+`).ReplaceAllString(text, "")
}

// panics says where an agent panicked, whether or not it survived that.
func (b boot) panics() (found []string) {
	for _, p := range b.Problems {
		if strings.Contains(p.Message, "panic") {
			found = append(found, p.Message)
		}
	}
	if i := strings.Index(b.log, "goroutine "); i >= 0 {
		found = append(found, b.log[max(0, i-500):min(len(b.log), i+3000)])
	}
	return found
}

// tryBoot is boot for an agent that may not get as far as a report.
func (l *lab) tryBoot(agent, sysfs, words string) (b boot, err error) {
	b.root = l.root()
	run := filepath.Join(l.dir, "run")
	os.Remove(filepath.Join(run, "report.json"))
	b.log, b.usage = l.run(agent, "run", "--root", b.root, "--run", run, "--sys", sysfs, "--cmdline", words+" boothook.log=debug")
	b.Report = &report.Report{}
	text, err := os.ReadFile(filepath.Join(run, "report.json"))
	if err != nil {
		return b, err
	}
	b.Report, err = report.Decode(text)
	return b, err
}

// TestAttackPackets runs the agent on networks whose every answer is mutated,
// thousands of times. It may come to nothing, within its time and its memory,
// but not to a panic; it leaves the network as it was; and a server that is
// honest afterwards serves it.
func TestAttackPackets(t *testing.T) {
	for _, n := range attackedNetworks() {
		t.Run(n.name, func(t *testing.T) { attackPackets(t, n) })
	}
}

func attackPackets(t *testing.T, n attackedNetwork) {
	l := attackedLab(t, n)
	sysfs, agent, before := l.firmware(dmi("product_uuid", ec2UUID)), agentBinary(t), l.network()
	m := newMeddler(t, n.kinds...)
	stop := l.attackedBy(m)
	outcomes, peak, longest := map[report.Result]int{}, int64(0), time.Duration(0)
	for run := range attackRuns {
		m.mu.Lock()
		m.honest = run % 8 // at first, no true word
		m.mu.Unlock()
		b, err := l.tryBoot(agent, sysfs, attackWords)
		if found := b.panics(); len(found) > 0 || err != nil {
			t.Fatalf("panics %q, report %v\n%s", found, err, b.log)
		}
		outcomes[b.Result]++
		peak, longest = max(peak, b.peak), max(longest, b.took)
		if b.took > attackBudget+attackSlack || b.peak > attackPeak {
			t.Errorf("took %v and %d MiB", b.took, b.peak>>20)
		}
		if after := l.network(); after != before {
			t.Fatalf("run %d left the network as\n%s\nand found it as\n%s\n%s", run, after, before, b.log)
		}
	}
	stop()
	if b, err := l.tryBoot(agent, sysfs, honestWords); err != nil || b.Result != report.Applied {
		t.Errorf("afterwards, by an honest server: %s, %v\n%s", b.Result, err, b.log)
	}
	all := 0
	for _, n := range m.sent {
		all += n
	}
	t.Logf("attack: %s: %d runs, %d mutated packets, %v; outcomes %v, at most %v and %d MiB, no panic", n.name, attackRuns, all, m.sent, outcomes,
		longest.Round(time.Millisecond), peak>>20)
	if all < enough {
		t.Errorf("only %d", all)
	}
}

// TestAttackPacketsSeesPanics: an agent whose decoders panic on some messages
// is found out, be it that it drops them and counts, be it that it ends.
func TestAttackPacketsSeesPanics(t *testing.T) {
	networks := attackedNetworks()
	for _, c := range []struct {
		name    string
		network attackedNetwork
		fault   defence
		want    string
	}{
		{"dropped and counted", networks[0], defence{"netboot/nic/dhcp/client4.go", "ReadMessage4(data)",
			"ReadMessage4(data[:len(data):len(data)][:250])"}, "decoding panicked on"},
		{"the end", networks[3], defence{"netboot/dial/dns.go", "p.Start(msg)", "p.Start(msg[:len(msg):len(msg)][:30])"}, "panic: runtime error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := c.fault.removed()
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			file, err := filepath.Abs(filepath.Join("../..", c.fault.file))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "changed.go"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := programs.Build(dir, map[string]string{file: filepath.Join(dir, "changed.go")}, false); err != nil {
				t.Fatal(err)
			}
			l := attackedLab(t, c.network)
			defer l.attackedBy(newMeddler(t, c.network.kinds...))()
			b, _ := l.tryBoot(filepath.Join(dir, "boothook-agent"), l.firmware(dmi("product_uuid", ec2UUID)), attackWords)
			if found := strings.Join(b.panics(), "\n"); !strings.Contains(found, c.want) {
				t.Errorf("what is seen of it: %q\n%s", found, b.log)
			}
		})
	}
}
