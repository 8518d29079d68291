// Package machine is the agent's side of the kernel: NICs and their drivers,
// the root's mounts, the firmware's variables, processes, the console, the end
// of a boot.
//
// It decides nothing. All of it needs a running kernel and root, most of it an
// initrd: the tests of cmd/boothook-agent and scripts/nettest run it in network
// namespaces, those of scripts/boottest in QEMU. Who decides, package agent,
// has it as an interface.
package machine

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"boothook/initramfs/efivar"
	"boothook/initramfs/klog"
	"boothook/initramfs/modules"
	"boothook/injector/root"
)

// runMount is the initrd's /run, which the root will have as its own.
const runMount = "/run"

// A Machine is the one that runs this program.
type Machine struct {
	// ByHand says that somebody has started the program in a running system:
	// the root is a directory, and nothing of that system becomes the root's.
	ByHand bool
	// Volatile is the directory in memory for what is written to a root that
	// can never be written, and stays mounted over it; empty: such a root is
	// refused.
	Volatile string

	loading sync.Once
	loader  *modules.Loader
	// noModules is why there is no loader.
	noModules error
}

// ReadRoot opens the root for look, as it will be mounted when it is booted.
func (m *Machine) ReadRoot(dir string, look func(*root.Root) error) error {
	if !m.ByHand {
		return root.WithReadable(dir, look)
	}
	r, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	return look(r)
}

// WriteRoot makes the root writable for work.
func (m *Machine) WriteRoot(dir string, work func(*root.Root) error) error {
	o := root.MountOptions{Volatile: m.Volatile}
	if !m.ByHand {
		o.Run, o.Load = runMount, func(module string) error { return loadFrom(dir, module) }
	}
	return root.WithWritable(dir, o, work)
}

// Variables are those of the EFI firmware; package efivar has them.
type Variables interface {
	Get(name string) ([]byte, error)
	Set(name string, data []byte) error
	Close()
}

// Variables opens the firmware's variables.
func (m *Machine) Variables(ctx context.Context, log *klog.Log) (Variables, error) {
	if m.ByHand {
		return nil, errors.ErrUnsupported // they are the running system's
	}
	if err := m.Load(ctx, log, "efivarfs"); err != nil {
		log.Debugf("%v", err)
	}
	vars, err := efivar.Open()
	if err != nil {
		return nil, err
	}
	return vars, nil
}

// SetHostname sets the kernel's hostname, so that even what reads it before
// /etc/hostname does has the right one.
func (*Machine) SetHostname(name string) error { return unix.Sethostname([]byte(name)) }

// SeedRandom adds to the kernel's random pool.
func (*Machine) SeedRandom(seed []byte) error { return os.WriteFile("/dev/urandom", seed, 0) }

// Console opens the console.
func (*Machine) Console() (io.WriteCloser, error) { return os.OpenFile("/dev/console", os.O_WRONLY, 0) }
