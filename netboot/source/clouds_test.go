package source

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"boothook/netboot/instance"
	"boothook/netboot/platform"
	"boothook/netboot/simulate"

	"github.com/google/go-cmp/cmp"
)

// TestClouds asks every simulated service, at its best and at its barest, and
// prints what came and at what price.
func TestClouds(t *testing.T) {
	full := simulate.Machine{
		InstanceID: "4711", // a number, for the clouds whose ids are
		Hostname:   "web-1",
		PublicKeys: []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA me@example.org", "ssh-rsa AAAAB3NzaC1yc2E you@example.org"},
		UserData:   []byte(script), VendorData: []byte("#cloud-config\n{}\n"),
	}
	bare := simulate.Machine{InstanceID: "4711", Hostname: "web-1"}
	// Not every cloud has everything.
	const noVendor = "aliyun cloudstack exoscale ec2 gce azure oracle akamai cloudcix"
	// Passwords are a service of their own, beside the four connections.
	const passwords = "cloudstack exoscale"
	for _, cloud := range simulate.Clouds() {
		for _, m := range []simulate.Machine{full, bare} {
			name := cloud.Name
			if m.UserData == nil {
				name += " without user-data"
			}
			t.Run(name, func(t *testing.T) {
				s := start(t, handlerOf(cloud, m), simulate.Faults{})
				if cloud.Name == "nocloud" {
					s.env.Evidence.Words = []string{"ds=nocloud;s=http://seed.example/"}
				}
				if cloud.Name == "maas" {
					s.env.Evidence.Words = []string{"cloud-config-url=http://maas.example/preseed"}
				}
				got, err := Fetch(within(t, 10*time.Second), platform.Match{Source: cloud.Name, Platform: "p", HardwareID: "s=1"}, s.env)
				if err != nil {
					t.Fatal(err)
				}
				want := instance.Instance{
					Source: cloud.Name, Platform: "p", HardwareID: "s=1", ID: m.InstanceID, Hostname: m.Hostname,
					PublicKeys: m.PublicKeys, UserData: m.UserData, VendorData: m.VendorData,
				}
				if strings.Contains(noVendor, cloud.Name) && cloud.Name != "aliyun" {
					want.VendorData = nil
				}
				if cloud.Name == "azure" {
					want.VendorData = azureAccount("azureuser", "", "")
					want.Partial = m.UserData == nil
				}
				meta := got.MetaData
				got.MetaData, got.LaunchIndex, got.NetworkConfig = nil, nil, nil
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				if meta["instance-id"] == nil {
					t.Errorf("no instance-id in the metadata: %v", meta)
				}
				requests, conns := s.count()
				if conns > 5 || conns > 4 && !strings.Contains(passwords, cloud.Name) {
					t.Errorf("%d connections", conns)
				}
				t.Logf("%-12s %d PUT, %d GET over %d connections: id, hostname, %d keys, %d bytes of user-data, %d of vendor-data",
					cloud.Name, requests["PUT"], requests["GET"], conns, len(got.PublicKeys), len(got.UserData), len(got.VendorData))
			})
		}
	}
}

// handlerOf makes the service; Scaleway's demands root of whoever asks, so
// its test with real ports is elsewhere.
func handlerOf(c simulate.Cloud, m simulate.Machine) http.Handler {
	if c.Name == "scaleway" {
		return simulate.Scaleway{Machine: m, AnyPort: true}
	}
	return c.New(m)
}

// TestEverySourceIsSimulated keeps the tables together.
func TestEverySourceIsSimulated(t *testing.T) {
	for _, s := range Table() {
		if _, err := simulate.Find(s.Name); err != nil && s.Network {
			t.Error(err)
		}
		if _, err := simulate.FindVolume(s.Name); err != nil && s.OnVolume() && !s.Network {
			t.Error(err)
		}
	}
}

