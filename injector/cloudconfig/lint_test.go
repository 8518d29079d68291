package cloudconfig

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/plan"
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

// TestKeysBesideTheRoots: a key that user-data and the root's own cloud.cfg
// both have is user-data's, too.
func TestKeysBesideTheRoots(t *testing.T) {
	own := []plan.Document{{Path: "/etc/cloud/cloud.cfg", Body: []byte("network: {version: 2}\npower_state: {mode: halt}\nsnap: [a]\nlandscape: x\n")}}
	for body, want := range map[string]string{
		"network: {version: 2}":     "2: network in user-data does nothing",
		"network: {ethernets: {}}":  "2: network in user-data does nothing",
		"power_state: {delay: now}": `2: key "power_state" is not handled`,
		"snap: [b]":                 `2: key "snap" is not handled`,
		"landscape: y":              `2: key "landscape" is not handled`,
		"hostname: a":               "",
	} {
		cfg, _ := Merge([]userdata.Part{{Name: "p", Type: userdata.TypeCloudConfig, Body: []byte("#cloud-config\n" + body + "\n")}}, nil, nil, own)
		got := ""
		for _, p := range checkKeys(cfg) {
			got += p.String() + "\n"
		}
		if n := strings.Count(got, "\n"); want == "" && n > 0 || want != "" && n != 1 || !strings.Contains(got, want) {
			t.Errorf("%s: %q, not %q", body, got, want)
		}
	}
}
