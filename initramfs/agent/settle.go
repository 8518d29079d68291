package agent

import (
	"context"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"boothook/initramfs/words"
	"boothook/netboot/platform"
	"boothook/netboot/source"
)

// SettleTime bounds how long the boot waits for devices after the root device:
// a volume may be behind a slower controller than the root is, and to miss it
// would be to boot without its data.
const SettleTime = 5 * time.Second

// WantsVolumes says that the machine's data may be on a volume: nothing says
// where they are, or what does names a source that reads one.
func (e *Env) WantsVolumes(o words.Options) bool {
	matches := source.Detect(e.evidence(o))
	return len(matches) == 0 || slices.ContainsFunc(matches, func(m platform.Match) bool {
		s, err := source.Find(m.Source)
		return err == nil && s.OnVolume()
	})
}

// udevQueue is there as long as udevd has something to do: what "udevadm
// settle" waits for (src/udev/udevadm-settle.c).
const (
	udevDir   = "/run/udev"
	udevQueue = udevDir + "/queue"
)

// awaitUdev waits until udevd has nothing to do, for SettleTime at most.
func awaitUdev(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, SettleTime)
	defer cancel()
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
	for buf := make([]byte, 4<<10); anyExists(udevQueue); {
		if _, err := events.Read(buf); err != nil {
			return
		}
	}
}
