package nic

import (
	"errors"
	"fmt"
	"slices"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// A snapshot is a link as it was found, which restore makes of it again.
type snapshot struct {
	up     bool
	ctl    sysctls
	mtu    int
	addrs  []rtnl.Addr
	routes []rtnl.Route
	made   []string // the VLANs that were made over it, by name
}

// snapshot reads the state of a link that is still untouched.
func (m *Manager) snapshot(index int) (*snapshot, error) {
	found, err := m.machine.netlink.Link(index)
	if err != nil {
		return nil, fmt.Errorf("read link %d: %w", index, err)
	}
	s := &snapshot{up: isUp(found), mtu: found.MTU, ctl: m.machine.files.sysctls(found.Name)}
	if s.addrs, err = m.machine.netlink.Addrs(index, unix.AF_UNSPEC); err != nil {
		return nil, fmt.Errorf("list addresses of link %d: %w", index, err)
	}
	if s.routes, err = m.routes(index); err != nil {
		return nil, err
	}
	return s, nil
}

// routes lists a link's routes in every table but the local one, which the
// kernel keeps itself.
func (m *Manager) routes(index int) ([]rtnl.Route, error) {
	all, err := m.machine.netlink.Routes(index)
	if err != nil {
		return nil, fmt.Errorf("list routes of link %d: %w", index, err)
	}
	return slices.DeleteFunc(all, func(r rtnl.Route) bool {
		return r.Table == unix.RT_TABLE_LOCAL || r.Type == unix.RTN_MULTICAST
	}), nil
}

// rewind makes the link what it was: what came since is removed, whichever
// program it came from, and what is missing is put back. It goes on after an error and
// returns all of them. A link that has disappeared needs nothing.
//
// Setting a link down removes its routes and its IPv6 addresses; IPv4 addresses
// stay and must go first.
func (m *Manager) rewind(index int, s *snapshot) error {
	n := m.machine.netlink
	var errs []error
	note := func(what string, err error) {
		if err != nil && !gone(err) {
			errs = append(errs, fmt.Errorf("restore link %d: %s: %w", index, what, err))
		}
	}
	found, err := n.Link(index)
	if err != nil {
		note("read", err)
		return errors.Join(errs...)
	}
	note("delete VLANs", m.deleteVLANs(index, s.made))
	if isUp(found) {
		routes, err := m.routes(index)
		note("list routes", err)
		for i := range routes {
			if r := &routes[i]; !slices.ContainsFunc(s.routes, func(old rtnl.Route) bool { return old.Same(r) }) {
				note("remove route", n.DeleteRoute(r))
			}
		}
	}
	addrs, err := n.Addrs(index, unix.AF_UNSPEC)
	note("list addresses", err)
	for _, a := range addrs {
		if !slices.ContainsFunc(s.addrs, func(old rtnl.Addr) bool { return old.Prefix == a.Prefix }) {
			note("remove address", n.DeleteAddr(&a))
		}
	}
	note("write sysctl", m.machine.files.setSysctls(found.Name, s.ctl, s.ctl))
	if found.MTU != s.mtu {
		note("set mtu", n.SetMTU(index, s.mtu))
	}
	if !s.up {
		note("set down", n.SetDown(index))
		return errors.Join(errs...)
	}
	if !isUp(found) {
		note("set up", n.SetUp(index))
	}
	for _, a := range s.addrs {
		note("put back address", n.ReplaceAddr(&a))
	}
	for _, r := range s.routes {
		note("put back route", n.ReplaceRoute(&r))
	}
	return errors.Join(errs...)
}

// gone says that what should be removed, or its link, is not there any more.
func gone(err error) bool {
	return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EADDRNOTAVAIL)
}
