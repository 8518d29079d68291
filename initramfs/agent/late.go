package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"boothook/initramfs/klog"
	"boothook/initramfs/latecall"
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
	log := e.log(&options)
	if e.WantsVolumes(options) {
		e.awaitDevices(ctx)
	}
	if e.decidedAlready() {
		// The root and the block devices were not there yet; they are now.
		if e.Seeded = e.hasSeed(&options, root); !e.Seeded && len(e.labels()) == 0 {
			return nil
		}
		if err := e.leaveWorker(now()); err != nil {
			return err
		}
	}
	if root, err = filepath.Abs(root); err != nil {
		return fmt.Errorf("late call: %w", err)
	}
	last, err := latecall.Call(ctx, e.path(socketName), root, func(r latecall.Reply) {
		log.Debugf("late call: %s, at most %d ms", r.Stage, r.WithinMS)
	})
	if err != nil {
		e.reportLoss(log, err)
		return e.OnError(ctx, log, options.OnError)
	}
	if last.Failures > 0 {
		return e.OnError(ctx, log, options.OnError)
	}
	return nil
}

// awaitDevices waits until udevd has nothing to do, for SettleTime at most.
func (e *Env) awaitDevices(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, SettleTime)
	defer cancel()
	e.Machine.AwaitUdev(ctx)
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
func (e *Env) reportLoss(log *klog.Log, why error) {
	cause, trace := e.endWorker()
	if cause != "" {
		why = fmt.Errorf("%w: %s", why, cause)
	}
	log.Errorf("the boot goes on without customization: %v", why)
	r := &report.Report{Schema: report.Schema, Version: e.Version, Result: report.Failed}
	r.Problems = append(r.Problems, report.Problem{Origin: "boothook", Message: why.Error()})
	if trace != "" {
		r.Problems = append(r.Problems, report.Problem{Origin: e.path(workerLogName), Message: trace})
	}
	r.Mark(now(), "late call gave up")
	if err := e.write(r); err != nil {
		log.Errorf("%v", err)
	}
}
