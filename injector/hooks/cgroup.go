package hooks

import (
	"os"
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
	// maxGroups is how many groups that hooks made below theirs are removed.
	maxGroups = 1024
	// cgroupName is the group that hooks run in.
	cgroupName = "boothook-hooks"
)

// A limit is a control group that bounds how many tasks the hooks can be, so
// that a fork bomb starves only itself. The hook init is not in it: it must
// be able to make threads when the hooks can fork no more. A nil limit is
// what a kernel without the pids controller has; it does not bound.
type limit struct {
	// dir is the top of the hierarchy, group the group in it. They are held
	// open: a hook may mount something over the path to them.
	dir, group *os.File
	// clone says that a child can be born into the group (version 2).
	clone   bool
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
	for _, h := range []struct {
		kind, data string
		begin      func(l *limit) bool
	}{{"cgroup2", "", (*limit).begin2}, {"cgroup", "pids", (*limit).begin1}} {
		if unix.Mount(h.kind, dir, h.kind, flags, h.data) != nil {
			continue
		}
		if top, err := os.Open(dir); err == nil {
			l := &limit{dir: top, restore: func() {}}
			if h.begin(l) {
				return l
			}
			l.remove()
		}
		unix.Unmount(dir, unix.MNT_DETACH)
	}
	return nil
}

// begin1 makes the group in a version 1 hierarchy. There a single thread can
// be in a group, and its children begin where it is.
func (l *limit) begin1() bool {
	if !l.makeGroup() {
		return false
	}
	runtime.LockOSThread()
	if writeTo(l.group, "tasks", "0") != nil {
		runtime.UnlockOSThread()
		return false
	}
	l.restore = func() {
		writeTo(l.dir, "tasks", "0")
		runtime.UnlockOSThread()
	}
	return true
}

// begin2 makes the group in a version 2 hierarchy, where a child can be born
// into a group (clone3(2), CLONE_INTO_CGROUP).
func (l *limit) begin2() bool {
	l.clone = l.delegatePids() && l.makeGroup()
	return l.clone
}

// makeGroup makes the group, which may be there from a hook init that was
// killed.
func (l *limit) makeGroup() bool {
	top := int(l.dir.Fd())
	unix.Mkdirat(top, cgroupName, 0o755)
	fd, err := unix.Openat(top, cgroupName, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	l.group = os.NewFile(uintptr(fd), cgroupName)
	return writeTo(l.group, "pids.max", strconv.Itoa(taskLimit())) == nil
}

// apply makes a process start in the group.
func (l *limit) apply(attr *syscall.SysProcAttr) {
	if l != nil && l.clone {
		attr.UseCgroupFD, attr.CgroupFD = true, int(l.group.Fd())
	}
}

// remove takes the group away, which must be empty of hooks.
func (l *limit) remove() {
	if l == nil {
		return
	}
	if !l.clone {
		l.restore() // the hook init has to leave the group first
	}
	if l.group != nil {
		groups := maxGroups
		removeGroups(l.group, &groups)
		l.group.Close()
		unix.Unlinkat(int(l.dir.Fd()), cgroupName, unix.AT_REMOVEDIR)
	}
	if l.clone {
		l.restore()
	}
	l.dir.Close()
}

// removeGroups removes the groups that hooks made below their own.
func removeGroups(group *os.File, left *int) {
	entries, _ := group.ReadDir(-1)
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if *left--; *left < 0 {
			return
		}
		fd, err := unix.Openat(int(group.Fd()), e.Name(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		below := os.NewFile(uintptr(fd), e.Name())
		removeGroups(below, left)
		below.Close()
		unix.Unlinkat(int(group.Fd()), e.Name(), unix.AT_REMOVEDIR)
	}
}

// delegatePids lets the groups under a version 2 root use the pids
// controller, and says whether they can.
func (l *limit) delegatePids() bool {
	has := func(file string) bool {
		return slices.Contains(strings.Fields(readFrom(l.dir, file)), "pids")
	}
	switch {
	case !has("cgroup.controllers"):
		return false
	case has("cgroup.subtree_control"):
		return true
	case writeTo(l.dir, "cgroup.subtree_control", "+pids") != nil:
		return false
	}
	l.restore = func() { writeTo(l.dir, "cgroup.subtree_control", "-pids") }
	return true
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

// openIn opens a file in a directory that is held open.
func openIn(dir *os.File, file string, flags int) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), file, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), file), nil
}

// writeTo writes to a file that is there, as those of a cgroup are.
func writeTo(dir *os.File, file, text string) error {
	f, err := openIn(dir, file, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// readFrom reads the beginning of a file of the kernel's; empty after an error.
func readFrom(dir *os.File, file string) string {
	f, err := openIn(dir, file, unix.O_RDONLY)
	if err != nil {
		return ""
	}
	defer f.Close()
	body := make([]byte, 4096)
	n, _ := f.Read(body)
	return string(body[:n])
}
