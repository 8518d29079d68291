package pid1

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/u-root/u-root/pkg/mount"
	"golang.org/x/sys/unix"

	"boothook/injector/jobs"
	"boothook/injector/plan"
	"boothook/injector/root"
)

// inits are where the kernel looks for an init (init/main.c).
var inits = [...]string{"/sbin/init", "/etc/init", "/bin/init", "/bin/sh"}

// errNoInit is a root that cannot be booted.
var errNoInit = errors.New("no init in the root")

// A moment is a time on both of systemd's clocks, in microseconds.
type moment struct{ realtime, monotonic int64 }

func now() moment {
	clock := func(id int32) int64 {
		var t unix.Timespec
		_ = unix.ClockGettime(id, &t) // these clocks exist
		return t.Nano() / 1000
	}
	return moment{clock(unix.CLOCK_REALTIME), clock(unix.CLOCK_MONOTONIC)}
}

// pivot makes the root "/" and its init PID 1, in the place of this process.
func (s *system) pivot() error {
	r, err := root.Open(target)
	if err != nil {
		return err
	}
	argv, err := s.initArgs(r)
	r.Close()
	if err != nil {
		return err
	}
	s.endOthers()
	s.settle()
	if err := switchRoot(); err != nil {
		return fmt.Errorf("switch root: %w", err)
	}
	return os.NewSyscallError("exec "+argv[0], syscall.Exec(argv[0], argv, os.Environ()))
}

// settle makes a read-only root read-only again where a worker that was killed
// has left it writable, so that init can check it.
func (s *system) settle() {
	flags, _ := mountFlags(s.options.Root.Flags, s.options.Root.ReadWrite)
	if flags&unix.MS_RDONLY == 0 {
		return
	}
	if err := unix.Mount("", target, "", flags|unix.MS_REMOUNT, ""); err != nil {
		s.log.Warnf("make the root read-only again: %v", err)
	}
}

// initArgs is the real init and what it is called with: what the kernel called
// this program with, for systemd when this initramfs began, so that
// systemd-analyze can tell its time from the kernel's, and for upstart the
// event before every other where a job awaits it.
func (s *system) initArgs(r *root.Root) ([]string, error) {
	path, err := s.findInit(r)
	if err != nil {
		return nil, err
	}
	argv := []string{path}
	switch r.InitOf(path) {
	case plan.Systemd:
		if fd, err := s.handover(); err == nil {
			argv = append(argv, "--switched-root", "--system", "--deserialize", strconv.Itoa(fd))
		} else {
			s.log.Warnf("systemd will not know of the initramfs: %v", err)
		}
	case plan.Upstart:
		if r.Exists(jobs.StartupJob) && r.Says(path, startupOption) {
			argv = append(argv, "--"+startupOption+"="+jobs.StartupEvent)
		}
	}
	return append(argv, os.Args[1:]...), nil
}

// startupOption is of upstart 1.3 and newer, which older ones would stop at.
const startupOption = "startup-event"

// findInit is init=, or the first that is there. If init= is not, the kernel
// would stop; but a machine that is up can be repaired.
func (s *system) findInit(r *root.Root) (string, error) {
	isProgram := func(path string) bool {
		info, err := r.Stat(path)
		return err == nil && info.Mode.IsRegular() && info.Mode&0o111 != 0
	}
	if path := s.options.Root.Init; path != "" {
		if isProgram(path) {
			return path, nil
		}
		s.log.Errorf("init=%s is no program of the root", path)
	}
	for _, path := range inits {
		if isProgram(path) {
			return path, nil
		}
	}
	return "", errNoInit
}

// handover is a file in memory that systemd reads as its predecessor's state;
// only the time is in it (manager_deserialize() in src/core/manager-serialize.c).
func (s *system) handover() (int, error) {
	fd, err := unix.MemfdCreate("boothook-initrd", 0)
	if err != nil {
		return 0, err
	}
	line := fmt.Sprintf("initrd-timestamp=%d %d\n\n", s.began.realtime, s.began.monotonic)
	if _, err := unix.Write(fd, []byte(line)); err != nil {
		return 0, err
	}
	_, err = unix.Seek(fd, 0, unix.SEEK_SET)
	return fd, err
}

// switchRoot moves the base mounts along and makes the root "/". u-root's
// mount.SwitchRoot would drop init's arguments and environment.
func switchRoot() error {
	old, err := os.Open("/")
	if err != nil {
		return err
	}
	defer old.Close()
	same, err := mount.SameFilesystem("/", target)
	if err != nil {
		return err
	}
	if same {
		return fmt.Errorf("nothing is mounted on %s", target)
	}
	for i := range base {
		// A root without such a directory, which may be read-only, has to do
		// without that mount.
		if err := mount.MoveMount(base[i].point, filepath.Join(target, base[i].point)); err != nil {
			_ = mount.Unmount(base[i].point, false, true)
		}
	}
	if err := unix.Chdir(target); err != nil {
		return err
	}
	if err := mount.MoveMount(".", "/"); err != nil {
		return fmt.Errorf("move: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	return empty(old)
}

// empty frees the memory of the initramfs, if that is where dir is.
func empty(dir *os.File) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &fs); err != nil {
		return err
	}
	if fs.Type != unix.TMPFS_MAGIC && fs.Type != unix.RAMFS_MAGIC {
		return nil // a disk, on a machine without an initramfs
	}
	var top unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &top); err != nil {
		return err
	}
	remove(dir, top.Dev)
	return nil
}

// remove removes what is in a directory, as far as it is of that file system.
// What cannot be removed stays: it is only memory.
func remove(dir *os.File, dev uint64) {
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		fd, err := unix.Openat(int(dir.Fd()), name, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			_ = unix.Unlinkat(int(dir.Fd()), name, 0)
			continue
		}
		sub := os.NewFile(uintptr(fd), name)
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err == nil && st.Dev == dev {
			remove(sub, dev)
			_ = unix.Unlinkat(int(dir.Fd()), name, unix.AT_REMOVEDIR)
		}
		sub.Close()
	}
}
