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

// A system is a Debian that makes its initrds in one way.
type system struct {
	name, variant string
	// dracut is the line of its settings where it takes the place of
	// initramfs-tools, "" where it does not.
	dracut string
}

var systems = []system{
	{"Debian 12 with initramfs-tools", "plain", ""},
	{"Debian 12 with dracut and no systemd in it", "plain", `omit_dracutmodules+=" systemd systemd-initrd dracut-systemd "`},
	{"Debian 12 with dracut for this machine only", "plain", `hostonly="yes"`},
	{"Debian 13 with initramfs-tools", "trixie", ""},
	{"Debian 13 with dracut", "trixie", `hostonly="no"`},
}

// A house is the root of a disk image, mounted, to run programs in.
type house struct{ dir string }

// openHouse mounts the root of an image until the test ends or it is closed.
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
// scripts expect, and returns what it wrote. The time that it names is for
// those who make initrds: the same files give the same bytes then.
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
		exec chroot . /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=1000000000 sh -euc "$2"
		`, "sh", h.dir, script)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v in the root: %s\n%s%s", err, script, out.String(), complaint.String())
	}
	return out.String()
}

// listing tells the checksum of an initrd, and kind, mode, owner, path, link
// and content of all that it has, as initramfs-tools' own reader unpacks it.
func (h house) listing(t *testing.T, initrd string) string {
	t.Helper()
	return h.sh(t, "sha256sum "+initrd+"; unmkinitramfs "+initrd+` /tmp/tree
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

// bring copies a file into the house.
func (h house) bring(t *testing.T, from, name string) {
	t.Helper()
	data, err := os.ReadFile(from)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(h.dir, name), data, 0o644))
}

// installDracut installs dracut in the place of initramfs-tools, from Debian,
// over the network as this machine is on it. What it makes is compressed
// quickly, and the same again if it is made of the same.
func (h house) installDracut(t *testing.T, setting string) {
	t.Helper()
	apt := run(t, "sh", "-c", "apt-config dump | grep '^Acquire::' || true")
	check(t, os.WriteFile(filepath.Join(h.dir, "root/apt.conf"), []byte(apt), 0o644))
	h.bring(t, "/etc/resolv.conf", "root/resolv.conf")
	check(t, os.MkdirAll(filepath.Join(h.dir, "etc/dracut.conf.d"), 0o755))
	settings := "compress=\"zstd -1 -T1\"\nreproducible=\"yes\"\nhostonly_cmdline=\"no\"\n" + setting + "\n"
	check(t, os.WriteFile(filepath.Join(h.dir, "etc/dracut.conf.d/test.conf"), []byte(settings), 0o644))
	h.sh(t, `mkdir -p /run/systemd/resolve
		cp /root/resolv.conf /run/systemd/resolve/stub-resolv.conf
		export APT_CONFIG=/root/apt.conf
		apt-get update -q
		apt-get install -qy --no-install-recommends dracut
		apt-get clean
		rm /root/resolv.conf /root/apt.conf`)
}

// onePackage is the package of a kind that make package has made for amd64.
func onePackage(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob("../../bin/release/" + pattern)
	if check(t, err); len(found) != 1 {
		t.Fatalf("packages: %q; make package makes one", found)
	}
	return found[0]
}

// TestPackage installs the package into real Debian roots and boots the initrd
// that is made there; purged, the next initrd is as before, byte for byte.
func TestPackage(t *testing.T) {
	for _, s := range systems {
		t.Run(s.name, s.life)
	}
}

