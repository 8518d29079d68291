//go:build net && faults

package nettest

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

// bootTimeout bounds one boot in QEMU.
const bootTimeout = 5 * time.Minute

// tag is that of the network with the cloud in it.
const tag = 5

// sayReport is the whole system of a root: it tells what the agent reports, and
// which links are left.
const sayReport = `#!/bin/busybox sh
exec >/dev/console 2>&1
busybox echo "@@links" $(busybox ls /sys/class/net)
busybox echo "@@report"
busybox cat /run/boothook/report.json
busybox echo "@@end"
busybox poweroff -f
`

// A machine whose NIC leads to a trunk gets its data from the one network on it
// that has a tag. The kernel is Debian's in QEMU, since the one here may lack
// VLANs; the switch at the other end of the cable is this test.
func TestVLAN(t *testing.T) {
	tool := built.Path(t, "boothook")
	kernels := strings.TrimSpace(command(t, "../initrds", "bookworm"))
	modules, err := filepath.Glob(filepath.Join(kernels, "modules/*"))
	if err != nil || len(modules) != 1 {
		t.Fatalf("modules of %d kernels in %s", len(modules), kernels)
	}
	initrd := filepath.Join(t.TempDir(), "initramfs.img")
	command(t, tool, "build", "--kernel", filepath.Base(modules[0]), "--modules", modules[0],
		"--out", initrd, "--include-modules", "8021q")
	for name, words := range map[string]string{"eth0.5": "boothook.ip=eth0.5:dhcp", "vlan0005": "vlan=vlan0005:eth0 boothook.ip=vlan0005:dhcp"} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			trunk := l.trunk()
			l.dnsmasq()
			faulty(simulate.Faults{})(l)
			console := trunk.boot(filepath.Join(kernels, "vmlinuz"), initrd, words)
			_, text, _ := strings.Cut(console, "@@report\n")
			text, _, found := strings.Cut(text, "@@end")
			if !found {
				t.Fatalf("no report:\n%s", console)
			}
			r, err := report.Decode([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if r.Result != report.Applied || len(r.Network) != 1 || r.Network[0].Name != name {
				t.Errorf("result %s, network %v\n%s", r.Result, r.Network, console)
			}
			if !strings.Contains(console, "@@links eth0 lo\n") {
				t.Errorf("links are left:\n%s", console)
			}
			if trunk.tagged.Load() == 0 {
				t.Error("nothing had the tag")
			}
			t.Logf("%d frames with the tag, %d without", trunk.tagged.Load(), trunk.plain.Load())
		})
	}
}

// A trunk is a cable on which the cloud's network has a tag, and a switch.
type trunk struct {
	*lab
	socket        string
	tagged, plain atomic.Int64 // frames from the machine
}

// trunk puts a switch, which QEMU connects to, in the place of the wire.
func (l *lab) trunk() *trunk {
	l.t.Helper()
	l.wire.near.Close()
	l.wire.far.Close()
	access := newTAP(l.t, l.cloud, "s0")
	command(l.t, "ip", "-n", l.cloud, "link", "set", "s0", "up")
	l.address("10.9.0.1/24", "s0")
	tr := &trunk{lab: l, socket: filepath.Join(l.dir, "trunk")}
	ln, err := net.Listen("unix", tr.socket)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { ln.Close() })
	go func() {
		cable, err := ln.Accept()
		if err != nil {
			return
		}
		defer cable.Close()
		go tr.in(access, cable)
		tr.out(cable, access)
	}()
	return tr
}

// out carries what has the tag to the cloud, without it. On the cable there is a
// frame's length before it, in four bytes.
func (tr *trunk) out(cable io.Reader, access io.Writer) {
	var size [4]byte
	for {
		if _, err := io.ReadFull(cable, size[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(cable, frame); err != nil {
			return
		}
		if len(frame) < 18 || binary.BigEndian.Uint32(frame[12:]) != 0x8100<<16|tag {
			tr.plain.Add(1)
			continue
		}
		tr.tagged.Add(1)
		access.Write(append(frame[:12:12], frame[16:]...))
	}
}

// in carries what the cloud sends to the machine, with the tag.
func (tr *trunk) in(access io.Reader, cable io.Writer) {
	frame := make([]byte, 1<<16)
	for {
		n, err := access.Read(frame)
		if err != nil {
			return
		}
		b := binary.BigEndian.AppendUint32(nil, uint32(n+4))
		b = binary.BigEndian.AppendUint32(append(b, frame[:12]...), 0x8100<<16|tag)
		if _, err := cable.Write(append(b, frame[12:n]...)); err != nil {
			return
		}
	}
}

// boot boots a machine at the end of the cable until it switches itself off,
// and gives its console.
func (tr *trunk) boot(kernel, initrd, words string) string {
	t := tr.t
	t.Helper()
	root, disk := filepath.Join(tr.dir, "root"), filepath.Join(tr.dir, "disk")
	for _, d := range []string{"bin", "sbin", "dev", "proc", "sys", "run", "etc", "var/lib"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tr.write(filepath.Join(root, "sbin/init"), sayReport)
	tr.write(filepath.Join(root, "etc/os-release"), "ID=light\n")
	command(t, "chmod", "755", filepath.Join(root, "sbin/init"))
	command(t, "cp", "/bin/busybox", filepath.Join(root, "bin"))
	command(t, "ln", "-s", "busybox", filepath.Join(root, "bin/sh"))
	command(t, "mke2fs", "-q", "-t", "ext4", "-d", root, disk, "40M")
	ctx, cancel := context.WithTimeout(t.Context(), bootTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-M", "q35", "-m", "512",
		"-accel", "tcg", "-cpu", "Nehalem,+rdrand", "-serial", "stdio", "-smbios", "type=1,manufacturer=Amazon EC2,uuid="+ec2UUID,
		"-kernel", kernel, "-initrd", initrd, "-drive", "file="+disk+",format=raw,if=none,id=disk", "-device", "virtio-blk-pci,drive=disk",
		"-netdev", "stream,id=trunk,server=off,addr.type=unix,addr.path="+tr.socket, "-device", "virtio-net-pci,netdev=trunk",
		"-append", "console=ttyS0 panic=-1 mitigations=off root=/dev/vda boothook.log=debug boothook.timeout=30s "+words)
	t.Logf("to reproduce: %q", cmd.Args)
	out, err := cmd.Output()
	console := strings.ReplaceAll(string(out), "\r", "")
	if err != nil {
		t.Fatalf("%v\n%s", err, console)
	}
	return console
}
