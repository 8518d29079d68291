package nic

import (
	"context"
	"time"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// solicit asks for routers until ctx ends, in the rhythm of DHCP. The kernel
// asks, too, but again only after 4 s (RFC 4861 §6.3.7): a router that becomes
// ready without a sign would go unnoticed as long.
func (m *Manager) solicit(ctx context.Context, l *link) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_ICMPV6)
	if err != nil {
		return // a kernel without IPv6
	}
	defer unix.Close(fd)
	// A solicitation that could have come over a router counts as none.
	if unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255) != nil {
		return
	}
	routers := &unix.SockaddrInet6{Addr: [16]byte{0: 0xff, 1: 2, 15: 2}, ZoneId: uint32(l.index)}
	for waits := newRhythm(m.opts.Pace, time.Now()); ; {
		var hw []byte
		err := l.until(ctx, func(a *rtnl.Link) bool {
			hw = a.Addr
			return hasCarrier(a)
		})
		if err != nil {
			return
		}
		// Type 133, and the option with our hardware address (RFC 4861 §4.1,
		// §4.6.1); the kernel adds the checksum. One that cannot be sent, as long
		// as the link-local address is missing, is lost as any may be.
		_ = unix.Sendto(fd, append([]byte{0: 133, 8: 1, 9: 1}, hw...), unix.MSG_DONTWAIT, routers)
		if sleep(ctx, waits.next()) != nil {
			return
		}
	}
}
