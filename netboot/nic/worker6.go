package nic

import (
	"context"
	"errors"
	"hash/fnv"
	"net"
	"net/netip"
	"time"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// namesWait is how long after a router's address its name servers may come;
// both are in the same packet.
const namesWait = 20 * time.Millisecond

// serve6 is the IPv6 life of one link: the link-local address, what routers
// announce, DHCPv6 where they want it, and holding on to that.
func (m *Manager) serve6(ctx context.Context, l *link) {
	if m.opts.LinkLocal6 {
		if prefix, err := m.linkLocal6(ctx, l); err == nil {
			m.deliver(l, &Lease{By: ByLinkLocal, Prefix: prefix})
		}
	}
	for ctx.Err() == nil {
		router, err := m.awaitRouter(ctx, l)
		if err != nil {
			return
		}
		if router.prefix.IsValid() {
			lease := Lease{By: ByRA, Prefix: router.prefix, Gateway: router.gateway, Lifetime: seconds(router.lifetime)}
			m.deliverNamed(ctx, l, &lease)
			return // the kernel keeps it up
		}
		lease, err := m.attempt6(ctx, l)
		switch {
		case err == nil:
			lease.Gateway = router.gateway
			m.deliverNamed(ctx, l, &lease)
			m.hold(ctx, l, &lease)
		case ctx.Err() == nil && !errors.Is(err, errLinkDown):
			m.logf(l, "%v", err)
			if sleep(ctx, retryWait) != nil {
				return
			}
		}
	}
}

// awaitRouter waits for an address from a router's announcement, or for its
// word that there is DHCPv6.
func (m *Manager) awaitRouter(ctx context.Context, l *link) (router announced, err error) {
	asking, stop := context.WithCancel(ctx)
	defer stop()
	go m.solicit(asking, l)
	err = l.until(ctx, func(a *rtnl.Link) bool {
		if !hasCarrier(a) {
			return false
		}
		router = routerState(m.conn, l)
		return router.prefix.IsValid() || router.managed
	})
	return router, err
}

// attempt6 gets an address by DHCPv6 and applies it, as long as there is a carrier.
func (m *Manager) attempt6(ctx context.Context, l *link) (Lease, error) {
	try, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		if l.until(try, func(a *rtnl.Link) bool { return !hasCarrier(a) }) == nil {
			stop(errLinkDown)
		}
	}()
	attrs, _ := l.now()
	c, err := newClient6(l.index, attrs.Name, attrs.Addr, m.opts.Pace)
	if err != nil {
		return Lease{}, err
	}
	defer c.close()
	lease, reply, err := c.lease(try)
	if cause := context.Cause(try); cause != nil {
		return Lease{}, cause
	}
	if err != nil {
		return Lease{}, err
	}
	l.reply = reply
	return lease, apply(m.conn, l, &lease)
}

// deliverNamed delivers an IPv6 lease with the name servers that the router
// announced, if the lease itself brought none.
func (m *Manager) deliverNamed(ctx context.Context, l *link, lease *Lease) {
	if len(lease.DNS) == 0 {
		bounded, stop := context.WithTimeout(ctx, namesWait)
		defer stop()
		// None is no error: a network need not have any.
		_ = l.until(bounded, func(*rtnl.Link) bool {
			lease.DNS, lease.Search = l.announcedNames()
			return len(lease.DNS) > 0
		})
	}
	m.deliver(l, lease)
}

// release6 gives a DHCPv6 address back, while the link still has another.
func (m *Manager) release6(l *link) error {
	attrs, _ := l.now()
	c, err := newClient6(l.index, attrs.Name, attrs.Addr, m.opts.Pace)
	if err != nil {
		return err
	}
	defer c.close()
	return c.release(l.reply)
}

// linkLocal6 waits for the address that the kernel gives every link.
func (m *Manager) linkLocal6(ctx context.Context, l *link) (prefix netip.Prefix, err error) {
	err = l.until(ctx, func(a *rtnl.Link) bool {
		addrs, err := m.conn.Addrs(l.index, unix.AF_INET6)
		if err != nil || !hasCarrier(a) {
			return false
		}
		for _, addr := range addrs {
			if addr.Prefix.Addr().IsLinkLocalUnicast() && usable(&addr) {
				prefix = addr.Prefix
			}
		}
		return prefix.IsValid()
	})
	return prefix, err
}

// linkLocal4 gives the link an address of its own choice, and holds it.
func (m *Manager) linkLocal4(ctx context.Context, l *link) {
	if l.until(ctx, hasCarrier) != nil {
		return
	}
	attrs, _ := l.now()
	lease := Lease{By: ByLinkLocal, Prefix: linkLocalPrefix(attrs.Addr)}
	if err := apply(m.conn, l, &lease); err != nil {
		m.logf(l, "%v", err)
		return
	}
	m.deliver(l, &lease)
	m.hold(ctx, l, &lease)
}

// linkLocalPrefix chooses an IPv4 link-local address by the hardware address,
// always the same one. It comes from 169.254.1.0 to 169.254.167.255: RFC 3927
// reserves the ends, and clouds have their services from 168 on.
func linkLocalPrefix(hw net.HardwareAddr) netip.Prefix {
	h := fnv.New32a()
	h.Write(hw)
	sum := h.Sum32()
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{169, 254, 1 + byte(sum>>8%167), byte(sum)}), 16)
}

// seconds turns the kernel's lifetime, whose all ones mean for ever.
func seconds(n uint32) time.Duration {
	if n == 1<<32-1 {
		return 0
	}
	return time.Duration(n) * time.Second
}
