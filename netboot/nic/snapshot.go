package nic

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A snapshot is a link as it was found: what restore brings back.
type snapshot struct {
	up     bool
	dad    string // the value of accept_dad; "" without IPv6
	mtu    int
	addrs  []netlink.Addr
	routes []netlink.Route
}

// takeSnapshot reads the state of a link that is still untouched.
func takeSnapshot(h *netlink.Handle, l *link) (*snapshot, error) {
	found, err := h.LinkByIndex(l.index)
	if err != nil {
		return nil, fmt.Errorf("read link %d: %w", l.index, err)
	}
	s := &snapshot{up: isUp(*found.Attrs()), mtu: found.Attrs().MTU}
	s.dad = readSysctl(acceptDAD(found.Attrs().Name))
	if s.addrs, err = linkAddrs(h, l, netlink.FAMILY_ALL); err != nil {
		return nil, err
	}
	if s.routes, err = linkRoutes(h, l); err != nil {
		return nil, err
	}
	return s, nil
}

// restore makes the link what it was: what came since is removed, whoever
// brought it, and what is missing is put back. It goes on after an error and
// returns all of them. A link that has disappeared is restored.
//
// Setting a link down takes its routes and its IPv6 addresses along; IPv4
// addresses stay and must go first.
func (s *snapshot) restore(h *netlink.Handle, l *link) error {
	var errs []error
	note := func(what string, err error) {
		if err != nil && !gone(err) {
			errs = append(errs, fmt.Errorf("restore link %d: %s: %w", l.index, what, err))
		}
	}
	found, err := h.LinkByIndex(l.index)
	if err != nil {
		note("read", err)
		return errors.Join(errs...)
	}
	if isUp(*found.Attrs()) {
		routes, err := linkRoutes(h, l)
		note("list routes", err)
		for _, r := range routes {
			if !hasRoute(s.routes, r) {
				note("remove route", h.RouteDel(&r))
			}
		}
	}
	addrs, err := linkAddrs(h, l, netlink.FAMILY_ALL)
	note("list addresses", err)
	for _, a := range addrs {
		if !hasAddr(s.addrs, a) {
			note("remove address", h.AddrDel(l.device(), &a))
		}
	}
	note("write accept_dad", s.restoreDAD(found.Attrs().Name))
	if found.Attrs().MTU != s.mtu {
		note("set mtu", h.LinkSetMTU(l.device(), s.mtu))
	}
	if !s.up {
		note("set down", h.LinkSetDown(l.device()))
		return errors.Join(errs...)
	}
	if !isUp(*found.Attrs()) {
		note("set up", h.LinkSetUp(l.device()))
	}
	for _, a := range s.addrs {
		note("put back address", h.AddrReplace(l.device(), &a))
	}
	for _, r := range s.routes {
		note("put back route", h.RouteReplace(&r))
	}
	return errors.Join(errs...)
}

// restoreDAD puts the link's sysctl back, if there was one.
func (s *snapshot) restoreDAD(name string) error {
	path := acceptDAD(name)
	if now := readSysctl(path); s.dad == "" || now == "" || now == s.dad {
		return nil
	}
	return writeSysctl(path, s.dad)
}

// linkRoutes lists the link's routes in every table but the local one, which
// the kernel keeps itself.
func linkRoutes(h *netlink.Handle, l *link) ([]netlink.Route, error) {
	filter := &netlink.Route{LinkIndex: l.index, Table: unix.RT_TABLE_UNSPEC}
	all, err := dump(func() ([]netlink.Route, error) {
		return h.RouteListFiltered(netlink.FAMILY_ALL, filter, netlink.RT_FILTER_OIF|netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, fmt.Errorf("list routes of link %d: %w", l.index, err)
	}
	var kept []netlink.Route
	for _, r := range all {
		if r.Table != unix.RT_TABLE_LOCAL && r.Type != unix.RTN_MULTICAST {
			r.Flags &^= unix.RTNH_F_LINKDOWN | unix.RTNH_F_DEAD // the carrier's state, not the route's
			kept = append(kept, r)
		}
	}
	return kept, nil
}

// linkAddrs lists the link's addresses.
func linkAddrs(h *netlink.Handle, l *link, family int) ([]netlink.Addr, error) {
	all, err := dump(func() ([]netlink.Addr, error) { return h.AddrList(l.device(), family) })
	if err != nil {
		return nil, fmt.Errorf("list addresses of link %d: %w", l.index, err)
	}
	return all, nil
}

// maxDumps bounds how often a listing is repeated that changes kept breaking into.
const maxDumps = 8

// dump repeats a listing that was interrupted by a change: it would be incomplete.
func dump[T any](list func() ([]T, error)) (all []T, err error) {
	for range maxDumps {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}

func hasRoute(list []netlink.Route, r netlink.Route) bool {
	for _, x := range list {
		if x.Equal(r) {
			return true
		}
	}
	return false
}

func hasAddr(list []netlink.Addr, a netlink.Addr) bool {
	for _, x := range list {
		if x.Equal(a) {
			return true
		}
	}
	return false
}

// gone says that what should be removed, or its link, is not there any more.
func gone(err error) bool {
	var notFound netlink.LinkNotFoundError
	return errors.As(err, &notFound) || errors.Is(err, unix.ENODEV) ||
		errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EADDRNOTAVAIL)
}
