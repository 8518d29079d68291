package nic

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"boothook/netboot/nic/kernel"
	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// A machine is all that the package touches beside its own memory. The fields
// are a Linux machine's when open made it; unit tests set others.
type machine struct {
	netlink netlink
	events  events
	sockets sockets
	udev    io.ReadCloser // udevd's events; nil: links do not wait for a udevd
	files   files
}

// netlink reads and changes links, addresses and routes; *rtnl.Conn does.
type netlink interface {
	Links() ([]*rtnl.Link, error)
	Link(index int) (*rtnl.Link, error)
	SetUp(index int) error
	SetDown(index int) error
	SetMTU(index, mtu int) error
	AddVLAN(over int, name string, tag uint16) error
	DeleteLink(index int) error
	Inet6Flags(index int) (uint32, error)

	Addrs(index int, family uint8) ([]rtnl.Addr, error)
	ReplaceAddr(*rtnl.Addr) error
	DeleteAddr(*rtnl.Addr) error

	Routes(index int) ([]rtnl.Route, error)
	ReplaceRoute(*rtnl.Route) error
	DeleteRoute(*rtnl.Route) error

	Close() error
}

// events announces what has changed; *rtnl.Events does.
type events interface {
	// Receive waits for events. ENOBUFS says that some were lost; after any
	// other error there are no more.
	Receive() ([]rtnl.Event, error)
	Close() error
}

// sockets opens what addresses are asked for over; kernel.Sockets does.
type sockets interface {
	DHCP4(index int) (net.PacketConn, error)
	DHCP6(index int, name string) (net.PacketConn, error)
	// Routers sends ICMPv6 messages to all routers of a link, one per Write.
	Routers(index int) (io.WriteCloser, error)
}

// open opens the machine that the process runs on. A udevd that cannot be
// listened to is not waited for, which is logged.
func open(withUdev bool, log func(string)) (*machine, error) {
	m := &machine{sockets: kernel.Sockets{}, files: "/"}
	if withUdev {
		var err error
		if m.udev, err = kernel.UdevEvents(); err != nil {
			m.udev = nil
			log(err.Error())
		}
	}
	// The subscription comes before anything is listed, so that no change
	// between the two is missed.
	ev, err := rtnl.Subscribe(unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE,
		unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV6_IFINFO, unix.RTNLGRP_ND_USEROPT)
	if err != nil {
		m.closeEvents()
		return nil, fmt.Errorf("subscribe to link events: %w", err)
	}
	m.events = ev
	conn, err := rtnl.Open()
	if err != nil {
		m.closeEvents()
		return nil, err
	}
	m.netlink = conn
	return m, nil
}

// closeEvents ends what is read from the kernel and from udevd.
func (m *machine) closeEvents() {
	if m.events != nil {
		m.events.Close()
	}
	if m.udev != nil {
		m.udev.Close()
	}
}

// isOverrun says that events were lost because they came faster than they were read.
func isOverrun(err error) bool { return errors.Is(err, unix.ENOBUFS) }

// maxFile bounds a file that is read, in bytes: another program's account of its
// lease, a resolv.conf, a record of udev's database.
const maxFile = 64 << 10

// files is the directory that stands for / in the paths of files.
type files string

func (f files) at(path string) string { return filepath.Join(string(f), path) }

// read gives a file's content; nil where there is none, or more than such a
// file has.
func (f files) read(path string) []byte {
	info, err := os.Stat(f.at(path))
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil
	}
	data, err := os.ReadFile(f.at(path))
	if err != nil {
		return nil
	}
	return data
}

// sysctl gives a sysctl's value; "" if there is none, as without IPv6.
func (f files) sysctl(path string) string { return strings.TrimSpace(string(f.read(path))) }

func (f files) setSysctl(path, value string) error { return os.WriteFile(f.at(path), []byte(value), 0) }

// inSysfs says whether sysfs has something below a link's directory.
func (f files) inSysfs(link, name string) bool { return f.there("/sys/class/net/" + link + "/" + name) }

// there says whether there is something at a path.
func (f files) there(path string) bool {
	_, err := os.Lstat(f.at(path))
	return err == nil
}

// names are those in a directory, sorted; none where it cannot be read.
func (f files) names(path string) []string {
	entries, _ := os.ReadDir(f.at(path))
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
