package nic

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"strconv"
	"sync"
	"time"

	"boothook/netboot/nic/kernel"
)

// A udevWatch knows which links udevd has finished with.
type udevWatch struct {
	messages io.Reader
	files    files

	mu      sync.Mutex // guards what follows
	done    map[int]bool
	changed chan struct{}
}

// watchUdev begins to read udevd's messages, until they end.
func watchUdev(messages io.Reader, f files) *udevWatch {
	u := &udevWatch{messages: messages, files: f, done: map[int]bool{}, changed: make(chan struct{})}
	go u.read()
	return u
}

// read runs until the messages end. An overrun loses messages, but what they
// said is in udev's database, where wait looks, too.
func (u *udevWatch) read() {
	buf := make([]byte, kernel.MaxUevent)
	for {
		n, err := u.messages.Read(buf)
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

// wait waits until udevd has finished with a link, for limit at most; it says
// whether it has.
func (u *udevWatch) wait(ctx context.Context, index int, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		u.mu.Lock()
		done, changed := u.done[index], u.changed
		u.mu.Unlock()
		if done || u.inDatabase(index) {
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

// inDatabase says whether udev's database calls the link initialized ("I:"
// holds the time when it became so; sd-device, device-private.c).
func (u *udevWatch) inDatabase(index int) bool {
	data := u.files.read("/run/udev/data/n" + strconv.Itoa(index))
	return bytes.HasPrefix(data, []byte("I:")) || bytes.Contains(data, []byte("\nI:"))
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
