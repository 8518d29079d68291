package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"boothook/initramfs/report"
	"boothook/initramfs/words"
)

// Late is the late call: the initrd's scripts make it when the root is
// mounted and before the pivot. It hands the root to the worker that the
// early call left behind, waits for it, and carries out boothook.onerror if
// something was lost. Without a worker it says so and returns: the boot goes
// on with the root as it is.
func Late(ctx context.Context, e Env, root string) error {
	options, err := e.Words()
	if err != nil {
		return err
	}
	if options.Mode == words.Off {
		return nil
	}
	log := NewLog(options.Debug, e.LogTo)
	if e.WantsVolumes(options) {
		awaitUdev(ctx)
	}
	if e.decidedAlready() {
		// The root and the block devices were not there yet; they are now.
		if e.Seeded = hasSeed(root, ""); !e.Seeded && len(e.labels()) == 0 {
			return nil
		}
		if err := e.leaveWorker(e.now()); err != nil {
			return err
		}
	}
	if root, err = filepath.Abs(root); err != nil {
		return fmt.Errorf("late call: %w", err)
	}
	answer, err := knock(ctx, e.path(socketName), root, func(r reply) {
		log.Debugf("late call: %s, at most %d ms", r.Stage, r.WithinMS)
	})
	if err != nil {
		e.reportLoss(log, err)
		return e.OnError(ctx, log, options.OnError)
	}
	if answer.Failures > 0 {
		return e.OnError(ctx, log, options.OnError)
	}
	return nil
}

// decidedAlready says that the early call found nothing to do.
func (e *Env) decidedAlready() bool {
	text, err := os.ReadFile(e.path(reportName))
	if err != nil {
		return false
	}
	r, err := report.Decode(text)
	return err == nil && r.Result == report.NoPlatform
}

// reportLoss writes the report that the worker cannot write any more.
func (e *Env) reportLoss(log *Log, why error) {
	if cause := e.endWorker(); cause != "" {
		why = fmt.Errorf("%w: %s", why, cause)
	}
	log.Errorf("the boot goes on without customization: %v", why)
	r := &report.Report{Schema: report.Schema, Version: e.Version, Result: report.Failed}
	r.Problems = append(r.Problems, report.Problem{Origin: "boothook", Message: why.Error()})
	if trace := e.lastWords(); trace != "" {
		r.Problems = append(r.Problems, report.Problem{Origin: e.path(workerLogName), Message: trace})
	}
	r.Mark(e.now(), "late call gave up")
	if err := e.write(r); err != nil {
		log.Errorf("%v", err)
	}
}

// maxTrace bounds how much of a dead worker's standard error is kept.
const maxTrace = 8 << 10

// lastWords gives what the worker wrote to its standard error: where it
// panicked, if it did.
func (e *Env) lastWords() string {
	text, err := os.ReadFile(e.path(workerLogName))
	if err != nil || len(text) == 0 {
		return ""
	}
	return string(text[:min(len(text), maxTrace)])
}

// OnError does what boothook.onerror= asks for.
func (e *Env) OnError(ctx context.Context, log *Log, policy words.OnError) error {
	switch policy {
	case words.Shell:
		log.Warnf("boothook.onerror=shell: a shell on the console; leave it to go on booting")
		return shell(ctx)
	case words.Reboot:
		log.Errorf("boothook.onerror=reboot: rebooting")
		return stop(syscall.LINUX_REBOOT_CMD_RESTART)
	case words.Halt:
		log.Errorf("boothook.onerror=halt: powering off")
		return stop(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	}
	return nil
}

// shell runs the initrd's shell on the console and waits for its end.
func shell(ctx context.Context) error {
	console, err := os.OpenFile("/dev/console", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open the console: %w", err)
	}
	defer console.Close()
	// Not "-i", which u-root's shell does not know: on a terminal every shell
	// is interactive by itself.
	cmd := exec.CommandContext(ctx, "/bin/sh")
	if os.Getenv("PATH") == "" {
		cmd.Env = append(os.Environ(), "PATH=/sbin:/bin:/usr/sbin:/usr/bin")
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = console, console, console
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("run a shell: %w", err)
	}
	return nil
}

// stop ends the kernel. What is on disk is synced first.
func stop(how int) error {
	syscall.Sync()
	if err := syscall.Reboot(how); err != nil {
		return fmt.Errorf("reboot(%#x): %w", how, err)
	}
	return nil
}
