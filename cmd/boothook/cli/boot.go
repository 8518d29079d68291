package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"boothook/cmd/boothook/lab"
	"boothook/cmd/boothook/vm"
	"boothook/netboot/simulate"
)

const bootHelp = `Boots an image in QEMU, on a private network with DHCP, DNS and simulated EC2
metadata, or with the volume that another cloud attaches (--cloud), shows the
progress, and tells what happened. The guest writes to a copy; IMAGE stays as it
is. Needs root, for the network.

The metadata also carry an SSH key made for this run, as clouds do; with it,
or with the --key that user-data bring, the booted guest is asked how it went.
With --keep the files of the run stay: serial.log, capture.pcap, dnsmasq.log,
the disk and the key.`

const bootExample = `  boothook boot --image root.img --kernel vmlinuz --initrd baked.img --user-data my.yaml
  boothook boot ... --key id_ed25519 --check check.sh   # log in, and fail if the script does
  boothook boot ... --disk guest.img        # again and again on the same disk
  boothook boot ... --disk guest.img --efi  # the same with EFI firmware and its variables
  boothook boot ... --cloud nocloud         # on a machine with a volume, without metadata service
  boothook boot ... --append boothook=off   # the same boot without boothook`

// sshPort is watched if no other is.
const sshPort = 22

// A bootCommand is what "boothook boot" was asked for.
type bootCommand struct {
	lab.Options
	accel, arch          string
	words                string
	keep                 string
	cloud                string
	userData, vendorData string
	check                string
	timeout              time.Duration
}

func newBoot() *cobra.Command {
	var b bootCommand
	cmd := &cobra.Command{
		Use:               "boot --image IMAGE --kernel KERNEL --initrd INITRD [flags]",
		Short:             "boot an image in QEMU with simulated metadata and show what happened",
		Long:              bootHelp,
		Example:           bootExample,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return b.run(cmd) },
	}
	b.declare(cmd.Flags())
	completes(cmd, "accel", accels()...)
	completes(cmd, "arch", arches()...)
	completes(cmd, "cloud", bootClouds()...)
	completesDirectories(cmd, "keep", "cache", "www")
	completesNothing(cmd, "append", "instance-id", "hostname", "user", "memory", "timeout", "port", "name")
	return cmd
}

func accels() []string { return []string{string(lab.Auto), string(vm.KVM), string(vm.TCG)} }
func arches() []string { return []string{string(vm.AMD64), string(vm.ARM64)} }

// defaultCloud is the one that is simulated if no other is named.
const defaultCloud = "ec2"

// bootClouds are those that a guest can be on: its machine and service are
// EC2's, or it has a volume.
func bootClouds() []string { return append([]string{defaultCloud}, volumeNames()...) }

// declare names the flags.
func (b *bootCommand) declare(flags *pflag.FlagSet) {
	flags.StringVar(&b.Image, "image", "", "a raw disk image `file` with an ext root")
	flags.StringVar(&b.Kernel, "kernel", "", "the kernel `file` to boot")
	flags.StringVar(&b.Initrd, "initrd", "", "the initrd `file`, baked or not; with --efi none is needed if the kernel is a unified kernel image")
	flags.StringVar(&b.Disk, "disk", "", "the guest's disk `file`: made from the image if it is not there, kept afterwards")
	flags.StringVar(&b.keep, "keep", "", "keep the run's files in this `directory`")
	flags.StringVar(&b.Cache, "cache", "", "a `directory` that remembers whether KVM works here (default: boothook in the user's cache)")
	flags.StringVar(&b.cloud, "cloud", defaultCloud, "the `cloud` to be on: EC2 with its service, or one that attaches a volume: "+strings.Join(volumeNames(), ", "))
	flags.StringVar(&b.userData, "user-data", "", "a `file` with the user-data; - is standard input")
	flags.StringVar(&b.vendorData, "vendor-data", "", "a `file` with the vendor-data")
	flags.StringVar(&b.Root, "root", "", "the root's `device` in the guest (default: /dev/vda, or its partition)")
	flags.StringVar(&b.words, "append", "", "more `words` for the kernel's command line")
	flags.BoolVar(&b.NoMetadata, "no-metadata", false, "run no metadata service, on a machine that says it is in the cloud")
	flags.BoolVar(&b.NoHardwareID, "no-sign", false, "show no sign of a cloud in the machine's DMI")
	flags.StringVar(&b.Machine.InstanceID, "instance-id", "", "the instance's `id`; its DMI follows from it (default: made up)")
	flags.StringVar(&b.Machine.Hostname, "hostname", "ip-10-77-0-10.ec2.internal", "the `name` in the metadata")
	flags.StringVar(&b.arch, "arch", string(vm.AMD64), "the machine's `architecture`, amd64 or arm64; arm64 is emulated, with EFI firmware")
	flags.BoolVar(&b.EFI, "efi", false, "boot with EFI firmware instead of a BIOS; its variables are in a file beside the guest's disk")
	flags.BoolVar(&b.MicroVM, "microvm", false, "a machine as Firecracker's: without PCI, BIOS and DMI, so without a sign of a cloud")
	flags.StringVar(&b.User, "user", "debian", "the `account` that gets the key")
	flags.StringVar(&b.Key, "key", "", "log in with the private key in this `file` instead of the one in the metadata")
	flags.StringVar(&b.check, "check", "", "a shell script `file` for the booted guest: what it prints is shown, and if it fails, so does the boot")
	flags.StringVar(&b.accel, "accel", string(lab.Auto), "the `way` to run it: kvm, tcg, or auto: try KVM with a real guest, once")
	flags.StringVar(&b.WWW, "www", "", "serve the files of this `directory` to the guest over HTTP")
	flags.IntVar(&b.MemoryMB, "memory", 768, "the guest's memory in `MiB`")
	flags.DurationVar(&b.timeout, "timeout", 10*time.Minute, "how `long` all of it may take")
	flags.Func("port", "a TCP `port` to watch from power-on, every "+vm.ProbeInterval.String()+"; may be repeated (default 22)", func(s string) error {
		port, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return errors.New("a port is a number up to 65535")
		}
		b.Ports = append(b.Ports, int(port))
		return nil
	})
	flags.StringArrayVar(&b.Names, "name", nil, "a `name` that the network's DNS serves, for the address of --www; may be repeated")
}

