//go:build net

package nettest

import (
	"encoding/base64"
	"testing"

	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

// A network without DHCP, whose address the kernel's command line has: for
// boothook alone, or for the booted system, too.
func TestStatic(t *testing.T) {
	word := func(doc string) string { return "network-config=" + base64.StdEncoding.EncodeToString([]byte(doc)) }
	for _, tt := range []struct{ name, words string }{
		{"klibc's ip=", "boothook.ip=10.9.0.20::10.9.0.1:255.255.255.0::eth0:none"},
		{"version 1", word("{version: 1, config: [{type: physical, name: eth0, subnets: [{type: static, address: 10.9.0.20/24, gateway: 10.9.0.1}]}]}")},
		{"version 2", word("{version: 2, ethernets: {eth0: {addresses: [10.9.0.20/24], routes: [{to: default, via: 10.9.0.1}]}}}")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			l.address("169.254.169.254/32", "lo")
			l.handle("169.254.169.254:80", simulate.EC2{Machine: simulate.Machine{InstanceID: ec2ID, Hostname: "name", UserData: []byte(userData)}})
			b := l.boot(agentBinary(t), l.firmware(dmi("product_uuid", ec2UUID)), tt.words+" boothook.timeout=10s")
			if b.Result != report.Applied || len(b.Network) != 1 || b.Network[0].Address != "10.9.0.20/24" || b.Network[0].Gateway != "10.9.0.1" {
				t.Errorf("result %s, network %v\n%s", b.Result, b.Network, b.log)
			}
		})
	}
}

// PXE's word for the NIC that it booted from leaves all others dark.
func TestBOOTIF(t *testing.T) {
	l := newLab(t)
	l.dnsmasq()
	l.address("169.254.169.254/32", "lo")
	l.handle("169.254.169.254:80", simulate.EC2{Machine: simulate.Machine{InstanceID: ec2ID, Hostname: "name", UserData: []byte(userData)}})
	command(t, "ip", "-n", l.machine, "link", "set", "eth0", "address", "02:00:00:00:00:0a")
	dark := newWire(t, l.machine, "eth1", l.cloud, "s1")
	b := l.boot(agentBinary(t), l.firmware(dmi("product_uuid", ec2UUID)), "BOOTIF=01-02-00-00-00-00-0A boothook.timeout=10s")
	if b.Result != report.Applied || len(b.Network) != 1 || b.Network[0].Name != "eth0" {
		t.Errorf("result %s, network %v\n%s", b.Result, b.Network, b.log)
	}
	if n := dark.frames(); n > 0 {
		t.Errorf("eth1 sent %d frames", n)
	}
}
