// Package dial connects through one network link, and asks given name servers.
//
// In go a link, name servers and addresses or names; out come connections as
// package net has them. It does what net.Dialer and net.Resolver would do for a
// machine that has no configuration yet, and is a tenth of their size, which
// the agent would carry at each boot: it knows no hosts file, no search domains
// and no race of two families. It never uses another link than the one given,
// except to reach the machine itself.
package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A Dialer connects through one link. The zero value lets the routing table
// choose and resolves no names.
type Dialer struct {
	Index   int              // of the link; 0: any
	Name    string           // of the link, for kernels before 5.1
	Servers []netip.AddrPort // name servers, asked in this order
	First6  bool             // a name's IPv6 addresses are preferred
	Port    uint16           // that connections come from; 0: any
}

// errNetwork says that neither "tcp" nor "udp" was asked for.
var errNetwork = errors.New("unknown network")

// DialContext connects over "tcp" or "udp" to HOST:PORT; the host is an
// address or a name. Of a name's addresses the first that answers is taken.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	kind := unix.SOCK_STREAM
	switch network {
	case "tcp":
	case "udp":
		kind = unix.SOCK_DGRAM
	default:
		return nil, fmt.Errorf("connect to %s: %w %q", addr, errNetwork, network)
	}
	list, err := d.Resolve(ctx, addr)
	if err != nil {
		return nil, err
	}
	var first error
	for i, to := range list {
		conn, err := d.tryOne(ctx, len(list)-i, kind, to)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = fmt.Errorf("connect to %s: %w", to, err)
		}
	}
	return nil, first
}

// tryOne connects to the first of as many addresses as are left, and leaves
// the others their share of the time.
func (d *Dialer) tryOne(ctx context.Context, left, kind int, to netip.AddrPort) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return d.connect(ctx, kind, to)
}

// Resolve gives the addresses that HOST:PORT stands for, at least one.
func (d *Dialer) Resolve(ctx context.Context, addr string) ([]netip.AddrPort, error) {
	if to, err := netip.ParseAddrPort(addr); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(to.Addr().Unmap(), to.Port())}, nil
	}
	host, digits, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port of %s: %w", addr, err)
	}
	ips, err := d.lookup(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", host, err)
	}
	var list []netip.AddrPort
	for _, ip := range ips {
		list = append(list, netip.AddrPortFrom(ip, uint16(port)))
	}
	return list, nil
}

// connect makes a connected socket.
func (d *Dialer) connect(ctx context.Context, kind int, to netip.AddrPort) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fd, err := d.socket(kind, to.Addr())
	if err != nil {
		return nil, err
	}
	if d.Port != 0 {
		local := netip.IPv4Unspecified()
		if to.Addr().Is6() {
			local = netip.IPv6Unspecified()
		}
		err = unix.Bind(fd, d.sockaddr(netip.AddrPortFrom(local, d.Port)))
	}
	if err == nil {
		err = unix.Connect(fd, d.sockaddr(to))
	}
	sock := os.NewFile(uintptr(fd), to.String())
	defer sock.Close() // FileConn has a copy
	if errors.Is(err, unix.EINPROGRESS) {
		err = established(ctx, sock)
	}
	if err != nil {
		return nil, err
	}
	return net.FileConn(sock)
}

// established waits until a connection is there, or cannot be.
func established(ctx context.Context, sock *os.File) error {
	raw, err := sock.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = sock.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 {
			err = unix.Errno(code)
		}
		if failed = err; err != nil {
			return true
		}
		_, err = unix.Getpeername(int(fd)) // ENOTCONN: woken too early
		return err == nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(err, failed)
}

// ListenPacket opens a UDP socket on the link, for the family of local.
func (d *Dialer) ListenPacket(local netip.AddrPort) (net.PacketConn, error) {
	fd, err := d.socket(unix.SOCK_DGRAM, local.Addr())
	if err != nil {
		return nil, err
	}
	sock := os.NewFile(uintptr(fd), local.String())
	defer sock.Close() // FilePacketConn has a copy
	if err := unix.Bind(fd, d.sockaddr(local)); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", local, err)
	}
	return net.FilePacketConn(sock)
}

// socket makes a socket for talking to ip. Loopback stays reachable.
func (d *Dialer) socket(kind int, ip netip.Addr) (int, error) {
	family := unix.AF_INET
	if ip.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, fmt.Errorf("open socket: %w", err)
	}
	if ip.Is6() { // the port's IPv4 half is not ours to take
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err == nil && d.Index != 0 && !ip.IsLoopback() {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, d.Index)
		if errors.Is(err, unix.ENOPROTOOPT) { // before Linux 5.1
			err = unix.BindToDevice(fd, d.Name)
		}
	}
	if err != nil {
		unix.Close(fd)
		return 0, fmt.Errorf("bind socket to %s: %w", d.Name, err)
	}
	return fd, nil
}

// sockaddr is an address in the kernel's terms. A link-local address is one of
// the dialer's link, whatever name the link had when the address was written.
func (d *Dialer) sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	s := &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if a.Addr().IsLinkLocalUnicast() {
		s.ZoneId = uint32(d.Index)
	}
	return s
}
