package vm

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	qemu = "qemu-system-x86_64"
	// qmpTimeout bounds one exchange with QEMU's control socket.
	qmpTimeout = 5 * time.Second
	// powerOffTimeout is how long a guest may take to shut down cleanly.
	powerOffTimeout = 90 * time.Second
)

// An Accel says how QEMU runs the guest's code.
type Accel string

const (
	KVM Accel = "kvm"
	TCG Accel = "tcg"
	// Counted is TCG with a clock that counts instructions: one is a
	// nanosecond, so that a guest's own times are those of a processor with
	// one instruction per cycle at 1 GHz, whatever else this machine does.
	// It is slow. While the guest has nothing to do its clock goes on with
	// this machine's, so that a wait takes what it takes.
	Counted Accel = "counted"
)

// args are QEMU's options, chosen for speed (TCG) or fidelity (KVM). The
// emulated processor has RDRAND as every cloud's has; without it the kernel
// has no entropy in the initrd, and whoever waits for some waits long.
func (a Accel) args() []string {
	switch a {
	case KVM:
		return []string{"-accel", "kvm", "-cpu", "host"}
	case Counted:
		return []string{"-accel", "tcg,thread=single,tb-size=512", "-icount", "shift=0,sleep=on", "-cpu", "Nehalem,+rdrand"}
	}
	return []string{"-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Nehalem,+rdrand"}
}

// DMI is what the firmware tells the guest of itself, as SMBIOS strings.
// Empty ones are left to QEMU.
type DMI struct {
	Vendor, Product, UUID, Serial, AssetTag string
}

// EC2 is what a Nitro instance shows: vendor and UUID are what cloud-init's
// ds-identify looks for. The UUID follows from the instance-id, so that a new
// instance is a new machine.
func EC2(instanceID string) DMI {
	sum := sha256.Sum256([]byte(instanceID))
	h := "ec2" + hex.EncodeToString(sum[:])[3:32]
	uuid := strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
	return DMI{Vendor: "Amazon EC2", Product: "t3.micro", UUID: uuid, Serial: uuid, AssetTag: instanceID}
}

// args are the tables of SMBIOS 3.0: 0 is the firmware, 1 the system, 2 the
// board and 3 the chassis.
func (d DMI) args() []string {
	var args []string
	add := func(kind int, fields ...string) {
		arg := "type=" + strconv.Itoa(kind)
		for i := 0; i < len(fields); i += 2 {
			if fields[i+1] != "" {
				arg += "," + fields[i] + "=" + strings.ReplaceAll(fields[i+1], ",", ",,")
			}
		}
		if strings.Contains(arg, ",") {
			args = append(args, "-smbios", arg)
		}
	}
	add(0, "vendor", d.Vendor)
	add(1, "manufacturer", d.Vendor, "product", d.Product, "serial", d.Serial, "uuid", d.UUID)
	add(2, "manufacturer", d.Vendor, "asset", d.AssetTag)
	add(3, "manufacturer", d.Vendor, "asset", d.Vendor)
	return args
}

// A Machine describes one boot.
type Machine struct {
	Network *Network
	// Dir takes serial.log and capture.pcap of this boot.
	Dir string
	// Disk is the raw image that the guest writes to.
	Disk, Kernel string
	// Volume is the image of a volume that is attached beside the disk, for
	// reading only; empty for none.
	Volume string
	// NICs are QEMU's options of the interfaces and of what they are plugged
	// into, in place of the one virtio NIC on the tap.
	NICs []string
	// Initrd is empty for a unified kernel image, which has it.
	Initrd string
	// EFIVars is the file that keeps the variables of the machine's EFI
	// firmware; see MakeEFIVars. Empty: the machine has a BIOS.
	EFIVars string
	// MicroVM is a machine as Firecracker's: no PCI, no BIOS, no DMI. Its
	// virtio devices are on the memory bus, where ACPI names them. It has no
	// clock to set others by: emulated, its kernel is told the rate of one.
	MicroVM bool
	// Words is the kernel's command line.
	Words []string
	DMI   DMI
	Accel Accel
	Arch  Arch // AMD64 if empty
	// MemoryMB is the guest's memory in MiB.
	MemoryMB int
	// Probe are the TCP ports to dial from power-on.
	Probe []int
}

