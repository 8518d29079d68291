// Package nic takes a machine whose network interfaces are down to usable
// leases, and back.
//
// In go Options, most of them words of the kernel's command line; out come
// Leases on a channel, one for every NIC that gets an address, as it gets it.
// All NICs are worked on at once, also those that appear later. The consumer of
// the leases decides which one leads anywhere, and says so with Settle. At the
// end Restore leaves the links as they were found, or Stop leaves them as they
// are, for a root that needs the network.
//
// The package acts on the kernel's events and names links by their index: it
// does not poll, and a rename changes nothing. A link that another program has
// configured is adopted, never touched. Where a udevd runs, a link is touched
// only after udevd has finished with it, because an interface that is up cannot
// be renamed.
//
// IPv6 addresses are made by the kernel; here they are only watched, routers
// solicited more often than the kernel does, and DHCPv6 added where a router
// wants that. On the links that are raised, duplicate address detection is off
// and neighbours are asked again sooner, until Restore. VLANs that are asked for
// are made, and deleted by Restore.
//
// It never loads drivers, writes files, renames links or changes their MTU, and
// asks nothing of the network but an address. It works in the network namespace
// of the calling process, all of whose threads must be in it.
//
// The package holds the decisions: which links count (choose.go), what is done
// with one next (worker.go, worker6.go), whose a link is (foreign.go), what a
// server's or router's message grants and what of it is ignored (ack.go,
// reply.go, ra.go, address.go), what of that is put on the link (assign.go) and
// how it is all undone (snapshot.go, Settle, Restore). Messages to servers are
// package dhcp's. What it touches comes in by the interfaces of machine.go, so
// that unit tests run it on a machine in memory, without root and with their own
// clock; the tests under the build tag net run it on a kernel. Only the function
// open needs one.
package nic

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// maxLinks bounds how many links are worked on; more are not touched. The
// largest cloud machines have 15 interfaces.
const maxLinks = 64

// leasesPerLink is how many leases a link can bring: two, and two link-local ones.
const leasesPerLink = 4

// How often a server is asked at first: the values of Options.Pace.
const (
	// DefaultPace suits physical networks. Switches that guard against floods
	// cut off ports with more than 10 to 15 DHCP messages a second.
	DefaultPace = 500 * time.Millisecond
	// CloudPace suits virtual networks, where a server that becomes ready
	// without a sign is found 14 ms later on the average. On each link that is
	// 40 messages a second, and 480 in all before it gets less.
	CloudPace = 25 * time.Millisecond
)

// Options say which links are used and how. The zero value does DHCPv4 on
// every physical Ethernet link.
type Options struct {
	// Only restricts the work to the link with this name or hardware
	// address (boothook.nic=); it may then be a virtual one.
	Only string
	// Virtual lets every Ethernet link count that is not a bridge, bond or
	// team or a member of one: veth, dummy, macvlan, VLAN. For work by hand.
	Virtual bool
	// Configs say how links get their addresses (boothook.ip=). With none,
	// every link does DHCP; otherwise links that no Config is for stay down.
	Configs []Config
	// VLANs are made, besides those that a Config's device implies by its
	// name, and used like the other links. The kernel must have the module.
	VLANs []VLAN
	// AdoptOnly leaves raising and leasing to the initrd's own stack (ip=,
	// rd.neednet, nfsroot): leases come from what that one sets up.
	AdoptOnly bool
	// LinkLocal4 also gives each link an address in 169.254.0.0/16, for
	// services that are reached without DHCP. LinkLocal6 also hands out each
	// link's fe80:: address, for services that have such an address.
	LinkLocal4, LinkLocal6 bool
	// DHCPOptions are the codes of further DHCPv4 options to request from the
	// server (RFC 2132 §9.8); their values come back in Lease.Options.
	DHCPOptions []uint8
	// RapidCommit asks for leases in two messages instead of four (RFC
	// 4039). Some servers answer it badly, so it must be asked for.
	RapidCommit bool
	// Pace is how often a DHCP server or a router is asked at first; 0: DefaultPace.
	Pace time.Duration
	// UdevWait is how long a link waits for udevd to finish with it; after
	// that it is used with a warning. 0: no udevd runs.
	UdevWait time.Duration
	// Log takes one line of what happened, without its newline; nil drops it.
	// It is called from several goroutines.
	Log func(string)
}

// A Manager works on the links of one network namespace, from Start to
// Restore. Its methods may be called from any goroutine.
type Manager struct {
	opts    Options
	machine *machine
	udev    *udevWatch // nil: no waiting for udevd
	leases  chan Lease
	panics  atomic.Int32

	ctx     context.Context
	cancel  context.CancelFunc
	workers sync.WaitGroup // the event loop and the links' workers
	ended   chan struct{}  // closed when all of them have

	mu      sync.Mutex    // guards what follows
	links   map[int]*link // those that count, by index
	settled int           // the only link that still counts; 0: all
	claims  claims
	closed  bool
}

// Start begins to work on every link that counts and returns at once. The
// work ends with ctx, Stop or Restore; one of these two must be called.
func Start(ctx context.Context, o Options) (*Manager, error) {
	if o.Log == nil {
		o.Log = func(string) {}
	}
	mach, err := open(o.UdevWait > 0, o.Log)
	if err != nil {
		return nil, err
	}
	return start(ctx, o, mach)
}