func (b *bootCommand) run(cmd *cobra.Command) error {
	if err := b.validate(); err != nil {
		return err
	}
	if err := b.complete(cmd); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), b.timeout, fmt.Errorf("not done after %v (see --timeout)", b.timeout))
	defer cancel()
	dir, forget, err := b.workDir()
	if err != nil {
		return err
	}
	defer forget()
	result, err := lab.Boot(ctx, &b.Options, dir, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	return result.Print(cmd.OutOrStdout())
}

// validate looks for what is wrong with the flags, before any file is read.
func (b *bootCommand) validate() error {
	for _, f := range []struct{ name, value string }{{"image", b.Image}, {"kernel", b.Kernel}, {"initrd", b.Initrd}} {
		if f.value == "" && !(f.name == "initrd" && b.EFI) {
			return usagef("boot: --%s is missing", f.name)
		}
	}
	if err := oneOf("boot: --arch", b.arch, arches()); err != nil {
		return err
	}
	if err := oneOf("boot: --accel", b.accel, accels()); err != nil {
		return err
	}
	if err := oneOf("boot: --cloud", b.cloud, bootClouds()); err != nil {
		return err
	}
	if v, err := simulate.FindVolume(b.cloud); err == nil {
		b.Volume = &v
	}
	b.Arch, b.Accel = vm.Arch(b.arch), vm.Accel(b.accel)
	if b.MicroVM && (b.EFI || b.Arch != vm.AMD64) {
		return usagef("boot: --microvm is for amd64, without --efi")
	}
	return nil
}

// complete reads files, and fills in what was not given.
func (b *bootCommand) complete(cmd *cobra.Command) error {
	b.Words = strings.Fields(b.words)
	if len(b.Ports) == 0 {
		b.Ports = []int{sshPort}
	}
	if b.Arch == vm.ARM64 {
		b.Accel = vm.TCG
	}
	if b.Cache == "" {
		b.Cache = defaultCache()
	}
	if b.Machine.InstanceID == "" {
		var id [8]byte
		_, _ = rand.Read(id[:]) // never fails
		b.Machine.InstanceID = "i-0" + hex.EncodeToString(id[:])
	}
	for _, f := range []struct {
		name string
		to   *[]byte
	}{{b.userData, &b.Machine.UserData}, {b.check, &b.Script}, {b.vendorData, &b.Machine.VendorData}} {
		var err error
		if *f.to, err = readOptional(cmd, f.name); err != nil {
			return err
		}
	}
	return nil
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
func (b *bootCommand) workDir() (dir string, forget func(), err error) {
	if b.keep != "" {
		if err := os.MkdirAll(b.keep, 0o755); err != nil {
			return "", nil, err
		}
		dir, err := filepath.Abs(b.keep)
		return dir, func() {}, err
	}
	dir, err = os.MkdirTemp("", "boothook-boot")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}
