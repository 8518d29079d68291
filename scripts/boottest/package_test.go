//go:build boot && package

package boottest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/cmd/boothook/vm"
)

// A house is the root of a disk image, mounted, to run programs in.
type house struct{ dir string }

// open mounts the root of an image until the test ends or it is closed.
func openHouse(t *testing.T, disk string) (h house, shut func()) {
	t.Helper()
	h = house{filepath.Join(t.TempDir(), "root")}
	check(t, os.Mkdir(h.dir, 0o755))
	run(t, "mount", "-o", "loop", disk, h.dir)
	mounted := true
	shut = func() {
		if mounted {
			mounted = false
			run(t, "umount", h.dir)
		}
	}
	t.Cleanup(shut)
	return h, shut
}

// sh runs a script as root of the house, with the file systems that package
// scripts expect, and returns what it wrote.
func (h house) sh(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.Command("unshare", "--mount", "--uts", "--ipc", "sh", "-euc", `
		mount --make-rprivate /
		cd "$1"
		mount -t proc proc proc
		mount -t sysfs sys sys
		mount --bind /dev dev
		mount -t tmpfs tmp tmp
		mount -t tmpfs run run
		exec chroot . /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 sh -euc "$2"
		`, "sh", h.dir, script)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v in the root: %s\n%s%s", err, script, out.String(), complaint.String())
	}
	return out.String()
}

// listing tells kind, mode, owner, path, link and content of all that an
// initrd has, as initramfs-tools' own reader unpacks it: all but times.
func (h house) listing(t *testing.T, initrd string) string {
	t.Helper()
	return h.sh(t, `unmkinitramfs `+initrd+` /tmp/tree
		cd /tmp/tree
		find . -printf '%y %m %U:%G %p %l\n' | LC_ALL=C sort
		find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum`)
}

// take copies a file out of the house.
func (h house) take(t *testing.T, name string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), filepath.Base(name))
	data, err := os.ReadFile(filepath.Join(h.dir, name))
	check(t, err)
	check(t, os.WriteFile(to, data, 0o644))
	return to
}

// TestPackage installs the package into a real Debian root and boots what its
// update-initramfs and dracut have made; purged, all is as before.
func TestPackage(t *testing.T) {
	base := strings.TrimSpace(run(t, "../image", "plain"))
	packages, err := filepath.Glob("../../bin/release/*_amd64.deb")
	if check(t, err); len(packages) != 1 {
		t.Fatalf("packages: %q; make package makes one", packages)
	}
	i := image{disk: filepath.Join(t.TempDir(), "disk.img"), kernel: filepath.Join(base, "vmlinuz")}
	check(t, vm.CopyDisk(filepath.Join(base, "root.img"), i.disk))
	h, shut := openHouse(t, i.disk)
	initrd := strings.TrimSpace(h.sh(t, "echo /boot/initrd.img-*"))
	h.sh(t, "update-initramfs -u")
	before := h.listing(t, initrd)

	deb, err := os.ReadFile(packages[0])
	check(t, err)
	check(t, os.WriteFile(filepath.Join(h.dir, "root/boothook.deb"), deb, 0o644))
	h.sh(t, "dpkg -i /root/boothook.deb && rm /root/boothook.deb")
	// An emulated guest on a busy machine may need long.
	h.sh(t, "echo boothook.timeout=280s >>/etc/boothook/cmdline && update-initramfs -u")
	if got := h.sh(t, "boothook bake --initrd "+initrd+" --check"); !strings.Contains(got, "the agent is called, early and late") {
		t.Errorf("bake --check: %s", got)
	}
	if _, err := exec.Command("chroot", h.dir, "boothook", "bake", "--initrd", initrd, "--out", "/tmp/x").CombinedOutput(); err == nil {
		t.Error("bake puts the agent into an initrd that has it")
	}
	withTools := h.take(t, initrd)
	h.installDracut(t)
	version := strings.TrimPrefix(initrd, "/boot/initrd.img-")
	dracut := "dracut --no-hostonly --no-hostonly-cmdline --force --quiet --kver " + version + " --add-drivers virtio_blk "
	h.sh(t, dracut+"--omit 'systemd systemd-initrd dracut-systemd' /root/dracut")
	h.sh(t, dracut+"--add 'systemd systemd-initrd dracut-systemd' /root/dracut-systemd")
	withDracut, withSystemd := h.take(t, "/root/dracut"), h.take(t, "/root/dracut-systemd")
	h.sh(t, "rm /root/dracut*")
	shut()
	installed := filepath.Join(t.TempDir(), "installed.img")
	check(t, vm.CopyDisk(i.disk, installed))

	t.Run("purged", func(t *testing.T) {
		h, shut := openHouse(t, i.disk)
		defer shut()
		h.sh(t, "dpkg -P boothook")
		if diff := cmp.Diff(before, h.listing(t, initrd)); diff != "" {
			t.Errorf("the initrd without the package (-before +after):\n%s", diff)
		}
		if left := h.sh(t, "find / -xdev -path /var/lib/dpkg -prune -o -path /var/log -prune -o -name '*boothook*' -print"); left != "" {
			t.Errorf("what is left: %s", left)
		}
	})
	for name, initrd := range map[string]string{"update-initramfs": withTools, "dracut": withDracut, "dracut with systemd": withSystemd} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, image{disk: installed, kernel: i.kernel, baked: initrd})
			w.serveEC2(t)
			o := w.newOrder(t, true)
			checkFirst(t, w, o, w.bootOrder(t, o))
		})
	}
}

// installDracut installs dracut from Debian, over the network as this machine
// is on it.
func (h house) installDracut(t *testing.T) {
	t.Helper()
	apt := run(t, "sh", "-c", "apt-config dump | grep '^Acquire::' || true")
	resolv, err := os.ReadFile("/etc/resolv.conf")
	check(t, err)
	for name, data := range map[string][]byte{"resolv.conf": resolv, "apt.conf": []byte(apt)} {
		check(t, os.WriteFile(filepath.Join(h.dir, "root", name), data, 0o644))
	}
	h.sh(t, `mkdir -p /run/systemd/resolve
		cp /root/resolv.conf /run/systemd/resolve/stub-resolv.conf
		export APT_CONFIG=/root/apt.conf
		apt-get update -q
		apt-get install -qy --no-install-recommends dracut-core
		rm /root/resolv.conf /root/apt.conf`)
}