// start is Start on a given machine.
func start(ctx context.Context, o Options, mach *machine) (*Manager, error) {
	if o.Pace <= 0 {
		o.Pace = DefaultPace
	}
	o.impliedVLANs()
	m := &Manager{
		opts:    o,
		machine: mach,
		leases:  make(chan Lease, maxLinks*leasesPerLink),
		ended:   make(chan struct{}),
		links:   map[int]*link{},
		claims:  claims{},
	}
	if mach.udev != nil {
		m.udev = watchUdev(mach.udev, mach.files)
	}
	m.ctx, m.cancel = context.WithCancel(ctx)
	m.workers.Add(1) // the event loop; while it runs it may add workers
	go m.end()
	err := m.list()
	// Behind the list: what an event says must not be overwritten by a list
	// that was made before it. The events of the meantime are waiting.
	go m.watch()
	if err != nil {
		return nil, errors.Join(err, m.Restore())
	}
	return m, nil
}

// Leases gives the leases as they come, for each link one for IPv4 and one for
// IPv6 at most, and the link-local ones if asked for. The channel is closed
// when the work has ended.
func (m *Manager) Leases() <-chan Lease { return m.leases }

// Panics counts the messages of servers on which decoding panicked. Each cost
// no more than itself, but is a fault of this program that should be reported.
func (m *Manager) Panics() int { return int(m.panics.Load()) }

// Idle says that no lease is on its way: each link that has a carrier has
// brought one for IPv4, which most services want. It holds until a link gets
// its carrier.
func (m *Manager) Idle() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.links {
		if attrs, _ := l.now(); hasCarrier(attrs) && !l.leased.Load() {
			return false
		}
	}
	return true
}

// Settle says that the link with this index leads to what was sought: the
// work on all others ends, and they are restored. What carries the link, if it
// is a VLAN made here, stays as it is.
func (m *Manager) Settle(index int) error {
	m.mu.Lock()
	m.settled = index
	under := index
	if l := m.links[index]; l != nil {
		if attrs, _ := l.now(); m.opts.isOurs(attrs) {
			under = attrs.Lower
		}
	}
	others := m.inOrder()
	others = slices.DeleteFunc(others, func(l *link) bool { return l.index == index || l.index == under })
	for _, l := range others {
		l.stop()
	}
	m.mu.Unlock()
	for _, l := range others {
		<-l.done
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.restore(others)
}

// Stop ends the work and leaves the links as they are, for a root that needs
// the network; only what is no part of that, the sysctls, is put back.
// Addresses keep the lifetime of their leases: who takes over must renew them.
func (m *Manager) Stop() {
	m.cancel()
	<-m.ended
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.links {
		m.restoreSysctls(l)
	}
}

// Restore ends the work and leaves every link as it was found: addresses,
// routes, MTU and whether it was up. It works after ctx has ended, too, and
// goes on after an error. Adopted links are not touched. A second call does
// nothing.
func (m *Manager) Restore() error {
	m.Stop()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	defer m.machine.netlink.Close()
	return m.restore(m.inOrder())
}

// end waits for the end of the work and closes what it used, but for the
// connection, which Restore needs.
func (m *Manager) end() {
	<-m.ctx.Done()
	m.machine.closeEvents()
	m.workers.Wait()
	close(m.leases)
	close(m.ended)
}

// inOrder lists the links as they are restored: the VLANs that were made here
// before what carries them, and each kind by index. m.mu must be held.
func (m *Manager) inOrder() []*link {
	var list []*link
	for _, l := range m.links {
		list = append(list, l)
	}
	first := func(l *link) int {
		if attrs, _ := l.now(); m.opts.isOurs(attrs) {
			return 0
		}
		return 1
	}
	// slices.SortFunc would be made once more for this type: 11 KB of the agent.
	sort.Slice(list, func(i, j int) bool {
		a, b := list[i], list[j]
		if d := first(a) - first(b); d != 0 {
			return d < 0
		}
		return a.index < b.index
	})
	return list
}

// restore brings back links whose workers have ended, in the given order. It
// goes on after an error. m.mu must be held.
func (m *Manager) restore(list []*link) error {
	var errs []error
	for _, l := range list {
		before := l.before
		l.before = nil
		if before == nil {
			continue
		}
		if l.reply != nil {
			errs = append(errs, m.release6(l))
		}
		errs = append(errs, m.rewind(l.index, before))
	}
	return errors.Join(errs...)
}

// restoreSysctls puts back what was changed of the link's sysctls.
func (m *Manager) restoreSysctls(l *link) {
	if l.before == nil {
		return
	}
	attrs, _ := l.now()
	if err := m.machine.files.setSysctls(attrs.Name, l.before.ctl, l.before.ctl); err != nil {
		m.logf(l, "%v", err)
	}
}

// logf logs a line about a link.
func (m *Manager) logf(l *link, format string, args ...any) {
	attrs, _ := l.now()
	m.opts.Log(attrs.Name + ": " + fmt.Sprintf(format, args...))
}

// logIgnored logs what of a server's, a router's or a user's words is ignored.
func (m *Manager) logIgnored(l *link, list []string) {
	for _, what := range list {
		m.logf(l, "ignored: %s", what)
	}
}

// panicked counts a panic on a message of a server.
func (m *Manager) panicked(l *link, cause any) {
	m.panics.Add(1)
	m.logf(l, "panic in decoding a message: %v", cause)
}

// deliver hands a lease out, with what the link itself adds to it.
func (m *Manager) deliver(l *link, lease *Lease) {
	attrs, _ := l.now()
	lease.Index, lease.Name, lease.HW, lease.At = l.index, attrs.Name, attrs.Addr, time.Now()
	via := "no gateway"
	if lease.Gateway.IsValid() {
		via = "gateway " + lease.Gateway.String()
	}
	m.logf(l, "%s, %s (%s)", lease.Prefix, via, lease.By)
	if lease.By != ByLinkLocal && lease.Prefix.Addr().Is4() {
		l.leased.Store(true)
	}
	select {
	case m.leases <- *lease:
	case <-m.ctx.Done():
	}
}
