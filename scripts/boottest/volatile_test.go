//go:build boot

package boottest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boothook/cmd/boothook/vm"
	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

// makeSealed makes a squashfs of the image's root, with an fstab that fits, and
// bakes the agent into an initrd that knows squashfs but no overlays: that
// module is the root's. The initrd is made by the root's own initramfs-tools.
func makeSealed(t *testing.T, i image) (disk, baked string) {
	t.Helper()
	dir := t.TempDir()
	lower, root := filepath.Join(dir, "lower"), filepath.Join(dir, "root")
	for _, d := range []string{lower, root, dir + "/upper", dir + "/work"} {
		check(t, os.MkdirAll(d, 0o755))
	}
	run(t, "mount", "-o", "loop,ro,noload", i.disk, lower)
	t.Cleanup(func() { run(t, "umount", lower) })
	run(t, "mount", "-t", "overlay", "-o", "lowerdir="+lower+",upperdir="+dir+"/upper,workdir="+dir+"/work", "overlay", root)
	t.Cleanup(func() { run(t, "umount", root) })
	check(t, os.WriteFile(root+"/etc/fstab", []byte("tmpfs /tmp tmpfs mode=1777 0 0\n"), 0o644))
	check(t, os.WriteFile(root+"/etc/initramfs-tools/modules", []byte("squashfs\n"), 0o644))
	versions, err := os.ReadDir(root + "/lib/modules")
	check(t, err)
	run(t, "mount", "-t", "proc", "proc", root+"/proc")
	run(t, "chroot", root, "mkinitramfs", "-o", "/initrd", versions[0].Name())
	run(t, "umount", root+"/proc")
	initrd := filepath.Join(dir, "initrd")
	listed := run(t, "chroot", root, "lsinitramfs", "/initrd")
	run(t, "mv", root+"/initrd", initrd)

	if !strings.Contains(listed, "squashfs.ko") || strings.Contains(listed, "overlay.ko") {
		t.Fatal("the initrd has not the modules that this is about")
	}
	disk, baked = filepath.Join(dir, "sealed.img"), filepath.Join(dir, "baked.img")
	run(t, "mksquashfs", root, disk, "-comp", "zstd", "-Xcompression-level", "1", "-quiet", "-no-progress")
	run(t, built.Path(t, "boothook"), "bake", "--initrd", initrd, "--out", baked, "--extra", "none")
	return disk, baked
}

// TestVolatileRoot: a root that can never be written is customized as any
// other, by overlays that stay through the pivot, and anew on the next boot.
func TestVolatileRoot(t *testing.T) {
	i := makeImage(t, "plain")
	w := newWorld(t, i)
	disk, baked := makeSealed(t, i)
	w.disk = disk
	before := run(t, "sha256sum", disk)
	w.serveEC2(t)
	o := w.newOrder(t, true)
	for _, boot := range []string{"first", "second"} {
		w.setMachine(simulate.Machine{InstanceID: o.instance, Hostname: "ip-10-77-0-10.ec2.internal", UserData: o.userData})
		b := w.boot(t, machine{
			initrd: baked, dmi: vm.EC2(o.instance), words: "rootfstype=squashfs boothook.log=debug",
			key: w.login, port: o.port, knownHosts: o.knownHosts,
			ask: map[string]string{
				"report": "cat " + report.RunPath,
				"mounts": "findmnt -rno TARGET,FSTYPE",
				"name":   "hostname; cat /etc/hostname",
				"ran":    "grep -c . /var/lib/demo/*",
				"failed": "systemctl --failed --plain --no-legend; systemctl is-active boothook-final",
				"space":  "touch /usr/new 2>&1; stat -c %a /run/boothook/volatile",
			},
		})
		t.Logf("%s boot: %s %s", boot, b.answer["ran"], b.answer["failed"])
		r, err := report.Decode([]byte(b.answer["report"]))
		check(t, err)
		if r.Result != report.Applied || len(r.Failures()) > 0 || len(w.asked()) == 0 {
			t.Errorf("%s boot: %s, problems %v", boot, r.Result, r.Problems)
		}
		if !strings.Contains(b.answer["report"], "volatile: the root (squashfs) cannot be written") {
			t.Errorf("%s boot: the report does not say so: %v", boot, r.Problems)
		}
		for _, want := range []string{"/ squashfs", "/etc overlay", "/var overlay", "/home overlay"} {
			if !strings.Contains("\n"+b.answer["mounts"], "\n"+want+"\n") {
				t.Errorf("%s boot: no %q in\n%s", boot, want, b.answer["mounts"])
			}
		}
		if got, want := b.answer["name"], o.hostname+"\n"+o.hostname+"\n"; got != want {
			t.Errorf("%s boot: names %q, want %q", boot, got, want)
		}
		if got := b.answer["failed"]; got != "active\n" {
			t.Errorf("%s boot: failed units, and the late job:\n%s", boot, got)
		}
		if got := b.answer["space"]; !strings.Contains(got, "Read-only file system") || !strings.HasSuffix(got, "\n700\n") {
			t.Errorf("%s boot: %s", boot, got)
		}
	}
	if after := run(t, "sha256sum", disk); after != before {
		t.Error("the disk has changed")
	}
}
