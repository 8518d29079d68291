package cloudconfig

import (
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
		`part-001:5: key "snap" is not handled by boothook`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
