package agent

import (
	"context"

	"boothook/initramfs/klog"
	"boothook/initramfs/words"
)

// OnError does what boothook.onerror= asks for.
func (e *Env) OnError(ctx context.Context, log *klog.Log, policy words.OnError) error {
	switch policy {
	case words.Shell:
		log.Warnf("boothook.onerror=shell: a shell on the console; leave it to go on booting")
		return e.Machine.Shell(ctx)
	case words.Reboot:
		log.Errorf("boothook.onerror=reboot: rebooting")
		return e.Machine.Reboot()
	case words.Halt:
		log.Errorf("boothook.onerror=halt: powering off")
		return e.Machine.PowerOff()
	}
	return nil
}
