package nic

import (
	"context"
	"errors"
	"sync"
	"time"

	"boothook/netboot/nic/dhcp"
	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// retryWait is the pause after the kernel refused to configure a link.
const retryWait = time.Second

// errForeign ends the package's own attempts on a link that another program has
// configured.
var errForeign = errors.New("configured by another program")

// serve does all the work on one link, until ctx ends: it waits for udevd, then
// adopts the link if another program has configured it, or else raises it, waits
// for a carrier, leases, and keeps the lease while the carrier comes and goes.
func (m *Manager) serve(ctx context.Context, l *link) {
	if !m.awaitUdev(ctx, l) || m.unwanted(l) {
		return
	}
	if m.opts.AdoptOnly {
		m.awaitForeign(ctx, l)
		return
	}
	if prefix, ok := m.foreign(l, unix.AF_UNSPEC); ok {
		m.adopt(ctx, l, prefix)
		return
	}
	before, err := m.snapshot(l.index)
	if err != nil {
		m.logf(l, "%v", err)
		return
	}
	l.before = before
	attrs, _ := l.now()
	if err := m.machine.files.setSysctls(attrs.Name, before.ctl, quick(m.opts.Pace)); err != nil {
		m.logf(l, "%v", err)
	}
	leases := configFor(m.opts.Configs, attrs).leases()
	if !leases {
		l.leased.Store(true) // it only carries VLANs
	}
	if err := m.raise(ctx, l); err != nil {
		return
	}
	m.makeVLANs(l)
	if !leases {
		return
	}
	if err := m.lease(ctx, l); errors.Is(err, errForeign) {
		m.restoreSysctls(l)
		l.before = nil // the other program's now: nothing is put back
		m.awaitForeign(ctx, l)
	}
}

// awaitUdev waits until udevd has finished with the link. One that is up
// already has its name for good.
func (m *Manager) awaitUdev(ctx context.Context, l *link) bool {
	if attrs, _ := l.now(); m.udev == nil || isUp(attrs) {
		return ctx.Err() == nil
	}
	if !m.udev.wait(ctx, l.index, m.opts.UdevWait) && ctx.Err() == nil {
		m.logf(l, "warning: udevd has not finished with it in %v; its name may differ in the booted system", m.opts.UdevWait)
	}
	return ctx.Err() == nil
}

// raise sets the link up. Where the driver refuses (firmware that is not
// there yet), it tries again when something about the link changes.
func (m *Manager) raise(ctx context.Context, l *link) error {
	return l.until(ctx, func(a *rtnl.Link) bool {
		if isUp(a) {
			return true
		}
		err := m.machine.netlink.SetUp(l.index)
		if err != nil {
			m.logf(l, "set up: %v", err)
		}
		return err == nil
	})
}

// lease works on IPv4 and IPv6 at once until ctx ends or another program
// turns out to configure the link.
func (m *Manager) lease(ctx context.Context, l *link) error {
	both, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	attrs, _ := l.now()
	if c := configFor(m.opts.Configs, attrs); c == nil || c.Method != MethodStatic {
		work.Go(func() { m.serve6(both, l) })
	}
	if m.opts.LinkLocal4 {
		work.Go(func() { m.linkLocal4(both, l) })
	}
	a, err := m.acquire(ctx, l)
	if err != nil {
		return err
	}
	m.deliver(l, &a.lease)
	m.hold(ctx, l, a)
	return ctx.Err()
}

// acquire gets the link a lease and assigns it. It begins when there is a
// carrier, and again whenever that was lost in between.
func (m *Manager) acquire(ctx context.Context, l *link) (assignment, error) {
	var config *Config
	for {
		err := l.until(ctx, func(a *rtnl.Link) bool {
			config = configFor(m.opts.Configs, a)
			return hasCarrier(a) && config != nil && m.claim(config, l.index)
		})
		if err != nil {
			return assignment{}, err
		}
		a, err := m.attempt(ctx, l, config)
		switch {
		case err == nil, ctx.Err() != nil, errors.Is(err, errForeign):
			return a, err
		case errors.Is(err, dhcp.ErrLinkDown):
			m.logf(l, "lost its carrier")
			continue
		}
		m.logf(l, "%v", err)
		if err := dhcp.Sleep(ctx, retryWait); err != nil {
			return assignment{}, err
		}
	}
}

// attempt gets and assigns one lease, as long as there is a carrier and no
// other program configures the link.
func (m *Manager) attempt(ctx context.Context, l *link, c *Config) (assignment, error) {
	try, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		_ = l.until(try, func(a *rtnl.Link) bool {
			if !hasCarrier(a) {
				stop(dhcp.ErrLinkDown)
			} else if _, foreign := m.foreign(l, unix.AF_INET); foreign {
				stop(errForeign)
			}
			return try.Err() != nil
		})
	}()
	lease, ignored := c.lease()
	if c.Method == MethodDHCP {
		var err error
		lease, ignored, err = m.lease4(try, l)
		if cause := context.Cause(try); cause != nil {
			return assignment{}, cause
		}
		if err != nil {
			return assignment{}, err
		}
		lease = c.over(lease)
	}
	stop(nil) // from here on the link's address is this package's
	m.logIgnored(l, ignored)
	return m.assign(l, lease)
}

