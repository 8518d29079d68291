package nic

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseVLAN(t *testing.T) {
	for s, want := range map[string]VLAN{
		"vlan5:eth0":             {"vlan5", "eth0", 5},
		"vlan0005:eth0":          {"vlan0005", "eth0", 5},
		"eth0.5:eth0":            {"eth0.5", "eth0", 5},
		"enp0s3.4094:enp0s3":     {"enp0s3.4094", "enp0s3", 4094},
		"lan7:02:00:00:00:00:01": {"lan7", "02:00:00:00:00:01", 7},
	} {
		if got, err := ParseVLAN(s); err != nil || got != want {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "vlan5", "vlan5:", ":eth0", "5:eth0", "vlan:eth0", "vlan0:eth0", "vlan4095:eth0",
		"vlan99999999999:eth0", "../x5:eth0", "sixteen-bytes..5:eth0"} {
		if got, err := ParseVLAN(s); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
}

func TestImpliedVLANs(t *testing.T) {
	named := VLAN{"eth1.6", "eth3", 6}
	o := Options{VLANs: []VLAN{named}, Configs: []Config{
		{Device: "eth0.5"}, {Device: "eth0"}, {Device: ""}, {Device: "eth1.6"}, {Device: "eth2.x"}, {Device: "eth2.0"}, {Device: ".7"},
	}}
	o.impliedVLANs()
	if diff := cmp.Diff([]VLAN{named, {"eth0.5", "eth0", 5}}, o.VLANs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
