//go:build net && attack

package nettest

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"boothook/initramfs/report"
	"boothook/scripts/attack"
)

const (
	// liarRuns is how often the agent meets each liar, and lies how many
	// packets a flood has each trickleWait.
	liarRuns, lies = 6, 50
	// mutatedLies of a hundred lies of a flood are no well-formed ARP either.
	mutatedLies = 20
)

// An arp is an ARP packet (RFC 826) of IPv4 over Ethernet.
type arp struct {
	op       uint16 // 1 asks, 2 answers
	hw       [6]byte
	is       netip.Addr
	targetHW [6]byte
	target   netip.Addr
}

// frame is the packet on its way to everybody.
func (a arp) frame() []byte {
	b := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, a.hw[:]...)
	for _, n := range []uint16{unix.ETH_P_ARP, 1, unix.ETH_P_IP, 6<<8 | 4, a.op} {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	b = append(append(b, a.hw[:]...), a.is.AsSlice()...)
	return append(append(b, a.targetHW[:]...), a.target.AsSlice()...)
}

func parseARP(frame []byte) (a arp, ok bool) {
	if len(frame) < 42 || binary.BigEndian.Uint16(frame[12:]) != unix.ETH_P_ARP {
		return a, false
	}
	a.op = binary.BigEndian.Uint16(frame[20:])
	copy(a.hw[:], frame[22:])
	a.is, _ = netip.AddrFromSlice(frame[28:32])
	copy(a.targetHW[:], frame[32:])
	a.target, _ = netip.AddrFromSlice(frame[38:42])
	return a, true
}

// A liar is another machine of the network, to whom belongs what it says.
type liar struct {
	name string
	// answers has it say of each address that is asked for that it is its own,
	// before whoever has it can.
	answers bool
	// conflict has it claim the machine's address as soon as that is heard of,
	// to the machine or, with fools, to all others, too.
	conflict, fools bool
	// flood has it claim addresses all the time: any, or the gateway's, too.
	flood, gateway bool
	// harmless says that the machine must get its data nevertheless.
	harmless bool

	mu   sync.Mutex // guards what follows
	rand *rand.Rand
	own  netip.Addr // the machine's
	lies int
}

var gatewayAddr = netip.AddrFrom4([4]byte{10, 9, 0, 1})

func liars() []*liar {
	return []*liar{
		{name: "claims the machine's address", conflict: true, harmless: true},
		{name: "claims the machine's address, and others believe it", conflict: true, fools: true},
		{name: "claims what is asked for", answers: true},
		{name: "floods", flood: true, harmless: true},
		{name: "floods, the gateway's address among it", flood: true, gateway: true},
		{name: "does all of it", answers: true, conflict: true, fools: true, flood: true, gateway: true},
	}
}

// hw draws an address of a machine.
func (l *liar) hw() (hw [6]byte) {
	binary.BigEndian.PutUint32(hw[2:], l.rand.Uint32())
	hw[0] = 2 // unicast, local
	return hw
}

// claim says of an address that it is its own, unasked.
func (l *liar) claim(a netip.Addr) []byte {
	l.lies++
	return arp{op: uint16(1 + l.rand.IntN(2)), hw: l.hw(), is: a, target: a}.frame()
}

// hear takes a frame and gives what the liar says to the machine, and to others.
func (l *liar) hear(frame []byte) (toMachine, toOthers [][]byte) {
	a, ok := parseARP(frame)
	if !ok {
		return nil, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.op == 1 && a.is.IsPrivate() && a.is != gatewayAddr {
		l.own = a.is
	}
	if l.answers && a.op == 1 && a.is != gatewayAddr {
		l.lies++
		toMachine = append(toMachine, arp{2, l.hw(), a.target, a.hw, a.is}.frame())
	}
	if l.conflict && l.own.IsValid() {
		toMachine = append(toMachine, l.claim(l.own))
		if l.fools {
			toOthers = append(toOthers, l.claim(l.own))
		}
	}
	return toMachine, toOthers
}

// unasked is what the liar says of its own accord.
func (l *liar) unasked() (all [][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := 0; l.flood && n < lies; n++ {
		a := netip.AddrFrom4([4]byte{10, 9, 0, byte(100 + l.rand.IntN(150))})
		if l.gateway && l.rand.IntN(4) == 0 {
			a = gatewayAddr
		}
		frame := l.claim(a)
		if l.rand.IntN(100) < mutatedLies {
			for range 8 {
				frame[14+l.rand.IntN(len(frame)-14)] = byte(l.rand.Uint32())
			}
			if !l.gateway { // whatever has come of it, it is not about who matters
				copy(frame[28:], []byte{10, 9, 0, 200})
			}
			frame = frame[:14+l.rand.IntN(len(frame)-13)]
		}
		all = append(all, frame)
	}
	return all
}

// joinedBy lets the liar into the network, until the returned function is called.
func (l *lab) joinedBy(other *liar) (stop func()) {
	l.wire.set(func(w *wire) {
		w.lost = func(frame []byte) bool {
			toMachine, toOthers := other.hear(frame)
			for _, f := range toMachine {
				w.near.Write(f) // a NIC that is down takes none
			}
			for _, f := range toOthers {
				w.far.Write(f)
			}
			return false
		}
	})
	quiet := l.trickle(other.unasked)
	return func() {
		l.wire.set(func(w *wire) { w.lost = nil })
		quiet()
	}
}

// TestAttackARP runs the agent beside a machine that lies about whose an
// address is. That can keep the agent from its data, for no longer than its
// time; it does not keep it from them afterwards.
func TestAttackARP(t *testing.T) {
	for _, other := range liars() {
		t.Run(other.name, func(t *testing.T) {
			l := attackedLab(t, attackedNetworks()[0])
			sysfs, agent, before := l.firmware(dmi("product_uuid", ec2UUID)), agentBinary(t), l.network()
			other.rand = attack.Rand(t)
			stop := l.joinedBy(other)
			outcomes, longest := map[report.Result]int{}, time.Duration(0)
			for range liarRuns {
				other.mu.Lock()
				other.own = netip.Addr{}
				other.mu.Unlock()
				b, err := l.tryBoot(agent, sysfs, attackWords)
				if found := b.panics(); len(found) > 0 || err != nil {
					t.Fatalf("panics %q, report %v\n%s", found, err, b.log)
				}
				outcomes[b.Result]++
				longest = max(longest, b.took)
				if b.took > attackBudget+attackSlack || b.peak > attackPeak {
					t.Errorf("took %v and %d MiB", b.took, b.peak>>20)
				}
				if other.harmless && b.Result != report.Applied || b.Result == report.Failed && len(b.Failures()) == 0 {
					t.Errorf("%s, problems %v\n%s", b.Result, b.Problems, b.log)
				}
				if after := l.network(); after != before {
					t.Errorf("left the network as\n%s\nand found it as\n%s", after, before)
				}
			}
			stop()
			// What others believe of the machine's address goes with it.
			command(t, "ip", "-n", l.cloud, "neigh", "flush", "all")
			if b, err := l.tryBoot(agent, sysfs, honestWords); err != nil || b.Result != report.Applied {
				t.Errorf("afterwards: %s, %v\n%s", b.Result, err, b.log)
			}
			t.Logf("attack: a neighbour %s: %d lies, outcomes %v, at most %v", other.name, other.lies, outcomes, longest.Round(time.Millisecond))
			if other.lies < liarRuns {
				t.Errorf("only %d lies", other.lies)
			}
		})
	}
}
