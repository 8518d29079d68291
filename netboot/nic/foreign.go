package nic

import (
	"context"
	"net/netip"
	"time"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// adoptWait is how long after its address a default route may come before an
// adopted link is taken to have none. ipconfig and networkd set both at once.
const adoptWait = time.Second

// foreignAddr gives, of a link's addresses, the one that another program has put
// on it, one that reaches further than the link: IPv4 before IPv6. An IPv6
// address that the kernel made of a router's advertisement is no program's.
func foreignAddr(addrs []rtnl.Addr) (netip.Prefix, bool) {
	var found netip.Prefix
	for _, a := range addrs {
		is4 := a.Prefix.Addr().Is4()
		byHand := a.Flags&(unix.IFA_F_PERMANENT|unix.IFA_F_NOPREFIXROUTE) != 0
		if a.Scope == unix.RT_SCOPE_LINK || !is4 && (!byHand || !usable(&a)) {
			continue
		}
		if is4 {
			return a.Prefix, true
		}
		found = a.Prefix
	}
	return found, found.IsValid()
}

// foreignRoutes gives, of a link's routes, those of one family through a router,
// and the default one's router.
func foreignRoutes(all []rtnl.Route, v4 bool) (routes []Route, gateway netip.Addr) {
	for _, r := range all {
		if r.Via.IsValid() && r.Via.Is4() == v4 {
			routes = append(routes, Route{Dst: r.Dst, Via: r.Via})
		}
	}
	return routes, defaultGateway(routes)
}

// foreign gives the address that another program has put on a link. On a link
// that this package raised only IPv4 tells.
func (m *Manager) foreign(l *link, family uint8) (netip.Prefix, bool) {
	addrs, err := m.machine.netlink.Addrs(l.index, family)
	if err != nil {
		return netip.Prefix{}, false
	}
	return foreignAddr(addrs)
}

// awaitForeign adopts the link once another program has configured it.
func (m *Manager) awaitForeign(ctx context.Context, l *link) {
	var prefix netip.Prefix
	err := l.until(ctx, func(a *rtnl.Link) (ok bool) {
		prefix, ok = m.foreign(l, unix.AF_UNSPEC)
		return ok && hasCarrier(a)
	})
	if err == nil {
		m.adopt(ctx, l, prefix)
	}
}

// adopt hands out a link that another program has configured. It waits a little
// for the default route, and changes nothing.
func (m *Manager) adopt(ctx context.Context, l *link, prefix netip.Prefix) {
	lease := Lease{By: ByAdopted, Adopted: true, Prefix: prefix}
	bounded, cancel := context.WithTimeout(ctx, adoptWait)
	defer cancel()
	// A link without a default route is adopted all the same.
	_ = l.until(bounded, func(*rtnl.Link) bool {
		all, err := m.routes(l.index)
		if err == nil {
			lease.Routes, lease.Gateway = foreignRoutes(all, prefix.Addr().Is4())
		}
		return lease.Gateway.IsValid()
	})
	attrs, _ := l.now()
	lease.DNS, lease.Search, lease.Hostname = m.machine.files.foreignNames(attrs.Name)
	if ctx.Err() == nil {
		m.deliver(l, &lease)
	}
}
