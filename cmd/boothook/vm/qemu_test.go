package vm

import (
	"bufio"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEC2(t *testing.T) {
	one, two := EC2("i-1"), EC2("i-2")
	if one == two || one != EC2("i-1") {
		t.Errorf("EC2 gives %v for i-1 and %v for i-2", one, two)
	}
	// What ds-identify looks at: the UUID's first three digits, and that it
	// is the serial number, too.
	if !strings.HasPrefix(one.UUID, "ec2") || len(one.UUID) != 36 || one.Serial != one.UUID || one.Vendor != "Amazon EC2" {
		t.Errorf("EC2(i-1) = %+v", one)
	}
}

func TestDMIArgs(t *testing.T) {
	for _, tt := range []struct {
		name string
		dmi  DMI
		want []string
	}{
		{"none", DMI{}, nil},
		{"all", DMI{Vendor: "V", Product: "P", UUID: "U", Serial: "S", AssetTag: "A"}, []string{
			"-smbios", "type=0,vendor=V",
			"-smbios", "type=1,manufacturer=V,product=P,serial=S,uuid=U",
			"-smbios", "type=2,manufacturer=V,asset=A",
			"-smbios", "type=3,manufacturer=V,asset=V",
		}},
		{"a comma is doubled", DMI{Product: "a,b"}, []string{"-smbios", "type=1,product=a,,b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.dmi.args()); diff != "" {
				t.Errorf("args (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReply(t *testing.T) {
	for _, tt := range []struct {
		name, in, want string
	}{
		{"answer", `{"return": {}}`, ""},
		{"after greeting and event", `{"QMP": {"version": {}}}` + "\n" + `{"event": "POWERDOWN"}` + "\n" + `{"return": {}}`, ""},
		{"refusal", `{"error": {"class": "CommandNotFound", "desc": "no such command"}}`, "no such command"},
		{"silence", `{"QMP": {}}`, "connection closed without an answer"},
		{"nonsense", `what`, "invalid character 'w' looking for beginning of value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := reply(bufio.NewScanner(strings.NewReader(tt.in))); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("reply = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestShellQuote(t *testing.T) {
	in := []string{"qemu", "", "a b", "it's", "$HOME", "x=y,z"}
	if got, want := shellQuote(in), `qemu '' 'a b' 'it'\''s' '$HOME' x=y,z`; got != want {
		t.Errorf("shellQuote = %s, want %s", got, want)
	}
}

func TestCPUModel(t *testing.T) {
	in := "processor\t: 0\nmodel name\t: A CPU @ 2GHz\nflags\t: x\nprocessor\t: 1\nmodel name\t: Another\n"
	if got, want := cpuModel(in), "A CPU @ 2GHz"; got != want {
		t.Errorf("cpuModel = %q, want %q", got, want)
	}
	if got := cpuModel("none here"); got != "" {
		t.Errorf("cpuModel of nothing = %q", got)
	}
	if got := tscKHz("flags\t: x\nbogomips\t: 4500.01\nbogomips\t: 1.00\n"); got != 2250005 {
		t.Errorf("tscKHz = %d", got)
	}
	if got := tscKHz("BogoMIPS : many"); got != 0 {
		t.Errorf("tscKHz of nothing = %d", got)
	}
}

// A microVM has no PCI, and says nothing of itself.
func TestMicroVM(t *testing.T) {
	m := Machine{Disk: "disk", Kernel: "vmlinuz", Initrd: "initrd", Accel: TCG, MemoryMB: 256}
	if usual := strings.Join(m.command("qmp"), " "); !strings.Contains(usual, "-M q35 ") || !strings.Contains(usual, "virtio-net-pci,romfile=,netdev=net,mac="+GuestMAC) {
		t.Error(usual)
	}
	m.MicroVM = true
	micro := strings.Join(m.command("qmp"), " ")
	for _, want := range []string{"-M microvm,acpi=on", "virtio-net-device,netdev=net,", "virtio-blk-device,drive=disk", "virtio-rng-device", "-kernel vmlinuz"} {
		if !strings.Contains(micro, want) {
			t.Errorf("%q is missing in %s", want, micro)
		}
	}
	if strings.Contains(micro, "pci") {
		t.Error(micro)
	}
}

// A volume is a disk beside the first, and only read.
func TestVolume(t *testing.T) {
	m := Machine{Disk: "disk", Kernel: "vmlinuz", Initrd: "initrd", Accel: TCG, MemoryMB: 256}
	if without := strings.Join(m.command("qmp"), " "); strings.Contains(without, "volume") {
		t.Error(without)
	}
	m.Volume = "seed,1.img"
	with := strings.Join(m.command("qmp"), " ")
	if !strings.Contains(with, "-drive file=seed,,1.img,format=raw,if=none,id=volume,readonly=on -device virtio-blk-pci,drive=volume") {
		t.Error(with)
	}
}

// A comma in a path is no end of it.
func TestCommaInAPath(t *testing.T) {
	m := Machine{Disk: "a,b", EFIVars: "c,d", Kernel: "vmlinuz", Initrd: "initrd", Accel: TCG, MemoryMB: 256}
	got := strings.Join(m.command("qmp"), " ")
	for _, want := range []string{"file=a,,b,format=raw", "file=c,,d "} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %s", want, got)
		}
	}
}

// A machine has the interfaces that it is given, in place of the usual one.
func TestNICs(t *testing.T) {
	m := Machine{Disk: "disk", NICs: []string{"-netdev", "tap,id=a", "-device", "e1000,netdev=a"}}
	command := strings.Join(m.command("qmp"), " ")
	if !strings.Contains(command, " -netdev tap,id=a -device e1000,netdev=a ") || strings.Contains(command, GuestMAC) {
		t.Error(command)
	}
}
