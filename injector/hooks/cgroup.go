package hooks

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// maxTasks bounds the processes and threads of all hooks together; a
	// machine that can hold fewer grants half of what it can hold.
	// RLIMIT_NPROC would not do: it does not bind root.
	maxTasks = 2048
	// cgroupName is the group that hooks run in.
	cgroupName = "boothook-hooks"
)

// A limit is a control group that bounds how many tasks the hooks can be, so
// that a fork bomb starves only itself. The hook init is not in it: it must
// be able to make threads when the hooks can fork no more. A nil limit is
// what a kernel without the pids controller has; it does not bound.
type limit struct {
	dir     string   // where the hierarchy is mounted
	group   *os.File // for clone3 (version 2); nil for version 1
	restore func()
}

// newLimit mounts a hierarchy on dir, version 2 if that has the pids
// controller and version 1 otherwise, and makes the group. The caller's
// goroutine must be the one that starts the hooks.
func newLimit(dir string) *limit {
	if os.Mkdir(dir, 0o700) != nil {
		return nil
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if unix.Mount("cgroup2", dir, "cgroup2", flags, "") == nil {
		if l := newLimit2(dir); l != nil {
			return l
		}
		unix.Unmount(dir, unix.MNT_DETACH)
	}
	if unix.Mount("cgroup", dir, "cgroup", flags, "pids") == nil {
		if l := newLimit1(dir); l != nil {
			return l
		}
		unix.Unmount(dir, unix.MNT_DETACH)
	}
	return nil
}

// newLimit1 makes the group in a version 1 hierarchy. There a single thread
// can be in a group, and its children begin where it is.
func newLimit1(dir string) *limit {
	l := &limit{dir: dir, restore: func() {}}
	if !l.makeGroup() {
		return nil
	}
	runtime.LockOSThread()
	if writeTo(l.path(), "tasks", "0") != nil {
		runtime.UnlockOSThread()
		os.Remove(l.path())
		return nil
	}
	l.restore = func() {
		writeTo(dir, "tasks", "0")
		runtime.UnlockOSThread()
	}
	return l
}

// newLimit2 makes the group in a version 2 hierarchy, where a child can be
// born into a group (clone3(2), CLONE_INTO_CGROUP).
func newLimit2(dir string) *limit {
	restore := delegatePids(dir)
	if restore == nil {
		return nil
	}
	l := &limit{dir: dir, restore: restore}
	if l.makeGroup() {
		var err error
		if l.group, err = os.Open(l.path()); err == nil {
			return l
		}
		os.Remove(l.path())
	}
	restore()
	return nil
}

func (l *limit) path() string { return filepath.Join(l.dir, cgroupName) }

func (l *limit) makeGroup() bool {
	os.Mkdir(l.path(), 0o755) // it may be there, from a hook init that was killed
	if writeTo(l.path(), "pids.max", strconv.Itoa(taskLimit())) != nil {
		os.Remove(l.path())
		return false
	}
	return true
}

// apply makes a process start in the group.
func (l *limit) apply(attr *syscall.SysProcAttr) {
	if l != nil && l.group != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(l.group.Fd())
	}
}

// remove takes the group away, which must be empty of hooks.
func (l *limit) remove() {
	if l == nil {
		return
	}
	if l.group != nil {
		l.group.Close()
		os.Remove(l.path())
		l.restore()
	} else {
		l.restore()
		os.Remove(l.path())
	}
	unix.Unmount(l.dir, unix.MNT_DETACH)
}

// delegatePids lets the groups under a version 2 root use the pids
// controller. It gives the way back, nil where that cannot be.
func delegatePids(dir string) (restore func()) {
	has := func(file string) bool {
		body, _ := os.ReadFile(filepath.Join(dir, file))
		return slices.Contains(strings.Fields(string(body)), "pids")
	}
	switch {
	case !has("cgroup.controllers"):
		return nil
	case has("cgroup.subtree_control"):
		return func() {}
	case writeTo(dir, "cgroup.subtree_control", "+pids") != nil:
		return nil
	}
	return func() { writeTo(dir, "cgroup.subtree_control", "-pids") }
}

// taskLimit is maxTasks, or half of what the machine can hold.
func taskLimit() int {
	body, err := os.ReadFile("/proc/sys/kernel/threads-max")
	if err != nil {
		return maxTasks
	}
	all, err := strconv.Atoi(strings.TrimSpace(string(body)))
	if err != nil || all <= 0 {
		return maxTasks
	}
	return min(maxTasks, all/2)
}

// writeTo writes to a file that is there, as those of a cgroup are.
func writeTo(dir, file, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}
