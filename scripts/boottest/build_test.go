//go:build boot

package boottest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	diskfile "github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"

	"boothook/cmd/boothook/vm"
	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

// The file systems of the disk with every kind of root.
const (
	extUUID  = "0c0ffee0-1111-4222-8333-444455556666"
	partUUID = "5eed5eed-aaaa-4bbb-8ccc-dddd00000003"
)

// manyRoots is a disk with a GPT: the same light root on ext4, xfs, squashfs,
// btrfs and erofs, and then the beginning of a LUKS container.
func manyRoots(t *testing.T) string {
	t.Helper()
	tree, dir := lightTree(t), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	run(t, "mke2fs", "-q", "-t", "ext4", "-L", "ext", "-U", extUUID, "-d", tree, at("1"), "40M")
	run(t, "mkfs.xfs", "-q", "-L", "the xfs", "-d", "file,name="+at("2")+",size=320m", "-p", xfsProto(t, tree))
	run(t, "mksquashfs", tree, at("3"), "-quiet", "-no-progress", "-all-root")
	run(t, "truncate", "-s", "160M", at("4"))
	run(t, "mkfs.btrfs", "-q", "-L", "butter", "--rootdir", tree, at("4"))
	run(t, "mkfs.erofs", at("5"), tree)
	luks := make([]byte, 1<<20)
	copy(luks, "LUKS\xba\xbe\x00\x02")
	copy(luks[168:], "11ce0000-0000-4000-8000-000000000006")
	check(t, os.WriteFile(at("6"), luks, 0o644))

	table := &gpt.Table{LogicalSectorSize: 512, PhysicalSectorSize: 512, ProtectiveMBR: true}
	next := uint64(2048)
	for i := 1; i <= 6; i++ {
		info, err := os.Stat(at(fmt.Sprint(i)))
		check(t, err)
		sectors := (uint64(info.Size()) + 511) / 512
		p := &gpt.Partition{Index: i, Start: next, End: next + sectors - 1, Type: gpt.LinuxFilesystem, Name: fmt.Sprintf("part nr %d", i)}
		if i == 3 {
			p.GUID = partUUID
		}
		table.Partitions = append(table.Partitions, p)
		next = (next + sectors + 2047) / 2048 * 2048
	}
	disk := at("disk.img")
	size := int64(next+2048) * 512
	run(t, "truncate", "-s", fmt.Sprint(size), disk)
	storage, err := diskfile.OpenFromPath(disk, false)
	check(t, err)
	writable, err := storage.Writable()
	check(t, err)
	check(t, table.Write(writable, size))
	check(t, storage.Close())
	for i, p := range table.Partitions {
		run(t, "dd", "if="+at(fmt.Sprint(i+1)), "of="+disk, "bs=512", fmt.Sprintf("seek=%d", p.Start), "conv=notrunc,sparse", "status=none")
	}
	return disk
}

// xfsProto describes a tree to mkfs.xfs.
func xfsProto(t *testing.T, tree string) string {
	t.Helper()
	var walk func(dir string) string
	walk = func(dir string) string {
		entries, err := os.ReadDir(dir)
		check(t, err)
		var out strings.Builder
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			switch {
			case e.IsDir():
				fmt.Fprintf(&out, "%s d--755 0 0\n%s$\n", e.Name(), walk(path))
			case e.Type()&os.ModeSymlink != 0:
				target, err := os.Readlink(path)
				check(t, err)
				fmt.Fprintf(&out, "%s l--777 0 0 %s\n", e.Name(), target)
			default:
				fmt.Fprintf(&out, "%s ---755 0 0 %s\n", e.Name(), path)
			}
		}
		return out.String()
	}
	name := filepath.Join(t.TempDir(), "proto")
	check(t, os.WriteFile(name, []byte("/\n0 0\nd--755 0 0\n"+walk(tree)+"$\n"), 0o644))
	return name
}

// TestBuildFindsTheRoot: each form of root=, each file system; init has the
// kernel's arguments and environment, and the base mounts.
func TestBuildFindsTheRoot(t *testing.T) {
	k, disk := findKernel(t, "bookworm"), manyRoots(t)
	initrd := k.build(t, "--cmdline", "boothook=off rootdelay=60", "--include", "/sbin/fsck.ext4")
	for _, tt := range []struct{ root, mounted string }{
		{"root=UUID=" + strings.ToUpper(extUUID) + " rw rootflags=noatime,errors=remount-ro", "/dev/vda1 on / type ext4 (rw,noatime,errors=remount-ro)"},
		{`"root=LABEL=the xfs" ro`, "/dev/vda2 on / type xfs (ro,"},
		{"root=PARTUUID=" + partUUID, "/dev/vda3 on / type squashfs (ro,"},
		{`root=/dev/disk/by-partlabel/part\x20nr\x204 rootwait`, "/dev/vda4 on / type btrfs (ro,"},
		{"root=/dev/vda5 rootfstype=xfs,erofs", "/dev/vda5 on / type erofs (ro,"},
	} {
		t.Run(tt.root, func(t *testing.T) {
			console := k.lightBoot(t, initrd, disk, "512", tt.root, "probe=kept", "single", "quiet", "--", "--last")
			wantLines(t, console, tt.mounted,
				"@@init 1 single --last TERM=linux probe=kept\n",
				"@@mount proc on /proc type proc (rw,nosuid,nodev,noexec,relatime)",
				"@@mount devtmpfs on /dev type devtmpfs (rw,nosuid,",
				"@@mount tmpfs on /run type tmpfs (rw,nosuid,nodev,")
			if checked := strings.Contains(console, "fsck-root"); checked != strings.Contains(tt.mounted, "ext4") {
				t.Errorf("systemd is told of a check: %v", checked)
			}
			if strings.Contains(console, "@@left") {
				t.Errorf("something of the initramfs goes on:\n%s", lastOf(console, 2000))
			}
		})
	}
}

