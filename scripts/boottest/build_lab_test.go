//go:build boot

package boottest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"boothook/cmd/boothook/vm"
	"boothook/initramfs/report"
)

// tellingInit is the whole system of a light root: it says on the console how
// it was started and what it found, and switches the machine off.
const tellingInit = `#!/bin/busybox sh
exec >/dev/console 2>&1 </dev/null
PATH=/bin
echo "@@init $$ $* TERM=$TERM probe=$probe"
mount | sed 's/^/@@mount /'
echo @@ls $(ls -A / /run /run/initramfs)
for p in /proc/[0-9]*; do
	[ "${p#/proc/}" -gt 2 ] && [ -e $p/exe ] && echo "@@left $(tr '\0' ' ' <$p/cmdline)"
done
[ -e /run/boothook/report.json ] && { echo @@report; cat /run/boothook/report.json; echo; echo @@end; }
sleep 1
poweroff -f
`

// lightTree makes the directory that light roots are made of.
func lightTree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "root")
	for _, d := range []string{"bin", "sbin", "dev", "proc", "sys", "run", "etc", "var/lib"} {
		check(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	run(t, "cp", "/bin/busybox", filepath.Join(dir, "bin/busybox"))
	for _, name := range []string{"sh", "sed", "tr", "ls", "mount", "cat", "sleep", "poweroff"} {
		check(t, os.Symlink("busybox", filepath.Join(dir, "bin", name)))
	}
	check(t, os.WriteFile(filepath.Join(dir, "sbin/init"), []byte(tellingInit), 0o755))
	check(t, os.WriteFile(filepath.Join(dir, "etc/os-release"), []byte("ID=light\n"), 0o644))
	return dir
}

// lightDisk is a disk that is nothing but an ext4 with a light root.
func lightDisk(t *testing.T) string {
	t.Helper()
	disk := filepath.Join(t.TempDir(), "light.img")
	run(t, "mke2fs", "-q", "-t", "ext4", "-L", "light", "-d", lightTree(t), disk, "40M")
	return disk
}

// A kernel is one that scripts/initrds has, with its modules and the initrds
// that generators made for it.
type kernel struct {
	dir, version string
	// machine are more of QEMU's options.
	machine []string
}

func findKernel(t *testing.T, suite string) kernel {
	t.Helper()
	dir := strings.TrimSpace(run(t, "../initrds", suite))
	versions, err := filepath.Glob(filepath.Join(dir, "modules/*"))
	check(t, err)
	if len(versions) != 1 {
		t.Fatalf("modules of %d kernels in %s", len(versions), dir)
	}
	return kernel{dir: dir, version: filepath.Base(versions[0])}
}

// build makes an initramfs for the kernel.
func (k kernel) build(t *testing.T, options ...string) string {
	t.Helper()
	return k.buildBy(t, built.Path(t, "boothook"), options...)
}

// buildBy is build by another tool, with the agent that lies beside it.
func (k kernel) buildBy(t *testing.T, tool string, options ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "initramfs.img")
	run(t, tool, append([]string{"build", "--kernel", k.version,
		"--modules", filepath.Join(k.dir, "modules", k.version), "--out", out}, options...)...)
	return out
}

// lightBoot boots a disk that is not written to, on a machine that looks like
// EC2 and has no network, until it switches itself off. It gives the console.
func (k kernel) lightBoot(t *testing.T, initrd, disk, memory string, words ...string) string {
	t.Helper()
	return k.typedBoot(t, "", initrd, disk, memory, words...)
}

// typedBoot is lightBoot with somebody at the console, who types from the
// beginning on.
func (k kernel) typedBoot(t *testing.T, typed, initrd, disk, memory string, words ...string) string {
	t.Helper()
	ctx, cut := context.WithTimeout(t.Context(), bootTimeout)
	defer cut()
	vmlinuz := filepath.Join(k.dir, "vmlinuz")
	args := []string{"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-M", "q35", "-m", memory, "-serial", "stdio",
		"-smbios", "type=0,vendor=Amazon EC2", "-smbios", "type=1,manufacturer=Amazon EC2,uuid=ec2e1916-9099-7caf-fd21-012345abcdef,serial=ec2e1916-9099-7caf-fd21-012345abcdef",
		"-kernel", vmlinuz, "-initrd", initrd, "-drive", "file=" + disk + ",format=raw,if=none,id=disk,snapshot=on", "-device", "virtio-blk-pci,drive=disk",
		"-append", strings.Join(append([]string{"console=ttyS0", "panic=-1", "mitigations=off"}, words...), " ")}
	if accel(t, vmlinuz) == vm.KVM {
		args = append(args, "-accel", "kvm", "-cpu", "host")
	} else {
		args = append(args, "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Nehalem,+rdrand")
	}
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", append(args, k.machine...)...)
	t.Logf("to reproduce: %q", cmd.Args)
	var console, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(typed), &console, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s\n%s", err, &complaint, lastOf(console.String(), 6000))
	}
	return strings.ReplaceAll(console.String(), "\r", "")
}

func lastOf(s string, n int) string { return s[max(0, len(s)-n):] }

// wantLines makes sure that each text is on the console.
func wantLines(t *testing.T, console string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(console, text) {
			t.Errorf("the console lacks %q", text)
		}
	}
	if t.Failed() {
		t.Log(lastOf(console, 6000))
	}
}

// lightReport is the report that tellingInit has printed.
func lightReport(t *testing.T, console string) *report.Report {
	t.Helper()
	_, text, _ := strings.Cut(console, "@@report\n")
	text, _, found := strings.Cut(text, "@@end")
	if !found {
		t.Fatalf("no report:\n%s", lastOf(console, 6000))
	}
	r, err := report.Decode([]byte(text))
	check(t, err)
	return r
}
