package pid1

import (
	"fmt"
	"os"
	"strings"

	"github.com/u-root/u-root/pkg/mount"
	"golang.org/x/sys/unix"

	"boothook/injector/root"
)

// base are the mounts that every init expects, with the options that systemd
// gives them where it finds none (src/shared/mount-setup.c).
var base = [...]struct {
	point, fstype, data string
	flags               uintptr
}{
	{"/proc", "proc", "", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
	{"/sys", "sysfs", "", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
	{"/dev", "devtmpfs", "mode=0755", unix.MS_NOSUID | unix.MS_STRICTATIME},
	{"/run", "tmpfs", "mode=0755,size=20%,nr_inodes=800k", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_STRICTATIME},
}

// mountBase mounts them, unless the kernel did (CONFIG_DEVTMPFS_MOUNT).
func mountBase() error {
	for _, b := range base {
		if err := os.MkdirAll(b.point, 0o755); err != nil {
			return fmt.Errorf("mount %s: %w", b.point, err)
		}
		if same, err := mount.SameFilesystem("/", b.point); err == nil && !same {
			continue
		}
		if _, err := mount.Mount(b.fstype, b.point, b.fstype, b.data, b.flags); err != nil {
			return fmt.Errorf("mount %s: %w", b.point, err)
		}
	}
	return nil
}

// mountFlags parts rootflags= into the flags and the file system's own
// options, as mount(8) does.
func mountFlags(options string, readWrite bool) (flags uintptr, data string) {
	if !readWrite {
		flags = unix.MS_RDONLY
	}
	var own []string
	for _, o := range strings.Split(options, ",") {
		flag := root.MountFlag(o)
		switch {
		case flag != 0:
			flags |= flag
		case o == "rw":
			flags &^= unix.MS_RDONLY
		case o != "" && o != "defaults":
			own = append(own, o)
		}
	}
	return flags, strings.Join(own, ",")
}
