package fetch

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"syscall"

	"boothook/netboot/dial"
)

const (
	lowPorts    = 1023 // the highest port that only root can have
	lowPortTurn = 64   // ports tried for one connection
)

// LowPort gives a Config.Dial whose TCP connections come from ports below
// 1024, which tells a service that root is asking. Ports in use are passed
// over. The dialer is not changed.
func LowPort(d *dial.Dialer) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		first := rand.N(lowPorts)
		var err error
		for i := range lowPortTurn {
			low := *d
			low.Port = uint16(1 + (first+i)%lowPorts)
			var conn net.Conn
			if conn, err = low.DialContext(ctx, network, addr); err == nil {
				return conn, nil
			}
			if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
				break
			}
		}
		return nil, err
	}
}
