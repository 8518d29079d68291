package machine

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

const (
	udevDir = "/run/udev"
	// udevQueue is there as long as udevd has something to do: what "udevadm
	// settle" waits for (src/udev/udevadm-settle.c).
	udevQueue = udevDir + "/queue"
)

// AwaitUdev waits until udevd has nothing to do or ctx is done.
func (*Machine) AwaitUdev(ctx context.Context) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return
	}
	events := os.NewFile(uintptr(fd), "inotify")
	defer events.Close()
	defer context.AfterFunc(ctx, func() { events.Close() })()
	if _, err := unix.InotifyAddWatch(fd, udevDir, unix.IN_DELETE); err != nil {
		return // no udevd
	}
	for buf := make([]byte, 4<<10); exists(udevQueue); {
		if _, err := events.Read(buf); err != nil {
			return
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
