package agent

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// workerPIDName is the file that says which process the worker is.
const workerPIDName = "worker.pid"

// mark makes a process known as the worker. If memory runs out, the worker and
// the hooks, which inherit that, are the first to go: the boot does not need
// them.
func (e *Env) mark(pid int) error {
	id := strconv.Itoa(pid)
	if err := os.WriteFile("/proc/"+id+"/oom_score_adj", []byte("1000"), 0o644); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(e.path(workerPIDName), []byte(id), 0o644)
}

// endWorker ends a worker that has not done its part, so that none goes on in
// the booted system. If the kernel has ended it before, it gives the kernel's
// word for why.
func (e *Env) endWorker() (why string) {
	id, err := readSome(e.path(workerPIDName), 16)
	pid, convErr := strconv.Atoi(string(id))
	if err != nil || convErr != nil || pid <= 1 {
		return ""
	}
	mine, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return ""
	}
	// The number may be another process's by now.
	if exe, err := os.Readlink(filepath.Join("/proc", string(id), "exe")); err == nil && exe == mine {
		if unix.Kill(pid, unix.SIGKILL) == nil {
			return ""
		}
	}
	return killedBecause([]byte("Killed process " + string(id) + " "))
}

// maxKmsg bounds the records of the kernel log that are looked through, and
// the bytes of each (CONSOLE_EXT_LOG_MAX in kernel/printk).
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
