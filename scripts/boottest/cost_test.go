//go:build boot && bench

package boottest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"boothook/cmd/boothook/vm"
	"boothook/netboot/simulate"
)

// costUserData is what the shell hook of old does: a name, a file, a key, a
// drop-in and a command.
const costUserData = `#cloud-config
hostname: %s
ssh_authorized_keys: ["%s"]
write_files:
- {path: /etc/motd.d/cost, content: "hello\n"}
- {path: /etc/systemd/system/ssh.service.d/cost.conf, content: "[Service]\nEnvironment=COST=1\n"}
runcmd: [[touch, /var/tmp/cost]]
`

// TestInitrdCost prints what the initramfs phase of each generator's initrd
// takes, from the kernel's start of init to the first word of the root's
// systemd, without the agent and with it: in seconds of 10⁹ instructions.
// BOOTHOOK_CELLS names the cells, as in scripts/matrix.
func TestInitrdCost(t *testing.T) {
	cells := strings.Fields(os.Getenv("BOOTHOOK_CELLS"))
	if len(cells) == 0 {
		cells = strings.Fields("bookworm/initramfs-tools bookworm/dracut bookworm/dracut-systemd " +
			"trixie/initramfs-tools trixie/dracut trixie/dracut-systemd trixie/mkosi")
	}
	tool := t.TempDir()
	run(t, "make", "-C", "../..", "build", "OUT="+tool)
	table := fmt.Sprintf("%-26s %8s %8s %8s\n", "initramfs phase, seconds", "unbaked", "baked", "more")
	for _, cell := range cells {
		suite, kind := filepath.Split(cell)
		made := strings.TrimSpace(run(t, "../initrds", strings.TrimSuffix(suite, "/")))
		baked := filepath.Join(t.TempDir(), "initrd")
		modules, err := filepath.Glob(made + "/modules/*")
		if check(t, err); len(modules) != 1 {
			t.Fatalf("modules of %s: %q", made, modules)
		}
		run(t, filepath.Join(tool, "boothook"), "bake", "--initrd", filepath.Join(made, kind), "--out", baked, "--modules", modules[0])
		hellos := 1
		if strings.Contains(kind, "systemd") || kind == "mkosi" {
			hellos = 2 // the initrd's own systemd says it first
		}
		without := initrdPhase(t, made, filepath.Join(made, kind), hellos)
		with := initrdPhase(t, made, baked, hellos)
		table += fmt.Sprintf("%-26s %8.3f %8.3f %+8.3f\n", cell, without, with, with-without)
		t.Logf("so far:\n%s", table)
	}
	t.Logf("the table:\n%s", table)
}

// initrdPhase boots once, on a clock that counts instructions, and gives the
// seconds from init to the root's systemd, by the kernel's own clock.
func initrdPhase(t *testing.T, made, initrd string, hellos int) float64 {
	t.Helper()
	suite := "plain"
	if strings.HasPrefix(filepath.Base(made), "trixie") {
		suite = "trixie"
	}
	base := strings.TrimSpace(run(t, "../image", suite))
	w := newWorld(t, image{disk: filepath.Join(base, "root.img"), kernel: filepath.Join(made, "vmlinuz")})
	w.serveEC2(t)
	id := "i-0" + random(8)
	w.setMachine(simulate.Machine{InstanceID: id, UserData: fmt.Appendf(nil, costUserData, "cost-"+random(3), w.login.Public)})
	ctx, cut := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cut()
	guest, err := vm.Start(ctx, vm.Machine{
		Network: w.network, Dir: t.TempDir(), Disk: w.disk, Kernel: w.image.kernel, Initrd: initrd,
		Words: []string{"root=" + w.root.Device(), "console=ttyS0", "mitigations=off"}, DMI: vm.EC2(id), Accel: vm.Counted, MemoryMB: 768,
	})
	check(t, err)
	defer func() { cut(); <-guest.Done() }()
	var began, ended float64
	for hellos > 0 {
		select {
		case <-guest.Done():
			t.Fatal("the guest is off")
		case <-time.After(time.Second):
		}
		left := hellos
		for _, l := range guest.Console.Lines() {
			var at float64
			_, stamp, _ := strings.Cut(l.Text, "[")
			if n, _ := fmt.Sscanf(strings.TrimSpace(stamp), "%f", &at); n != 1 {
				continue
			}
			switch {
			case strings.Contains(l.Text, "Run /init as init process"):
				began = at
			case strings.Contains(l.Text, "running in system mode ("):
				if left--; left == 0 {
					ended = at
				}
			}
		}
		if left <= 0 {
			break
		}
	}
	if began == 0 || ended <= began {
		t.Fatalf("init began at %v, the root's systemd at %v", began, ended)
	}
	return ended - began
}
