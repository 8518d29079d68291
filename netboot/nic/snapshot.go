package nic

import (
	"errors"
	"fmt"
	"slices"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// A snapshot is a link as it was found: what restore brings back.
type snapshot struct {
	up     bool
	ctl    [3]string // the values of sysctls; "" for those that are not there
	mtu    int
	addrs  []rtnl.Addr
	routes []rtnl.Route
	made   []string // the VLANs that were made over it, by name
}

// takeSnapshot reads the state of a link that is still untouched.
func takeSnapshot(c *rtnl.Conn, l *link) (*snapshot, error) {
	found, err := c.Link(l.index)
	if err != nil {
		return nil, fmt.Errorf("read link %d: %w", l.index, err)
	}
	s := &snapshot{up: isUp(found), mtu: found.MTU}
	for i, ctl := range sysctls(found.Name) {
		s.ctl[i] = readSysctl(ctl)
	}
	if s.addrs, err = c.Addrs(l.index, unix.AF_UNSPEC); err != nil {
		return nil, fmt.Errorf("list addresses of link %d: %w", l.index, err)
	}
	if s.routes, err = linkRoutes(c, l); err != nil {
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
func (s *snapshot) restore(c *rtnl.Conn, l *link) error {
	var errs []error
	note := func(what string, err error) {
		if err != nil && !gone(err) {
			errs = append(errs, fmt.Errorf("restore link %d: %s: %w", l.index, what, err))
		}
	}
	found, err := c.Link(l.index)
	if err != nil {
		note("read", err)
		return errors.Join(errs...)
	}
	note("delete VLANs", s.unmakeVLANs(c, l))
	if isUp(found) {
		routes, err := linkRoutes(c, l)
		note("list routes", err)
		for i := range routes {
			if r := &routes[i]; !slices.ContainsFunc(s.routes, func(old rtnl.Route) bool { return old.Same(r) }) {
				note("remove route", c.DeleteRoute(r))
			}
		}
	}
	addrs, err := c.Addrs(l.index, unix.AF_UNSPEC)
	note("list addresses", err)
	for _, a := range addrs {
		if !slices.ContainsFunc(s.addrs, func(old rtnl.Addr) bool { return old.Prefix == a.Prefix }) {
			note("remove address", c.DeleteAddr(&a))
		}
	}
	note("write sysctl", s.setSysctls(found.Name, s.ctl))
	if found.MTU != s.mtu {
		note("set mtu", c.SetMTU(l.index, s.mtu))
	}
	if !s.up {
		note("set down", c.SetDown(l.index))
		return errors.Join(errs...)
	}
	if !isUp(found) {
		note("set up", c.SetUp(l.index))
	}
	for _, a := range s.addrs {
		note("put back address", c.ReplaceAddr(&a))
	}
	for _, r := range s.routes {
		note("put back route", c.ReplaceRoute(&r))
	}
	return errors.Join(errs...)
}

// setSysctls sets the link's sysctls, as far as there were any and still are.
func (s *snapshot) setSysctls(name string, values [3]string) error {
	var errs []error
	for i, path := range sysctls(name) {
		if now := readSysctl(path); s.ctl[i] != "" && now != "" && now != values[i] {
			errs = append(errs, writeSysctl(path, values[i]))
		}
	}
	return errors.Join(errs...)
}

// linkRoutes lists the link's routes in every table but the local one, which
// the kernel keeps itself.
func linkRoutes(c *rtnl.Conn, l *link) ([]rtnl.Route, error) {
	all, err := c.Routes(l.index)
	if err != nil {
		return nil, fmt.Errorf("list routes of link %d: %w", l.index, err)
	}
	return slices.DeleteFunc(all, func(r rtnl.Route) bool {
		return r.Table == unix.RT_TABLE_LOCAL || r.Type == unix.RTN_MULTICAST
	}), nil
}

// gone says that what should be removed, or its link, is not there any more.
func gone(err error) bool {
	return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EADDRNOTAVAIL)
}
