//go:build boot

package boottest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"boothook/initramfs/archive"
)

// Two hooks of dracut's: the first runs between the start of udevd and the
// coldplug, and takes long enough for an agent that does not wait for that; the
// second runs when the root device is there.
const (
	coldplugBefore = `sleep 3
[ -d /sys/module/virtio_net ] && echo "@@loaded before" >/dev/console || echo "@@not loaded before" >/dev/console
`
	coldplugAfter = `udevadm settle
[ -d /sys/bus/virtio/drivers/virtio_net ] && echo "@@loaded after" >/dev/console
echo o >/proc/sysrq-trigger
sleep 60
`
)

// TestDriversWaitForColdplug: dracut's init speaks to udevd ("udevadm control")
// between the start of udevd and its coldplug. A worker that udevd forks for a
// NIC that appears meanwhile holds that connection open (seen with systemd
// 257), and the init stands still until udevd ends its idle workers: 3 to 4
// seconds. So the agent loads no driver before the coldplug there.
func TestDriversWaitForColdplug(t *testing.T) {
	k := findKernel(t, "bookworm")
	k.machine = []string{"-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="}
	initrd := filepath.Join(t.TempDir(), "baked.img")
	run(t, built.Path(t, "boothook"), "bake", "--initrd", filepath.Join(k.dir, "dracut"),
		"--modules", filepath.Join(k.dir, "modules", k.version), "--out", initrd)
	whole, err := os.ReadFile(initrd)
	check(t, err)
	const hooks = "/usr/lib/dracut/hooks/"
	var segment bytes.Buffer
	check(t, archive.Write(&segment, []archive.File{
		{Name: hooks + "pre-trigger/99-look.sh", Mode: archive.TypeRegular | 0o755, Data: []byte(coldplugBefore)},
		{Name: hooks + "pre-mount/00-look.sh", Mode: archive.TypeRegular | 0o755, Data: []byte(coldplugAfter)},
	}))
	whole = append(append(whole, make([]byte, -len(whole)&3)...), segment.Bytes()...)
	check(t, os.WriteFile(initrd, whole, 0o644))
	console := k.lightBoot(t, initrd, lightDisk(t), "512", "root=/dev/vda", "quiet")
	wantLines(t, console, "@@not loaded before", "@@loaded after")
}
