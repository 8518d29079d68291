package nic

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// DialContext connects through the lease's own NIC, whatever the routing table
// prefers: that is how 169.254.169.254 is asked on each NIC. Names are resolved
// by the lease's own name servers, over the same NIC.
func (l *Lease) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return l.Dialer().DialContext(ctx, network, addr)
}

// Dialer gives the dialer behind DialContext, for who must set more, such as
// a privileged source port.
func (l *Lease) Dialer() *net.Dialer {
	return &net.Dialer{Control: l.bind, Resolver: l.resolver()}
}

// bind ties a socket to the lease's link by index. Loopback stays reachable.
func (l *Lease) bind(_, addr string, c syscall.RawConn) error {
	if ap, err := netip.ParseAddrPort(addr); err == nil && ap.Addr().IsLoopback() {
		return nil
	}
	var bindErr error
	err := c.Control(func(fd uintptr) {
		bindErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, l.Index)
		if errors.Is(bindErr, unix.ENOPROTOOPT) { // before Linux 5.1
			bindErr = unix.BindToDevice(int(fd), l.Name)
		}
	})
	if err = errors.Join(err, bindErr); err != nil {
		return fmt.Errorf("bind socket to %s: %w", l.Name, err)
	}
	return nil
}

// errNoDNS says that a name cannot be resolved because the lease names no server.
var errNoDNS = errors.New("lease has no name server")

// resolver asks the lease's name servers in turn. Go's resolver repeats a
// question that was not answered, and each repetition goes to the next server.
func (l *Lease) resolver() *net.Resolver {
	var turn atomic.Uint32
	plain := &net.Dialer{Control: l.bind}
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			if len(l.DNS) == 0 {
				return nil, errNoDNS
			}
			server := l.DNS[int(turn.Add(1)-1)%len(l.DNS)]
			return plain.DialContext(ctx, network, netip.AddrPortFrom(server, 53).String())
		},
	}
}
