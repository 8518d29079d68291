package nic

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A rawConn reads and broadcasts IPv4 packets on one link, address or none
// (packet(7)). It is what insomniacslk/dhcp frames UDP on.
type rawConn struct {
	*os.File
	to unix.SockaddrLinklayer
}

// broadcastHW is everybody on an Ethernet.
var broadcastHW = [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// listenRaw opens a socket that sees first fragments of UDP to one port. Of
// the link only the index is used, so that a rename does no harm.
func listenRaw(index int, port uint16) (*rawConn, error) {
	// Of no protocol before it is bound, so that nothing passes the filter by.
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
	return &rawConn{os.NewFile(uintptr(fd), "packet"), to}, nil
}

// udpTo is the filter, in the kernel's own machine language
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

// ReadFrom reads one packet, headers included. It does not say who sent it.
func (c *rawConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := c.Read(b)
	return n, nil, err
}

// WriteTo broadcasts a packet, whoever it is for.
func (c *rawConn) WriteTo(b []byte, _ net.Addr) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var sent error
	if err := raw.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), b, 0, &c.to)
		return sent != unix.EAGAIN
	}); err != nil {
		return 0, err
	}
	return len(b), sent
}

// LocalAddr is none.
func (c *rawConn) LocalAddr() net.Addr { return nil }
