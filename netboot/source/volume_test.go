package source

import (
	"errors"
	"net/netip"
	"testing"
	"testing/fstest"
	"time"

	"boothook/netboot/fetch"
	"boothook/netboot/platform"
	"boothook/netboot/simulate"
)

func files(pairs ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return fsys
}

func TestNoCloudVolume(t *testing.T) {
	seed := files("meta-data", "instance-id: iid-1\n", "user-data", script)
	tests := []struct {
		name    string
		volumes []Volume
		words   []string
		id      string
		err     error
	}{
		{"lower case", []Volume{{Label: "root", FS: files("user-data", "wrong")}, {Label: "cidata", FS: seed}}, nil, "iid-1", nil},
		{"upper case", []Volume{{Label: "CIDATA", FS: seed}}, nil, "iid-1", nil},
		{"none", []Volume{{Label: "root", FS: seed}}, nil, "", ErrNoVolume},
		{"not a seed", []Volume{{Label: "cidata", FS: files("README", "x")}}, nil, "", ErrNoVolume},
		{"id by word", []Volume{{Label: "cidata", FS: seed}}, []string{"ds=nocloud;i=iid-2"}, "iid-2", nil},
		{"words alone", nil, []string{"ds=nocloud;i=iid-3;h=x"}, "iid-3", nil},
		{"too large", []Volume{{Label: "cidata", FS: files("meta-data", string(make([]byte, fetch.MaxDocument+1)))}}, nil, "", fetch.ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := Env{Volumes: tt.volumes, Evidence: platform.Evidence{Words: tt.words}}
			in, err := Fetch(t.Context(), platform.Match{Source: "nocloud"}, env)
			if !errors.Is(err, tt.err) || in.ID != tt.id {
				t.Errorf("got %q, %v, want %q, %v", in.ID, err, tt.id, tt.err)
			}
		})
	}
}

// TestNoCloudServer: the server that volume or words name has the last word on
// bodies, and the first place's metadata count most.
func TestNoCloudServer(t *testing.T) {
	m := machine()
	volume := Volume{Label: "cidata", FS: files("user-data", "replaced", "network-config", "version: 2\n",
		"meta-data", "seedfrom: http://seed.example/__dmi.system-serial-number__\nlocal-hostname: from-volume\n")}
	s := start(t, simulate.NoCloud{Machine: m}, simulate.Faults{})
	s.env.Volumes = []Volume{volume}
	in, err := Fetch(within(t, 5*time.Second), platform.Match{Source: "nocloud"}, s.env)
	if err != nil {
		t.Fatal(err)
	}
	if in.ID != m.InstanceID || in.Hostname != "from-volume" || string(in.UserData) != script || string(in.NetworkConfig) != "version: 2\n" {
		t.Errorf("got %+v", in)
	}
	s.env.Volumes, s.env.Evidence.Words = nil, []string{"ds=nocloud;s=http://seed.example/%s?of=me"}
	if in, err = Fetch(within(t, 5*time.Second), platform.Match{Source: "nocloud"}, s.env); err != nil || in.Hostname != m.Hostname {
		t.Errorf("by a template: got %+v, %v", in, err)
	}
	for _, tt := range []struct {
		ev   platform.Evidence
		want string
	}{
		{platform.Evidence{}, ""},
		{platform.Evidence{Words: []string{"ds=nocloud;s=/var/lib/seed"}}, ""},
		{platform.Evidence{Words: []string{"ds=ec2;s=http://x/"}}, ""},
		{platform.Evidence{Words: []string{"ds=nocloud-net;s=https://x/__dmi.system-uuid__/__dmi.chassis-serial-number__"},
			DMI: map[string]string{"product_uuid": "u"}}, "https://x/u/"},
		{platform.Evidence{DMI: map[string]string{"product_serial": "abc ds=nocloud;s=http://y/"}}, "http://y/"},
	} {
		if got, err := noCloudServer(&tt.ev, nil); got != tt.want || err != nil {
			t.Errorf("%+v: got %q, %v, want %q", tt.ev, got, err, tt.want)
		}
	}
}

func TestConfigDrive(t *testing.T) {
	for name, fsys := range map[string]fstest.MapFS{
		"latest": files("openstack/latest/meta_data.json", `{"uuid": "u-1"}`, "openstack/latest/user_data", script,
			"openstack/2012-08-10/meta_data.json", `{"uuid": "old"}`),
		"dated": files("openstack/2012-08-10/meta_data.json", `{"uuid": "old"}`,
			"openstack/2018-08-27/meta_data.json", `{"uuid": "u-1"}`, "openstack/2018-08-27/user_data", script,
			"openstack/content/0000", "x"),
	} {
		env := Env{Volumes: []Volume{{Label: "config-2", FS: fsys}}}
		in, err := Fetch(t.Context(), platform.Match{Source: "configdrive"}, env)
		if err != nil || in.ID != "u-1" || string(in.UserData) != script {
			t.Errorf("%s: got %+v, %v", name, in, err)
		}
	}
	for name, fsys := range map[string]fstest.MapFS{"empty": files(), "no version": files("openstack/content/0000", "x")} {
		if _, err := Fetch(t.Context(), platform.Match{Source: "configdrive"}, Env{Volumes: []Volume{{Label: "config-2", FS: fsys}}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestCloudStackRouter: the router is asked wherever it may be.
func TestCloudStackRouter(t *testing.T) {
	s := start(t, simulate.CloudStack{Machine: machine()}, simulate.Faults{})
	s.env.Lease = Lease{ServerID: netip.MustParseAddr("10.1.1.1"), Gateway: netip.MustParseAddr("10.1.1.2")}
	in, err := Fetch(within(t, 5*time.Second), platform.Match{Source: "cloudstack"}, s.env)
	if err != nil || in.ID != machine().InstanceID {
		t.Errorf("got %+v, %v", in, err)
	}
}
