package nic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"boothook/netboot/nic/dhcp/dhcptest"
	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// A fakeMachine is a machine in memory. Its links, addresses and routes behave
// as Linux's do, as far as this package relies on it: setting a link down removes
// its routes and its IPv6 addresses, a route takes the place of one with its
// destination and metric, and each change is announced. Its clock is that of
// testing/synctest, and its files lie in a directory of the test.
type fakeMachine struct {
	t    *testing.T
	root string

	mu      sync.Mutex
	links   map[int]*rtnl.Link
	plugged map[int]bool // links that have a carrier once they are up
	addrs   []rtnl.Addr
	routes  []rtnl.Route
	flags6  map[int]uint32
	refuse  func(op string, index int) error // may be nil
	listed  func()                           // called when a list of links was made and not given yet; may be nil
	ops     []string                         // what was asked of the kernel, but for reading
	queue   []rtnl.Event
	fault   error // what Receive gives next
	closed  bool
	wake    chan struct{}

	dhcp4     map[int]*dhcptest.Conn // where messages of a link go; none: nowhere
	dhcp6     map[int]*dhcptest.Conn
	wrap4     func(net.PacketConn) net.PacketConn // puts something before dhcp4; may be nil
	wrap6     func(net.PacketConn) net.PacketConn
	solicited map[int]func(msg []byte) // a router's answer to a solicitation
	udev      chan []byte              // nil: no udevd runs
	log       []string
}

func newMachine(t *testing.T) *fakeMachine {
	return &fakeMachine{
		t: t, root: t.TempDir(), links: map[int]*rtnl.Link{}, plugged: map[int]bool{}, flags6: map[int]uint32{},
		wake:  make(chan struct{}, 1),
		dhcp4: map[int]*dhcptest.Conn{}, dhcp6: map[int]*dhcptest.Conn{}, solicited: map[int]func([]byte){},
	}
}

// nic adds a network card with a cable, that is down.
func (f *fakeMachine) nic(index int, name string) {
	hw := net.HardwareAddr{2, 0, 0, 0, 0, byte(index)}
	for _, path := range sysctlPaths(name) {
		f.write(path, "1\n")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plugged[index] = true
	f.set(&rtnl.Link{Index: index, Name: name, Type: unix.ARPHRD_ETHER, MTU: 1500, Addr: hw, PermAddr: hw, ParentDev: "0000:00:03.0"})
}

// write writes one of the machine's files.
func (f *fakeMachine) write(path, content string) {
	path = filepath.Join(f.root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		f.t.Fatal(err)
	}
}

// serve has a DHCPv4 server answer on a link.
func (f *fakeMachine) serve(index int, s dhcptest.Script) {
	conn := new(dhcptest.Conn)
	conn.Serve(s)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dhcp4[index] = conn
}

// start starts a manager on the machine, which the end of the test stops.
func (f *fakeMachine) start(ctx context.Context, o Options) *Manager {
	f.t.Helper()
	o.Log = func(line string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.log = append(f.log, line)
	}
	mach := &machine{netlink: f, events: f.changes(), sockets: fakeSockets{f}, files: files(f.root)}
	if f.udev != nil {
		mach.udev = &fakeUdev{f.udev, make(chan struct{})}
	}
	m, err := start(ctx, o, mach)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(m.Stop)
	return m
}

// logged says whether a line that was logged has all of the words.
func (f *fakeMachine) logged(words ...string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.log, func(line string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) })
	})
}

// refusing makes the machine refuse, from now on, what refuse gives an error for.
func (f *fakeMachine) refusing(refuse func(op string, index int) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = refuse
}

// state is what must be the same before start and after Restore.
func (f *fakeMachine) state() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var lines []string
	for _, l := range f.links {
		lines = append(lines, fmt.Sprintf("link %d %s up %v mtu %d sysctls %q", l.Index, l.Name, isUp(l), l.MTU, files(f.root).sysctls(l.Name)))
	}
	for _, a := range f.addrs {
		lines = append(lines, fmt.Sprintf("addr %d %s", a.Index, a.Prefix))
	}
	for _, r := range f.routes {
		lines = append(lines, fmt.Sprintf("route %d %s via %v metric %d table %d", r.Index, r.Dst, r.Via, r.Metric, r.Table))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// defaultRouters lists the routers of the default routes that the kernel has.
func (f *fakeMachine) defaultRouters() (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.routes {
		if r.Dst.Bits() == 0 {
			list = append(list, r.Via.String())
		}
	}
	return list
}

// hasAddr says whether a link has an address.
func (f *fakeMachine) hasAddr(index int, prefix string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.addrs, func(a rtnl.Addr) bool { return a.Index == index && a.Prefix == netip.MustParsePrefix(prefix) })
}

