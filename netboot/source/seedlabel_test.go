package source

import (
	"strings"
	"testing"
	"testing/fstest"

	"boothook/netboot/platform"
)

// Every source that reads a volume finds it by a label that the agent looks
// for and that the platform's table knows, in lower and in upper case.
func TestVolumesByLabel(t *testing.T) {
	for _, test := range []struct{ label, source, file, text, id string }{
		{"cidata", "nocloud", "meta-data", "instance-id: i-1\n", "i-1"},
		{"config-2", "configdrive", "openstack/latest/meta_data.json", `{"uuid": "i-2"}`, "i-2"},
		{"metadata", "ibmcloud", "openstack/latest/meta_data.json", `{"uuid": "i-3"}`, "i-3"},
		{"context", "opennebula", "context.sh", "VMID='4'\n", "one-4"},
		{"ovf env", "ovf", "ovf-env.xml", `<Property key="instance-id" value="i-5"/>`, "i-5"},
		{"ovfenv", "ovf", "ovf-env.xml", `<Property key="instance-id" value="i-6"/>`, "i-6"},
		{"cloudmd", "rbxcloud", "cloud.json", `{"vm": {"_id": "i-8"}, "netadp": []}`, "i-8"},
		{"ovf-transport", "ovf", "ovf-env.xml", `<Property key="instance-id" value="i-7"/>`, "i-7"},
	} {
		for _, label := range []string{test.label, strings.ToUpper(test.label)} {
			t.Run(label, func(t *testing.T) {
				if !IsSeedLabel(label) {
					t.Error("the agent does not look for it")
				}
				// Xen is what IBM Cloud's machines are told by.
				ev := platform.Evidence{Labels: []string{label}, HypervisorUUID: "0f8c2e1a-0000-4000-8000-000000000000"}
				matches := Detect(&ev)
				if len(matches) != 1 || matches[0].Source != test.source {
					t.Fatalf("matches %+v", matches)
				}
				fsys := fstest.MapFS{test.file: {Data: []byte(test.text)}}
				in, err := Fetch(t.Context(), matches[0], Env{Evidence: ev, Volumes: []Volume{{Label: label, FS: fsys}}})
				if err != nil || in.ID != test.id {
					t.Errorf("got %q, %v", in.ID, err)
				}
			})
		}
	}
	if IsSeedLabel("root") || len(Detect(&platform.Evidence{Labels: []string{"metadata"}})) > 0 {
		t.Error("a label that says nothing counts")
	}
}
