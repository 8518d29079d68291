package agent

import (
	"context"
	"strings"

	"boothook/initramfs/machine"
	"boothook/injector/state"
)

// bakedHint is where an initrd keeps the hint; whoever makes it copies it there
// from state.HintPath.
const bakedHint = "/etc/boothook/known"

// hintVar is the EFI variable that keeps the hint.
const hintVar = "BoothookKnown"

// maxHint bounds what is read of a hint in the initrd.
const maxHint = 256

// A hint says that this machine has nothing to ask; see state.Hint.
type hint struct {
	// sought says that it was looked for: it could hold something back.
	sought bool
	// text is what was found, where the place; "" if it is not about this
	// machine.
	text, where string
}

// readHint looks for the hint: in the initrd and then in the firmware.
func (b *boot) readHint(ctx context.Context) hint {
	file := b.env.Hint
	if file == "" && !b.env.ByHand {
		file = b.env.initrd(bakedHint)
	}
	text, err := readSome(file, maxHint)
	if found := strings.TrimSpace(string(text)); err == nil && b.isMine(found) {
		return hint{true, found, file}
	}
	vars := b.firmware(ctx)
	if vars == nil {
		return hint{sought: true}
	}
	defer vars.Close()
	data, err := vars.Get(hintVar)
	if err != nil {
		b.log.Debugf("%v", err)
	}
	found := hint{sought: true, text: string(data)}
	if b.isMine(found.text) {
		found.where = "EFI variable " + hintVar
	}
	return found
}

// isMine says whether a hint is about this machine.
func (b *boot) isMine(text string) bool {
	for i := range b.matches {
		if mine := state.Hint(b.matches[i].HardwareID); mine != "" && mine == text {
			return true
		}
	}
	return false
}

// keepHint keeps the hint in the firmware for the next boot, or takes an older
// one away. That it cannot is nobody's loss.
func (b *boot) keepHint(ctx context.Context, text string) {
	vars := b.firmware(ctx)
	if vars == nil {
		return
	}
	defer vars.Close()
	if err := vars.Set(hintVar, []byte(text)); err != nil {
		b.log.Debugf("%v", err)
	}
}

// firmware opens the EFI variables, or gives nil.
func (b *boot) firmware(ctx context.Context) machine.Variables {
	if b.env.ByHand || !exists(b.env.Sysfs+"/firmware/efi") {
		return nil
	}
	vars, err := b.env.Machine.Variables(ctx, b.log)
	if err != nil {
		b.log.Debugf("%v", err)
		return nil
	}
	return vars
}
