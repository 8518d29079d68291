package vm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// snapLen is how much of a frame is kept, in bytes.
	snapLen = 512
	// maxFrames bounds what one capture keeps; counting goes on.
	maxFrames = 1 << 18
	// captureBuffer is the kernel's queue for a capture, in bytes.
	captureBuffer = 8 << 20
)

// A Frame is the start of one Ethernet frame on the guest's network.
type Frame struct {
	At   time.Duration
	Data []byte
}

// Source is the sender's hardware address.
func (f Frame) Source() net.HardwareAddr { return f.Data[6:12] }

// A Capture records every frame to and from the guest, in memory and as a
// pcap file (the format of tcpdump(8)).
type Capture struct {
	zero time.Time
	file *os.File
	fd   int
	stop chan struct{} // closed by Close
	done chan struct{} // closed by run

	mu     sync.Mutex // guards frames and err
	frames []Frame
	err    error
}

// capture starts to record. Times count from zero.
func (n *Network) capture(path string, zero time.Time) (*Capture, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	c := &Capture{zero: zero, file: file, stop: make(chan struct{}), done: make(chan struct{})}
	if err := n.ns.do(func() error { return c.open(n.ifindex) }); err != nil {
		return nil, errors.Join(fmt.Errorf("capture: %w", err), file.Close())
	}
	if _, err := file.Write(pcapHeader()); err != nil {
		return nil, errors.Join(fmt.Errorf("capture: %w", err), unix.Close(c.fd), file.Close())
	}
	go c.run()
	return c, nil
}

// open makes the packet socket, in the namespace. The receive timeout lets
// run see that it is to end.
func (c *Capture) open(ifindex int) error {
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all)
	if err != nil {
		return fmt.Errorf("packet socket: %w", err)
	}
	c.fd = fd
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, captureBuffer),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000}),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: ifindex}),
	)
	if err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	return nil
}

// run records until it is stopped and the queue is empty.
func (c *Capture) run() {
	defer close(c.done)
	buf, oob := make([]byte, 64<<10), make([]byte, 128)
	for {
		n, oobn, _, _, err := unix.Recvmsg(c.fd, buf, oob, 0)
		switch {
		case err == unix.EAGAIN:
			select {
			case <-c.stop:
				return
			default:
			}
		case err == unix.EINTR || err == unix.ENETDOWN: // the latter: the tap lost its guest
		case err != nil:
			c.fail(err)
			return
		default:
			c.add(received(oob[:oobn]), buf[:n])
		}
	}
}

func (c *Capture) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = errors.Join(c.err, err)
}

// add keeps one frame.
func (c *Capture) add(at time.Time, frame []byte) {
	whole := len(frame)
	if whole < 14 { // no Ethernet header
		return
	}
	frame = append([]byte(nil), frame[:min(whole, snapLen)]...)
	record := make([]byte, 16, 16+len(frame))
	for i, v := range []uint32{uint32(at.Unix()), uint32(at.Nanosecond() / 1000), uint32(len(frame)), uint32(whole)} {
		binary.LittleEndian.PutUint32(record[4*i:], v)
	}
	_, err := c.file.Write(append(record, frame...))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = errors.Join(c.err, err)
	if len(c.frames) < maxFrames {
		c.frames = append(c.frames, Frame{at.Sub(c.zero), frame})
	}
}

// received reads the kernel's time of arrival; without one it is now.
func received(oob []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			sec, nsec := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			return time.Unix(int64(sec), int64(nsec))
		}
	}
	return time.Now()
}

// pcapHeader says: microseconds, version 2.4, UTC, Ethernet.
func pcapHeader() []byte {
	h := make([]byte, 24)
	binary.LittleEndian.PutUint32(h, 0xa1b2c3d4)
	binary.LittleEndian.PutUint16(h[4:], 2)
	binary.LittleEndian.PutUint16(h[6:], 4)
	binary.LittleEndian.PutUint32(h[16:], snapLen)
	binary.LittleEndian.PutUint32(h[20:], 1)
	return h
}

// Close ends the capture; its frames stay. It tells what went wrong meanwhile.
func (c *Capture) Close() error {
	close(c.stop)
	<-c.done
	return errors.Join(c.err, unix.Close(c.fd), c.file.Close())
}

// FromGuest returns the frames that the guest sent, in order.
func (c *Capture) FromGuest() []Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	var sent []Frame
	for _, f := range c.frames {
		if f.Source().String() == GuestMAC {
			sent = append(sent, f)
		}
	}
	return sent
}
