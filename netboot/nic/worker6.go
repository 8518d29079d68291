package nic

import (
	"context"
	"errors"
	"hash/fnv"
	"net"
	"net/netip"
	"time"

	"boothook/netboot/nic/dhcp"
	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// namesWait is how long after a router's address its name servers may come;
// both are in the same packet.
const namesWait = 20 * time.Millisecond

// serve6 does the work on one link for IPv6, until ctx ends: the link-local
// address, what routers advertise, DHCPv6 where they want it, and keeping that.
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
			return // the kernel keeps it
		}
		a, err := m.attempt6(ctx, l)
		switch {
		case err == nil:
			a.lease.Gateway = router.gateway
			m.deliverNamed(ctx, l, &a.lease)
			m.hold(ctx, l, a)
		case ctx.Err() == nil && !errors.Is(err, dhcp.ErrLinkDown):
			m.logf(l, "%v", err)
			if dhcp.Sleep(ctx, retryWait) != nil {
				return
			}
		}
	}
}

// awaitRouter waits for an address from a router's advertisement, or for its
// word that there is DHCPv6.
func (m *Manager) awaitRouter(ctx context.Context, l *link) (router advertisement, err error) {
	asking, stop := context.WithCancel(ctx)
	defer stop()
	go m.solicit(asking, l)
	err = l.until(ctx, func(a *rtnl.Link) bool {
		if !hasCarrier(a) {
			return false
		}
		router = m.advertised(l)
		return router.prefix.IsValid() || router.managed
	})
	return router, err
}

// solicit asks for routers until ctx ends, after the same waits as DHCP. The
// kernel asks, too, but again only after 4 s (RFC 4861 §6.3.7): a router that
// becomes ready without announcing itself would go unnoticed as long.
func (m *Manager) solicit(ctx context.Context, l *link) {
	routers, err := m.machine.sockets.Routers(l.index)
	if err != nil {
		return // a kernel without IPv6
	}
	defer routers.Close()
	for waits := dhcp.NewBackoff(m.opts.Pace, time.Now()); ; {
		var hw []byte
		err := l.until(ctx, func(a *rtnl.Link) bool {
			hw = a.Addr
			return hasCarrier(a)
		})
		if err != nil {
			return
		}
		// One that cannot be sent, as long as the link-local address is missing,
		// is lost as any may be.
		_, _ = routers.Write(solicitation(hw))
		if dhcp.Sleep(ctx, waits.Next()) != nil {
			return
		}
	}
}

// attempt6 gets an address by DHCPv6 and assigns it, as long as there is a carrier.
func (m *Manager) attempt6(ctx context.Context, l *link) (assignment, error) {
	try, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		if l.until(try, func(a *rtnl.Link) bool { return !hasCarrier(a) }) == nil {
			stop(dhcp.ErrLinkDown)
		}
	}()
	c, err := m.client6(l)
	if err != nil {
		return assignment{}, err
	}
	defer c.Conn.Close()
	reply, err := c.Lease(try)
	if cause := context.Cause(try); cause != nil {
		return assignment{}, cause
	}
	if err != nil {
		return assignment{}, err
	}
	lease, ignored, err := leaseFromReply(reply)
	if err != nil {
		return assignment{}, err
	}
	l.reply = reply
	m.logIgnored(l, ignored)
	return m.assign(l, lease)
}

// release6 gives a DHCPv6 address back, while the link still has another.
func (m *Manager) release6(l *link) error {
	c, err := m.client6(l)
	if err != nil {
		return err
	}
	defer c.Conn.Close()
	return c.Release(l.reply)
}

// client6 gives a DHCPv6 client for a link, whose connection must be closed.
func (m *Manager) client6(l *link) (*dhcp.Client6, error) {
	attrs, _ := l.now()
	conn, err := m.machine.sockets.DHCP6(l.index, attrs.Name)
	if err != nil {
		return nil, err
	}
	return &dhcp.Client6{
		Conn: conn, Zone: attrs.Name, HW: attrs.Addr, Pace: m.opts.Pace,
		Check: func(reply *dhcp.Message6) error {
			_, _, err := leaseFromReply(reply)
			return err
		},
		Panicked: func(cause any) { m.panicked(l, cause) },
	}, nil
}

// deliverNamed delivers an IPv6 lease with the name servers that the router
// announced, if the lease itself brought none.
func (m *Manager) deliverNamed(ctx context.Context, l *link, lease *Lease) {
	if len(lease.DNS) == 0 {
		bounded, stop := context.WithTimeout(ctx, namesWait)
		defer stop()
		f := filter{own: lease.Prefix}
		// None is no error: a network need not have any.
		_ = l.until(bounded, func(*rtnl.Link) bool {
			var dns []netip.Addr
			dns, lease.Search = l.announced()
			f.ignored = nil
			lease.DNS = f.servers(dns)
			return len(lease.DNS) > 0
		})
		m.logIgnored(l, f.ignored)
	}
	m.deliver(l, lease)
}

// linkLocal6 waits for the address that the kernel gives every link.
func (m *Manager) linkLocal6(ctx context.Context, l *link) (prefix netip.Prefix, err error) {
	err = l.until(ctx, func(a *rtnl.Link) bool {
		addrs, err := m.machine.netlink.Addrs(l.index, unix.AF_INET6)
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

// linkLocal4 gives the link an address of its own choice, and keeps it there.
func (m *Manager) linkLocal4(ctx context.Context, l *link) {
	if l.until(ctx, hasCarrier) != nil {
		return
	}
	attrs, _ := l.now()
	a, err := m.assign(l, Lease{By: ByLinkLocal, Prefix: linkLocalPrefix(attrs.Addr)})
	if err != nil {
		m.logf(l, "%v", err)
		return
	}
	m.deliver(l, &a.lease)
	m.hold(ctx, l, a)
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
