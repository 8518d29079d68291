//go:build net

package nettest

import (
	"net/netip"
	"testing"
	"time"

	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

// patience is far less than the budget, and much for what takes a moment.
const patience = 5 * time.Second

// On a network with both families EC2 is asked over both, and whichever
// answers first is right, whatever becomes of the other.
func TestBothFamilies(t *testing.T) {
	for _, tt := range []struct {
		name, listen string
		is6          bool
	}{
		{"IPv4 alone answers", "169.254.169.254:80", false},
		{"IPv6 alone answers", "[fd00:ec2::254]:80", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			l.ipv6()
			l.address("169.254.169.254/32", "lo")
			l.dnsmasq("--enable-ra", "--dhcp-range=fd00:9::,ra-only", "--ra-param=s0,4")
			l.handle(tt.listen, simulate.EC2{Machine: simulate.Machine{InstanceID: ec2ID, Hostname: "name", UserData: []byte(userData)}})
			b := l.boot(agentBinary(t), l.firmware(dmi("product_uuid", ec2UUID)), "boothook.timeout=10s")
			if b.Result != report.Applied || b.took > patience {
				t.Errorf("result %s after %v\n%s", b.Result, b.took, b.log)
			}
			found := false
			for _, n := range b.Network {
				p, err := netip.ParsePrefix(n.Address)
				found = found || err == nil && p.Addr().Is6() == tt.is6
			}
			if !found {
				t.Errorf("network %v", b.Network)
			}
		})
	}
}
