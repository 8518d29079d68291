//go:build boot

package bake

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"boothook/initramfs/archive"
)

// bootInit is a whole small system: the pivot goes to a tmpfs whose init
// says so and ends.
const bootInit = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
mkdir /newroot
mount -t tmpfs tmpfs /newroot
mkdir -p /newroot/bin /newroot/dev
cp /bin/busybox /newroot/bin/sh
echo '#!/bin/sh
echo "<1>witness: pivoted" >/dev/kmsg
exec poweroff -f' >/newroot/init
chmod 755 /newroot/init
mount --move /dev /newroot/dev
exec switch_root /newroot /init
`

// The kernel itself is asked whether it takes what is appended: behind every
// compression that Debian's cloud kernel knows, and in another one than the
// initrd's.
func TestKernelTakesTheSegment(t *testing.T) {
	kernel := filepath.Join(output(t, "../../scripts/image"), "vmlinuz")
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	witness := filepath.Join(t.TempDir(), "witness")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", witness, "./testdata/witness")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, tt := range []struct{ initrd, segment archive.Compression }{
		{archive.None, ""}, {archive.Gzip, ""}, {archive.XZ, ""}, {archive.LZ4, ""}, {archive.Zstd, ""},
		{archive.Zstd, archive.None}, {archive.LZ4, archive.None}, {archive.LZ4, archive.Zstd}, {archive.Gzip, archive.XZ},
	} {
		t.Run(string(tt.initrd+"+"+tt.segment), func(t *testing.T) {
			dir := t.TempDir()
			in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
			if err := os.WriteFile(in, smallInitrd(t, tt.initrd, busybox), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := File(in, out, Options{Agent: contents(t, witness), Compress: tt.segment}); err != nil {
				t.Fatal(err)
			}
			log := boot(t, kernel, out)
			early := strings.Index(log, "witness: early; mounted: / /proc /dev")
			late := strings.Index(log, "witness: late --root /newroot; mounted: / /proc /dev /newroot")
			pivoted := strings.Index(log, "witness: pivoted")
			if early < 0 || late < early || pivoted < late {
				t.Errorf("early at %d, late at %d, pivot at %d in the log:\n%s", early, late, pivoted, log)
			}
			if strings.Contains(log, "Initramfs unpacking failed") {
				t.Error("the kernel complains")
			}
		})
	}
}

func smallInitrd(t *testing.T, c archive.Compression, busybox []byte) []byte {
	t.Helper()
	files, err := archive.NewTree().Overlay([]archive.File{
		file("/init", 0o755, bootInit),
		file("/bin/busybox", 0o755, string(busybox)),
		{Name: "/proc", Mode: archive.TypeDir | 0o755},
	})
	if err != nil {
		t.Fatal(err)
	}
	var plain, out bytes.Buffer
	if err := archive.Write(&plain, files); err != nil {
		t.Fatal(err)
	}
	if err := archive.Compress(&out, c, plain.Bytes()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// boot runs a guest until it powers off, and returns its console.
func boot(t *testing.T, kernel, initrd string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	qemu := exec.CommandContext(ctx, "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
		"-M", "q35", "-accel", "tcg", "-cpu", "Nehalem", "-m", "256M", "-serial", "stdio", "-no-reboot",
		"-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet mitigations=off panic=-1")
	t.Log(qemu.String())
	out, err := qemu.CombinedOutput()
	if err != nil {
		t.Fatalf("qemu: %v\n%s", err, out)
	}
	return string(out)
}

func output(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command(name).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}
