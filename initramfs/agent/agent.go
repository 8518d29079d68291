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

	"boothook/initramfs/modules"
	"boothook/initramfs/report"
	"boothook/initramfs/words"
	"boothook/injector"
	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/nic"
	"boothook/netboot/platform"
	"boothook/netboot/source"
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
	// loader loads kernel modules; see drivers.
	loader  *modules.Loader
	loading sync.Once
	// pipe speaks TLS, once it is needed; see secure.
	pipe     fetch.TLSPipe
	securing sync.Once
	// kept is the hint that was found, hint the one that should be there.
	kept, hint string

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
	e.Seeded = hasSeed(root, "")
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
	b := &boot{env: e, options: options, log: NewLog(options.Debug, e.LogTo)}
	b.evidence = *e.evidence(options)
	if len(source.Detect(&b.evidence)) == 0 {
		b.evidence.Labels = e.labels()
	}
	b.matches = source.Detect(&b.evidence)
	if len(b.matches) == 0 && e.Seeded {
		b.matches = append(b.matches, source.SeedInRoot(&b.evidence).Match)
	}
	b.report = report.Report{Schema: report.Schema, Version: e.Version, BootID: bootID(), Problems: options.Warnings}
	b.mark("worker started")
	return b, nil
}

// run is the boot, top to bottom.
func (b *boot) run(ctx context.Context) *report.Report {
	if b.options.Mode == words.Off || len(b.matches) == 0 {
		b.report.Result = report.NoPlatform
		return b.finish()
	}
	b.report.Platform, b.report.Source = b.matches[0].Platform, b.matches[0].Source
	for _, m := range b.matches {
		b.report.Evidence = append(b.report.Evidence, m.Because)
	}

	s := &search{end: func() {}}
	if where := b.recollect(ctx); where == "" {
		b.begin(ctx, s)
		b.seek(s, nil)
	} else {
		b.mark("network held back: " + where)
	}
	if root, err := b.await(ctx); err != nil {
		b.fail("root", err)
	} else {
		b.mark("root is mounted")
		b.tell("looking at the root", injector.ApplyTime)
		if !b.settled(ctx, root) {
			b.customize(ctx, root, s)
		}
	}
	s.end()
	b.tell("leaving the network", networkTime)
	b.leaveNetwork(s.network)
	return b.finish()
}

// A search is the way to the instance's data: how long it may take, the
// network that was raised for it, and what comes of it.
type search struct {
	budget  context.Context // nil: it has not begun
	end     context.CancelFunc
	sought  bool // on the network
	got     chan obtained
	network *network // nil: none was raised
}

// begin starts the budget of a search.
func (b *boot) begin(ctx context.Context, s *search) {
	s.budget, s.end = context.WithTimeout(ctx, b.options.Net.Timeout)
}

// seek begins to look for the instance's data on the network, if it can be
// there. The volumes that may lead there come with the root device: see take.
func (b *boot) seek(s *search, volumes []source.Volume) {
	if !b.wantsNetwork(volumes) {
		return
	}
	s.sought, s.got = true, make(chan obtained, 1)
	network, err := b.raise(s.budget)
	if err != nil {
		s.got <- obtained{err: err}
		return
	}
	s.network = network
	go func() { s.got <- b.obtain(s.budget, network, volumes) }()
}

// customize does to the root what the instance asks for, once that is there.
func (b *boot) customize(ctx context.Context, root string, s *search) {
	if s.budget == nil {
		b.begin(ctx, s) // it was held back: its time begins now
	}
	end, _ := s.budget.Deadline()
	b.tell("waiting for the network and the user-data", max(time.Until(end), 0))
	a := b.take(root, s)
	outcome := b.inject(ctx, root, &a)
	if outcome.Applied {
		b.remember(ctx, b.hint)
	}
	b.tellSource(s.budget, &a, outcome)
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

// take waits for what is obtained, at most until the budget is spent. The root
// and the block devices are there now, and what they hold comes first, even if
// the network has answered already: which one counts must not depend on who is
// quicker.
func (b *boot) take(root string, s *search) obtained {
	volumes, closeAll := b.env.volumes()
	defer closeAll()
	if a, ok := b.local(s.budget, volumes); ok {
		return a
	}
	if a, ok := b.rootSeed(root); ok {
		return a
	}
	if !s.sought {
		b.seek(s, volumes)
	}
	if !s.sought {
		return obtained{err: errNoAnswer}
	}
	select {
	case a := <-s.got:
		return b.complete(s.budget, a, volumes)
	case <-s.budget.Done():
	}
	// An answer that came with the last moment still counts.
	select {
	case a := <-s.got:
		return b.complete(s.budget, a, volumes)
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

// finish says on the log how it went, leaves the report, and gives it. What
// still goes on on the network has no part in it.
func (b *boot) finish() *report.Report {
	b.mark("done")
	b.lock.Lock()
	r := b.report
	b.lock.Unlock()
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

// bootID is the kernel's own id of this boot.
func bootID() string {
	id, err := readSome("/proc/sys/kernel/random/boot_id", 64)
	if err != nil || len(id) < 36 {
		return ""
	}
	return string(id[:36])
}
