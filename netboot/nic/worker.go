package nic

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// errForeign ends our own attempts on a link that somebody else has configured.
var errForeign = errors.New("configured by another program")

// serve is the life of one link: udevd, adoption or raising, carrier, lease,
// and holding on to it while the cable comes and goes.
func (m *Manager) serve(ctx context.Context, l *link) {
	if !m.awaitUdev(ctx, l) {
		return
	}
	if m.unwanted(l) {
		return
	}
	if m.opts.AdoptOnly {
		m.awaitForeign(ctx, l)
		return
	}
	if prefix, ok := foreignAddr(m.conn, l, unix.AF_UNSPEC); ok {
		m.adopt(ctx, l, prefix)
		return
	}
	before, err := takeSnapshot(m.conn, l)
	if err != nil {
		m.logf(l, "%v", err)
		return
	}
	l.before = before
	attrs, _ := l.now()
	if err := before.setSysctls(attrs.Name, quick(m.opts.Pace)); err != nil {
		m.logf(l, "%v", err)
	}
	if err := m.raise(ctx, l); err != nil {
		return
	}
	m.makeVLANs(l)
	if c := configFor(m.opts.Configs, attrs); c == nil || c.Method == MethodOff {
		l.leased.Store(true) // all that it is for are the VLANs
		return
	}
	if err := m.lease(ctx, l); errors.Is(err, errForeign) {
		m.restoreSysctls(l)
		l.before = nil // theirs now: not ours to put back
		m.awaitForeign(ctx, l)
	}
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
	lease, err := m.acquire(ctx, l)
	if err != nil {
		return err
	}
	m.deliver(l, &lease)
	m.hold(ctx, l, &lease)
	return ctx.Err()
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
		err := m.conn.SetUp(l.index)
		if err != nil {
			m.logf(l, "set up: %v", err)
		}
		return err == nil
	})
}

// acquire gets the link a lease and puts it on. It begins when there is a
// carrier, and again whenever that was lost in between.
func (m *Manager) acquire(ctx context.Context, l *link) (Lease, error) {
	var config *Config
	for {
		err := l.until(ctx, func(a *rtnl.Link) bool {
			config = configFor(m.opts.Configs, a)
			return hasCarrier(a) && config != nil && m.claim(config, l.index)
		})
		if err != nil {
			return Lease{}, err
		}
		lease, err := m.attempt(ctx, l, config)
		switch {
		case err == nil, ctx.Err() != nil, errors.Is(err, errForeign):
			return lease, err
		case errors.Is(err, errLinkDown):
			m.logf(l, "lost its carrier")
			continue
		}
		m.logf(l, "%v", err)
		if err := sleep(ctx, retryWait); err != nil {
			return Lease{}, err
		}
	}
}

// attempt gets and applies one lease, as long as there is a carrier and
// nobody else configures the link.
func (m *Manager) attempt(ctx context.Context, l *link, c *Config) (Lease, error) {
	try, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		_ = l.until(try, func(a *rtnl.Link) bool {
			if !hasCarrier(a) {
				stop(errLinkDown)
			} else if _, foreign := foreignAddr(m.conn, l, unix.AF_INET); foreign {
				stop(errForeign)
			}
			return try.Err() != nil
		})
	}()
	lease := c.lease()
	if c.Method == MethodDHCP {
		var err error
		lease, err = lease4(try, l, &m.opts, func(s string) { m.logf(l, "%s", s) })
		if cause := context.Cause(try); cause != nil {
			return Lease{}, cause
		}
		if err != nil {
			return Lease{}, err
		}
		lease = c.over(lease)
	}
	stop(nil) // from here on the address is ours
	return lease, apply(m.conn, l, &lease)
}

// hold puts the lease on again each time the link comes back, as a link that
// goes down loses its routes, and renews a DHCPv4 lease that runs out. It
// returns when ctx ends or the lease is lost.
func (m *Manager) hold(ctx context.Context, l *link, lease *Lease) {
	for {
		untilRenewal, stop := ctx, context.CancelFunc(func() {})
		if lease.By == ByDHCP4 && lease.Lifetime > 0 {
			untilRenewal, stop = context.WithDeadline(ctx, lease.At.Add(lease.Lifetime/2)) // T1, RFC 2131 §4.4.5
		}
		err := l.until(untilRenewal, func(a *rtnl.Link) bool { return !hasCarrier(a) })
		stop()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if err := m.renew(ctx, l, lease); err != nil {
				m.logf(l, "lease not renewed: %v", err)
				return
			}
		default:
			m.logf(l, "lost its carrier")
			if l.until(ctx, hasCarrier) != nil {
				return
			}
		}
		if err := apply(m.conn, l, lease); err != nil {
			m.logf(l, "%v", err)
		}
	}
}

// renew asks for more time for as long as the lease still has some.
func (m *Manager) renew(ctx context.Context, l *link, lease *Lease) error {
	ctx, stop := context.WithDeadline(ctx, lease.At.Add(lease.Lifetime))
	defer stop()
	for {
		fresh, err := renew4(ctx, l, lease.Prefix.Addr(), &m.opts)
		if err == nil {
			lease.At, lease.Lifetime = time.Now(), fresh.Lifetime
			return nil
		}
		if !errors.Is(err, errLinkDown) {
			return err
		}
		if err := l.until(ctx, hasCarrier); err != nil {
			return err
		}
	}
}

// awaitForeign adopts the link once another program has configured it.
func (m *Manager) awaitForeign(ctx context.Context, l *link) {
	var prefix netip.Prefix
	err := l.until(ctx, func(a *rtnl.Link) (ok bool) {
		prefix, ok = foreignAddr(m.conn, l, unix.AF_UNSPEC)
		return ok && hasCarrier(a)
	})
	if err == nil {
		m.adopt(ctx, l, prefix)
	}
}

// adopt hands out a link that another program has configured.
func (m *Manager) adopt(ctx context.Context, l *link, prefix netip.Prefix) {
	lease := adopt(ctx, m.conn, l, prefix)
	if ctx.Err() == nil {
		m.deliver(l, &lease)
	}
}
