package cloudconfig

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/userdata"
)

func TestLint(t *testing.T) {
	const body = `#cloud-config
hostnam: a
hostname: a
hostname: b
snap: {}
write_files:
- {path: /a, permissions: 644}
- content: x
ssh_pwauth: yes
runcmd: echo
`
	var got []string
	for _, p := range Lint([]userdata.Part{{Name: "part-001", Type: userdata.TypeCloudConfig, Body: []byte(body)}}) {
		got = append(got, p.String())
	}
	want := []string{
		`part-001:4: key "hostname" stands there twice; the last one counts`,
		"part-001:7: permissions: 644 without quotes is the decimal number, octal 1204; write '0644'",
		"part-001:8: an entry of write_files has no path",
		"part-001:10: runcmd must be a list, not a string",
		`part-001:2: key "hostnam" is not known; did you mean "hostname"?`,
		`part-001:5: key "snap" is not handled by boothook; runcmd can do that`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestNotHandled: what boothook does not do is said, key by key, and what does
// it instead.
func TestNotHandled(t *testing.T) {
	for key, want := range map[string]string{
		"growpart": "growroot in the initrd", "resize_rootfs": "x-systemd.growfs",
		"disk_setup": "formats nothing", "fs_setup": "formats nothing", "device_aliases": "formats nothing",
		"packages": "runcmd", "package_update": "runcmd", "package_upgrade": "runcmd", "snap": "runcmd", "ansible": "runcmd",
		"puppet": "runcmd", "chef": "runcmd", "salt_minion": "runcmd", "phone_home": "runcmd", "power_state": "runcmd",
		"landscape": "is not handled by boothook",
	} {
		body := "#cloud-config\n" + key + ": {mode: auto}\n"
		got := Lint([]userdata.Part{{Name: "p", Type: userdata.TypeCloudConfig, Body: []byte(body)}})
		if len(got) != 1 || !got[0].Warning || !strings.Contains(got[0].Message, key) || !strings.Contains(got[0].Message, want) {
			t.Errorf("%s: %v", key, got)
		}
	}
}
