//go:build net

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boothook/initramfs/report"
)

// disc makes a disc of a directory, and a sysfs that lists it as a block
// device. A file serves for one: all that is done to it is reading.
func (l *lab) disc(label, sysfs string, files map[string]string, kind ...string) {
	l.t.Helper()
	if len(kind) == 0 {
		kind = []string{"-udf"}
	}
	content, err := os.MkdirTemp(l.dir, "disc")
	if err != nil {
		l.t.Fatal(err)
	}
	for name, text := range files {
		l.write(filepath.Join(content, name), text)
	}
	name := l.client + "-" + label
	path := filepath.Join("/dev/shm", name)
	l.t.Cleanup(func() { os.Remove(path) })
	if kind[0] == "vfat" {
		l.must("mkfs.vfat", "-n", label, "-C", path, "2048")
		l.must("sh", "-c", `MTOOLS_SKIP_CHECK=1 mcopy -s -i "$0" "$1"/* ::`, path, content)
	} else {
		l.must("genisoimage", slices.Concat(kind, []string{"-quiet", "-V", label, "-o", path, content})...)
	}
	if err := os.MkdirAll(filepath.Join(sysfs, "class/block/shm!"+name), 0o755); err != nil {
		l.t.Fatal(err)
	}
}

// TestVolumes gives the agent each source's documents on a volume, from the
// answers that its parser is held against, and prints what the root has of
// them. Nobody is asked over the network.
func TestVolumes(t *testing.T) {
	joliet, rockRidge, udf, vfat := []string{"-J"}, []string{"-R"}, []string{"-udf"}, []string{"vfat"}
	var table strings.Builder
	fmt.Fprintf(&table, "%-12s %-12s %-10s %-38s %-18s %4s %9s %11s %7s\n", "source", "label", "disc", "instance-id", "hostname", "keys", "user-data", "vendor-data", "network")
	for _, tt := range []struct {
		source, answer, label, folder string
		disc                          []string
	}{
		{"nocloud", "volume", "cidata", "", rockRidge},
		{"nocloud", "volume", "CIDATA", "", joliet},
		{"nocloud", "volume", "cidata", "", udf},
		{"configdrive", "nova", "config-2", "openstack/latest", rockRidge},
		{"ibmcloud", "template", "METADATA", "openstack/latest", joliet},
		{"opennebula", "sunstone", "CONTEXT", "", joliet},
		{"ovf", "vmware", "OVF ENV", "", joliet},
		{"rbxcloud", "hyperone", "CLOUDMD", "", vfat},
	} {
		t.Run(tt.source+" "+strings.Join(tt.disc, ""), func(t *testing.T) {
			l := newLab(t)
			from := filepath.Join("../../netboot/source/testdata", tt.source, tt.answer)
			var want struct {
				ID            string   `json:"instance_id"`
				Hostname      string   `json:"hostname"`
				Keys          []string `json:"public_keys"`
				UserData      string   `json:"user_data"`
				VendorData    string   `json:"vendor_data"`
				NetworkConfig string   `json:"network_config"`
			}
			if err := json.Unmarshal([]byte(l.read(from, "want.json")), &want); err != nil {
				t.Fatal(err)
			}
			files := map[string]string{}
			entries, err := os.ReadDir(from)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.Name() != "want.json" {
					files[filepath.Join(tt.folder, e.Name())] = l.read(from, e.Name())
				}
			}
			sysfs := filepath.Join(l.dir, "sys")
			if tt.source == "ibmcloud" {
				l.write(filepath.Join(sysfs, "hypervisor/type"), "xen\n")
				l.write(filepath.Join(sysfs, "hypervisor/uuid"), want.ID+"\n")
			}
			l.disc(tt.label, sysfs, files, tt.disc...)
			root := l.newRoot()
			r, log := l.agent(root, "", "--sys", sysfs)
			if r.Result != report.Applied || r.Source != tt.source || r.InstanceID != want.ID || len(r.Network) > 0 {
				t.Fatalf("result %s, source %s, instance %q, want %q, network %v\n%s", r.Result, r.Source, r.InstanceID, want.ID, r.Network, log)
			}
			stored := "var/lib/cloud/instances/" + want.ID + "/"
			if got := l.read(root, stored+"user-data.txt"); got != want.UserData {
				t.Errorf("user-data %q, want %q", got, want.UserData)
			}
			if want.VendorData != "" && l.read(root, stored+"vendor-data.txt") != want.VendorData {
				t.Errorf("vendor-data %q, want %q", l.read(root, stored+"vendor-data.txt"), want.VendorData)
			}
			if want.Hostname != "" && !strings.HasPrefix(want.Hostname, strings.TrimSpace(l.read(root, "etc/hostname"))) {
				t.Errorf("hostname %q, want %q", l.read(root, "etc/hostname"), want.Hostname)
			}
			if len(want.Keys) > 0 && !strings.Contains(l.read(root, "root/.ssh/authorized_keys"), want.Keys[0]) {
				t.Errorf("root's keys are %q", l.read(root, "root/.ssh/authorized_keys"))
			}
			fmt.Fprintf(&table, "%-12s %-12s %-10s %-38s %-18s %4d %9d %11d %7d\n", tt.source, tt.label, strings.Join(tt.disc, ""),
				want.ID, want.Hostname, len(want.Keys), len(want.UserData), len(want.VendorData), len(want.NetworkConfig))
		})
	}
	t.Logf("what arrived in the root:\n%s", &table)
}

