// Package nic takes a machine from dark network interfaces to usable leases,
// and back.
//
// In go Options, most of them words of the kernel's command line; out come
// Leases on a channel, one for every NIC that gets an address, as it gets it.
// All NICs are worked on at once, also those that appear later; who consumes
// the leases decides which one leads anywhere, and says so with Settle. At the
// end Restore leaves the links as they were found, or Stop leaves them as they
// are, for a root that lives on the network.
//
// It acts on the kernel's events and by interface index: it neither polls nor
// minds a rename. A link that another program has configured is adopted, never
// touched. Where a udevd runs, a link is touched only after udevd has finished
// with it, because an interface that is up cannot be renamed.
//
// IPv6 addresses are the kernel's work; here they are only watched, routers
// solicited more often than the kernel does, and DHCPv6 added where a router
// wants that. On the links that are raised, duplicate address detection is off
// and neighbours are asked again sooner, until Restore.
//
// VLANs that are asked for are made, and deleted by Restore.
//
// It never loads drivers, writes files, renames links or changes their MTU,
// and asks nothing of the network but an address. It works in the
// network namespace of the calling process, all of whose threads must be in it.
package nic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// maxLinks bounds how many links are worked on; more are left dark. The
// largest cloud machines have 15 interfaces.
const maxLinks = 64

// leasesPerLink is how many leases a link can bring: two, and two link-local ones.
const leasesPerLink = 4

// retryWait is the pause after the kernel refused to configure a link.
const retryWait = time.Second

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
	// every link does DHCP; otherwise links that no Config is for stay dark.
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
	// Pace is how often a DHCPv4 server is asked at first; 0: DefaultPace.
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
	opts   Options
	conn   *rtnl.Conn
	events *rtnl.Events
	udev   *udevWatch // nil: no waiting for udevd
	leases chan Lease

	ctx     context.Context
	cancel  context.CancelFunc
	workers sync.WaitGroup // the event loop and the links' workers
	ended   chan struct{}  // closed when all of them have

	mu      sync.Mutex    // guards what follows
	links   map[int]*link // those that count, by index
	settled int           // the only link that still counts; 0: all
	claimed map[*Config]int
	closed  bool
}

// Start begins to work on every link that counts and returns at once. The
// work ends with ctx, Stop or Restore; one of these two must be called.
func Start(ctx context.Context, o Options) (*Manager, error) {
	if o.Log == nil {
		o.Log = func(string) {}
	}
	if o.Pace <= 0 {
		o.Pace = DefaultPace
	}
	o.impliedVLANs()
	m := &Manager{
		opts:    o,
		leases:  make(chan Lease, maxLinks*leasesPerLink),
		ended:   make(chan struct{}),
		links:   map[int]*link{},
		claimed: map[*Config]int{},
	}
	var err error
	if o.UdevWait > 0 {
		if m.udev, err = watchUdev(); err != nil {
			o.Log(err.Error())
		}
	}
	// Subscribe first, list afterwards: nothing falls between.
	m.events, err = rtnl.Subscribe(unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE,
		unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV6_IFINFO, unix.RTNLGRP_ND_USEROPT)
	if err != nil {
		m.closeSockets()
		return nil, fmt.Errorf("subscribe to link events: %w", err)
	}
	if m.conn, err = rtnl.Open(); err != nil {
		m.closeSockets()
		return nil, err
	}
	m.ctx, m.cancel = context.WithCancel(ctx)
	m.workers.Add(1) // the event loop; while it runs it may add workers
	go m.watch()
	go m.end()
	if err := m.list(); err != nil {
		m.Stop()
		return nil, err
	}
	return m, nil
}

// Leases gives the leases as they come, for each link one for IPv4 and one for
// IPv6 at most, and the link-local ones if asked for. The channel is closed
// when the work has ended.
func (m *Manager) Leases() <-chan Lease { return m.leases }

// end waits for the end of the work and closes what it used, but for the
// connection, which Restore needs.
func (m *Manager) end() {
	<-m.ctx.Done()
	m.closeSockets()
	m.workers.Wait()
	close(m.leases)
	close(m.ended)
}

// closeSockets ends what is read from the kernel and from udevd.
func (m *Manager) closeSockets() {
	if m.events != nil {
		m.events.Close()
	}
	if m.udev != nil {
		m.udev.close()
	}
}

// Stop ends the work and leaves the links as they are, for a root that lives
// on the network; only what is no part of that, the sysctls, is put back.
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
	defer m.conn.Close()
	var errs []error
	for _, vlans := range []bool{true, false} { // these need the others
		for _, l := range m.links {
			if attrs, _ := l.now(); m.opts.isOurs(attrs) == vlans {
				errs = append(errs, m.restore(l))
			}
		}
	}
	return errors.Join(errs...)
}

// Idle says that no lease is on its way: each link that has a carrier has
// brought one for IPv4, which most services want. What it says is old when a
// cable is put in.
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
// work on all others ends, and they are restored.
func (m *Manager) Settle(index int) error {
	m.mu.Lock()
	m.settled = index
	var others []*link
	under := index // the link itself, or what carries it
	if l := m.links[index]; l != nil {
		if attrs, _ := l.now(); m.opts.isOurs(attrs) {
			under = attrs.Lower
		}
	}
	for _, l := range m.links {
		if l.index != index && l.index != under {
			others = append(others, l)
			l.stop()
		}
	}
	m.mu.Unlock()
	for _, l := range others {
		<-l.done
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, l := range others {
		errs = append(errs, m.restore(l))
	}
	return errors.Join(errs...)
}

// restoreSysctls puts back what was changed of the link's sysctls.
func (m *Manager) restoreSysctls(l *link) {
	if l.before == nil {
		return
	}
	attrs, _ := l.now()
	if err := l.before.setSysctls(attrs.Name, l.before.ctl); err != nil {
		m.logf(l, "%v", err)
	}
}

// restore brings back one link whose worker has ended. m.mu must be held.
func (m *Manager) restore(l *link) error {
	before := l.before
	l.before = nil
	if before == nil {
		return nil
	}
	var err error
	if l.reply != nil {
		err = m.release6(l)
	}
	return errors.Join(err, before.restore(m.conn, l))
}

// claim says whether a link may have a Config: a static address without a
// device goes to one link only, the first with a carrier.
func (m *Manager) claim(c *Config, index int) bool {
	if c.Method != MethodStatic || c.Device != "" {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if owner := m.claimed[c]; owner != 0 {
		return owner == index
	}
	m.claimed[c] = index
	return true
}

// logf logs a line about a link.
func (m *Manager) logf(l *link, format string, args ...any) {
	attrs, _ := l.now()
	m.opts.Log(attrs.Name + ": " + fmt.Sprintf(format, args...))
}

// deliver hands a lease out, with what the link itself has to say.
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
