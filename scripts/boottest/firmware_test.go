//go:build boot

package boottest

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"boothook/initramfs/report"
)

// TestFirmwareHoldsTheData hands a machine without network and volume its data
// as whoever starts a virtual machine can: by fw_cfg and by OEM strings, on a
// machine that looks like nothing in particular, and on one that looks like
// EC2, whose service is not asked then.
func TestFirmwareHoldsTheData(t *testing.T) {
	k := findKernel(t, "bookworm")
	initrd, disk, dir := k.build(t, tools(t, nil)), lightDisk(t), t.TempDir()
	const meta, user = "instance-id: iid-firmware\n", "#cloud-config\nwrite_files: [{path: /etc/motd, content: hello}]\n"
	check(t, os.WriteFile(filepath.Join(dir, "meta-data"), []byte(meta), 0o644))
	check(t, os.WriteFile(filepath.Join(dir, "user-data"), []byte(user), 0o644))
	encode := base64.StdEncoding.EncodeToString
	data := map[string][]string{
		"fwcfg":  {"-fw_cfg", "name=opt/boothook/meta-data,file=" + dir + "/meta-data", "-fw_cfg", "name=opt/boothook/user-data,file=" + dir + "/user-data"},
		"smbios": {"-smbios", "type=11,value=boothook.meta-data=" + encode([]byte(meta)) + ",value=boothook.user-data=" + encode([]byte(user))},
	}
	for name, machine := range map[string][]string{
		"QEMU": {"-smbios", "type=0,vendor=SeaBIOS", "-smbios", "type=1,manufacturer=QEMU,serial=1,uuid=11111111-9099-7caf-fd21-012345abcdef"},
		"EC2":  nil,
	} {
		for source, options := range data {
			t.Run(source+" "+name, func(t *testing.T) {
				k := k
				k.machine = append(options, machine...)
				console := k.lightBoot(t, initrd, disk, "512", "root=/dev/vda", "rw", "quiet")
				r := lightReport(t, console)
				if r.Result != report.Applied || r.Source != source || r.InstanceID != "iid-firmware" || len(r.Steps) == 0 {
					t.Errorf("%s, source %q, instance %q, %d steps, problems %v\n%s", r.Result, r.Source, r.InstanceID, len(r.Steps), r.Problems, lastOf(console, 3000))
				}
			})
		}
	}
}
