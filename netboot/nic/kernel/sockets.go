// Package kernel opens the sockets that package nic decides about: packet
// sockets for DHCPv4 on links without an address, UDP for DHCPv6, ICMPv6 for
// router solicitations, and udevd's events. (Links, addresses and routes are
// package rtnl's.)
//
// In go a link's index and name; out come a net.PacketConn, an io.WriteCloser
// or an io.ReadCloser. The package decides nothing, repeats nothing and reads
// no message's content beyond the headers of IPv4 and UDP.
//
// The functions that make system calls need a kernel, most of them root and a
// link: they run in the tests of package nic under the build tag net. Unit
// tests run the packet headers and, in a virtual machine for BPF, the filters.
package kernel

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"

	"boothook/netboot/dial"
	"boothook/netboot/nic/dhcp"

	"golang.org/x/sys/unix"
)

// Sockets opens sockets in the network namespace of the calling thread.
type Sockets struct{}

// DHCP4 opens the DHCPv4 client's port on a link that has no address. Whatever
// host a message is sent to, it is broadcast. It must be closed.
func (Sockets) DHCP4(index int) (net.PacketConn, error) {
	conn, err := listenPacket(index, dhcp.ClientPort4)
	if err != nil {
		return nil, fmt.Errorf("open dhcp socket: %w", err)
	}
	return conn, nil
}

// DHCP6 opens the DHCPv6 client's port on a link. It must be closed.
func (Sockets) DHCP6(index int, name string) (net.PacketConn, error) {
	d := dial.Dialer{Index: index, Name: name}
	conn, err := d.ListenPacket(netip.AddrPortFrom(netip.IPv6Unspecified(), dhcp.ClientPort6))
	if err != nil {
		return nil, fmt.Errorf("open dhcpv6 socket: %w", err)
	}
	return conn, nil
}

// Routers opens a socket whose writes are ICMPv6 messages to all routers of a
// link (ff02::2), to which the kernel adds the checksum. It must be closed.
func (Sockets) Routers(index int) (io.WriteCloser, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_ICMPV6)
	if err != nil {
		return nil, fmt.Errorf("open icmpv6 socket: %w", err)
	}
	// Routers ignore what another router may have forwarded (RFC 4861 §6.1.1).
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set hop limit of icmpv6 socket: %w", err)
	}
	return &routers{os.NewFile(uintptr(fd), "icmpv6"), unix.SockaddrInet6{Addr: [16]byte{0: 0xff, 1: 2, 15: 2}, ZoneId: uint32(index)}}, nil
}

// routers is all routers of a link.
type routers struct {
	*os.File
	to unix.SockaddrInet6
}

// Write sends one message. It does not wait for room in the link's queue.
func (r *routers) Write(msg []byte) (int, error) {
	raw, err := r.SyscallConn()
	if err != nil {
		return 0, err
	}
	var sent error
	if err := raw.Control(func(fd uintptr) { sent = unix.Sendto(int(fd), msg, unix.MSG_DONTWAIT, &r.to) }); err != nil {
		return 0, err
	}
	return len(msg), sent
}
