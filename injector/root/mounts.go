package root

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// MountOptions are how a root is made writable.
type MountOptions struct {
	// Run is the directory that the root shall have as its /run: the
	// initrd's "/run" at boot. Empty says that the root is not being booted:
	// its /run is its own, and fstab is left alone.
	Run string
	// Volatile is a directory in memory. If the root can never be written
	// (squashfs, erofs, a read-only disk), overlays are laid over some of its
	// directories, with their changes in there, and stay mounted. Empty:
	// such a root is refused.
	Volatile string
	// Load loads a kernel module that mounting wants; nil for none.
	Load func(module string) error
}

// WithWritable opens the root dir, writable, and calls work with it.
//
// It does so on a thread of its own in a mount namespace of its own: a
// read-only root is remounted, the file systems of fstab are mounted as
// MountFor asks for them, and o.Run is bound to the root's /run. Work is
// called on that thread, so that the programs it starts see all this too;
// goroutines it starts do not, but may use the Root. When work is done,
// everything is unmounted and read-only again, the namespace is gone, and the
// rest of the process has seen nothing of it; except for the overlays over a
// root that can never be written, as far as they hold something.
//
// It needs CAP_SYS_ADMIN. The error is work's own, joined by what could not
// be put back.
func WithWritable(dir string, o MountOptions, work func(*Root) error) error {
	err := inNamespace(dir, &mounts{booting: o.Run != "", failed: map[string]error{}}, o.Run, work)
	if o.Volatile == "" || !errors.Is(err, errNever) {
		return err
	}
	list, failed, err := o.lay(dir)
	if err != nil {
		return fmt.Errorf("root %s: %w, nor can an overlay be laid over it: %w", dir, ErrReadOnly, err)
	}
	err = inNamespace(dir, &mounts{booting: o.Run != "", never: true, failed: failed, volatile: list}, o.Run, work)
	return errors.Join(err, clearAway(dir, list))
}

// errNever marks a root that no remounting makes writable.
var errNever = errors.New("and it can never be written")

func inNamespace(dir string, m *mounts, run string, work func(*Root) error) error {
	done := make(chan error)
	go onOwnThread(done, func() error { return withWritable(dir, m, run, work) })
	return <-done
}

// onOwnThread calls f on a thread that ends with it, and never on the
// process's first one: that does not end, and would keep the namespace.
func onOwnThread(done chan<- error, f func() error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		inner := make(chan error)
		go onOwnThread(inner, f) // cannot land here: this thread is taken
		err := <-inner
		runtime.UnlockOSThread()
		done <- err
		return
	}
	done <- f() // still locked, so that the runtime ends the thread
}

func withWritable(dir string, m *mounts, run string, work func(*Root) error) (err error) {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("root %s: mount namespace: %w", dir, err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("root %s: private mounts: %w", dir, err)
	}
	if err := ownMount(dir); err != nil {
		return fmt.Errorf("root %s: %w", dir, err)
	}
	r, err := Open(dir)
	if err != nil {
		return err
	}
	r.mounts = m
	defer func() {
		err = errors.Join(err, m.undo(r.dir), r.Close())
	}()
	if !m.never {
		if err := m.writable(r.fd); errors.Is(err, ErrReadOnly) {
			return fmt.Errorf("root %s: %w, %w", dir, err, errNever)
		} else if err != nil {
			return fmt.Errorf("root %s: %w", dir, err)
		}
	}
	if run != "" {
		if err := r.bindRun(run); err != nil {
			return fmt.Errorf("root %s: bind %s: %w", dir, run, err)
		}
	}
	return work(r)
}

// ownMount makes a directory that is not a mount point one, so that hooks can
// have it as their root.
func ownMount(dir string) error {
	var sx unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_BASIC_STATS, &sx); err != nil {
		return err
	}
	if sx.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return nil
	}
	return os.NewSyscallError("bind", unix.Mount(dir, dir, "", unix.MS_BIND|unix.MS_REC, ""))
}

// mounts are what was mounted and remounted for the work on a root.
type mounts struct {
	booting bool
	// looking says that nothing is to be made writable.
	looking bool
	// run says that the initrd's /run is bound over the root's.
	run bool
	// points are the mount points made, in order, inside the root.
	points []string
	// readonly are the file systems that were read-only before.
	readonly []mountInfo
	// never says that the root can never be written; volatile are the
	// overlays over it.
	never    bool
	volatile []overlay
	// failed are mount points of fstab that could not be mounted, and why:
	// what were written there now would be hidden later.
	failed map[string]error
}

func (m *mounts) hasRun() bool { return m != nil && m.run }

// missing says why path is on a file system that is not there.
func (m *mounts) missing(path string) error {
	if m != nil {
		for point, why := range m.failed {
			if under(path, point) {
				return why
			}
		}
	}
	return nil
}