// TestAzureDisc gives a machine of Azure its custom data, account and password
// as Azure does: on a UDF disc, which is there at the first boot only, beside a
// service that knows nothing of the custom data.
func TestAzureDisc(t *testing.T) {
	const azureUUID = "544cdfd0-cb4e-4b4a-9954-5bdf3ed5c3b8"
	l := newLab(t)
	l.dnsmasq("unused.lab")
	l.must("ip", "-n", l.server, "addr", "add", "168.63.129.16/32", "dev", "lo")
	for _, address := range []string{"169.254.169.254:80", "168.63.129.16:80"} {
		l.serve(address, built.Path(t, "boothook"), "serve", "--cloud", "azure", "--listen", address, "--hostname", "web-1")
	}
	sysfs := func(name string) string {
		dir := filepath.Join(l.dir, name)
		l.write(filepath.Join(dir, "class/dmi/id/chassis_asset_tag"), "7783-7084-3265-9085-8269-3286-77\n")
		l.write(filepath.Join(dir, "class/dmi/id/product_uuid"), azureUUID+"\n")
		return dir
	}
	custom := "#cloud-boothook\n#!/bin/sh\necho custom >>/order\n"
	first := sysfs("first")
	l.disc("rd_rdfe_stable.131231", first, map[string]string{"ovf-env.xml": fmt.Sprintf(`<?xml version="1.0"?>
<Environment xmlns:wa="http://schemas.microsoft.com/windowsazure"><wa:UserName>other</wa:UserName>
<wa:UserPassword>pa&amp;ss</wa:UserPassword><wa:CustomData>%s</wa:CustomData></Environment>`, base64.StdEncoding.EncodeToString([]byte(custom)))})
	root := l.newRoot()
	l.write(filepath.Join(root, "etc/shadow"), "root:*:19000:0:99999:7:::\n")
	// The disc gives a password, and with it the login by password.
	if err := os.MkdirAll(filepath.Join(root, "etc/ssh/sshd_config.d"), 0o755); err != nil {
		t.Fatal(err)
	}

	r, log := l.agent(root, "", "--sys", first)
	if r.Result != report.Applied || r.InstanceID != azureUUID || len(r.Failures()) > 0 || !reached(r, "volume read") {
		t.Fatalf("first boot: %s, instance %s, %v\n%s", r.Result, r.InstanceID, r.Problems, log)
	}
	if got := l.read(root, "order"); got != "custom\n" {
		t.Errorf("first boot: order is %q", got)
	}
	shadow := l.read(root, "etc/shadow")
	_, line, _ := strings.Cut(shadow, "\nazureuser:")
	hash, _, _ := strings.Cut(line, ":")
	if want := l.must("perl", "-e", "print crypt($ARGV[0], $ARGV[1])", "pa&ss", hash); hash == "" || want != hash {
		t.Errorf("the account is not as ordered, %q:\n%s", want, shadow)
	}
	if got := l.read(root, "etc/ssh/sshd_config.d/50-cloud-init.conf"); !strings.Contains(got, "PasswordAuthentication yes") {
		t.Errorf("sshd's file is %q", got)
	}
	if strings.Contains(log, "pa&") {
		t.Errorf("the password is in the log:\n%s", log)
	}

	r, log = l.agent(root, "", "--sys", sysfs("second"))
	if r.Result != report.Known || len(r.Failures()) > 0 {
		t.Errorf("second boot: %s, %v\n%s", r.Result, r.Problems, log)
	}
	if got := l.read(root, "order"); got != "custom\ncustom\n" {
		t.Errorf("second boot: order is %q", got)
	}
}

// TestVolumeThatNamesAServer follows NoCloud's seedfrom on a volume: the
// network is raised for it only then.
func TestVolumeThatNamesAServer(t *testing.T) {
	l := newLab(t)
	l.dnsmasq("seed.lab")
	l.write(filepath.Join(l.dir, "user-data"), "#cloud-config\nwrite_files: [{path: /etc/motd, content: from the server}]\n")
	l.serve("10.9.0.1:80", built.Path(t, "boothook"), "serve", "--cloud", "nocloud", "--listen", "10.9.0.1:80",
		"--user-data", filepath.Join(l.dir, "user-data"), "--instance-id", "iid-server")
	sysfs := filepath.Join(l.dir, "sys")
	l.disc("cidata", sysfs, map[string]string{"meta-data": "instance-id: iid-volume\nseedfrom: http://seed.lab/\n", "user-data": "#!/bin/sh\n"})
	root := l.newRoot()
	r, log := l.agent(root, "", "--sys", sysfs)
	if r.Result != report.Applied || r.InstanceID != "iid-volume" || len(r.Network) != 1 {
		t.Fatalf("result %s, instance %s, network %v\n%s", r.Result, r.InstanceID, r.Network, log)
	}
	if got := l.read(root, "etc/motd"); got != "from the server" {
		t.Errorf("motd is %q", got)
	}
}
