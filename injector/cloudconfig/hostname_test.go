package cloudconfig

import (
	"strings"
	"testing"

	"boothook/injector/plan"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// TestHostnameOfMetaData: what is no name as a whole gives no name.
func TestHostnameOfMetaData(t *testing.T) {
	for name, want := range map[string]string{
		"web1": "web1", "web1.example.org": "web1", "10.0.0.7": "ip-10-0-0-7", "fe80::1": "ip-fe80--1", "1and1.example": "1and1", "7.example": "7",
		"127.0.0.1 localhost": "", "127.0.0": "", "127.": "", "web 1.example": "", "web1.exam ple": "", "web1\n127.0.0.1": "", "-x.example": "", ".example": "",
		"web1.example.org\x00": "", "wéb.example": "", strings.Repeat("a", 65) + ".example": "", "a." + strings.Repeat("b.", 130): "", "": "",
	} {
		r := Plan(Context{Instance: instance.Instance{Hostname: name}}, Config{})
		got := ""
		for _, s := range r.Steps {
			if s.Kind == plan.Hostname {
				got = string(s.Body)
			}
		}
		if got != want {
			t.Errorf("%q gives %q, want %q", name, got, want)
		}
		if reported := len(r.Problems) > 0; reported != (want == "" && name != "") {
			t.Errorf("%q: %v", name, r.Problems)
		}
	}
}

// TestHostnameOfConfig: nor does the configuration's own, and what it says is
// not spoilt by what the metadata say.
func TestHostnameOfConfig(t *testing.T) {
	for _, c := range []struct{ config, meta, want string }{
		{"hostname: web1", "127.0.0.1 localhost", "web1"}, {"hostname: web1\nprefer_fqdn_over_hostname: true", "127.0.0.1 localhost", "web1"},
		{"hostname: web1\nprefer_fqdn_over_hostname: true", "x.example.org", "web1.example.org"}, {"hostname: web1.a.b", "", "web1"},
		{"hostname: 127.0.0.1 localhost", "web2", ""}, {"hostname: 10.0.0.1", "", ""}, {"fqdn: 127.0.0.1 localhost", "web2", ""}, {"fqdn: web1.a b", "", ""},
		{"fqdn: web1.example.org", "", "web1"},
	} {
		cfg, _ := Merge([]userdata.Part{{Name: "part-001", Type: userdata.TypeCloudConfig, Body: []byte("#cloud-config\n" + c.config + "\n")}}, nil, nil, nil)
		r := Plan(Context{Instance: instance.Instance{Hostname: c.meta}}, cfg)
		got := ""
		for _, s := range r.Steps {
			if s.Kind == plan.Hostname {
				got = string(s.Body)
			}
		}
		if got != c.want || (len(r.Problems) > 0) != (c.want == "") {
			t.Errorf("%q with %q gives %q, want %q; %v", c.config, c.meta, got, c.want, r.Problems)
		}
	}
}
