package agent

import (
	"context"
	"strings"

	"boothook/initramfs/efivar"
	"boothook/initramfs/report"
	"boothook/initramfs/words"
	"boothook/injector"
	"boothook/injector/root"
	"boothook/injector/state"
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

// bakedHint is where an initrd keeps the hint; whoever makes it copies it there
// from state.HintPath.
const bakedHint = "/etc/boothook/known"

// hintVar is the EFI variable that keeps the hint.
const hintVar = "BoothookKnown"

// maxHint bounds what is read of a hint in the initrd.
const maxHint = 256

// recollect looks whether there is a hint that this machine has nothing to ask,
// and says where; "" for none.
func (b *boot) recollect(ctx context.Context) (where string) {
	if !b.mayHold() {
		return ""
	}
	file := b.env.Hint
	if file == "" && !b.env.ByHand {
		file = bakedHint
	}
	text, err := readSome(file, maxHint)
	if hint := strings.TrimSpace(string(text)); err == nil && b.isMine(hint) {
		b.kept = hint
		return file
	}
	vars := b.firmware(ctx)
	if vars == nil {
		return ""
	}
	defer vars.Close()
	data, err := vars.Get(hintVar)
	if err != nil {
		b.log.Debugf("%v", err)
	}
	if b.kept = string(data); b.isMine(b.kept) {
		return "EFI variable " + hintVar
	}
	return ""
}

// mayHold says that a hint could have something to hold back.
func (b *boot) mayHold() bool {
	in := &b.options.Inject
	return b.options.Mode == words.On && !in.AgainEachBoot && !in.RequireSigned && !b.options.Net.Keep && b.wantsNetwork(nil)
}

// isMine says whether a hint is about this machine.
func (b *boot) isMine(hint string) bool {
	for i := range b.matches {
		if mine := state.Hint(b.matches[i].HardwareID); mine != "" && mine == hint {
			return true
		}
	}
	return false
}

// firmware opens the EFI variables, or gives nil.
func (b *boot) firmware(ctx context.Context) *efivar.Vars {
	if b.env.ByHand || !anyExists(b.env.Sysfs+"/firmware/efi") {
		return nil
	}
	if err := b.load(ctx, "efivarfs"); err != nil {
		b.log.Debugf("%v", err)
	}
	vars, err := efivar.Open()
	if err != nil {
		b.log.Debugf("%v", err)
		return nil
	}
	return vars
}

// remember keeps the hint in the firmware for the next boot, or takes an older
// one away. That it cannot is nobody's loss, nor is a hint that is not kept
// because nobody looked for it.
func (b *boot) remember(ctx context.Context, hint string) {
	if hint == b.kept || !b.mayHold() {
		return
	}
	vars := b.firmware(ctx)
	if vars == nil {
		return
	}
	defer vars.Close()
	if err := vars.Set(hintVar, []byte(hint)); err != nil {
		b.log.Debugf("%v", err)
	}
}

// settled says that the root has all of this machine's instance and no hooks,
// so that nothing need be asked; then it is in the report. Where the root is to
// keep the network, there has to be one.
func (b *boot) settled(ctx context.Context, dir string) bool {
	if b.options.Net.Keep {
		return false
	}
	var inst *instance.Instance
	recall := func(r *root.Root) error {
		options := b.injection(&obtained{}, nil)
		inst = injector.Recall(r, &options, b.wouldFind)
		return nil
	}
	look := root.WithReadable
	if b.env.ByHand {
		look = readOnly
	}
	if err := look(dir, recall); err != nil || inst == nil {
		return false // what is wrong with the root, who has to write there says
	}
	b.lock.Lock()
	b.report.Result, b.report.InstanceID, b.report.Source = report.Known, inst.ID, inst.Source
	b.report.Unasked = "it was applied by an earlier boot of this machine and has no hooks"
	b.lock.Unlock()
	b.mark("instance known, nothing to fetch")
	b.remember(ctx, state.Hint(inst.HardwareID))
	return true
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
