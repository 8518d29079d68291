package agent

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"boothook/initramfs/latecall"
)

// maxTrace bounds how much of a dead worker's standard error is kept.
const maxTrace = 8 << 10

// leaveWorker starts this program again as the worker, which goes on when the
// call returns. Its socket is there before it is.
func (e *Env) leaveWorker(start time.Duration) error {
	socket, err := latecall.Listen(e.path(socketName))
	if err != nil {
		return err
	}
	defer socket.Close()
	log, err := os.OpenFile(e.path(workerLogName), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("make the worker's log: %w", err)
	}
	defer log.Close()
	pid, err := e.Machine.StartWorker([]string{"work", strconv.FormatInt(int64(start), 10),
		strconv.FormatBool(e.Seeded), strconv.FormatBool(e.Coldplug)}, socket, log)
	if err != nil {
		return fmt.Errorf("leave a worker: %w", err)
	}
	if err := os.WriteFile(e.path(workerPIDName), []byte(strconv.Itoa(pid)), 0o644); err != nil {
		e.Machine.EndWorker(pid) // nobody could later
		return fmt.Errorf("note the worker: %w", err)
	}
	return nil
}

// endWorker ends a worker that has not done its part. It says why it had ended,
// if the kernel knows, and what it wrote to its standard error: where it
// panicked, if it did.
func (e *Env) endWorker() (cause, trace string) {
	id, err := readSome(e.path(workerPIDName), 16)
	if pid, convErr := strconv.Atoi(string(id)); err == nil && convErr == nil && pid > 1 {
		cause = e.Machine.EndWorker(pid)
	}
	text, err := readSome(e.path(workerLogName), maxTrace)
	if err != nil {
		return cause, ""
	}
	return cause, string(text)
}