// command is QEMU's command line for the machine.
func (m Machine) command(qmp string) []string {
	args := append(m.model(),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", strconv.Itoa(m.MemoryMB))
	args = append(args, m.DMI.args()...)
	if m.EFIVars != "" {
		args = append(args, m.Arch.efi(m.EFIVars)...)
	}
	if m.Initrd != "" {
		args = append(args, "-initrd", m.Initrd)
	}
	if m.Volume != "" {
		args = append(args,
			"-drive", "file="+optionValue(m.Volume)+",format=raw,if=none,id=volume,readonly=on",
			"-device", m.virtio("blk")+",drive=volume")
	}
	nics := m.NICs
	if len(nics) == 0 {
		nics = []string{"-netdev", "tap,id=net,ifname=" + TapName + ",script=no,downscript=no", "-device", m.virtio("net") + ",netdev=net,mac=" + GuestMAC}
	}
	args = append(args, nics...)
	return append(args,
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-qmp", "unix:"+qmp+",server=on,wait=off",
		"-drive", "file="+optionValue(m.Disk)+",format=raw,if=none,id=disk,cache=unsafe",
		"-device", m.virtio("blk")+",drive=disk",
		"-device", m.virtio("rng"),
		"-kernel", m.Kernel, "-append", strings.Join(m.words(), " "),
	)
}

// words are the kernel's. QEMU gives an emulated guest this machine's own time
// stamp counter.
func (m Machine) words() []string {
	if m.MicroVM && m.Accel == TCG {
		if cpu, err := os.ReadFile("/proc/cpuinfo"); err == nil && tscKHz(string(cpu)) > 0 {
			return append([]string{fmt.Sprintf("tsc_early_khz=%d", tscKHz(string(cpu)))}, m.Words...)
		}
	}
	return m.Words
}

// model are QEMU's program and the options that choose the machine.
func (m Machine) model() []string {
	if m.MicroVM {
		return append([]string{qemu, "-M", "microvm,acpi=on,rtc=on"}, m.Accel.args()...)
	}
	return m.Arch.qemu(m.Accel)
}

// optionValue writes a path into one of QEMU's lists of options, where a comma
// stands for itself when it is doubled.
func optionValue(path string) string { return strings.ReplaceAll(path, ",", ",,") }

// virtio is a virtio device on the machine's bus.
func (m Machine) virtio(kind string) string {
	switch {
	case m.MicroVM:
		return "virtio-" + kind + "-device"
	case kind == "net":
		return "virtio-net-pci,romfile=" // none is booted from it
	}
	return "virtio-" + kind + "-pci"
}

// A Guest is a machine that has been switched on.
type Guest struct {
	Console *Console
	Capture *Capture
	Prober  *Prober
	// Command is the exact QEMU command, quoted for a shell.
	Command string

	keys io.Writer // to the guest's serial port
	qmp  string
	done chan struct{} // closed when QEMU has ended
	err  error         // how; set before done is closed
}

// Start switches the machine on. The context's end is a power cut.
func Start(ctx context.Context, m Machine) (_ *Guest, err error) {
	log, err := os.Create(filepath.Join(m.Dir, "serial.log"))
	if err != nil {
		return nil, err
	}
	// A socket's path may have 107 bytes only (unix(7)), so not in m.Dir.
	control, err := os.MkdirTemp("", "boothook")
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, log.Close(), os.RemoveAll(control))
		}
	}()
	zero := time.Now()
	g := &Guest{Console: newConsole(zero, log), qmp: filepath.Join(control, "qmp"), done: make(chan struct{})}
	args := m.command(g.qmp)
	g.Command = shellQuote(args)
	if g.Capture, err = m.Network.capture(filepath.Join(m.Dir, "capture.pcap"), zero); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var complaint strings.Builder
	cmd.Stdout, cmd.Stderr = g.Console, &complaint
	if g.keys, err = cmd.StdinPipe(); err != nil {
		return nil, errors.Join(err, g.Capture.Close())
	}
	if err := m.Network.start(cmd); err != nil {
		return nil, errors.Join(fmt.Errorf("start QEMU: %w", err), g.Capture.Close())
	}
	g.Prober = m.Network.probe(zero, m.Probe)
	go func() {
		defer close(g.done)
		if err := cmd.Wait(); err != nil {
			g.err = fmt.Errorf("QEMU: %w: %s", err, strings.TrimSpace(complaint.String()))
		}
		g.Console.end()
		g.Prober.Close()
		g.err = errors.Join(g.err, g.Capture.Close(), log.Close(), os.RemoveAll(control))
	}()
	return g, nil
}

// Type writes to the guest's serial port, as from a keyboard.
func (g *Guest) Type(text string) error {
	_, err := io.WriteString(g.keys, text)
	return err
}

// Done is closed when the guest is off.
func (g *Guest) Done() <-chan struct{} { return g.done }

// PowerOff presses the power button and waits for a clean end.
func (g *Guest) PowerOff(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, powerOffTimeout, fmt.Errorf("the guest is still on after %v", powerOffTimeout))
	defer cancel()
	if err := g.execute(ctx, "system_powerdown"); err != nil {
		return fmt.Errorf("power off: %w", err)
	}
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return fmt.Errorf("power off: %w", context.Cause(ctx))
	}
}

// execute runs one command of the QEMU Machine Protocol.
func (g *Guest) execute(ctx context.Context, command string) error {
	ctx, cancel := context.WithTimeout(ctx, qmpTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", g.qmp)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(qmpTimeout)); err != nil {
		return err
	}
	lines := bufio.NewScanner(conn)
	for _, c := range []string{"qmp_capabilities", command} {
		if _, err := fmt.Fprintf(conn, "{\"execute\": %q}\n", c); err != nil {
			return err
		}
		if err := reply(lines); err != nil {
			return fmt.Errorf("qmp %s: %w", c, err)
		}
	}
	return nil
}

// reply reads up to the answer to a command, past the greeting and events.
func reply(lines *bufio.Scanner) error {
	for lines.Scan() {
		var r struct {
			Return *json.RawMessage
			Error  *struct{ Desc string }
		}
		switch err := json.Unmarshal(lines.Bytes(), &r); {
		case err != nil:
			return err
		case r.Error != nil:
			return errors.New(r.Error.Desc)
		case r.Return != nil:
			return nil
		}
	}
	return errors.Join(lines.Err(), errors.New("connection closed without an answer"))
}

// shellQuote makes one line to paste into a shell.
func shellQuote(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = a
		if a == "" || strings.ContainsAny(a, " \t\n\"'\\$`&|;<>()*?[]#~!{}") {
			quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
