package netboot

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/netboot/instance"
	"boothook/netboot/platform"
	"boothook/netboot/simulate"
)

// A wire is an instance as one process would hand it to another: the instance's
// own JSON, and what that leaves out because it is kept in files of the root.
type wire struct {
	instance.Instance
	Partial       bool   `json:"partial,omitempty"`
	UserData      []byte `json:"user_data,omitempty"`
	VendorData    []byte `json:"vendor_data,omitempty"`
	VendorData2   []byte `json:"vendor_data2,omitempty"`
	NetworkConfig []byte `json:"network_config,omitempty"`
	// Nothing keeps these: what they say is done with or reported once.
	Files    []instance.File    `json:"files,omitempty"`
	Problems []instance.Problem `json:"problems,omitempty"`
}

// TestInstanceAsJSON holds that what the search finds is data: all of its
// instance can be written as JSON and read back unchanged, so that the root
// could be another process's work. No field may be missing, a new one included.
func TestInstanceAsJSON(t *testing.T) {
	index := 3
	found := Found{Match: ec2, Instance: instance.Instance{
		Source: "ec2", Platform: "aws", ID: "i-1", HardwareID: "board_asset_tag=i-1", Hostname: "web-1",
		PublicKeys: []string{"ssh-ed25519 AAAA one", "ssh-rsa AAAA two"}, LaunchIndex: &index,
		MetaData: map[string]any{"placement": map[string]any{"region": "eu-1"}, "list": []any{"a", true, nil, 1.5}},
		Partial:  true, UserData: []byte("\x1f\x8b\x00\xff"), VendorData: []byte("vendor\r\n"),
		VendorData2: []byte("{}"), NetworkConfig: []byte("version: 2\n"),
		UserKeys: map[string][]string{"alice": {"ssh-rsa AAAA three"}}, Files: []instance.File{{Path: "/etc/motd", Body: []byte("hi")}},
		Problems: []instance.Problem{{Origin: "user-data", Message: "is not text, and left out"}},
	}}
	v := reflect.ValueOf(found.Instance)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("the test does not set %s", v.Type().Field(i).Name)
		}
	}
	if diff := cmp.Diff(found.Instance, throughJSON(t, found.Instance)); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
}

// What the clouds really give comes through, too. Of numbers JSON has one kind
// only, so the meta-data are compared as JSON.
func TestAnswersAsJSON(t *testing.T) {
	m := simulate.Machine{InstanceID: "4711", Hostname: "web-1", PublicKeys: []string{"ssh-ed25519 AAAA one"},
		UserData: []byte("\x00\xff"), VendorData: []byte("vendor"), LaunchIndex: 3}
	asJSON := cmp.Transformer("JSON", func(m map[string]any) string {
		text, err := json.Marshal(m)
		if err != nil {
			t.Error(err)
		}
		return string(text)
	})
	for _, name := range []string{"ec2", "gce", "openstack", "digitalocean", "hetzner", "upcloud"} {
		cloud, err := simulate.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		d, _ := serve(t, cloud.New(m))
		inst, err := d.Ask(t.Context(), over(t, d), platform.Match{Source: name, Platform: "p", HardwareID: "h"}, nil)
		if err != nil || len(inst.MetaData) == 0 {
			t.Errorf("%s: %+v, %v", name, inst, err)
		}
		if diff := cmp.Diff(inst, throughJSON(t, inst), asJSON); diff != "" {
			t.Errorf("%s (-written +read):\n%s", name, diff)
		}
	}
}

// throughJSON writes an instance and reads it back.
func throughJSON(t *testing.T, in instance.Instance) instance.Instance {
	t.Helper()
	text, err := json.Marshal(wire{in, in.Partial, in.UserData, in.VendorData, in.VendorData2, in.NetworkConfig, in.Files, in.Problems})
	if err != nil {
		t.Fatal(err)
	}
	var w wire
	if err := json.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	got := w.Instance
	got.Partial, got.UserData, got.VendorData, got.VendorData2, got.NetworkConfig = w.Partial, w.UserData, w.VendorData, w.VendorData2, w.NetworkConfig
	got.Files, got.Problems = w.Files, w.Problems
	return got
}
