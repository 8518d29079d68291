package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"boothook/initramfs/klog"
	"boothook/initramfs/machine"
	"boothook/initramfs/report"
	"boothook/netboot"
	"boothook/netboot/nic"
)

const (
	// coldplugTime bounds how long drivers wait for udevd's coldplug; see
	// Env.Coldplug.
	coldplugTime = 20 * time.Second
	// networkTime is what putting the network back may take: some netlink
	// messages.
	networkTime = 5 * time.Second
	// runMount is the initrd's /run, which the root will have as its own.
	runMount = "/run"
)

// A network is what is raised to reach the source: a netboot.Network.
type network struct {
	machine Machine
	log     *klog.Log
	record  *report.Recorder
	// links adds what the kernel's words say of the NICs.
	links    func(nic.Options) (nic.Options, error)
	coldplug time.Duration

	nics   machine.NICs // nil: nothing was raised
	lock   sync.Mutex   // guards leases
	leases []nic.Lease
}

// newNetwork gives a network that is yet to be raised.
func (b *boot) newNetwork() *network {
	n := &network{machine: b.env.Machine, log: b.log, record: b.record}
	n.links = func(wanted nic.Options) (nic.Options, error) {
		return links(wanted, &b.options.Net, b.options.Source.NetworkConfig, b.env.surrounding())
	}
	if b.env.Coldplug {
		n.coldplug = coldplugTime
	}
	return n
}

// Raise implements netboot.Network.
func (n *network) Raise(ctx context.Context, wanted nic.Options) (netboot.NICs, error) {
	o, err := n.links(wanted)
	if err != nil {
		return nil, err
	}
	o.Log = func(line string) { n.log.Debugf("%s", line) }
	n.nics, err = n.machine.Raise(ctx, n.log, o, n.coldplug)
	return n.nics, err
}

// leased notes a NIC that got an address.
func (n *network) leased(l nic.Lease) {
	said := report.NIC{Name: l.Name, MAC: l.HW.String(), Address: l.Prefix.String(), Adopted: l.Adopted}
	if l.Gateway.IsValid() {
		said.Gateway = l.Gateway.String()
	}
	for _, d := range l.DNS {
		said.DNS = append(said.DNS, d.String())
	}
	n.record.Mark(fmt.Sprintf("%s has %v (%s)", l.Name, l.Prefix, l.By))
	n.record.Change(func(r *report.Report) { r.Network = append(r.Network, said) })
	n.lock.Lock()
	n.leases = append(n.leases, l)
	n.lock.Unlock()
}

// panics counts the messages of the network that decoding panicked on.
func (n *network) panics() int {
	if n.nics == nil {
		return 0
	}
	return n.nics.Panics()
}

// leave leaves the network as it was found. Where the root is to keep it, the
// leases are handed over, in the forms that the root's daemons read, in the
// directory run.
func (n *network) leave(keep bool, run string) error {
	switch {
	case n.nics == nil:
		return nil
	case !keep:
		return n.nics.Restore()
	}
	n.nics.Stop()
	n.lock.Lock()
	leases := n.leases
	n.leases = nil
	n.lock.Unlock()
	for _, f := range nic.Handover(leases) {
		path := filepath.Join(run, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("hand over the lease: %w", err)
		}
		if err := os.WriteFile(path, f.Data, f.Mode); err != nil {
			return fmt.Errorf("hand over the lease: %w", err)
		}
	}
	return nil
}