// bindRun binds run over the root's /run. A root that has none, or a link,
// cannot take the initrd's along, so what is written there would be lost.
func (r *Root) bindRun(run string) error {
	fd, err := r.openPlace("/run", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	if err := unix.Mount(run, fdPath(fd), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	r.mounts.run = true
	r.mounts.points = append(r.mounts.points, "/run")
	return nil
}

func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// writable makes the file system on which the directory fd is writable.
func (m *mounts) writable(fd int) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	if fs.Flags&unix.ST_RDONLY == 0 || m.looking {
		return nil
	}
	mi, err := mountOf(fd)
	if err != nil {
		return err
	}
	if err := unix.Mount("", mi.point, "", unix.MS_REMOUNT|mi.flags(), ""); err != nil {
		return fmt.Errorf("%w: %s on %s: remount: %w", ErrReadOnly, mi.fstype, mi.point, err)
	}
	// Squashfs and erofs take the remount and stay as they are.
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	if fs.Flags&unix.ST_RDONLY != 0 {
		return fmt.Errorf("%w: %s on %s", ErrReadOnly, mi.fstype, mi.point)
	}
	if slices.Contains(mi.super, "ro") {
		m.readonly = append(m.readonly, mi)
	}
	return nil
}

// undo puts everything back as it was.
func (m *mounts) undo(dir string) error {
	var errs []error
	for _, p := range slices.Backward(m.points) {
		flags := 0
		if p == "/run" {
			flags = unix.MNT_DETACH // the initrd's own goes on
		}
		if err := unix.Unmount(dir+p, flags|unix.UMOUNT_NOFOLLOW); err != nil {
			errs = append(errs, fmt.Errorf("unmount %s of the root: %w", p, err))
		}
	}
	for _, mi := range slices.Backward(m.readonly) {
		if err := unix.Mount("", mi.point, "", unix.MS_REMOUNT|unix.MS_RDONLY|mi.flags(), ""); err != nil {
			errs = append(errs, fmt.Errorf("make %s read-only again: %w", mi.point, err))
		}
	}
	return errors.Join(errs...)
}

// A mountInfo is one line of /proc/PID/mountinfo (proc(5)).
type mountInfo struct {
	id             int
	point, fstype  string
	options, super []string
}

// mountOf finds the mount that fd is on. It asks for this thread's mounts:
// "self" would be those of the process's first thread.
func mountOf(fd int) (mountInfo, error) {
	text, err := os.ReadFile("/proc/thread-self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return mountInfo{}, err
	}
	id := -1
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			id, _ = strconv.Atoi(strings.TrimSpace(v))
		}
	}
	if text, err = os.ReadFile("/proc/thread-self/mountinfo"); err != nil {
		return mountInfo{}, err
	}
	for line := range strings.Lines(string(text)) {
		if mi, ok := parseMountInfo(line); ok && mi.id == id {
			return mi, nil
		}
	}
	return mountInfo{}, fmt.Errorf("mount %d not found", id)
}

func parseMountInfo(line string) (mountInfo, bool) {
	head, tail, ok := strings.Cut(line, " - ")
	f, g := strings.Fields(head), strings.Fields(tail)
	if !ok || len(f) < 6 || len(g) < 3 {
		return mountInfo{}, false
	}
	id, err := strconv.Atoi(f[0])
	return mountInfo{id: id, point: unescape(f[4]), fstype: g[0],
		options: strings.Split(f[5], ","), super: strings.Split(g[2], ",")}, err == nil
}

// unescape undoes the \040 of mountinfo and fstab.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// flags are the mount's flags but for read-only, to be kept by a remount.
func (mi mountInfo) flags() uintptr {
	var flags uintptr
	for _, o := range append(slices.Clone(mi.options), mi.super...) {
		flags |= MountFlag(o)
	}
	return flags &^ unix.MS_RDONLY
}

// MountFlag gives the flag for an option of mount(8), or 0.
func MountFlag(option string) uintptr {
	switch option {
	case "ro":
		return unix.MS_RDONLY
	case "nosuid":
		return unix.MS_NOSUID
	case "nodev":
		return unix.MS_NODEV
	case "noexec":
		return unix.MS_NOEXEC
	case "noatime":
		return unix.MS_NOATIME
	case "nodiratime":
		return unix.MS_NODIRATIME
	case "relatime":
		return unix.MS_RELATIME
	case "strictatime":
		return unix.MS_STRICTATIME
	case "sync":
		return unix.MS_SYNCHRONOUS
	case "dirsync":
		return unix.MS_DIRSYNC
	case "lazytime":
		return unix.MS_LAZYTIME
	}
	return 0
}
