// Package agent is the story of a boot, as the initrd lives it.
//
// The early call finds out whether there is anything to do and leaves a
// worker behind. The worker raises the network, asks the source and decodes
// user-data while the root device is still being found. The late call hands it
// the root; the worker runs the hooks, applies the plan, puts the network back
// and writes the report, and the late call returns to the initrd, which
// pivots. A known instance without hooks needs none of this, and where a hint
// of that is kept outside the root, not even a packet (known.go). Whatever
// goes wrong in the worker costs the customization, never the boot.
//
// How the instance is searched is package netboot's story, and how the root is
// changed package injector's; both meet here. What needs a kernel is in package
// machine. References between the files of this package run one way.
package agent

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"boothook/initramfs/latecall"
	"boothook/initramfs/machine"
	"boothook/initramfs/report"
	"boothook/initramfs/words"
	"boothook/injector"
	"boothook/injector/root"
	"boothook/injector/state"
	"boothook/netboot"
	"boothook/netboot/instance"
)

// Work is the worker: it runs a boot and serves the late call.
func Work(ctx context.Context, e Env, earlyAt time.Duration) error {
	listener, err := latecall.Inherited(machine.ListenerFD)
	if err != nil {
		return err
	}
	defer listener.Close()
	return work(ctx, e, listener, earlyAt, root.Options{})
}

// work is the worker with the socket at which the late call comes.
func work(ctx context.Context, e Env, listener net.Listener, earlyAt time.Duration, apply root.Options) error {
	b, err := newBoot(e)
	if err != nil {
		return err
	}
	b.apply = apply
	b.record.MarkAt(earlyAt, "early call")
	var late *latecall.Caller
	b.awaitRoot = func(ctx context.Context) (string, error) {
		if late, err = latecall.Accept(ctx, listener); err != nil {
			return "", err
		}
		return late.Root, nil
	}
	b.progress = func(stage string, within time.Duration) { late.Stage(stage, within) }
	r := b.run(ctx)
	late.Done(len(r.Failures()))
	return nil
}

// RunByHand does the whole cycle on a directory, in the network namespace of
// the calling process.
func RunByHand(ctx context.Context, e Env, dir string) (*report.Report, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("root: %w", err)
	}
	if err := os.MkdirAll(e.Run, 0o755); err != nil {
		return nil, fmt.Errorf("make the run directory: %w", err)
	}
	options, err := e.Words()
	if err != nil {
		return nil, err
	}
	e.Seeded = e.hasSeed(&options, dir)
	b, err := newBoot(e)
	if err != nil {
		return nil, err
	}
	b.awaitRoot = func(context.Context) (string, error) { return dir, nil }
	return b.run(ctx), nil
}

// run is the boot, top to bottom.
func (b *boot) run(ctx context.Context) *report.Report {
	if b.options.Mode == words.Off || len(b.matches) == 0 {
		b.record.Change(func(r *report.Report) { r.Result = report.NoPlatform })
		return b.finish()
	}
	search, network := b.newSearch(), b.newNetwork()
	hint := b.findHint(ctx, search.WantsNetwork(nil))
	running := b.begin(ctx, search, network, hint.where != "")

	if root, err := b.awaitRoot(ctx); err != nil {
		b.record.Fail("root", err)
	} else {
		b.record.Mark("root is mounted")
		b.progress("looking at the root", injector.ApplyTime)
		if known := b.recall(root); known != nil {
			b.remember(ctx, hint, state.Hint(known.HardwareID))
		} else if result := b.customize(ctx, root, running); result.Outcome.Applied {
			b.remember(ctx, hint, result.Hint)
		}
	}
	running.stop()
	if ctx.Err() != nil {
		b.record.Fail("boothook", fmt.Errorf("was ended: %w", context.Cause(ctx)))
	}
	b.progress("leaving the network", networkTime)
	b.leaveNetwork(network)
	return b.finish()
}

// customize does to the root what the instance asks for, once that is found.
func (b *boot) customize(ctx context.Context, root string, running *searching) injector.Result {
	b.progress("waiting for the network and the user-data", running.rootIs(root))
	found, documents, err := running.result()
	if ctx.Err() != nil { // by a signal: nothing shall be begun any more
		return injector.Result{}
	}
	if err != nil {
		origin := b.record.Snapshot().Source
		b.record.Problem(instance.Problem{Origin: origin, Message: err.Error()})
		return b.inject(ctx, root, nil, nil)
	}
	if found.Client != nil {
		b.used(found)
	}
	result := b.inject(ctx, root, found, documents)
	b.tellSource(ctx, found, result.Outcome)
	return result
}

// tellSource lets the cloud know what became of the instance, while the
// network is still there.
func (b *boot) tellSource(ctx context.Context, found *netboot.Found, outcome instance.Outcome) {
	ctx, cancel := context.WithDeadline(ctx, found.Deadline)
	defer cancel()
	if err := found.Tell(ctx, outcome); err != nil {
		b.record.Problem(instance.Problem{Origin: found.Match.Source, Message: fmt.Sprintf("tell the source the outcome: %v", err)})
	}
}

// leaveNetwork puts the network back, or hands it over.
func (b *boot) leaveNetwork(n *network) {
	if err := n.leave(b.options.Net.Keep, b.env.initrd(runMount)); err != nil {
		b.record.Problem(instance.Problem{Origin: "network", Message: err.Error()})
	}
	if count := n.panics(); count > 0 {
		b.record.Problem(instance.Problem{Origin: "network", Warning: true,
			Message: fmt.Sprintf("decoding panicked on %d messages of the network, which were dropped: somebody sends what no server would, and boothook has a fault; boothook.log=debug says more", count)})
	}
	b.record.Mark("network left")
}

// finish says on the log how it went, leaves the report, and gives it. What
// still goes on on the network has no part in it.
func (b *boot) finish() *report.Report {
	b.record.Mark("done")
	r := b.record.Snapshot()
	for i := range r.Problems {
		if p := &r.Problems[i]; p.Warning {
			b.log.Warnf("%s", *p)
		} else {
			b.log.Errorf("%s", *p)
		}
	}
	b.log.Infof("%s", r.Summary())
	if err := b.env.write(&r); err != nil {
		b.log.Errorf("%v", err)
	}
	return &r
}