func (f *fakeMachine) isUp(index int) bool {
	l, err := f.Link(index)
	return err == nil && isUp(l)
}

// done is what was asked of the kernel since the last call.
func (f *fakeMachine) done() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	ops := f.ops
	f.ops = nil
	return ops
}

// plug puts a cable in, or pulls it.
func (f *fakeMachine) plug(index int, in bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plugged[index] = in
	f.set(f.links[index])
}

// rename gives a link another name, as udevd does.
func (f *fakeMachine) rename(index int, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := *f.links[index]
	l.Name = name
	f.set(&l)
}

// by another program: an address with its subnet's route, and a default route.
func (f *fakeMachine) configure(index int, prefix, router string) {
	p := netip.MustParsePrefix(prefix)
	err := f.SetUp(index)
	if err == nil {
		err = f.ReplaceAddr(&rtnl.Addr{Index: index, Prefix: p, Flags: unix.IFA_F_PERMANENT})
	}
	if err == nil && router != "" {
		err = f.ReplaceRoute(&rtnl.Route{Index: index, Dst: defaultDst(p.Addr()), Via: netip.MustParseAddr(router), Table: unix.RT_TABLE_MAIN})
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.done()
}

// advertise is a router's advertisement, of which the kernel makes a default
// route and, with a prefix, an address; options are passed on.
func (f *fakeMachine) advertise(index int, prefix string, flags uint32, options string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flags6[index] |= flags
	f.putRoute(&rtnl.Route{Index: index, Dst: netip.MustParsePrefix("::/0"), Via: netip.MustParseAddr("fe80::1"), Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_RA, Metric: 1024})
	if prefix != "" {
		f.putAddr(&rtnl.Addr{Index: index, Prefix: netip.MustParsePrefix(prefix), Valid: 3600})
	}
	f.announce(rtnl.Event{Type: unix.RTM_NEWLINK, Index: index, Link: &rtnl.Link{Family: unix.AF_INET6, Index: index}})
	if options != "" {
		f.announce(rtnl.Event{Type: unix.RTM_NEWNDUSEROPT, Index: index, Options: []byte(options)})
	}
}

// set stores a link with the flags that its state has, and announces it.
func (f *fakeMachine) set(a *rtnl.Link) {
	l := *a
	l.Flags &^= unix.IFF_LOWER_UP
	l.Oper = 2 // IF_OPER_DOWN
	if isUp(&l) && f.plugged[l.Index] {
		l.Flags |= unix.IFF_LOWER_UP
		l.Oper = rtnl.OperUp
	}
	f.links[l.Index] = &l
	if !isUp(&l) {
		f.routes = slices.DeleteFunc(f.routes, func(r rtnl.Route) bool { return r.Index == l.Index })
		f.addrs = slices.DeleteFunc(f.addrs, func(a rtnl.Addr) bool { return a.Index == l.Index && a.Prefix.Addr().Is6() })
	}
	f.announce(rtnl.Event{Type: unix.RTM_NEWLINK, Index: l.Index, Link: &l})
}

func (f *fakeMachine) announce(e rtnl.Event) {
	f.queue = append(f.queue, e)
	f.awake()
}

func (f *fakeMachine) awake() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// lose has the event loop told that events were lost, and loses them.
func (f *fakeMachine) lose(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue, f.fault = nil, err
	f.awake()
}

// changes gives the machine's events.
func (f *fakeMachine) changes() events { return fakeEvents{f} }

type fakeEvents struct{ *fakeMachine }

func (f fakeEvents) Receive() ([]rtnl.Event, error) {
	for {
		f.mu.Lock()
		list, err, closed := f.queue, f.fault, f.closed
		f.queue, f.fault = nil, nil
		f.mu.Unlock()
		switch {
		case closed:
			return nil, os.ErrClosed
		case err != nil:
			return nil, err
		case len(list) > 0:
			return list, nil
		}
		<-f.wake
	}
}

func (f fakeEvents) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.awake()
	return nil
}

// ask records what is asked of the kernel, and refuses it if the test says so.
func (f *fakeMachine) ask(op string, index int, what any) error {
	f.ops = append(f.ops, strings.TrimSpace(fmt.Sprintf("%s %d %v", op, index, what)))
	if f.refuse != nil {
		if err := f.refuse(op, index); err != nil {
			return err
		}
	}
	if f.links[index] == nil {
		return unix.ENODEV
	}
	return nil
}

func (f *fakeMachine) Close() error { return nil }