// life is that of the package on a system: installed, upgraded, there when the
// kernel asks for a new initrd, booted, purged.
func (s system) life(t *testing.T) {
	base := strings.TrimSpace(run(t, "../image", s.variant))
	i := image{disk: filepath.Join(t.TempDir(), "disk.img"), kernel: filepath.Join(base, "vmlinuz")}
	check(t, vm.CopyDisk(filepath.Join(base, "root.img"), i.disk))
	h, shut := openHouse(t, i.disk)
	if s.dracut != "" {
		h.installDracut(t, s.dracut)
	}
	kernel := strings.TrimSpace(h.sh(t, "ls /lib/modules"))
	initrd := "/boot/initrd.img-" + kernel
	// What the kernel's package does when it is installed.
	installKernel := "rm " + initrd + " && dpkg-reconfigure linux-image-" + kernel
	h.sh(t, installKernel)
	before := h.listing(t, initrd)

	h.bring(t, onePackage(t, "*_amd64.deb"), "root/boothook.deb")
	h.installOlder(t)
	// An emulated guest on a busy machine may need long.
	h.sh(t, "echo boothook.timeout=280s >>/etc/boothook/cmdline && dpkg -i /root/boothook.deb")
	with := h.listing(t, initrd)
	h.checkUpgraded(t, initrd)
	h.sh(t, installKernel)
	if diff := cmp.Diff(with, h.listing(t, initrd)); diff != "" {
		t.Errorf("the initrd that the kernel's package makes (-dpkg's trigger +kernel):\n%s", diff)
	}
	if s.dracut != "" {
		h.checkDracut(t, kernel, before, with)
	} else {
		h.checkCrashKernel(t)
	}
	version := strings.TrimSpace(h.sh(t, "rm /root/boothook.deb; dpkg-query -W -f '${Version}' boothook"))
	i.baked = h.take(t, initrd)
	shut()
	w := newWorld(t, i)

	h, shut = openHouse(t, i.disk)
	h.sh(t, "dpkg -P boothook")
	if diff := cmp.Diff(before, h.listing(t, initrd)); diff != "" {
		t.Errorf("the initrd without the package (-before +after):\n%s", diff)
	}
	if left := h.left(t); left != "" {
		t.Errorf("what is left: %s", left)
	}
	if s.dracut != "" {
		h.checkRPM(t, kernel, before, with)
	}
	shut()

	w.serveEC2(t)
	o := w.newOrder(t, true)
	b := w.bootOrder(t, o)
	checkFirst(t, w, o, b)
	if r := decodeReport(t, b); r.Version != version {
		t.Errorf("the report is by version %s, the package is %s", r.Version, version)
	}
}

// left lists what still has boothook's name.
func (h house) left(t *testing.T) string {
	t.Helper()
	return h.sh(t, "find / -xdev -path /var/lib/dpkg -prune -o -path /var/lib/rpm -prune -o -path /var/log -prune -o -path '*boothook*' -print")
}

// installOlder installs the package as if it were of an older version.
func (h house) installOlder(t *testing.T) {
	t.Helper()
	h.sh(t, `dpkg-deb -R /root/boothook.deb /tmp/older
		sed -i 's/^Version: .*/Version: 0~older/' /tmp/older/DEBIAN/control
		echo '# older' >>/tmp/older/etc/boothook/modules
		dpkg-deb --build -Zgzip -z1 /tmp/older /tmp/older.deb
		dpkg -i /tmp/older.deb`)
}

// checkUpgraded: settings that were changed here are kept, the others are new,
// and dpkg has had the initrd made with them.
func (h house) checkUpgraded(t *testing.T, initrd string) {
	t.Helper()
	got := h.sh(t, "boothook bake --initrd "+initrd+" --check")
	if !strings.Contains(got, " was put in by its package\nthe agent is called, early and late\n") {
		t.Errorf("bake --check: %s", got)
	}
	if out, err := exec.Command("chroot", h.dir, "boothook", "bake", "--initrd", initrd, "--out", "/tmp/x").CombinedOutput(); err == nil {
		t.Errorf("bake puts the agent into an initrd that has it: %s", out)
	}
	got = h.sh(t, "grep -c older /etc/boothook/modules || true; unmkinitramfs "+initrd+" /tmp/tree; find /tmp/tree -path '*/etc/boothook/cmdline' -exec cat '{}' +")
	if strings.Join(strings.Fields(got), " ") != "0 boothook.timeout=280s" {
		t.Errorf("after the upgrade: %q", got)
	}
}

