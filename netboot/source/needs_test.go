package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/netboot/platform"
)

// What a source needs follows from what names a server or a directory, besides
// from what it is.
func TestNeeds(t *testing.T) {
	seed := Volume{Label: "cidata", FS: files("user-data", script)}
	away := Volume{Label: "CIDATA", FS: files("meta-data", "seedfrom: http://seed.example/\n")}
	torn := Volume{Label: "cidata", FS: files("meta-data", "a: [")}
	other := Volume{Label: "config-2", FS: files()}
	for _, tt := range []struct {
		name, source   string
		words          string
		volumes        []Volume
		network, local bool
	}{
		{"a service", "ec2", "", nil, true, false},
		{"a service beside a volume", "openstack", "", []Volume{other}, true, false},
		{"a volume", "configdrive", "", nil, false, true},
		{"the firmware", "smbios", "ds=nocloud;s=http://x/", nil, false, true},
		{"a seed that is nowhere yet", "nocloud", "", nil, false, true},
		{"a seed on a volume", "nocloud", "", []Volume{seed}, false, true},
		{"a volume that leads to a server", "nocloud", "", []Volume{away}, true, false},
		{"a volume that cannot be read", "nocloud", "", []Volume{torn}, true, false},
		{"a server", "nocloud", "ds=nocloud;s=https://x/", nil, true, false},
		{"a directory", "nocloud", "ci.ds=nocloud;s=/var/seed", nil, false, false},
		{"a directory, and a volume", "nocloud", "ds=nocloud;s=file:///var/seed", []Volume{other, seed}, false, true},
		{"a directory, and another's volume", "nocloud", "ds=nocloud;s=file:///var/seed", []Volume{other}, false, false},
	} {
		s, err := Find(tt.source)
		if err != nil {
			t.Fatal(err)
		}
		ev := &platform.Evidence{Words: strings.Fields(tt.words)}
		if got := s.NeedsNetwork(ev, tt.volumes); got != tt.network {
			t.Errorf("%s: needs network: %v", tt.name, got)
		}
		if got := s.Local(ev, tt.volumes); got != tt.local {
			t.Errorf("%s: local: %v", tt.name, got)
		}
	}
}

func TestSeedInRoot(t *testing.T) {
	for _, tt := range []struct {
		name string
		ev   platform.Evidence
		dir  string
		bar  bool
	}{
		{"nothing said", platform.Evidence{}, "", false},
		{"named", platform.Evidence{Words: []string{"ds=nocloud;s=file:///var//seed/"}}, "/var/seed", false},
		{"on a server", platform.Evidence{Words: []string{"ds=nocloud;s=http://x/"}}, "", false},
		{"among others", platform.Evidence{Only: []string{"ec2", "NoCloud"}}, "", false},
		{"left out", platform.Evidence{Only: []string{"ec2"}}, "", true},
	} {
		got := SeedInRoot(&tt.ev)
		want := RootSeed{Match: platform.Match{Source: "nocloud", Platform: "nocloud", Because: "seed in the root", Rooted: true}, Directory: tt.dir, Barred: tt.bar}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
}

func TestDHCPOptions(t *testing.T) {
	if got := DHCPOptions([]platform.Match{{Source: "ec2"}, {Source: "azure"}, {Source: "no such"}}); !cmp.Equal(got, []uint8{245}) {
		t.Errorf("got %v", got)
	}
}

// Modules are loaded where they are missing, for who could be identified by
// what they show.
func TestModules(t *testing.T) {
	const device, made = "bus/acpi/devices/QEMU0002:00", "firmware/qemu_fw_cfg"
	missing := []string{"qemu_fw_cfg"}
	for _, tt := range []struct {
		name    string
		sysfs   []string
		matches []platform.Match
		want    []string
	}{
		{"no device", nil, nil, nil},
		{"nothing else is known", []string{device}, nil, missing},
		{"loaded or built in", []string{device, made}, nil, nil},
		{"another source is known", []string{device}, []platform.Match{{Source: "ec2"}}, nil},
		{"a word names the source", []string{device}, []platform.Match{{Source: "ec2"}, {Source: "fwcfg"}}, missing},
	} {
		sysfs := t.TempDir()
		for _, path := range tt.sysfs {
			if err := os.MkdirAll(filepath.Join(sysfs, path), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(tt.want, Modules(sysfs, tt.matches)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
}

// TestTable holds that each source is whole, and that its rules can hold.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Table() {
		if s.Name != strings.ToLower(s.Name) || s.Name == "" || seen[s.Name] || s.fetch == nil || s.parse == nil {
			t.Errorf("source %q has a bad name, or is not whole", s.Name)
		}
		seen[s.Name] = true
		for _, l := range s.Labels {
			if l != strings.ToLower(l) {
				t.Errorf("%s: label %q is not in lower case", s.Name, l)
			}
		}
		for _, r := range s.Rules {
			if r.Platform == "" || r.Fact.Is == "" {
				t.Errorf("%s: rule %+v is not whole", s.Name, r)
			}
			if r.Given != (r.Fact.Of == platform.Label || r.Fact.Of == platform.OEMString || r.Fact.Of == platform.FWCfgFile || s.Name == "nocloud") {
				t.Errorf("%s: whether %v is given to the machine", s.Name, r.Fact)
			}
		}
	}
}
