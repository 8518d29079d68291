package nic

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// udevGroup is the multicast group on which udevd repeats each event of the
// kernel once its rules have run, renames included (libudev-monitor.c).
const udevGroup = 2

// maxUevent bounds one event in bytes; libudev uses the same.
const maxUevent = 8 << 10

// A udevWatch knows which links udevd has finished with.
type udevWatch struct {
	sock *os.File

	mu      sync.Mutex // guards what follows
	done    map[int]bool
	changed chan struct{}
}

// watchUdev starts to listen. udevd need not run yet. It must be closed.
func watchUdev() (*udevWatch, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("open udev socket: %w", err)
	}
	filter := ofNet()
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: unsafe.SliceData(filter)})
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (udevGroup - 1)})
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind udev socket: %w", err)
	}
	u := &udevWatch{sock: os.NewFile(uintptr(fd), "udev"), done: map[int]bool{}, changed: make(chan struct{})}
	go u.read()
	return u, nil
}

// netHash is what udevd writes into its messages about the subsystem "net", so
// that a filter can tell them: MurmurHash2 with the seed 0.
const netHash = 0xa74d3cc8

// ofNet is that filter. A boot has hundreds of messages about other devices,
// and to wake for each of them would be most of our own work by then.
func ofNet() []unix.SockFilter {
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 24}, // the subsystem's hash
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: netHash, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: maxUevent},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
}

// read runs until the socket is closed. An overrun loses events, but what
// they said is in udev's database, where wait looks first.
func (u *udevWatch) read() {
	buf := make([]byte, maxUevent)
	for {
		n, err := u.sock.Read(buf)
		if err != nil && !isOverrun(err) {
			return
		}
		index, ok := processedLink(buf[:max(n, 0)])
		u.mu.Lock()
		if ok {
			u.done[index] = true
		}
		close(u.changed)
		u.changed = make(chan struct{})
		u.mu.Unlock()
	}
}

func (u *udevWatch) close() { u.sock.Close() }

// wait waits until udevd has finished with a link, for limit at most; it says
// whether it has.
func (u *udevWatch) wait(ctx context.Context, index int, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		u.mu.Lock()
		done, changed := u.done[index], u.changed
		u.mu.Unlock()
		if done || inUdevDatabase(index) {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// inUdevDatabase says whether udev's database calls the link initialized
// ("I:" holds the time when it became so; sd-device, device-private.c).
func inUdevDatabase(index int) bool {
	data, err := os.ReadFile("/run/udev/data/n" + strconv.Itoa(index))
	return err == nil && (bytes.HasPrefix(data, []byte("I:")) || bytes.Contains(data, []byte("\nI:")))
}

// processedLink reads a message of udevd: the prefix "libudev", a magic, the
// offset and length of the properties, and those as NUL-terminated KEY=VALUE.
// It gives the index of the link the event is about.
func processedLink(msg []byte) (index int, ok bool) {
	const magic = 0xfeedcafe
	if len(msg) < 40 || !bytes.HasPrefix(msg, []byte("libudev\x00")) || binary.BigEndian.Uint32(msg[8:]) != magic {
		return 0, false
	}
	off, size := binary.NativeEndian.Uint32(msg[16:]), binary.NativeEndian.Uint32(msg[20:])
	if uint64(off)+uint64(size) > uint64(len(msg)) {
		return 0, false
	}
	isNet := false
	for _, kv := range bytes.Split(msg[off:off+size], []byte{0}) {
		key, value, _ := bytes.Cut(kv, []byte("="))
		switch string(key) {
		case "SUBSYSTEM":
			isNet = string(value) == "net"
		case "ACTION":
			if string(value) == "remove" {
				return 0, false
			}
		case "IFINDEX":
			index, _ = strconv.Atoi(string(value))
		}
	}
	return index, isNet && index > 0
}
