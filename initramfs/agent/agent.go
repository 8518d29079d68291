// Package agent is the story of a boot, as the initrd lives it.
//
// The early call finds out whether there is anything to do and leaves a
// worker behind. The worker raises the network, asks the source and decodes
// user-data while the root device is still being found. The late call hands it
// the root; the worker runs the hooks, applies the plan, puts the network back
// and writes the report, and the late call returns to the initrd, which
// pivots. Whatever goes wrong in the worker costs the customization, never the
// boot.
package agent

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"boothook/initramfs/report"
	"boothook/initramfs/words"
	"boothook/netboot/instance"
	"boothook/netboot/nic"
	"boothook/netboot/platform"
)

// networkTime is what putting the network back may take: some netlink messages.
const networkTime = 5 * time.Second

// A boot is one run of the worker.
type boot struct {
	env      Env
	options  words.Options
	log      *Log
	evidence platform.Evidence
	matches  []platform.Match
	// await gives the root once it is mounted; tell says what begins and
	// how long it may take.
	await func(context.Context) (string, error)
	tell  func(stage string, within time.Duration)

	lock   sync.Mutex // guards what follows
	report report.Report
	leases []nic.Lease
}

// Work is the worker: it runs a boot and answers the late call at the door.
func Work(ctx context.Context, e Env, earlyAt time.Duration) error {
	door := os.NewFile(listenerFD, "door")
	listener, err := net.FileListener(door)
	if err != nil {
		return fmt.Errorf("open the door: %w", err)
	}
	door.Close()
	defer listener.Close()

	late := &visitor{}
	b, err := newBoot(e)
	if err != nil {
		return err
	}
	b.markAt(earlyAt, "early call")
	b.await = func(ctx context.Context) (string, error) {
		v, err := await(ctx, listener)
		if err != nil {
			return "", err
		}
		late = v
		return v.root, nil
	}
	b.tell = func(stage string, within time.Duration) {
		late.tell(reply{Stage: stage, WithinMS: within.Milliseconds()})
	}
	r := b.run(ctx)
	late.tell(reply{Done: true, Failures: len(r.Failures())})
	return nil
}

// RunByHand does the whole cycle on a directory, in the network namespace of
// the calling process.
func RunByHand(ctx context.Context, e Env, root string) (*report.Report, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("root: %w", err)
	}
	if err := os.MkdirAll(e.Run, 0o755); err != nil {
		return nil, fmt.Errorf("make the run directory: %w", err)
	}
	b, err := newBoot(e)
	if err != nil {
		return nil, err
	}
	b.await = func(context.Context) (string, error) { return root, nil }
	b.tell = func(string, time.Duration) {}
	return b.run(ctx), nil
}

func newBoot(e Env) (*boot, error) {
	options, err := e.Words()
	if err != nil {
		return nil, err
	}
	evidence := e.evidence(options)
	if len(platform.Detect(evidence)) == 0 {
		evidence.Labels = e.labels()
	}
	b := &boot{
		env: e, options: options, log: NewLog(options.Debug, e.LogTo),
		evidence: evidence, matches: platform.Detect(evidence),
	}
	b.report = report.Report{Schema: report.Schema, Version: e.Version, BootID: bootID(), Problems: options.Warnings}
	b.mark("worker started")
	return b, nil
}

// run is the boot, top to bottom.
func (b *boot) run(ctx context.Context) *report.Report {
	if b.options.Mode == words.Off || len(b.matches) == 0 {
		b.report.Result = report.NoPlatform
		b.finish()
		return &b.report
	}
	b.report.Platform, b.report.Source = b.matches[0].Platform, b.matches[0].Source
	for _, m := range b.matches {
		b.report.Evidence = append(b.report.Evidence, m.Because)
	}

	budget, cancel := context.WithTimeout(ctx, b.options.Net.Timeout)
	defer cancel()
	end, _ := budget.Deadline()
	got, network := b.seek(budget)

	root, err := b.await(ctx)
	if err != nil {
		b.fail("root", err)
	} else {
		b.mark("root is mounted")
		b.tell("waiting for the network and the user-data", time.Until(end))
		a := b.take(budget, got)
		b.tellSource(budget, a, b.inject(ctx, root, a))
	}
	b.tell("leaving the network", networkTime)
	b.leaveNetwork(network)
	b.finish()
	return &b.report
}

// seek begins to look for the instance's data where it can be now.
func (b *boot) seek(ctx context.Context) (<-chan obtained, *network) {
	got := make(chan obtained, 1)
	if !b.wantsNetwork() {
		return got, nil // volumes come with the root device: see take
	}
	network, err := b.raise(ctx)
	if err != nil {
		got <- obtained{err: err}
		return got, nil
	}
	go func() { got <- b.obtain(ctx, network) }()
	return got, network
}

// leaveNetwork puts the network back, or hands it over.
func (b *boot) leaveNetwork(n *network) {
	b.lock.Lock()
	leases := slices.Clone(b.leases)
	b.lock.Unlock()
	if err := n.end(leases); err != nil {
		b.problem(instance.Problem{Origin: "network", Message: err.Error()})
	}
	b.mark("network left")
}

// take waits for what is obtained, at most until the budget is spent. The
// block devices are there now, so volumes are looked at first, unless the
// network has answered already.
func (b *boot) take(budget context.Context, got <-chan obtained) obtained {
	select {
	case a := <-got:
		return a
	default:
	}
	if a, ok := b.local(budget); ok {
		return a
	}
	if !b.wantsNetwork() {
		return obtained{err: errNoAnswer}
	}
	select {
	case a := <-got:
		return a
	case <-budget.Done():
	}
	// An answer that came with the last moment still counts.
	select {
	case a := <-got:
		return a
	case <-time.After(100 * time.Millisecond):
		return obtained{err: b.noAnswer(nil)}
	}
}

// leased notes a NIC that got an address.
func (b *boot) leased(l nic.Lease) {
	b.mark(fmt.Sprintf("%s has %v (%s)", l.Name, l.Prefix, l.By))
	n := report.NIC{Name: l.Name, MAC: l.HW.String(), Address: l.Prefix.String(), Adopted: l.Adopted}
	if l.Gateway.IsValid() {
		n.Gateway = l.Gateway.String()
	}
	for _, d := range l.DNS {
		n.DNS = append(n.DNS, d.String())
	}
	b.lock.Lock()
	defer b.lock.Unlock()
	b.report.Network = append(b.report.Network, n)
	b.leases = append(b.leases, l)
}

func (b *boot) mark(stage string) { b.markAt(b.env.now(), stage) }

func (b *boot) markAt(at time.Duration, stage string) {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.report.Mark(at, stage)
}

func (b *boot) problem(p ...instance.Problem) {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.report.Problems = append(b.report.Problems, p...)
}

// fail notes what kept the root from being customized.
func (b *boot) fail(origin string, err error) {
	b.problem(instance.Problem{Origin: origin, Message: err.Error()})
	b.report.Result = report.Failed
}

// finish says on the log how it went, and leaves the report.
func (b *boot) finish() {
	b.mark("done")
	for _, p := range b.report.Problems {
		if p.Warning {
			b.log.Warnf("%s", p)
		} else {
			b.log.Errorf("%s", p)
		}
	}
	b.log.Infof("%s", b.report.Summary())
	if err := b.env.write(&b.report); err != nil {
		b.log.Errorf("%v", err)
	}
}

// bootID is the kernel's own id of this boot.
func bootID() string {
	id, err := readSome("/proc/sys/kernel/random/boot_id", 64)
	if err != nil || len(id) < 36 {
		return ""
	}
	return string(id[:36])
}