func (f *fakeMachine) Links() (list []*rtnl.Link, err error) {
	f.mu.Lock()
	defer func() {
		listed := f.listed
		f.mu.Unlock()
		if listed != nil {
			listed()
		}
	}()
	if f.refuse != nil {
		err = f.refuse("list links", 0)
	}
	for _, l := range f.links {
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b *rtnl.Link) int { return a.Index - b.Index })
	return list, err
}

func (f *fakeMachine) Link(index int) (*rtnl.Link, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		if err := f.refuse("read link", index); err != nil {
			return nil, err
		}
	}
	if l := f.links[index]; l != nil {
		return l, nil
	}
	return nil, unix.ENODEV
}

func (f *fakeMachine) change(op string, index int, what any, change func(*rtnl.Link)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ask(op, index, what); err != nil {
		return err
	}
	l := *f.links[index]
	change(&l)
	f.set(&l)
	return nil
}

func (f *fakeMachine) SetUp(index int) error {
	return f.change("up", index, "", func(l *rtnl.Link) { l.Flags |= unix.IFF_UP })
}

func (f *fakeMachine) SetDown(index int) error {
	return f.change("down", index, "", func(l *rtnl.Link) { l.Flags &^= unix.IFF_UP })
}

func (f *fakeMachine) SetMTU(index, mtu int) error {
	return f.change("mtu", index, mtu, func(l *rtnl.Link) { l.MTU = mtu })
}

func (f *fakeMachine) AddVLAN(over int, name string, tag uint16) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ask("add vlan", over, name); err != nil {
		return err
	}
	index := over*100 + int(tag)
	f.plugged[index] = true
	f.set(&rtnl.Link{Index: index, Name: name, Kind: "vlan", Lower: over, Type: unix.ARPHRD_ETHER, MTU: 1500, Addr: f.links[over].Addr})
	return nil
}

func (f *fakeMachine) DeleteLink(index int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ask("delete link", index, ""); err != nil {
		return err
	}
	f.remove(index)
	return nil
}

// remove removes a link, as when a card is pulled out.
func (f *fakeMachine) remove(index int) {
	l := *f.links[index]
	l.Flags &^= unix.IFF_UP
	f.set(&l) // its routes go
	delete(f.links, index)
	f.addrs = slices.DeleteFunc(f.addrs, func(a rtnl.Addr) bool { return a.Index == index })
	f.announce(rtnl.Event{Type: unix.RTM_DELLINK, Index: index, Link: &l})
}

func (f *fakeMachine) unplug(index int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.remove(index)
}

func (f *fakeMachine) Inet6Flags(index int) (uint32, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.flags6[index], nil
}

func (f *fakeMachine) Addrs(index int, family uint8) (list []rtnl.Addr, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		err = f.refuse("list addrs", index)
	}
	for _, a := range f.addrs {
		is := uint8(unix.AF_INET)
		if a.Prefix.Addr().Is6() {
			is = unix.AF_INET6
		}
		if a.Index == index && (family == unix.AF_UNSPEC || family == is) {
			list = append(list, a)
		}
	}
	return list, err
}

func (f *fakeMachine) ReplaceAddr(a *rtnl.Addr) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ask("addr", a.Index, a.Prefix); err != nil {
		return err
	}
	f.putAddr(a)
	return nil
}

func (f *fakeMachine) putAddr(a *rtnl.Addr) {
	added := *a
	if added.Valid == 0 {
		added.Flags |= unix.IFA_F_PERMANENT
	}
	f.addrs = append(slices.DeleteFunc(f.addrs, func(old rtnl.Addr) bool { return old.Index == a.Index && old.Prefix == a.Prefix }), added)
	f.announce(rtnl.Event{Type: unix.RTM_NEWADDR, Index: a.Index})
}

func (f *fakeMachine) DeleteAddr(a *rtnl.Addr) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ask("delete addr", a.Index, a.Prefix); err != nil {
		return err
	}
	kept := slices.DeleteFunc(f.addrs, func(old rtnl.Addr) bool { return old.Index == a.Index && old.Prefix == a.Prefix })
	if len(kept) == len(f.addrs) {
		return unix.EADDRNOTAVAIL
	}
	f.addrs = kept
	// Routes that packets with this address take go along.
	f.routes = slices.DeleteFunc(f.routes, func(r rtnl.Route) bool { return r.Index == a.Index && r.Src == a.Prefix.Addr() })
	f.announce(rtnl.Event{Type: unix.RTM_DELADDR, Index: a.Index})
	return nil
}

func (f *fakeMachine) Routes(index int) (list []rtnl.Route, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		err = f.refuse("list routes", index)
	}
	for _, r := range f.routes {
		if r.Index == index {
			list = append(list, r)
		}
	}
	return list, err
}

