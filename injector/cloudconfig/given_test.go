package cloudconfig

import (
	"strings"
	"testing"

	"boothook/injector/plan"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// TestKeysByAccount: of the keys that a source gives by account, those of the
// default user count, whatever the image or the user-data call it.
func TestKeysByAccount(t *testing.T) {
	for config, want := range map[string]string{
		"system_info: {default_user: {name: alice}}": "ssh-rsa AAAA all\nssh-rsa AAAA alice\n",
		"system_info: {default_user: {name: carol}}": "ssh-rsa AAAA all\n",
	} {
		cfg, problems := Merge([]userdata.Part{{Name: "p", Type: userdata.TypeCloudConfig, Origin: "user-data", Body: []byte("#cloud-config\nusers: [default]\n" + config + "\n")}}, nil, nil, nil)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		got := Plan(Context{Instance: instance.Instance{
			PublicKeys: []string{"ssh-rsa AAAA all"},
			UserKeys:   map[string][]string{"alice": {"ssh-rsa AAAA alice"}, "bob": {"ssh-rsa AAAA bob"}},
		}}, cfg)
		written := false
		for _, s := range got.Steps {
			if s.Kind == plan.AuthorizedKeys && s.Account.Name != "root" {
				written = true
				if string(s.Body) != want {
					t.Errorf("%s: %s has %q, want %q", config, s.Account.Name, s.Body, want)
				}
			}
			if strings.Contains(string(s.Body), "AAAA bob") {
				t.Errorf("%s: somebody else's key in %+v", config, s)
			}
		}
		if !written {
			t.Errorf("%s: no keys for the default user: %+v", config, got.Steps)
		}
	}
}

// TestInjectedFiles: files of the source's own are steps of the plan, once per
// instance, and stay inside the root.
func TestInjectedFiles(t *testing.T) {
	got := Plan(Context{Instance: instance.Instance{Files: []instance.File{
		{Path: "/etc/motd", Body: []byte("welcome\x00")}, {Path: "../../etc/up", Body: []byte("x")},
	}}}, Config{})
	var files []plan.Step
	for _, s := range got.Steps {
		if s.Why.Key == "files" {
			files = append(files, s)
		}
	}
	if len(files) != 2 {
		t.Fatalf("steps %+v", files)
	}
	for i, want := range []string{"/etc/motd", "/etc/up"} {
		s := files[i]
		if s.Kind != plan.File || s.Path != want || s.Mode != 0o660 || !s.Secret || s.Frequency == plan.PerBoot {
			t.Errorf("step %+v", s)
		}
	}
	if string(files[0].Body) != "welcome\x00" {
		t.Errorf("body %q", files[0].Body)
	}
}
