//go:build boot

package boottest

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"boothook/initramfs/report"
)

// TestFirmwareHoldsTheData hands a machine without network and volume its data
// as whoever starts a virtual machine can: by fw_cfg, on a machine that looks
// like nothing in particular, and by OEM strings, on one that looks like EC2,
// whose service is not asked then.
func TestFirmwareHoldsTheData(t *testing.T) {
	k := findKernel(t, "bookworm")
	initrd, disk, dir := k.build(t), lightDisk(t), t.TempDir()
	const meta, user = "instance-id: iid-firmware\n", "#cloud-config\nwrite_files: [{path: /etc/motd, content: hello}]\n"
	check(t, os.WriteFile(filepath.Join(dir, "meta-data"), []byte(meta), 0o644))
	check(t, os.WriteFile(filepath.Join(dir, "user-data"), []byte(user), 0o644))
	encode := base64.StdEncoding.EncodeToString
	data := map[string][]string{
		"fwcfg":  {"-fw_cfg", "name=opt/boothook/meta-data,file=" + dir + "/meta-data", "-fw_cfg", "name=opt/boothook/user-data,file=" + dir + "/user-data"},
		"smbios": {"-smbios", "type=11,value=boothook.meta-data=" + encode([]byte(meta)) + ",value=boothook.user-data=" + encode([]byte(user))},
	}
	nothing := []string{"-smbios", "type=0,vendor=SeaBIOS", "-smbios", "type=1,manufacturer=QEMU,serial=1,uuid=11111111-9099-7caf-fd21-012345abcdef"}
	for source, options := range map[string][]string{"fwcfg": append(data["fwcfg"], nothing...), "smbios": data["smbios"]} {
		t.Run(source, func(t *testing.T) {
			k := k
			k.machine = options
			console := k.lightBoot(t, initrd, disk, "512", "root=/dev/vda", "rw", "quiet")
			r := lightReport(t, console)
			if r.Result != report.Applied || r.Source != source || r.InstanceID != "iid-firmware" || len(r.Steps) == 0 {
				t.Errorf("%s, source %q, instance %q, %d steps\n%s", r.Result, r.Source, r.InstanceID, len(r.Steps), lastOf(console, 3000))
			}
		})
	}
}

// TestSeedVolume attaches the data as a volume to a machine that looks like
// nothing in particular: as a disk and as a CD, behind the controllers that
// hypervisors use for those, with an initramfs of our own and with baked ones.
// The CD is there later than the root.
func TestSeedVolume(t *testing.T) {
	k := findKernel(t, "bookworm")
	root, dir := lightDisk(t), t.TempDir()
	initrds := map[string]string{"build": k.build(t)}
	for _, generator := range []string{"initramfs-tools", "dracut", "dracut-systemd"} {
		initrds[generator] = filepath.Join(t.TempDir(), "baked.img")
		run(t, built.Path(t, "boothook"), "bake", "--initrd", filepath.Join(k.dir, generator),
			"--modules", filepath.Join(k.dir, "modules", k.version), "--out", initrds[generator])
	}
	check(t, os.WriteFile(filepath.Join(dir, "meta-data"), []byte("instance-id: iid-volume\n"), 0o644))
	check(t, os.WriteFile(filepath.Join(dir, "user-data"), []byte("#cloud-config\nwrite_files: [{path: /etc/motd, content: hello}]\n"), 0o644))
	seed := filepath.Join(t.TempDir(), "seed.iso")
	run(t, "genisoimage", "-quiet", "-J", "-R", "-V", "cidata", "-o", seed, dir)
	attached := []string{"-smbios", "type=0,vendor=SeaBIOS", "-smbios", "type=1,manufacturer=QEMU,serial=1,uuid=11111111-9099-7caf-fd21-012345abcdef",
		"-drive", "file=" + seed + ",format=raw,if=none,id=seed,readonly=on", "-device"}
	disk, cd := []string{"virtio-blk-pci,drive=seed"}, []string{"virtio-scsi-pci", "-device", "scsi-cd,drive=seed"}
	for _, tt := range []struct {
		name   string
		device []string
	}{{"build", disk}, {"build", cd}, {"initramfs-tools", cd}, {"dracut", cd}, {"dracut-systemd", cd}} {
		t.Run(tt.name+" "+tt.device[0], func(t *testing.T) {
			k := k
			k.machine = slices.Concat(attached, tt.device)
			console := k.lightBoot(t, initrds[tt.name], root, "512", "root=/dev/vda", "rw", "quiet")
			r := lightReport(t, console)
			if r.Result != report.Applied || r.Source != "nocloud" || r.InstanceID != "iid-volume" || len(r.Steps) == 0 {
				t.Errorf("%s, source %q, instance %q, %d steps\n%s", r.Result, r.Source, r.InstanceID, len(r.Steps), lastOf(console, 3000))
			}
		})
	}
}
