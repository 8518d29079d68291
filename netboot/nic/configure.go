package nic

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// routeMetric plus the link's index is the metric of our routes: each link has
// its own default route, and none is in the way of what the root sets later.
const routeMetric = 1024

// apply gives the link the lease's address and routes. All of it replaces, so
// that it can be done again after the link was down.
//
// An MTU goes onto the routes: changing the link's makes some drivers reset
// their hardware, and here the smaller frames are all that matters. A gateway
// outside the subnet is told to be on the link, as it is with a /32 lease.
// After an error the address is off again.
func apply(c *rtnl.Conn, l *link, lease *Lease) (err error) {
	addr := &rtnl.Addr{Index: l.index, Prefix: lease.Prefix, Flags: unix.IFA_F_NOPREFIXROUTE}
	if lease.Prefix.Addr().Is6() {
		addr.Flags |= unix.IFA_F_NODAD
	} else if lease.By == ByLinkLocal {
		addr.Scope = unix.RT_SCOPE_LINK
	}
	if lease.Lifetime > 0 { // the kernel takes the address away if we outlive the lease
		left := lease.Lifetime
		if !lease.At.IsZero() { // put on again
			left -= time.Since(lease.At)
		}
		addr.Valid = uint32(max(1, left/time.Second))
	}
	if err := c.ReplaceAddr(addr); err != nil {
		return fmt.Errorf("add address %s: %w", lease.Prefix, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.DeleteAddr(addr))
		}
	}()
	mtu := lease.MTU
	if attrs, _ := l.now(); mtu >= attrs.MTU {
		mtu = 0
	}
	routes := lease.Routes
	if subnet := lease.Prefix.Masked(); !subnet.IsSingleIP() {
		routes = append([]Route{{Dst: subnet}}, routes...)
	}
	for _, r := range routes {
		if err := c.ReplaceRoute(kernelRoute(l.index, lease.Prefix, r, mtu)); err != nil {
			return fmt.Errorf("add route to %s: %w", r.Dst, err)
		}
	}
	return nil
}

// kernelRoute is r in the kernel's terms.
func kernelRoute(index int, prefix netip.Prefix, r Route, mtu int) *rtnl.Route {
	k := &rtnl.Route{
		Index:    index,
		Dst:      r.Dst,
		Src:      prefix.Addr(),
		Table:    unix.RT_TABLE_MAIN,
		Metric:   uint32(routeMetric + index),
		MTU:      uint32(mtu),
		Protocol: unix.RTPROT_DHCP,
		Scope:    unix.RT_SCOPE_LINK,
		Type:     unix.RTN_UNICAST,
	}
	if r.Via.IsValid() {
		k.Scope = unix.RT_SCOPE_UNIVERSE
		k.Via = r.Via
		if r.Via.Is4() && (!prefix.Contains(r.Via) || prefix.IsSingleIP()) {
			k.Flags = unix.RTNH_F_ONLINK
		}
	}
	return k
}
