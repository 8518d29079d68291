// Package rtnl asks the kernel about network links, addresses and routes and
// has it change them, over rtnetlink (rtnetlink(7)).
//
// In go indexes, Addrs and Routes; out come Links, Addrs, Routes and, from
// Events, what has changed. Links are named by their index, which a rename does
// not change. An address or a route that the kernel has described is put back or
// deleted by the very message that described it, with all attributes that have
// no field here.
//
// It has what package nic needs, and is 332 KB smaller in the agent than a
// general library, vishvananda/netlink. It never waits for a state or decides
// anything; all that it repeats is a listing that a change interrupted.
package rtnl

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// answerWait bounds a request; the kernel answers while it is being asked.
	answerWait = 10 * time.Second
	// readSize is enough for any message: the kernel makes them of 32 KiB at most.
	readSize = 64 << 10
	// maxDump bounds one listing, in messages.
	maxDump = 1 << 16
	// maxDumps bounds how often a listing is repeated that changes break into.
	maxDumps = 8
)

// A Conn asks the kernel. Its methods may be called from any goroutine.
type Conn struct {
	mu   sync.Mutex // one request at a time
	sock *os.File
	seq  uint32
	buf  []byte
}

// Open opens a connection to the kernel, in the network namespace of the
// calling thread. It must be closed.
func Open() (*Conn, error) {
	sock, err := open(0)
	if err != nil {
		return nil, err
	}
	return &Conn{sock: sock, buf: make([]byte, readSize)}, nil
}

// open opens a socket that is in some of the first 32 multicast groups.
// Only the kernel and root can send to it (netlink(7), NETLINK_ROUTE).
func open(groups uint32) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind rtnetlink socket: %w", err)
	}
	return os.NewFile(uintptr(fd), "rtnetlink"), nil
}

// Close ends the connection.
func (c *Conn) Close() error { return c.sock.Close() }

// Links lists all links.
func (c *Conn) Links() (list []*Link, err error) {
	err = c.dump(unix.RTM_GETLINK, linkBody(unix.AF_UNSPEC, 0, 0, 0, nil), func() { list = nil }, func(data []byte) error {
		l, err := parseLink(data)
		if err == nil {
			list = append(list, l)
		}
		return err
	})
	return list, err
}

// Link reads one link; ENODEV says that there is none.
func (c *Conn) Link(index int) (l *Link, err error) {
	err = c.ask(unix.RTM_GETLINK, unix.NLM_F_ACK, linkBody(unix.AF_UNSPEC, index, 0, 0, nil), func(m message) error {
		l, err = parseLink(m.data)
		return err
	})
	if err == nil && l == nil {
		err = errShort
	}
	return l, err
}

// Inet6Flags reads what IPv6 keeps about a link: IF_RA_MANAGED …
// (net/if_inet6.h). It is 0 without IPv6.
func (c *Conn) Inet6Flags(index int) (flags uint32, err error) {
	err = c.dump(unix.RTM_GETLINK, linkBody(unix.AF_INET6, 0, 0, 0, nil), func() { flags = 0 }, func(data []byte) error {
		l, err := parseLink(data)
		if err == nil && l.Index == index {
			flags = l.Inet6Flags
		}
		return err
	})
	return flags, err
}

// SetUp sets a link up.
func (c *Conn) SetUp(index int) error {
	return c.change(unix.RTM_NEWLINK, 0, linkBody(unix.AF_UNSPEC, index, unix.IFF_UP, unix.IFF_UP, nil))
}

// SetDown sets a link down.
func (c *Conn) SetDown(index int) error {
	return c.change(unix.RTM_NEWLINK, 0, linkBody(unix.AF_UNSPEC, index, 0, unix.IFF_UP, nil))
}

// SetMTU sets a link's MTU.
func (c *Conn) SetMTU(index, mtu int) error {
	return c.change(unix.RTM_NEWLINK, 0, linkBody(unix.AF_UNSPEC, index, 0, 0, appendAttr32(nil, unix.IFLA_MTU, uint32(mtu))))
}

// AddVLAN makes a link of that name, whose frames travel over another link
// with a tag, 1 to 4094 (IEEE 802.1Q). EOPNOTSUPP says that the kernel has no
// such links, EEXIST that there is a link of that name.
func (c *Conn) AddVLAN(over int, name string, tag uint16) error {
	return c.change(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, vlanBody(over, name, tag))
}

// DeleteLink takes away a link that is no hardware.
func (c *Conn) DeleteLink(index int) error {
	return c.change(unix.RTM_DELLINK, 0, linkBody(unix.AF_UNSPEC, index, 0, 0, nil))
}

// Addrs lists the addresses of a link that are of a family; AF_UNSPEC: all.
func (c *Conn) Addrs(index int, family uint8) (list []Addr, err error) {
	body := make([]byte, unix.SizeofIfAddrmsg)
	body[0] = family
	err = c.dump(unix.RTM_GETADDR, body, func() { list = nil }, func(data []byte) error {
		a, err := parseAddr(data)
		if err == nil && a.Index == index {
			list = append(list, a)
		}
		return err
	})
	return list, err
}

// ReplaceAddr gives a link an address, or changes what it has about it.
func (c *Conn) ReplaceAddr(a *Addr) error {
	return c.change(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, a.body())
}

// DeleteAddr takes an address away; EADDRNOTAVAIL says that it was not there.
func (c *Conn) DeleteAddr(a *Addr) error { return c.change(unix.RTM_DELADDR, 0, a.body()) }

// Routes lists the routes of every table that lead out of one link only.
func (c *Conn) Routes(index int) (list []Route, err error) {
	err = c.dump(unix.RTM_GETROUTE, make([]byte, unix.SizeofRtMsg), func() { list = nil }, func(data []byte) error {
		r, err := parseRoute(data)
		if errors.Is(err, errFamily) {
			return nil
		}
		if err == nil && r.Index == index && r.Flags&unix.RTM_F_CLONED == 0 {
			list = append(list, r)
		}
		return err
	})
	return list, err
}

// ReplaceRoute sets a route, in the place of another one with its destination
// and metric.
func (c *Conn) ReplaceRoute(r *Route) error {
	return c.change(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, r.body())
}

// DeleteRoute takes a route away; ESRCH says that it was not there.
func (c *Conn) DeleteRoute(r *Route) error { return c.change(unix.RTM_DELROUTE, 0, r.body()) }