// checkDracut: dracut names the module, and leaves it out where it is told to.
func (h house) checkDracut(t *testing.T, kernel, before, with string) {
	t.Helper()
	h.sh(t, "lsinitrd --mod /boot/initrd.img-"+kernel+" | grep -qx boothook")
	for setting, want := range map[string]string{`omit_dracutmodules+=" boothook "`: before, `add_dracutmodules+=" boothook "`: with} {
		if got := h.dracut(t, kernel, setting); got != want {
			t.Errorf("dracut with %s (-want +got):\n%s", setting, cmp.Diff(want, got))
		}
	}
}

// dracut lists what dracut makes with one more line of settings. It is called
// as Debian calls it, because what it makes names the options.
func (h house) dracut(t *testing.T, kernel, setting string) string {
	t.Helper()
	initrd := "/boot/initrd.img-" + kernel
	more := filepath.Join(h.dir, "etc/dracut.conf.d/z.conf")
	check(t, os.WriteFile(more, []byte(setting+"\n"), 0o644))
	h.sh(t, "mv "+initrd+" /root/kept; /etc/kernel/postinst.d/dracut "+kernel)
	listing := h.listing(t, initrd)
	h.sh(t, "mv /root/kept "+initrd)
	check(t, os.Remove(more))
	return listing
}

// checkCrashKernel: where there is a dump to be saved no script calls the agent.
func (h house) checkCrashKernel(t *testing.T) {
	t.Helper()
	got := h.sh(t, `printf '#!/bin/sh\necho "$1"\n' >/tmp/agent
		chmod +x /tmp/agent
		mount --bind /tmp/agent /usr/lib/boothook/boothook-agent
		mount -t tmpfs proc /proc
		rootmnt=/root NEWROOT=/root
		export rootmnt NEWROOT
		for kernel in crashed other; do
			case $kernel in crashed) : >/proc/vmcore ;; *) rm /proc/vmcore ;; esac
			echo "$kernel:"
			for call in /usr/share/initramfs-tools/scripts/init-*/*boothook /usr/lib/dracut/modules.d/90boothook/boothook-*.sh; do
				sh "$call"
			done
		done`)
	if got := strings.Join(strings.Fields(got), " "); got != "crashed: other: late early early late" {
		t.Errorf("calls: %s", got)
	}
}

// checkRPM: installed by rpm, dracut's initrd is the one that it made with
// Debian's package; erased, it is as before.
func (h house) checkRPM(t *testing.T, kernel, before, with string) {
	t.Helper()
	rpm := func(args ...string) string {
		return run(t, "rpm", append([]string{"--root", h.dir, "--dbpath", "/var/lib/rpm"}, args...)...)
	}
	rpm("--install", "--nodeps", onePackage(t, "*.x86_64.rpm"))
	if changed := rpm("--verify", "--nodeps", "boothook"); changed != "" {
		t.Errorf("rpm --verify: %s", changed)
	}
	h.sh(t, "echo boothook.timeout=280s >>/etc/boothook/cmdline")
	if diff := cmp.Diff(with, h.dracut(t, kernel, "")); diff != "" {
		t.Errorf("the initrd with RPM's package (-deb +rpm):\n%s", diff)
	}
	rpm("--erase", "--nodeps", "boothook")
	if diff := cmp.Diff(before, h.dracut(t, kernel, "")); diff != "" {
		t.Errorf("the initrd without RPM's package (-before +after):\n%s", diff)
	}
	// rpm keeps settings that were changed here.
	if left := h.left(t); left != "/etc/boothook\n/etc/boothook/cmdline.rpmsave\n" {
		t.Errorf("what rpm has left: %s", left)
	}
}
