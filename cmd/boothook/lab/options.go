package lab

import (
	"boothook/cmd/boothook/vm"
	"boothook/netboot/simulate"
)

// Auto is the accelerator of those who leave it to the lab: KVM if a real
// guest comes up with it, which is tried once and remembered.
const Auto vm.Accel = "auto"

// Options say what is booted, on which machine, and what is looked at.
type Options struct {
	// Image is a raw disk image with an ext root; the guest writes to a copy.
	Image string
	// Kernel and Initrd are files; Initrd may be empty if Kernel is a unified
	// kernel image.
	Kernel, Initrd string
	// Disk is where the guest's disk is, made from Image if nothing is there,
	// and kept; empty for one in the directory of the run.
	Disk string
	// Root is the root's device in the guest; empty for the one in Image.
	Root string
	// Words are more words of the kernel's command line.
	Words []string

	Arch     vm.Arch
	Accel    vm.Accel
	MemoryMB int
	EFI      bool // firmware instead of a BIOS
	MicroVM  bool // a machine without PCI, BIOS and DMI
	// NoHardwareID leaves the machine's DMI without a sign of a cloud.
	NoHardwareID bool
	// Cache is a directory that remembers whether KVM works here.
	Cache string

	// Machine is what the metadata service knows of the guest, or the volume.
	Machine    simulate.Machine
	NoMetadata bool // there is no such service
	// Volume is a cloud's that attaches one instead of EC2's service; nil for
	// none.
	Volume *simulate.Volume
	// WWW is a directory that is served over HTTP, at an address for which
	// the network's DNS has Names; empty for none.
	WWW   string
	Names []string

	// Ports are the TCP ports to watch from power-on.
	Ports []int
	// User is the account that is logged in to, with the private key in the
	// file Key, or with one from the metadata if that is empty.
	User, Key string
	// Script is run in the booted guest; empty for none.
	Script []byte
}
