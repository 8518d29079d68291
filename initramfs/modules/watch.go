package modules

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// kernelGroup is the multicast group on which the kernel itself announces
// devices (lib/kobject_uevent.c); MaxUevent bounds such an event in bytes.
const (
	kernelGroup = 1
	MaxUevent   = 8 << 10
)

// Uevents opens a socket on which each read gives one event of the kernel:
// "ACTION@DEVPATH" and then KEY=VALUE, each ended by NUL. ENOBUFS says that
// some were lost.
func Uevents() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("open uevent socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (kernelGroup - 1)}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind uevent socket: %w", err)
	}
	return os.NewFile(uintptr(fd), "uevent"), nil
}

// Watch does what LoadFor does, and again whenever a device of the class
// appears, until ctx ends; it returns ctx's error then. Failures to load are
// logged: a device without its driver is not the end of watching.
//
// Where udevd is about to have all devices announced anew, Watch can wait for
// that: it begins at the first such event, or when coldplug is over, which is 0
// to begin at once.
func (l *Loader) Watch(ctx context.Context, class Class, coldplug time.Duration) error {
	sock, err := Uevents()
	if err != nil {
		return err
	}
	defer sock.Close()
	defer context.AfterFunc(ctx, func() { sock.Close() })()
	buf := make([]byte, MaxUevent)
	held := coldplug > 0
	look := !held
	if held {
		_ = sock.SetReadDeadline(time.Now().Add(coldplug)) // never refused to a socket
	}
	for {
		if look {
			_ = l.LoadFor(ctx, class) // logged already, module by module
			_ = sock.SetReadDeadline(time.Time{})
			held = false
		}
		n, err := sock.Read(buf)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, os.ErrDeadlineExceeded): // what was said is not known: look for all
			look = true
		case err != nil:
			return fmt.Errorf("read uevent: %w", err)
		default:
			// Before Linux 4.13 nothing marks an event that was asked for.
			look = class.announces(buf[:n]) || held && bytes.Contains(buf[:n], []byte("\x00SYNTH_UUID="))
		}
	}
}

// announces says whether a uevent brings a device of the class. Hundreds come
// when udev is told of all devices anew.
func (c Class) announces(event []byte) bool {
	const key = "\x00MODALIAS="
	if !bytes.HasPrefix(event, []byte("add@")) {
		return false
	}
	i := bytes.Index(event, []byte(key))
	if i < 0 {
		return false
	}
	modalias, _, _ := bytes.Cut(event[i+len(key):], []byte{0})
	return c.belongs(string(modalias))
}
