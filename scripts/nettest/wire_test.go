//go:build net

package nettest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A wire connects two NICs that are made for it, each in a namespace of its
// own. Every frame passes through here, so that a wire can be long, or cut,
// and knows what went over it.
type wire struct {
	near, far *os.File // TAP devices: the machine's end and the cloud's

	mu sync.Mutex
	// delay is what a frame takes from one end to the other.
	delay func(frame []byte) time.Duration
	// lost says which frames get lost on the way; nil: none.
	lost func(frame []byte) bool
	// meddle says what comes to the machine in a frame's place; nil: the frame.
	meddle func(frame []byte) [][]byte
	// sent counts the frames that came out of the near end.
	sent int
}

// newWire makes the NICs, of which the far one is up.
func newWire(t *testing.T, nearNS, near, farNS, far string) *wire {
	t.Helper()
	w := &wire{
		near:  newTAP(t, nearNS, near),
		far:   newTAP(t, farNS, far),
		delay: func([]byte) time.Duration { return 0 },
	}
	go w.carry(w.near, w.far, true)
	go w.carry(w.far, w.near, false)
	command(t, "ip", "-n", farNS, "link", "set", far, "up")
	return w
}

// newTAP makes a NIC whose other side is the file. It lives as long as that.
func newTAP(t *testing.T, ns, name string) *os.File {
	t.Helper()
	var file *os.File
	within(t, ns, func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open tun: %w", err)
		}
		ifreq, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		ifreq.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifreq); err != nil {
			return fmt.Errorf("make %s: %w", name, err)
		}
		file = os.NewFile(uintptr(fd), name)
		return nil
	})
	t.Cleanup(func() { file.Close() })
	return file
}

// carry takes frames from one end to the other. Those that take time wait in
// line, the others overtake them.
func (w *wire) carry(from, to *os.File, out bool) {
	type late struct {
		due   time.Time
		frame []byte
	}
	line := make(chan late, 10_000)
	defer close(line)
	go func() {
		for l := range line {
			time.Sleep(time.Until(l.due))
			to.Write(l.frame) // a NIC that is down takes none
		}
	}()
	for buf := make([]byte, 1<<16); ; {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		w.mu.Lock()
		delay, lost := w.delay(buf[:n]), w.lost != nil && w.lost(buf[:n])
		meddle := w.meddle
		if out {
			w.sent++
			meddle = nil
		}
		w.mu.Unlock()
		switch {
		case lost:
		case meddle != nil:
			for _, frame := range meddle(buf[:n]) {
				to.Write(frame)
			}
		case delay == 0:
			to.Write(buf[:n])
		default:
			line <- late{time.Now().Add(delay), bytes.Clone(buf[:n])}
		}
	}
}

// set changes the wire while it is in use.
func (w *wire) set(change func(*wire)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
}

// frames says how many the machine has sent.
func (w *wire) frames() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent
}

// plug puts the cable into the machine's NIC, or pulls it.
func (w *wire) plug(t *testing.T, in bool) {
	t.Helper()
	state := 0
	if in {
		state = 1
	}
	conn, err := w.near.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = conn.Control(func(fd uintptr) {
		if err := unix.IoctlSetPointerInt(int(fd), unix.TUNSETCARRIER, state); err != nil {
			t.Errorf("carrier: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// farService makes only TCP take its time: the service is far, and the router
// and the DHCP server are near.
func farService(rtt time.Duration) func([]byte) time.Duration {
	return func(frame []byte) time.Duration {
		if isTCP(frame) {
			return rtt / 2
		}
		return 0
	}
}

func isTCP(frame []byte) bool {
	if len(frame) < 34 {
		return false
	}
	switch binary.BigEndian.Uint16(frame[12:]) {
	case unix.ETH_P_IP:
		return frame[14+9] == unix.IPPROTO_TCP
	case unix.ETH_P_IPV6:
		return frame[14+6] == unix.IPPROTO_TCP
	}
	return false
}

// within calls f in another namespace; what it opens stays there.
func within(t *testing.T, ns string, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		// The thread is not unlocked: it ends with the goroutine, and nobody
		// else gets it in the wrong namespace.
		runtime.LockOSThread()
		there, err := os.Open("/run/netns/" + ns)
		if err == nil {
			err = unix.Setns(int(there.Fd()), unix.CLONE_NEWNET)
			there.Close()
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatalf("in namespace %s: %v", ns, err)
	}
}
