package agent

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"boothook/initramfs/report"
	"boothook/initramfs/words"
	"boothook/injector"
	"boothook/injector/digest"
	"boothook/injector/hooks"
	"boothook/injector/root"
	"boothook/netboot/instance"
	"boothook/netboot/nic"
)

// inject does to the root what was obtained asks for, and keeps the report
// there. Without anything obtained the injector falls back on what the root
// has stored, if it may.
func (b *boot) inject(ctx context.Context, dir string, a *obtained) (outcome instance.Outcome) {
	switch {
	case a.err != nil:
		b.problem(instance.Problem{Origin: b.report.Source, Message: a.err.Error()})
	case a.client != nil:
		b.used(a)
	}
	output, err := os.OpenFile(b.env.path(hookLogName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		b.fail("hooks", fmt.Errorf("make the hooks' log: %w", err))
		return outcome
	}
	defer output.Close()
	work := func(r *root.Root) error {
		result := injector.Inject(ctx, r, a.prepared, b.injection(a, output))
		outcome = result.Outcome
		b.learn(result)
		return b.keep(r)
	}
	if b.options.Mode == words.DryRun {
		err = readOnly(dir, work)
	} else {
		err = root.WithWritable(dir, b.mounts(dir), work)
	}
	if err != nil {
		b.fail("root", err)
		outcome.Applied = false
	}
	return outcome
}

func readOnly(dir string, work func(*root.Root) error) error {
	r, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	return work(r)
}

// injection turns the kernel's words into the injector's options.
func (b *boot) injection(a *obtained, output io.Writer) injector.Options {
	in := b.options.Inject
	o := injector.Options{
		HookTimeout: in.HookTimeout, DryRun: b.options.Mode == words.DryRun,
		AgainEachBoot: in.AgainEachBoot, RequireSigned: in.RequireSigned,
		KeepCloudInit: in.KeepCloudInit, Init: b.options.Root.Init, CloudConfig: in.CloudConfig,
		NetworkConfig: b.options.Source.NetworkConfig, HookOutput: output,
		Stage: func(stage string, within time.Duration) {
			b.mark(stage)
			b.tell(stage, within)
		},
	}
	for i := range b.matches {
		o.HardwareIDs = append(o.HardwareIDs, b.matches[i].HardwareID)
	}
	if a.client != nil {
		o.Get, o.ResolvConf = a.client, a.lease.ResolvConf()
		o.FallbackNetwork = fallbackNetwork(&a.lease)
	}
	return o
}

// fallbackNetwork is the network-config that cloud-init makes up when nobody
// gives one: DHCP on one NIC, here the one that led to the source.
func fallbackNetwork(l *nic.Lease) []byte {
	family := "4"
	if l.Prefix.Addr().Is6() {
		family = "6"
	}
	return fmt.Appendf(nil, "version: 2\nethernets:\n  %[1]s:\n    match: {macaddress: \"%[2]s\"}\n    set-name: %[1]s\n    dhcp%[3]s: true\n", l.Name, l.HW, family)
}

// used notes which NIC led to the source, and what it was asked.
func (b *boot) used(a *obtained) {
	b.lock.Lock()
	defer b.lock.Unlock()
	for i := range b.report.Network {
		n := &b.report.Network[i]
		n.Used = n.Name == a.lease.Name && n.MAC == a.lease.HW.String()
	}
	s := a.client.Stats()
	b.report.Fetch = &report.Fetch{Requests: int(s.Requests), Connections: int(s.Connections)}
}

// learn takes the injector's result into the report.
func (b *boot) learn(result injector.Result) {
	b.mark("root customized")
	b.problem(result.Outcome.Problems...)
	b.optionsTooLate(result.Plan.Steps)
	b.lock.Lock()
	defer b.lock.Unlock()
	r := &b.report
	r.InstanceID, r.Hostname = result.Instance.ID, result.Hostname
	r.NewInstance, b.hint = result.Outcome.NewInstance, result.Hint
	if result.Instance.Source != "" {
		r.Source = result.Instance.Source
	}
	switch {
	case b.options.Mode == words.DryRun:
		r.Result = report.DryRun
	case !result.Outcome.Applied:
		r.Result = report.Failed
	case result.Decision.PerInstance:
		r.Result = report.Applied
	default:
		r.Result = report.Known
	}
	for _, p := range result.Parts {
		sum := digest.SHA256(p.Body)
		part := report.Part{Index: p.Index, Name: p.Name, Type: p.Type, Origin: p.Origin,
			Size: len(p.Body), SHA256: hex.EncodeToString(sum[:])}
		if p.Err != nil {
			part.Error = p.Err.Error()
		}
		r.Parts = append(r.Parts, part)
	}
	for _, h := range result.Hooks {
		r.Hooks = append(r.Hooks, hookReport(h))
	}
	for i, done := range result.Steps {
		s := result.Plan.Steps[i]
		r.Steps = append(r.Steps, report.Step{Kind: string(s.Kind), Path: s.Path,
			Result: string(done.Status), Part: s.Why.Part, Key: s.Why.Key})
	}
	if result.Outcome.Applied && !b.env.ByHand {
		b.tellMachine(result)
	}
}

func hookReport(h hooks.Result) report.Hook {
	return report.Hook{Name: h.Name, Exit: h.Status, Seconds: h.Duration.Seconds(),
		TimedOut: h.TimedOut, Signal: h.Signal, Left: h.Left, Error: h.Error, Notes: h.Notes}
}

// tellMachine does what only a running machine can be told: its name, so
// that even what reads it before /etc/hostname does has the right one, a seed
// for its random numbers, and, on the console alone, passwords that nobody
// else knows.
func (b *boot) tellMachine(result injector.Result) {
	if result.Hostname != "" {
		if err := unix.Sethostname([]byte(result.Hostname)); err != nil {
			b.log.Warnf("set the kernel's hostname: %v", err)
		}
	}
	if len(result.RandomSeed) > 0 {
		if err := os.WriteFile("/dev/urandom", result.RandomSeed, 0); err != nil {
			b.log.Warnf("seed the kernel's random numbers: %v", err)
		}
	}
	if len(result.RandomPasswords) == 0 {
		return
	}
	console, err := os.OpenFile("/dev/console", os.O_WRONLY, 0)
	if err != nil {
		b.log.Errorf("random passwords were set, and there is no console to show them on: %v", err)
		return
	}
	defer console.Close()
	for _, p := range result.RandomPasswords {
		fmt.Fprintf(console, "boothook: password of %s: %s\r\n", p.User, p.Password)
	}
}

// keep leaves a copy of the report in the root. It ends before the network
// does; the report in /run has the rest.
func (b *boot) keep(r *root.Root) error {
	if b.options.Mode == words.DryRun || b.report.Result == report.Failed && len(r.Volatile()) > 0 {
		return nil // nothing else was written there, so nothing shall be laid over it
	}
	text, err := b.report.Encode()
	if err != nil {
		return err
	}
	return r.WriteFile(report.KeptPath, text, 0o644)
}
