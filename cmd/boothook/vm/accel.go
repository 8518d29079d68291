package vm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// kvmBudget is how long a kernel without a root may take, under KVM, to
// panic for want of one. Real KVM needs under two seconds. Some machines
// offer a KVM on which stock kernels crawl and never finish booting.
const kvmBudget = 6 * time.Second

// noRoot is the kernel's last word when it finds no root (init/do_mounts.c).
const noRoot = "Unable to mount root fs"

// ChooseAccel tries KVM with a real guest, once per host kernel, QEMU and
// processor: the verdict is kept in the directory cache.
func ChooseAccel(ctx context.Context, cache, kernel string) (Accel, error) {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return TCG, nil // none here, or not for us
	}
	if err := f.Close(); err != nil {
		return TCG, err
	}
	verdict, err := verdictFile(ctx, cache)
	if err != nil {
		return TCG, err
	}
	if known, err := os.ReadFile(verdict); err == nil {
		return Accel(known), nil
	}
	accel := TCG
	if err := tryKVM(ctx, kernel); err == nil {
		accel = KVM
	} else if ctx.Err() != nil {
		return TCG, context.Cause(ctx)
	}
	err = errors.Join(os.MkdirAll(cache, 0o755), os.WriteFile(verdict, []byte(accel), 0o644))
	if err != nil {
		return accel, fmt.Errorf("keep verdict on KVM: %w", err)
	}
	return accel, nil
}

// verdictFile names the verdict by all it depends on.
func verdictFile(ctx context.Context, cache string) (string, error) {
	version, err := exec.CommandContext(ctx, qemu, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("find QEMU: %w", err)
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return "", fmt.Errorf("uname: %w", err)
	}
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n", version, uts.Release, cpuModel(string(cpu)))
	return filepath.Join(cache, fmt.Sprintf("accel-%.12x", h.Sum(nil))), nil
}

// cpuModel is the first "model name" of /proc/cpuinfo.
func cpuModel(cpuinfo string) string { return cpuField(cpuinfo, "model name") }

// tscKHz is the rate of the first processor's time stamp counter, of which the
// kernel has made the "bogomips": two for each of its millions.
func tscKHz(cpuinfo string) int {
	mips, _ := strconv.ParseFloat(cpuField(cpuinfo, "bogomips"), 64)
	return int(mips * 500)
}

// cpuField is the value of a field, where it is first in /proc/cpuinfo.
func cpuField(cpuinfo, field string) string {
	_, rest, _ := strings.Cut(cpuinfo, field)
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimLeft(line, " \t:")
}

// tryKVM boots a kernel with nothing to boot from.
func tryKVM(ctx context.Context, kernel string) error {
	ctx, cancel := context.WithTimeout(ctx, kvmBudget)
	defer cancel()
	args := append([]string{
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-M", "q35", "-m", "256", "-serial", "stdio",
		"-kernel", kernel, "-append", "console=ttyS0 panic=-1",
	}, KVM.args()...)
	console := newConsole(time.Now(), io.Discard)
	cmd := exec.CommandContext(ctx, qemu, args...)
	cmd.Stdout = console
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		console.end()
	}()
	_, err := console.Wait(ctx, noRoot)
	cancel()
	<-ended
	return err
}
