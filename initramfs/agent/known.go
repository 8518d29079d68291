package agent

import (
	"context"

	"boothook/initramfs/report"
	"boothook/initramfs/words"
	"boothook/injector"
	"boothook/injector/root"
	"boothook/netboot/instance"
	"boothook/netboot/source"
)

// A second boot of the same instance, if it has no hooks, needs neither the
// network nor a wait. Whether that is so only the root can tell, and it comes
// late; so a hint is kept where the early call can see it: in a variable of
// the EFI firmware, or in the initrd. A hint only orders. With it every packet
// is held back until the root is there, without it the network is raised at
// once, beside the wait for the root; either way the root's own record
// decides. A stale hint costs the overlap, and nothing else.

// findHint looks for a hint that this machine has nothing to ask, if there is
// something that it could hold back.
func (b *boot) findHint(ctx context.Context, wantsNetwork bool) hint {
	in := &b.options.Inject
	if b.options.Mode != words.On || in.AgainEachBoot || in.RequireSigned || b.options.Net.Keep || !wantsNetwork {
		return hint{}
	}
	found := b.readHint(ctx)
	if found.where != "" {
		b.record.Mark("network held back: " + found.where)
	}
	return found
}

// remember keeps the hint for the next boot, unless it is the one that was
// found. One that nobody looks for is not kept.
func (b *boot) remember(ctx context.Context, found hint, text string) {
	if found.sought && text != found.text {
		b.keepHint(ctx, text)
	}
}

// recall gives the instance that the root was customized for, if it is this
// machine's and has no hooks, so that nothing need be asked; then it is in the
// report. Where the root is to keep the network, there has to be one.
func (b *boot) recall(dir string) *instance.Instance {
	if b.options.Net.Keep {
		return nil
	}
	var inst *instance.Instance
	err := b.env.Machine.ReadRoot(dir, func(r *root.Root) error {
		options := b.injection()
		inst = injector.Recall(r, &options, b.wouldFind)
		return nil
	})
	if err != nil || inst == nil {
		return nil // what is wrong with the root, who has to write there says
	}
	b.record.Change(func(r *report.Report) {
		r.Result, r.InstanceID, r.Source = report.Known, inst.ID, inst.Source
		r.Unasked = "it was applied by an earlier boot of this machine and has no hooks"
	})
	b.record.Mark("instance known, nothing to fetch")
	return inst
}

// wouldFind says whether asking would lead to this instance again: its source
// is among those to be asked, on the same machine, and none before it is on a
// volume, for a volume's instance-id always comes from the volume.
func (b *boot) wouldFind(i *instance.Instance) bool {
	for n := range b.matches {
		m := &b.matches[n]
		s, err := source.Find(m.Source)
		if err != nil || !s.Network {
			return false
		}
		if m.Source == i.Source {
			return m.HardwareID != "" && m.HardwareID == i.HardwareID
		}
	}
	return false
}
