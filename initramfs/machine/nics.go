package machine

import (
	"context"
	"time"

	"boothook/initramfs/klog"
	"boothook/initramfs/modules"
	"boothook/netboot"
	"boothook/netboot/nic"
)

// NICs are those that were raised. One of Restore and Stop has to be called.
type NICs interface {
	netboot.NICs
	// Restore leaves the network as it was found.
	Restore() error
	// Stop ends the work and leaves the network as it is.
	Stop()
	// Panics counts the messages on which decoding panicked; see nic.Manager.
	Panics() int
}

// Raise begins to load drivers and to lease addresses, and returns at once.
// Drivers wait for udevd's coldplug for that time at most; 0: not at all. They
// are not loaded where modules are the running system's.
func (m *Machine) Raise(ctx context.Context, log *klog.Log, o nic.Options, coldplug time.Duration) (NICs, error) {
	if o.WantsVLANs() {
		if err := m.Load(ctx, log, "8021q"); err != nil {
			log.Warnf("load drivers: %v", err)
		}
	}
	n := &raised{}
	ctx, n.stop = context.WithCancel(ctx)
	var err error
	if n.Manager, err = nic.Start(ctx, o); err != nil {
		n.stop()
		return nil, err
	}
	ctx, n.enough = context.WithCancel(ctx)
	if !m.ByHand {
		go m.loadDrivers(ctx, log, coldplug)
	}
	return n, nil
}

// loadDrivers loads what the network devices want, without waiting for udev to
// do it.
func (m *Machine) loadDrivers(ctx context.Context, log *klog.Log, coldplug time.Duration) {
	loader, err := m.modules(log)
	if err == nil {
		err = loader.Watch(ctx, modules.Network, coldplug)
	}
	if err != nil && ctx.Err() == nil {
		log.Warnf("load drivers: %v", err)
	}
}

// raised are the NICs, and what loads their drivers.
type raised struct {
	*nic.Manager
	// enough ends the loading of drivers, each of whose looks for more is
	// paid by whatever else the boot does; stop ends all work on the NICs.
	enough, stop context.CancelFunc
}

// Settle ends the loading of drivers, and the work on all NICs but the one with
// this index.
func (n *raised) Settle(index int) error {
	n.enough()
	return n.Manager.Settle(index)
}

// Restore leaves the network as it was found.
func (n *raised) Restore() error {
	n.stop()
	return n.Manager.Restore()
}

// Stop ends the work and leaves the network as it is.
func (n *raised) Stop() {
	n.stop()
	n.Manager.Stop()
}
