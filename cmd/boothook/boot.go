package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"boothook/cmd/boothook/vm"
	"boothook/netboot/simulate"
)

const bootSynopsis = "boot --image IMAGE --kernel KERNEL --initrd INITRD [OPTIONS]"

const bootLong = `Boots an image in QEMU, on a private network with DHCP, DNS and simulated EC2
metadata, shows the progress, and tells what happened. The guest writes to a
copy; IMAGE stays as it is. Needs root, for the network.

The metadata also carry an SSH key made for this run, as clouds do; with it,
or with the --key that user-data bring, the booted guest is asked how it went.
With --keep the files of the run stay: serial.log, capture.pcap, dnsmasq.log,
the disk and the key.

Examples:
  boothook boot --image root.img --kernel vmlinuz --initrd baked.img --user-data my.yaml
  boothook boot ... --key id_ed25519 --check check.sh   # log in, and fail if the script does
  boothook boot ... --disk guest.img        # again and again on the same disk
  boothook boot ... --disk guest.img --efi  # the same with EFI firmware and its variables
  boothook boot ... --append boothook=off   # the same boot without boothook`

// auto is the --accel that finds out.
const auto = "auto"

// bootOptions are what "boothook boot" was asked for.
type bootOptions struct {
	image, kernel, initrd string
	disk, keep, cache     string
	userData, vendorData  string
	root, appendWords     string
	noMetadata, noSign    bool
	efi, microVM          bool
	arch                  vm.Arch
	user, accel, www      string
	key, check            string
	script                []byte // of check
	ports                 []int
	names                 []string
	memory                int
	timeout               time.Duration
	machine               simulate.Machine
}

// runBoot runs "boothook boot".
func runBoot(ctx context.Context, e env, args []string) error {
	o, err := parseBoot(e, args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("not done after %v (see --timeout)", o.timeout))
	defer cancel()
	dir, forget, err := o.workDir()
	if err != nil {
		return err
	}
	defer forget()
	lab, err := newLab(ctx, e, o, dir)
	if err != nil {
		return err
	}
	defer lab.close()
	result, err := lab.boot(ctx)
	if err != nil {
		return err
	}
	return result.print(e.stdout)
}

func parseBoot(e env, args []string) (*bootOptions, error) {
	o := &bootOptions{}
	flags := newFlags(e, "boot", bootSynopsis, bootLong)
	o.declare(flags)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, usagef("boot: %v", err)
	}
	for _, f := range []struct{ name, value string }{{"image", o.image}, {"kernel", o.kernel}, {"initrd", o.initrd}} {
		if f.value == "" && !(f.name == "initrd" && o.efi) {
			return nil, usagef("boot: --%s is missing", f.name)
		}
	}
	if flags.NArg() > 0 {
		return nil, usagef("boot: unexpected argument %q", flags.Arg(0))
	}
	if len(o.ports) == 0 {
		o.ports = []int{22}
	}
	if o.microVM && (o.efi || o.arch != vm.AMD64) {
		return nil, usagef("boot: --microvm is for amd64, without --efi")
	}
	if o.arch == vm.ARM64 {
		o.accel = string(vm.TCG)
	}
	switch vm.Accel(o.accel) {
	case auto, vm.KVM, vm.TCG:
	default:
		return nil, usagef("boot: --accel is kvm, tcg or auto, not %q", o.accel)
	}
	var err error
	if o.machine.UserData, err = readOptional(e, o.userData); err != nil {
		return nil, err
	}
	if o.script, err = readOptional(e, o.check); err != nil {
		return nil, err
	}
	if o.machine.VendorData, err = readOptional(e, o.vendorData); err != nil {
		return nil, err
	}
	if o.machine.InstanceID == "" {
		var id [8]byte
		_, _ = rand.Read(id[:]) // never fails
		o.machine.InstanceID = "i-0" + hex.EncodeToString(id[:])
	}
	return o, nil
}

