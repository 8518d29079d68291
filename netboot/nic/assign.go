package nic

import (
	"errors"
	"fmt"
	"time"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// routeMetric plus the link's index is the metric of a lease's routes: each link
// has a default route of its own, and what the root sets later is preferred.
const routeMetric = 1024

// An assignment is a lease that was put on its link.
type assignment struct {
	granted Lease // all of it, which is put on again when the link comes back
	lease   Lease // as the kernel has it: without the routes that it refused
	losses  int   // of the link's carrier before; each later one may have cost routes
}

// assign gives the link the lease's address and routes. Routes that the kernel
// refuses are logged. All of it replaces, so that it can be done again after the
// link was down. After an error the address is off again.
func (m *Manager) assign(l *link, lease Lease) (assignment, error) {
	n := m.machine.netlink
	a := assignment{granted: lease, lease: lease, losses: l.carrierLosses()}
	attrs, _ := l.now()
	addr := kernelAddr(l.index, &lease, time.Now())
	if err := n.ReplaceAddr(addr); err != nil {
		return a, fmt.Errorf("add address %s: %w", lease.Prefix, err)
	}
	undo := func(r Route, err error) (assignment, error) {
		return a, errors.Join(fmt.Errorf("add %v: %w", r, err), n.DeleteAddr(addr))
	}
	if subnet := lease.Prefix.Masked(); !subnet.IsSingleIP() {
		r := Route{Dst: subnet}
		if err := n.ReplaceRoute(kernelRoute(l.index, &lease, r, attrs.MTU)); err != nil {
			return undo(r, err)
		}
	}
	a.lease.Routes = nil
	for _, r := range lease.Routes {
		err := n.ReplaceRoute(kernelRoute(l.index, &lease, r, attrs.MTU))
		switch {
		case err == nil:
			a.lease.Routes = append(a.lease.Routes, r)
		case errors.Is(err, unix.ENETDOWN), errors.Is(err, unix.ENODEV):
			return undo(r, err)
		default: // the others lead somewhere all the same
			m.logf(l, "ignored: %v: %v", r, err)
		}
	}
	if len(a.lease.Routes) < len(lease.Routes) {
		a.lease.Gateway = defaultGateway(a.lease.Routes)
	}
	return a, nil
}

// kernelAddr is the lease's address in the kernel's terms. The kernel takes it
// away at the end of its lifetime, if nobody does before.
func kernelAddr(index int, lease *Lease, now time.Time) *rtnl.Addr {
	addr := &rtnl.Addr{Index: index, Prefix: lease.Prefix, Flags: unix.IFA_F_NOPREFIXROUTE}
	if lease.Prefix.Addr().Is6() {
		addr.Flags |= unix.IFA_F_NODAD
	} else if lease.By == ByLinkLocal {
		addr.Scope = unix.RT_SCOPE_LINK
	}
	if lease.Lifetime > 0 {
		left := lease.Lifetime
		if !lease.At.IsZero() { // put on again
			left -= now.Sub(lease.At)
		}
		addr.Valid = uint32(max(1, left/time.Second))
	}
	return addr
}

// kernelRoute is r in the kernel's terms.
//
// An MTU goes onto the routes: changing the link's makes some drivers reset
// their hardware, and only the size of what is sent matters here. One that is
// not below the link's, linkMTU, is left out. A router outside the subnet is
// said to be on the link, as it is with a /32 lease.
func kernelRoute(index int, lease *Lease, r Route, linkMTU int) *rtnl.Route {
	k := &rtnl.Route{
		Index:    index,
		Dst:      r.Dst,
		Src:      lease.Prefix.Addr(),
		Table:    unix.RT_TABLE_MAIN,
		Metric:   uint32(routeMetric + index),
		Protocol: unix.RTPROT_DHCP,
		Scope:    unix.RT_SCOPE_LINK,
		Type:     unix.RTN_UNICAST,
	}
	if lease.MTU < linkMTU {
		k.MTU = uint32(lease.MTU)
	}
	if r.Via.IsValid() {
		k.Scope = unix.RT_SCOPE_UNIVERSE
		k.Via = r.Via
		if r.Via.Is4() && (!lease.Prefix.Contains(r.Via) || lease.Prefix.IsSingleIP()) {
			k.Flags = unix.RTNH_F_ONLINK
		}
	}
	return k
}
