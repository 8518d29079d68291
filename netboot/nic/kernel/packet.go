package kernel

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A packetConn sends and receives UDP on one link that has no address, as a
// net.PacketConn: from 0.0.0.0 to 255.255.255.255, whatever host it is given.
type packetConn struct {
	*os.File
	to   unix.SockaddrLinklayer
	port uint16 // the local one
}

// The headers of IPv4 (RFC 791, without options) and UDP (RFC 768) in bytes.
const (
	ipHeader  = 20
	udpHeader = 8
	maxHeader = 60 + udpHeader // with all the options there can be
)

// closeLater is longer than it takes to fetch from a service of the network.
const closeLater = 100 * time.Millisecond

// broadcastHW is Ethernet's broadcast address.
var broadcastHW = [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// listenPacket opens a socket that receives the first fragments of UDP to one
// port. It names the link by its index, which a rename does not change.
func listenPacket(index int, port uint16) (*packetConn, error) {
	// Of no protocol before it is bound, so that nothing comes in unfiltered.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	filter := udpTo(port)
	proto := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_IP))
	to := unix.SockaddrLinklayer{Protocol: proto, Ifindex: index, Halen: 6, Addr: broadcastHW}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: unsafe.SliceData(filter)})
	if err == nil {
		err = unix.Bind(fd, &to)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind packet socket to link %d: %w", index, err)
	}
	return &packetConn{os.NewFile(uintptr(fd), "packet"), to, port}, nil
}

// udpTo is the filter, in the classic BPF that the kernel takes
// (Documentation/networking/filter.rst).
func udpTo(port uint16) []unix.SockFilter {
	const refuse, accept = 7, 8 // where these stand
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 9}, // the protocol
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_UDP, Jf: refuse - 2},
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 6}, // the fragment's offset
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: 0x1fff, Jt: refuse - 4},
		{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: 0}, // the header's length
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_IND, K: 2},  // the destination port
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(port), Jt: accept - 7},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16},
	}
}

// ReadFrom reads the content of one datagram. It does not say who sent it.
func (c *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	packet := make([]byte, maxHeader+len(b))
	for {
		n, err := c.Read(packet)
		if err != nil {
			return 0, nil, err
		}
		if content, ok := udpContent(packet[:n]); ok {
			return copy(b, content), nil, nil
		}
	}
}

// udpContent takes the headers off an IPv4 packet that the filter has let
// through. What follows the packet's own end is the frame's padding. The
// checksums are not verified: a virtual network may not have filled them in.
func udpContent(packet []byte) ([]byte, bool) {
	if len(packet) < ipHeader || packet[0]>>4 != 4 {
		return nil, false
	}
	start, end := int(packet[0]&15)*4, int(binary.BigEndian.Uint16(packet[2:]))
	if start < ipHeader || end > len(packet) || end-start < udpHeader {
		return nil, false
	}
	return packet[start+udpHeader : end], true
}

// WriteTo broadcasts a datagram to a port.
func (c *packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	port := to.(*net.UDPAddr).Port
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	packet := broadcast(c.port, uint16(port), b)
	var sent error
	if err := raw.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), packet, 0, &c.to)
		return sent != unix.EAGAIN
	}); err != nil {
		return 0, err
	}
	return len(b), sent
}

// broadcast puts headers before a datagram from 0.0.0.0 to 255.255.255.255.
func broadcast(from, to uint16, content []byte) []byte {
	size := ipHeader + udpHeader + len(content)
	p := append(make([]byte, ipHeader+udpHeader, size), content...)
	p[0] = 4<<4 | ipHeader/4
	binary.BigEndian.PutUint16(p[2:], uint16(size))
	p[8], p[9] = 64, unix.IPPROTO_UDP // hops that it may take
	copy(p[16:], broadcastHW[:4])
	binary.BigEndian.PutUint16(p[10:], checksum(p[:ipHeader], 0))
	udp := p[ipHeader:]
	binary.BigEndian.PutUint16(udp, from)
	binary.BigEndian.PutUint16(udp[2:], to)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	// UDP's checksum is over the addresses, the protocol and the length, too.
	binary.BigEndian.PutUint16(udp[6:], checksum(udp, 2*0xffff+unix.IPPROTO_UDP+uint32(len(udp))))
	return p
}

// checksum is the Internet's (RFC 1071), sum being what has been added so far.
func checksum(b []byte, sum uint32) uint16 {
	for i, c := range b {
		sum += uint32(c) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// Close has the socket closed after closeLater: close(2) of a packet socket
// waits for an RCU grace period (packet_release in net/packet/af_packet.c), 5 to
// 20 ms by which the lease would come later. A socket that nobody reads does no
// harm until then.
func (c *packetConn) Close() error {
	time.AfterFunc(closeLater, func() { c.File.Close() })
	return nil
}

// LocalAddr is none.
func (c *packetConn) LocalAddr() net.Addr { return nil }