// hold assigns the lease again each time the link comes back, as a link that
// goes down loses its routes, and renews a DHCPv4 lease that runs out. It
// returns when ctx ends or the lease is lost. A link may be back before its loss
// is looked at, and the routes are gone all the same: losses are counted.
func (m *Manager) hold(ctx context.Context, l *link, a assignment) {
	lease := a.granted
	lease.At = a.lease.At
	for {
		untilRenewal, stop := ctx, context.CancelFunc(func() {})
		if lease.By == ByDHCP4 && lease.Lifetime > 0 {
			untilRenewal, stop = context.WithDeadline(ctx, lease.At.Add(lease.Lifetime/2)) // T1, RFC 2131 §4.4.5
		}
		err := l.until(untilRenewal, func(now *rtnl.Link) bool { return !hasCarrier(now) || l.carrierLosses() != a.losses })
		stop()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if err := m.renew(ctx, l, &lease); err != nil {
				m.logf(l, "lease not renewed: %v", err)
				return
			}
		default:
			m.logf(l, "lost its carrier")
			if l.until(ctx, hasCarrier) != nil {
				return
			}
		}
		if a, err = m.assign(l, lease); err != nil {
			m.logf(l, "%v", err)
		}
	}
}

// renew asks for more time for as long as the lease still has some.
func (m *Manager) renew(ctx context.Context, l *link, lease *Lease) error {
	ctx, stop := context.WithDeadline(ctx, lease.At.Add(lease.Lifetime))
	defer stop()
	for {
		fresh, err := m.renew4(ctx, l, lease)
		if err == nil {
			lease.At, lease.Lifetime = time.Now(), fresh.Lifetime
			return nil
		}
		if !errors.Is(err, dhcp.ErrLinkDown) {
			return err
		}
		if err := l.until(ctx, hasCarrier); err != nil {
			return err
		}
	}
}

// lease4 gets a DHCPv4 lease for a link, and says what of it is ignored.
func (m *Manager) lease4(ctx context.Context, l *link) (Lease, []string, error) {
	c, err := m.client4(l)
	if err != nil {
		return Lease{}, nil, err
	}
	defer c.Conn.Close()
	if attrs, _ := l.now(); attrs.Oper != rtnl.OperUp {
		go askAgainWhenUp(ctx, l, c)
	}
	ack, err := c.Lease(ctx)
	if err != nil {
		return Lease{}, nil, err
	}
	return leaseFromACK(ack)
}

// askAgainWhenUp repeats the message when the link becomes operational. A link
// has its carrier a little before that, and on some, what is sent or answered in
// between is lost (veth drops it until its queue is attached); yet to wait for
// it would cost a second on others, as the kernel may report it late.
func askAgainWhenUp(ctx context.Context, l *link, c *dhcp.Client4) {
	if l.until(ctx, func(a *rtnl.Link) bool { return a.Oper == rtnl.OperUp }) == nil {
		c.AskAgain()
	}
}

// renew4 asks for more time for a lease.
func (m *Manager) renew4(ctx context.Context, l *link, lease *Lease) (Lease, error) {
	c, err := m.client4(l)
	if err != nil {
		return Lease{}, err
	}
	defer c.Conn.Close()
	ack, err := c.Renew(ctx, lease.Prefix.Addr())
	if err != nil {
		return Lease{}, err
	}
	fresh, _, err := leaseFromACK(ack)
	return fresh, err
}

// client4 gives a DHCPv4 client for a link, whose connection must be closed.
func (m *Manager) client4(l *link) (*dhcp.Client4, error) {
	conn, err := m.machine.sockets.DHCP4(l.index)
	if err != nil {
		return nil, err
	}
	attrs, _ := l.now()
	return &dhcp.Client4{
		Conn: conn, HW: attrs.Addr, Pace: m.opts.Pace, Rapid: m.opts.RapidCommit, Request: m.opts.DHCPOptions,
		Check: func(ack *dhcp.Message4) error {
			_, _, err := leaseFromACK(ack)
			return err
		},
		Log:      func(line string) { m.logf(l, "%s", line) },
		Panicked: func(cause any) { m.panicked(l, cause) },
	}, nil
}
