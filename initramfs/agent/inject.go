package agent

import (
	"context"
	"fmt"
	"os"
	"time"

	"boothook/initramfs/report"
	"boothook/initramfs/words"
	"boothook/injector"
	netconfig "boothook/injector/network"
	"boothook/injector/root"
	"boothook/netboot"
	"boothook/netboot/nic"
)

// inject does to the root what was found asks for, and keeps the report there.
// Without anything found (nil) the injector falls back on what the root has
// stored, if it may.
func (b *boot) inject(ctx context.Context, dir string, found *netboot.Found, documents *injector.Prepared) (result injector.Result) {
	output, err := os.OpenFile(b.env.path(hookLogName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		b.record.Fail("hooks", fmt.Errorf("make the hooks' log: %w", err))
		return result
	}
	defer output.Close()
	options := b.injection()
	options.HookOutput = output
	if found != nil && found.Client != nil {
		options.Get, options.ResolvConf = found.Client, found.Lease.ResolvConf()
		lease := &found.Lease // the interface that led to the source
		options.FallbackNIC = netconfig.NIC{Name: lease.Name, MAC: lease.HW.String(), Six: lease.Prefix.Addr().Is6()}
	}
	work := func(r *root.Root) error {
		result = injector.Inject(ctx, r, documents, options)
		b.learn(result)
		return b.keepReport(r)
	}
	if b.options.Mode == words.DryRun {
		err = readOnly(dir, work)
	} else {
		err = b.env.Machine.WriteRoot(dir, work)
	}
	if err != nil {
		b.record.Fail("root", err)
		result.Outcome.Applied = false
	}
	return result
}

// readOnly opens a root that is not to be changed.
func readOnly(dir string, work func(*root.Root) error) error {
	r, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	return work(r)
}

// injection turns the kernel's words into the injector's options.
func (b *boot) injection() injector.Options {
	in := b.options.Inject
	o := injector.Options{
		HookTimeout: in.HookTimeout, DryRun: b.options.Mode == words.DryRun,
		AgainEachBoot: in.AgainEachBoot, RequireSigned: in.RequireSigned,
		KeepCloudInit: in.KeepCloudInit, Init: b.options.Root.Init, CloudConfig: in.CloudConfig,
		NetworkConfig: b.options.Source.NetworkConfig, Apply: b.apply,
		Stage: func(stage string, within time.Duration) {
			b.record.Mark(stage)
			b.progress(stage, within)
		},
	}
	o.FallbackNIC.Name, o.FallbackNIC.MAC = nic.First(b.env.Sysfs)
	for i := range b.matches {
		o.HardwareIDs = append(o.HardwareIDs, b.matches[i].HardwareID)
	}
	return o
}

// keepReport leaves a copy of the report in the root. It ends before the
// network does; the report in /run has the rest.
func (b *boot) keepReport(r *root.Root) error {
	now := b.record.Snapshot()
	if b.options.Mode == words.DryRun || now.Result == report.Failed && len(r.Volatile()) > 0 {
		return nil // nothing else was written there, so nothing shall be laid over it
	}
	text, err := now.Encode()
	if err != nil {
		return err
	}
	return r.WriteFile(report.KeptPath, text, 0o644)
}
