package platform

import "testing"

func TestRule(t *testing.T) {
	ev := &Evidence{
		DMI:            map[string]string{"sys_vendor": "Amazon EC2", "product_uuid": "EC2E1916-9099", "product_serial": "x ds=nocloud;s=http://u:secret@h/"},
		HypervisorUUID: "ec2f58af-2dad",
		OEM:            []string{"no name", "boothook.user-data=secret"},
		FWCfg:          []string{"user-data"},
		GuestInfo:      []string{"metadata"},
		Labels:         []string{"root", "CIDATA", "Mixed"},
		Words:          []string{"quiet", "scaleway", "url=http://u:secret@h/"},
		CloudConfig:    "{datasource_list: [MAAS], password: 'secret'}",
	}
	for _, tt := range []struct {
		fact, also Fact
		because    string // "": it does not hold
	}{
		{fact: Fact{"sys_vendor", "Amazon EC2"}, because: "sys_vendor is Amazon EC2"},
		{fact: Fact{"sys_vendor", "amazon ec2"}},
		{fact: Fact{"sys_vendor", "Amazon"}},
		{fact: Fact{"board_vendor", "*"}}, // what is not there is nothing
		{fact: Fact{"product_uuid", "ec2?1916*"}, because: "product_uuid is ec2e1916-9099"},
		{fact: Fact{"product_serial", "*ds=nocloud*"}, because: "product_serial is x ds=nocloud"},
		{fact: Fact{Hypervisor, "*"}, because: "hypervisor uuid is ec2f58af-2dad"},
		{fact: Fact{OEMString, "boothook.*"}, because: "oem string is boothook.user-data"},
		{fact: Fact{OEMString, "no name"}},
		{fact: Fact{FWCfgFile, "*"}, because: "fw_cfg file is user-data"},
		{fact: Fact{GuestVariable, "metadata"}, because: "guestinfo variable is metadata"},
		{fact: Fact{Label, "cidata"}, because: "volume label is CIDATA"},
		{fact: Fact{Label, "root"}, because: "volume label is root"},
		{fact: Fact{Label, "mixed"}},
		{fact: Fact{Word, "scaleway"}, because: "kernel word is scaleway"},
		{fact: Fact{Word, "url"}, because: "kernel word is url"},
		{fact: Fact{Word, "http*"}},
		{fact: Fact{CloudConfig, "MAAS"}, because: "word in cc: is MAAS"},
		{fact: Fact{CloudConfig, "MAA"}},
		{fact: Fact{Label, "root"}, also: Fact{Word, "scaleway"}, because: "volume label is root, kernel word is scaleway"},
		{fact: Fact{Label, "root"}, also: Fact{Word, "vultr"}},
		{fact: Fact{Label, "boot"}, also: Fact{Word, "scaleway"}},
	} {
		r := Rule{Fact: tt.fact, Also: tt.also}
		because, ok := r.Holds(ev)
		if ok != (tt.because != "") || ok && because != tt.because {
			t.Errorf("%v, %v: %q, %v, want %q", tt.fact, tt.also, because, ok, tt.because)
		}
		if _, ok := r.Holds(&Evidence{}); ok {
			t.Errorf("%v, %v holds where nothing is known", tt.fact, tt.also)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"a", "a", true}, {"a", "ab", false}, {"a", "", false},
		{"*", "", true}, {"*", "a/b", true}, {"a*", "abc", true}, {"*c", "abc", true}, {"*c", "acb", false},
		{"*b*", "abc", true}, {"*.zstack.io", "1.zstack.io", true}, {"*.zstack.io", "1.zstack.io.x", false},
		{"?", "a", true}, {"?", "", false}, {"????2?ec-*", "45e12aec-dcd1", true}, {"????2?ec-*", "45e12aed-dcd1", false},
		{"a*b*c", "a1b2b3c", true}, {"a*b*c", "a1c2b", false},
	} {
		if got := match(tt.pattern, tt.s); got != tt.want {
			t.Errorf("match(%q, %q) = %v", tt.pattern, tt.s, got)
		}
	}
}

func TestHardwareID(t *testing.T) {
	const uuid = "4C4C4544-0042-3510-8054-B7C04F4A4E31"
	for _, tt := range []struct{ uuid, serial, wantUUID, wantSerial string }{
		{uuid, "", "product_uuid=4c4c4544-0042-3510-8054-b7c04f4a4e31", "product_uuid=4c4c4544-0042-3510-8054-b7c04f4a4e31"},
		{uuid, "ABC", "product_uuid=4c4c4544-0042-3510-8054-b7c04f4a4e31", "product_serial=abc"},
		{"00000000-0000-0000-0000-000000000000", "To Be Filled By O.E.M.", "", ""},
		{"03000200-0400-0500-0006-000700080009", "0", "", ""},
		{"4c4c4544", "None", "", ""},
		{"", "", "", ""},
	} {
		ev := &Evidence{DMI: map[string]string{"product_uuid": tt.uuid, "product_serial": tt.serial}}
		if got := ProductUUID(ev); got != tt.wantUUID {
			t.Errorf("%+v: UUID %q", tt, got)
		}
		if got := ProductSerial(ev); got != tt.wantSerial {
			t.Errorf("%+v: serial %q", tt, got)
		}
	}
}
