package nic

import (
	"context"
	"net"
	"net/netip"

	"boothook/netboot/dial"
)

// dnsPort is where name servers listen.
const dnsPort = 53

// DialContext connects through the lease's own NIC, whatever the routing table
// prefers: that is how 169.254.169.254 is asked on each NIC. Names are resolved
// by the lease's own name servers, over the same NIC.
func (l *Lease) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return l.Dialer().DialContext(ctx, network, addr)
}

// Dialer gives the dialer behind DialContext, for who must set more, such as
// a privileged source port.
func (l *Lease) Dialer() *dial.Dialer {
	d := &dial.Dialer{Index: l.Index, Name: l.Name, First6: l.Prefix.Addr().Is6()}
	for _, server := range l.DNS {
		d.Servers = append(d.Servers, netip.AddrPortFrom(server, dnsPort))
	}
	return d
}

// Packet opens a UDP socket on the lease's NIC, for what is at HOST:PORT, and
// gives that one's address.
func (l *Lease) Packet(ctx context.Context, addr string) (net.PacketConn, net.Addr, error) {
	d := l.Dialer()
	list, err := d.Resolve(ctx, addr)
	if err != nil {
		return nil, nil, err
	}
	from := netip.IPv4Unspecified()
	if list[0].Addr().Is6() {
		from = netip.IPv6Unspecified()
	}
	conn, err := d.ListenPacket(netip.AddrPortFrom(from, 0))
	if err != nil {
		return nil, nil, err
	}
	return conn, net.UDPAddrFromAddrPort(list[0]), nil
}