// declare names the options.
func (o *bootOptions) declare(flags *flag.FlagSet) {
	flags.StringVar(&o.image, "image", "", "a raw disk image `file` with an ext root")
	flags.StringVar(&o.kernel, "kernel", "", "the kernel `file` to boot")
	flags.StringVar(&o.initrd, "initrd", "", "the initrd `file`, baked or not; with --efi none is needed if the kernel is a unified kernel image")
	flags.StringVar(&o.disk, "disk", "", "the guest's disk `file`: made from the image if it is not there, kept afterwards")
	flags.StringVar(&o.keep, "keep", "", "keep the run's files in this `directory`")
	flags.StringVar(&o.cache, "cache", defaultCache(), "a `directory` that remembers whether KVM works here")
	flags.StringVar(&o.userData, "user-data", "", "a `file` with the user-data; - is standard input")
	flags.StringVar(&o.vendorData, "vendor-data", "", "a `file` with the vendor-data")
	flags.StringVar(&o.root, "root", "", "the root's `device` in the guest (default: /dev/vda, or its partition)")
	flags.StringVar(&o.appendWords, "append", "", "more `words` for the kernel's command line")
	flags.BoolVar(&o.noMetadata, "no-metadata", false, "run no metadata service, on a machine that says it is in the cloud")
	flags.BoolVar(&o.noSign, "no-sign", false, "show no sign of a cloud in the machine's DMI")
	flags.StringVar(&o.machine.InstanceID, "instance-id", "", "the instance's `id`; its DMI follows from it (default: made up)")
	flags.StringVar(&o.machine.Hostname, "hostname", "ip-10-77-0-10.ec2.internal", "the `name` in the metadata")
	o.arch = vm.AMD64
	flags.Func("arch", "the machine's architecture, `amd64 or arm64`; arm64 is emulated, with EFI firmware", func(s string) error {
		if o.arch = vm.Arch(s); o.arch != vm.AMD64 && o.arch != vm.ARM64 {
			return errors.New("it is amd64 or arm64")
		}
		return nil
	})
	flags.BoolVar(&o.efi, "efi", false, "boot with EFI firmware instead of a BIOS; its variables are in a file beside the guest's disk")
	flags.BoolVar(&o.microVM, "microvm", false, "a machine as Firecracker's: without PCI, BIOS and DMI, so without a sign of a cloud")
	flags.StringVar(&o.user, "user", "debian", "the `account` that gets the key")
	flags.StringVar(&o.key, "key", "", "log in with the private key in this `file` instead of the one in the metadata")
	flags.StringVar(&o.check, "check", "", "a shell script `file` for the booted guest: what it prints is shown, and if it fails, so does the boot")
	flags.StringVar(&o.accel, "accel", auto, "kvm, tcg, or auto: try KVM with a real guest, once")
	flags.StringVar(&o.www, "www", "", "serve the files of this `directory` to the guest over HTTP")
	flags.IntVar(&o.memory, "memory", 768, "the guest's memory in `MiB`")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Minute, "how long all of it may take")
	flags.Func("port", "a TCP `port` to watch from power-on, every "+vm.ProbeInterval.String()+"; may be repeated (default 22)", func(s string) error {
		port, err := strconv.ParseUint(s, 10, 16)
		o.ports = append(o.ports, int(port))
		return err
	})
	flags.Func("name", "a `name` that the network's DNS serves, for the address of --www; may be repeated", func(s string) error {
		o.names = append(o.names, s)
		return nil
	})
}

// defaultCache is where a command keeps what it can find out again.
func defaultCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "boothook")
}

// workDir gives the directory for a run's files, and what clears it up.
func (o *bootOptions) workDir() (dir string, forget func(), err error) {
	if o.keep != "" {
		if err := os.MkdirAll(o.keep, 0o755); err != nil {
			return "", nil, err
		}
		dir, err := filepath.Abs(o.keep)
		return dir, func() {}, err
	}
	dir, err = os.MkdirTemp("", "boothook-boot")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}
