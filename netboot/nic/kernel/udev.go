package kernel

import (
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// UdevGroup is the multicast group on which udevd repeats each event of
	// the kernel once its rules have run, renames included (libudev-monitor.c).
	UdevGroup = 2
	// MaxUevent bounds one event in bytes; libudev uses the same.
	MaxUevent = 8 << 10
	// UdevNet is what udevd writes into its messages about the subsystem "net",
	// so that a filter can tell them: MurmurHash2 of the name with the seed 0.
	UdevNet = 0xa74d3cc8
)

// UdevEvents gives what udevd announces about network links, one message per
// read of at most MaxUevent bytes. A read that fails with ENOBUFS says that
// messages were lost; after any other error there are no more. udevd need not
// run yet. It must be closed.
func UdevEvents() (io.ReadCloser, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("open udev socket: %w", err)
	}
	filter := ofNet()
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: unsafe.SliceData(filter)})
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (UdevGroup - 1)})
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind udev socket: %w", err)
	}
	return os.NewFile(uintptr(fd), "udev"), nil
}

// ofNet is a filter for messages about network links. A boot has hundreds of
// messages about other devices, and to be woken for each of them would cost more
// processor time than the rest of what package nic does until a lease comes.
func ofNet() []unix.SockFilter {
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 24}, // the subsystem's hash
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: UdevNet, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: MaxUevent},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
}
