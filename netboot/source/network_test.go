package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"boothook/netboot/platform"
	"boothook/netboot/simulate"

	"github.com/google/go-cmp/cmp"
)

// TestOnLink: a default gateway outside the networks of its link is on-link.
func TestOnLink(t *testing.T) {
	for _, tt := range []struct {
		name, via string
		addresses []any
		want      bool
	}{
		{"inside", "192.0.2.1", []any{"192.0.2.5/24"}, false},
		{"outside", "198.51.100.1", []any{"192.0.2.5/32"}, true},
		{"inside the second", "198.51.100.1", []any{"192.0.2.5/32", "198.51.100.9/24"}, false},
		{"no address of the family", "2001:db8::1", []any{"192.0.2.5/24"}, false},
		{"link-local", "fe80::1", []any{"2001:db8::5/128"}, false},
		{"address without a length", "198.51.100.1", []any{"192.0.2.5"}, false},
		{"no address", "192.0.2.1", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := object{"addresses": tt.addresses}
			l.route("", tt.via)
			l.onLink()
			r := l["routes"].([]any)[0].(object)
			if got := r["on-link"] == true; got != tt.want {
				t.Errorf("on-link %v", got)
			}
		})
	}
}

// TestEC2NICs asks for the NICs that the kernel shows, and for no others, along
// with all other documents.
func TestEC2NICs(t *testing.T) {
	nics := []simulate.NIC{{MAC: "0e:00:00:00:00:01", Address: "10.0.0.10/24"}, {MAC: "0e:00:00:00:00:02", Address: "10.0.1.10/24"}}
	m := machine()
	m.NICs = nics
	s := start(t, simulate.EC2{Machine: m}, simulate.Faults{})
	s.env.Sysfs = t.TempDir()
	for name, mac := range map[string]string{"ens5": nics[0].MAC, "ens6": nics[1].MAC, "lo": "00:00:00:00:00:00"} {
		dir := filepath.Join(s.env.Sysfs, "class/net", name)
		if name != "lo" {
			dir = filepath.Join(dir, "device")
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.env.Sysfs, "class/net", name, "address"), []byte(mac+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in, err := Fetch(within(t, 5*time.Second), platform.Match{Source: "ec2"}, s.env)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"ethernets":{` +
		`"nic0":{"dhcp4":true,"dhcp4-overrides":{"route-metric":100},"match":{"macaddress":"0e:00:00:00:00:01"}},` +
		`"nic1":{"dhcp4":true,"dhcp4-overrides":{"route-metric":200,"use-routes":true},"match":{"macaddress":"0e:00:00:00:00:02"},` +
		`"routes":[{"table":101,"to":"0.0.0.0/0","via":"10.0.1.1"},{"table":101,"to":"10.0.1.0/24"}],` +
		`"routing-policy":[{"from":"10.0.1.10","table":101}]}},"version":2}`
	if diff := cmp.Diff(want, string(in.NetworkConfig)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	requests, conns := s.count()
	if requests["PUT"] != 1 || requests["GET"] != 7+2*5 || conns > 4 {
		t.Errorf("%v over %d connections", requests, conns)
	}
}

// TestSimulatedNICs: what a simulated service or volume says of a machine's NICs
// comes out of the source that reads it.
func TestSimulatedNICs(t *testing.T) {
	m := machine()
	m.InstanceID = "4711"
	m.NICs = []simulate.NIC{
		{MAC: "fa:16:3e:00:00:01", Address: "192.0.2.5/24", Gateway: "192.0.2.1"},
		{MAC: "fa:16:3e:00:00:02", Address: "10.0.0.5/24"},
	}
	ask := func(name string, env Env) {
		t.Run(name, func(t *testing.T) {
			env.Evidence.Words = []string{"ds=nocloud;s=http://seed.example/", "cloud-config-url=http://maas.example/preseed"}
			env.Evidence.HypervisorUUID = "0f8c2e1a-0000-4000-8000-000000000000"
			if env.Volumes != nil {
				env.Evidence.Words = nil
			}
			in, err := Fetch(within(t, 10*time.Second), platform.Match{Source: name}, env)
			if err != nil {
				t.Fatal(err)
			}
			got := string(in.NetworkConfig)
			for _, want := range []string{m.NICs[0].MAC, m.NICs[1].MAC, "10.0.0.5/24"} {
				if !strings.Contains(got, want) {
					t.Errorf("%s is not in %s", want, got)
				}
			}
		})
	}
	clouds := []string{"vultr", "oracle", "nwcs", "cloudcix", "openstack", "nocloud"}
	for _, name := range clouds {
		cloud, err := simulate.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		ask(name, start(t, cloud.New(m), simulate.Faults{}).env)
	}
	for _, name := range []string{"configdrive", "nocloud", "opennebula"} {
		volume, err := simulate.FindVolume(name)
		if err != nil {
			t.Fatal(err)
		}
		files := fstest.MapFS{}
		for path, body := range volume.Files(m) {
			files[path] = &fstest.MapFile{Data: body}
		}
		ask(name, Env{Volumes: []Volume{{Label: volume.Label, FS: files}}})
	}
}