func (f *fakeMachine) ReplaceRoute(r *rtnl.Route) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ask("route", r.Index, Route{r.Dst, r.Via}); err != nil {
		return err
	}
	if !isUp(f.links[r.Index]) {
		return unix.ENETDOWN
	}
	// fib_check_nh in the kernel: a router is a unicast address that is not ours.
	for _, a := range f.addrs {
		if r.Via.Is4() && !isOtherHost(r.Via, a.Prefix) {
			return unix.EINVAL
		}
	}
	f.putRoute(r)
	return nil
}

func (f *fakeMachine) putRoute(r *rtnl.Route) {
	f.routes = append(slices.DeleteFunc(f.routes, func(old rtnl.Route) bool {
		return old.Dst == r.Dst && old.Metric == r.Metric && old.Table == r.Table
	}), *r)
	f.announce(rtnl.Event{Type: unix.RTM_NEWROUTE})
}

func (f *fakeMachine) DeleteRoute(r *rtnl.Route) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ask("delete route", r.Index, Route{r.Dst, r.Via}); err != nil {
		return err
	}
	kept := slices.DeleteFunc(f.routes, func(old rtnl.Route) bool { return old.Same(r) })
	if len(kept) == len(f.routes) {
		return unix.ESRCH
	}
	f.routes = kept
	f.announce(rtnl.Event{Type: unix.RTM_DELROUTE})
	return nil
}

// fakeSockets opens sockets whose other ends the test holds.
type fakeSockets struct{ *fakeMachine }

func (f fakeSockets) DHCP4(index int) (net.PacketConn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		if err := f.refuse("open dhcp4", index); err != nil {
			return nil, err
		}
	}
	var conn net.PacketConn = f.socket(f.dhcp4, index)
	if f.wrap4 != nil {
		conn = f.wrap4(conn)
	}
	return conn, nil
}

// socket gives a socket of a client, which exchanges messages with the test's.
func (f fakeSockets) socket(ends map[int]*dhcptest.Conn, index int) net.PacketConn {
	if conn := ends[index]; conn != nil {
		conn.Fail(nil) // opened anew
		return &client{conn, f.fakeMachine, index}
	}
	return &client{new(dhcptest.Conn), f.fakeMachine, index}
}

// A client is a socket on a link: it cannot send when the link is down.
type client struct {
	*dhcptest.Conn
	f     *fakeMachine
	index int
}

func (c *client) WriteTo(b []byte, to net.Addr) (int, error) {
	l, err := c.f.Link(c.index)
	if err != nil {
		return 0, err
	}
	if !isUp(l) {
		return 0, unix.ENETDOWN
	}
	if !hasCarrier(l) {
		return len(b), nil // lost
	}
	return c.Conn.WriteTo(b, to)
}

func (f fakeSockets) DHCP6(index int, _ string) (net.PacketConn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		if err := f.refuse("open dhcp6", index); err != nil {
			return nil, err
		}
	}
	conn := f.socket(f.dhcp6, index)
	if f.wrap6 != nil {
		conn = f.wrap6(conn)
	}
	return conn, nil
}

func (f fakeSockets) Routers(index int) (io.WriteCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		if err := f.refuse("open icmpv6", index); err != nil {
			return nil, err
		}
	}
	return fakeRouters{f.fakeMachine, index}, nil
}

type fakeRouters struct {
	f     *fakeMachine
	index int
}

func (r fakeRouters) Write(msg []byte) (int, error) {
	r.f.mu.Lock()
	answer := r.f.solicited[r.index]
	r.f.mu.Unlock()
	if answer != nil {
		answer(msg)
	}
	return len(msg), nil
}

func (r fakeRouters) Close() error { return nil }

// A fakeUdev reads the messages of a udevd; nil stands for lost ones.
type fakeUdev struct {
	messages chan []byte
	closed   chan struct{}
}

func (u *fakeUdev) Read(b []byte) (int, error) {
	select {
	case msg := <-u.messages:
		if msg == nil {
			return 0, unix.ENOBUFS
		}
		return copy(b, msg), nil
	case <-u.closed:
		return 0, os.ErrClosed
	}
}

func (u *fakeUdev) Close() error { close(u.closed); return nil }

// next gives the next lease, which must come within the bound.
func next(t *testing.T, m *Manager, within time.Duration) Lease {
	t.Helper()
	select {
	case l, ok := <-m.Leases():
		if !ok {
			t.Fatal("leases ended")
		}
		return l
	case <-time.After(within):
		t.Fatalf("no lease within %v", within)
	}
	return Lease{}
}
