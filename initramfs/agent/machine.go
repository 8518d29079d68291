package agent

import (
	"context"
	"io"
	"os"
	"time"

	"boothook/initramfs/klog"
	"boothook/initramfs/machine"
	"boothook/injector/root"
	"boothook/netboot/nic"
)

// A Machine is what the agent needs of the kernel. Package machine has the real
// ones; they say what the methods do.
type Machine interface {
	// Where the root and the network are.
	ReadRoot(dir string, look func(*root.Root) error) error
	WriteRoot(dir string, work func(*root.Root) error) error
	Raise(ctx context.Context, log *klog.Log, o nic.Options, coldplug time.Duration) (machine.NICs, error)
	Load(ctx context.Context, log *klog.Log, module string) error
	AwaitUdev(ctx context.Context)

	// What the running machine is told.
	Variables(ctx context.Context, log *klog.Log) (machine.Variables, error)
	SetHostname(name string) error
	SeedRandom(seed []byte) error
	Console() (io.WriteCloser, error)

	// Processes, and the end of the boot.
	StartWorker(args []string, socket, log *os.File) (pid int, err error)
	EndWorker(pid int) (cause string)
	Shell(ctx context.Context) error
	Reboot() error
	PowerOff() error
}
