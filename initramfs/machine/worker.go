package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// ListenerFD is the descriptor by which the worker inherits its socket.
const ListenerFD = 3

// StartWorker starts this program again with these arguments, in a session of
// its own. It inherits the socket, and log takes its output: if a library
// panics, the trace is there.
//
// If memory runs out, the worker and the hooks, which inherit that, are the
// first to go: the boot does not need them.
func (*Machine) StartWorker(args []string, socket, log *os.File) (pid int, err error) {
	worker := exec.Command("/proc/self/exe", args...)
	worker.Stdout, worker.Stderr = log, log
	worker.ExtraFiles = []*os.File{socket}
	worker.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := worker.Start(); err != nil {
		return 0, fmt.Errorf("start the worker: %w", err)
	}
	pid = worker.Process.Pid
	err = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte("1000"), 0o644)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, errors.Join(err, worker.Process.Kill())
	}
	return pid, worker.Process.Release()
}

// EndWorker ends a worker that has not done its part, so that none goes on in
// the booted system. If the kernel has ended it before, it gives the kernel's
// word for why.
func (*Machine) EndWorker(pid int) (cause string) {
	mine, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return ""
	}
	id := strconv.Itoa(pid)
	// The number may be another process's by now.
	if exe, err := os.Readlink(filepath.Join("/proc", id, "exe")); err == nil && exe == mine {
		if unix.Kill(pid, unix.SIGKILL) == nil {
			return ""
		}
	}
	return killedBecause([]byte("Killed process " + id + " "))
}

// maxKmsg bounds the records of the kernel log that are looked through, and
// kmsgRecord the bytes of each (CONSOLE_EXT_LOG_MAX in kernel/printk).
const (
	maxKmsg    = 1 << 17
	kmsgRecord = 8 << 10
)

// killedBecause finds the kernel's line about a process that it has killed
// (mm/oom_kill.c), "" if there is none.
func killedBecause(mark []byte) string {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	record := make([]byte, kmsgRecord)
	for range maxKmsg {
		n, err := unix.Read(fd, record)
		if errors.Is(err, unix.EPIPE) { // older records are gone
			continue
		}
		if err != nil { // EAGAIN: that was the last
			break
		}
		if bytes.Contains(record[:n], mark) {
			_, text, _ := bytes.Cut(record[:n], []byte(";"))
			text, _, _ = bytes.Cut(text, []byte("\n"))
			return string(text)
		}
	}
	return ""
}