// TestSimulatedVolumes reads every simulated volume, at its best and at its
// barest, after the evidence of its label.
func TestSimulatedVolumes(t *testing.T) {
	full := simulate.Machine{
		InstanceID: "4711",
		Hostname:   "web-1",
		PublicKeys: []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA it's me", "ssh-rsa AAAAB3NzaC1yc2E <you>"},
		UserData:   []byte("#!/bin/sh\necho \"it's\" && \x00\xff\n"), VendorData: []byte("#cloud-config\n{}\n"),
	}
	const noVendor = "opennebula ovf"
	for _, volume := range simulate.Volumes() {
		for _, m := range []simulate.Machine{full, {InstanceID: "4711", Hostname: "web-1"}} {
			t.Run(fmt.Sprintf("%s, user-data %v", volume.Name, m.UserData != nil), func(t *testing.T) {
				fsys := fstest.MapFS{}
				for path, body := range volume.Files(m) {
					fsys[path] = &fstest.MapFile{Data: body}
				}
				ev := platform.Evidence{Labels: []string{volume.Label}, HypervisorUUID: "0f8c2e1a-0000-4000-8000-000000000000"}
				matches := Detect(&ev)
				if len(matches) != 1 || matches[0].Source != volume.Name {
					t.Fatalf("recognised as %+v", matches)
				}
				got, err := Fetch(t.Context(), matches[0], Env{Evidence: ev, Volumes: []Volume{{Label: volume.Label, FS: fsys}}})
				if err != nil {
					t.Fatal(err)
				}
				want := instance.Instance{
					Source: volume.Name, Platform: matches[0].Platform, ID: m.InstanceID, Hostname: m.Hostname,
					PublicKeys: m.PublicKeys, UserData: m.UserData, VendorData: m.VendorData,
				}
				switch volume.Name {
				case "opennebula":
					want.ID = "one-" + m.InstanceID
				case "rbxcloud":
					want.VendorData = rbxAccount("rbx", "")
				}
				if strings.Contains(noVendor, volume.Name) {
					want.VendorData = nil
				}
				if len(got.UserData) == 0 {
					got.UserData = nil
				}
				got.MetaData, got.NetworkConfig = nil, nil
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

// TestCannotTell makes sure, for every cloud, that a service which fails,
// hangs or forbids never passes for one without user-data.
func TestCannotTell(t *testing.T) {
	m := simulate.Machine{InstanceID: "4711", Hostname: "web-1", UserData: []byte(script)}
	for _, cloud := range simulate.Clouds() {
		for name, f := range map[string]simulate.Faults{
			"500": {Status: 500}, "403": {Status: 403}, "404": {Status: 404}, "hang": {Hang: true}, "reset": {Reset: true},
		} {
			t.Run(cloud.Name+" "+name, func(t *testing.T) {
				t.Parallel()
				s := start(t, handlerOf(cloud, m), f)
				s.env.Evidence.Words = []string{"ds=nocloud;s=http://seed.example/", "cloud-config-url=http://maas.example/preseed"}
				begin := time.Now()
				in, err := Fetch(within(t, 100*time.Millisecond), platform.Match{Source: cloud.Name}, s.env)
				if err == nil {
					t.Errorf("got %+v", in)
				}
				if took := time.Since(begin); took > 60*time.Second {
					t.Errorf("gave up after %v", took)
				}
			})
		}
	}
}

func TestOracleV1(t *testing.T) {
	s := start(t, simulate.Oracle{Machine: machine(), OnlyV1: true}, simulate.Faults{Status: 404, Times: 3})
	in, err := Fetch(within(t, 5*time.Second), platform.Match{Source: "oracle"}, s.env)
	if err != nil || string(in.UserData) != script || in.ID != machine().InstanceID {
		t.Errorf("got %+v, %v", in, err)
	}
}

func TestAzure(t *testing.T) {
	var (
		mu      sync.Mutex
		reports []string
	)
	azure := simulate.Azure{Machine: machine(), Old: true, Health: func(r string) {
		mu.Lock()
		defer mu.Unlock()
		reports = append(reports, r)
	}}
	s := start(t, azure, simulate.Faults{Status: 410, Times: 2})
	s.env.Evidence.DMI = map[string]string{"product_uuid": "544CDFD0-CB4E-4B4A-9954-5BDF3ED5C3B8"}
	s.env.Volumes = []Volume{{Label: "rd_rdfe_stable.131231", FS: fstest.MapFS{"ovf-env.xml": {Data: []byte(
		`<?xml version="1.0"?><ns0:Environment xmlns:ns1="x"><!-- <ns1:CustomData>eA==</ns1:CustomData> --><ns1:CustomData>IyEvYmluL3NoCmVj
 aG8gaGVsbG8K</ns1:CustomData></ns0:Environment>`)}}}}
	in, err := Fetch(within(t, 5*time.Second), platform.Match{Source: "azure"}, s.env)
	if err != nil || string(in.UserData) != script || in.ID != "544cdfd0-cb4e-4b4a-9954-5bdf3ed5c3b8" {
		t.Errorf("got %+v, %v", in, err)
	}
	for _, out := range []instance.Outcome{
		{Applied: true},
		{Problems: []instance.Problem{{Part: "part-001", Message: "a < b & c"}}},
	} {
		if err := Tell(within(t, 5*time.Second), "azure", s.env, out); err != nil {
			t.Error(err)
		}
	}
	if len(reports) != 2 || !strings.Contains(reports[0], "<State>Ready</State>") ||
		!strings.Contains(reports[0], "<ContainerId>c6d5526c-5ac2-4200-b6e2-56f2b70c5ab2</ContainerId>") ||
		!strings.Contains(reports[1], "<State>NotReady</State>") || !strings.Contains(reports[1], "part-001: a &lt; b &amp; c") {
		t.Errorf("reports: %q", reports)
	}
}

func TestTellNobody(t *testing.T) {
	if err := Tell(t.Context(), "ec2", Env{}, instance.Outcome{}); err != nil {
		t.Errorf("a source that need not be told: %v", err)
	}
}