// TestBuildWithoutARoot: what cannot be booted says why, in a bounded time.
func TestBuildWithoutARoot(t *testing.T) {
	k, disk := findKernel(t, "bookworm"), manyRoots(t)
	initrd := k.build(t, "--cmdline", "boothook=off")
	for _, tt := range []struct{ words, want string }{
		{"root=UUID=11CE0000-0000-4000-8000-000000000006", "boothook: no root: the root device vda6 is a crypto_LUKS, which has to be assembled first"},
		{"root=LABEL=nowhere rootdelay=4", "boothook: no root: root=LABEL=nowhere did not appear within 4s; block devices: vda vda1 vda2 vda3 vda4 vda5 vda6"},
		{"root=192.0.2.1:/export", "boothook: no root: root=192.0.2.1:/export is on the network"},
		{"root=/dev/vda1 init=/nowhere", "boothook: init=/nowhere is no program of the root"},
	} {
		t.Run(tt.words, func(t *testing.T) {
			wantLines(t, k.lightBoot(t, initrd, disk, "512", strings.Fields(tt.words)...), tt.want)
		})
	}
}

// TestBuildHandsOver: a LUKS container goes to the program that was put in for
// it, and what that makes of it is the root.
func TestBuildHandsOver(t *testing.T) {
	script := filepath.Join(t.TempDir(), "assemble")
	check(t, os.WriteFile(script, []byte("#!/bin/busybox sh\n"+
		"echo assembling $1 $2\n/bin/busybox mkdir -p /dev/mapper\n/bin/busybox ln -s /dev/vda1 /dev/mapper/opened\n"), 0o755))
	k := findKernel(t, "bookworm")
	initrd := k.build(t, "--include", "/bin/busybox", "--include", script+"=/usr/lib/boothook/assemble")
	wantLines(t, k.lightBoot(t, initrd, manyRoots(t), "512", "boothook=off", "root=/dev/mapper/opened"),
		"assembling crypto_LUKS /dev/vda6", "on / type ext4 (ro,")
}

// TestBuildRescue: a root that does not come ends in u-root's shell, which has
// u-root's commands; what is typed is run there.
func TestBuildRescue(t *testing.T) {
	k, tool := findKernel(t, "bookworm"), built.Path(t, "boothook")
	run(t, "make", "-C", "../..", "rescue", "RESCUE="+filepath.Join(filepath.Dir(tool), "boothook-rescue"))
	initrd := k.build(t, "--rescue", "--cmdline", "boothook=off boothook.onerror=shell")
	console := k.typedBoot(t, "\n\n\n\n\n\n\necho typed $((40+2))\ncat /proc/cmdline | wc -l\npoweroff\n", initrd, lightDisk(t), "512", "root=LABEL=nowhere", "rootdelay=2")
	wantLines(t, console, "root=LABEL=nowhere did not appear within 2s", "boothook.onerror=shell: a shell on the console", "typed 42")
}

var analyzed = regexp.MustCompile(`\(kernel\) \+ (?:\d+min )?[0-9.]+m?s \(initrd\) \+`)

// TestBuildBootsDebian: a real root, by UUID, is customized before its sshd
// starts, and systemd knows of the initramfs.
func TestBuildBootsDebian(t *testing.T) {
	image := makeImage(t, "plain")
	k := findKernel(t, "bookworm")
	image.kernel = filepath.Join(k.dir, "vmlinuz")
	w := newWorld(t, image)
	w.serveEC2(t)
	o := w.newOrder(t, true)
	w.setMachine(simulate.Machine{InstanceID: o.instance, UserData: o.userData})
	uuid := strings.TrimSpace(run(t, "blkid", "-p", "-s", "UUID", "-o", "value", w.disk))
	b := w.boot(t, machine{initrd: k.build(t), dmi: vm.EC2(o.instance), key: w.login, port: o.port, knownHosts: o.knownHosts,
		words: "root=UUID=" + uuid, ask: map[string]string{
			"report":   "cat " + report.RunPath,
			"hostname": "uname -n",
			"names":    "ls /sys/class/net",
			"analyze":  "systemd-analyze time",
			"failed":   "systemctl --failed --plain --no-legend",
			"root":     "findmnt -n -o SOURCE,FSTYPE /",
			"run":      "findmnt -n -o OPTIONS /run",
		}})
	if got := strings.TrimSpace(b.answer["hostname"]); got != o.hostname {
		t.Errorf("hostname is %q, want %q", got, o.hostname)
	}
	if !analyzed.MatchString(b.answer["analyze"]) {
		t.Errorf("systemd-analyze knows no initrd: %s", b.answer["analyze"])
	}
	if b.answer["failed"] != "" {
		t.Errorf("failed units: %s", b.answer["failed"])
	}
	if got := strings.Fields(b.answer["root"]); len(got) != 2 || got[0] != "/dev/vda" {
		t.Errorf("the root is %q", got)
	}
	r := decodeReport(t, b)
	if r.Result != report.Applied {
		t.Errorf("result %s, problems %v", r.Result, r.Problems)
	}
	// The network was looked for before there was a root.
	stages := map[string]float64{}
	for _, m := range r.Timeline {
		stages[m.Stage] = m.Seconds
	}
	t.Logf("timeline %v; %s", r.Timeline, strings.TrimSpace(b.answer["analyze"]))
	if stages["worker started"] == 0 || stages["worker started"] > stages["root is mounted"] {
		t.Errorf("the worker did not begin before the root was mounted: %v", r.Timeline)
	}
}
