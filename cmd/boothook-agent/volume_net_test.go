//go:build net

package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boothook/initramfs/report"
)

// disc makes a disc of a directory, and a sysfs that lists it as a block
// device. A file serves for one: all that is done to it is reading.
func (l *lab) disc(label, sysfs string, files map[string]string) {
	l.t.Helper()
	content, err := os.MkdirTemp(l.dir, "disc")
	if err != nil {
		l.t.Fatal(err)
	}
	for name, text := range files {
		l.write(filepath.Join(content, name), text)
	}
	name := l.client + "-" + label
	path := filepath.Join("/dev/shm", name)
	l.must("genisoimage", "-quiet", "-udf", "-V", label, "-o", path, content)
	l.t.Cleanup(func() { os.Remove(path) })
	if err := os.MkdirAll(filepath.Join(sysfs, "class/block/shm!"+name), 0o755); err != nil {
		l.t.Fatal(err)
	}
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
		l.serve(address, binary(t, "boothook"), "serve", "--cloud", "azure", "--listen", address, "--hostname", "web-1")
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
	l.serve("10.9.0.1:80", binary(t, "boothook"), "serve", "--cloud", "nocloud", "--listen", "10.9.0.1:80",
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
