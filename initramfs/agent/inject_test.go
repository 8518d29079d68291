package agent

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	netconfig "boothook/injector/network"
	"boothook/injector/plan"
	"boothook/netboot/nic"
)

// TestFallbackNetwork holds that what is made up can be read, and says DHCP for
// the family that led to the source.
func TestFallbackNetwork(t *testing.T) {
	hw, err := net.ParseMAC("52:54:00:12:34:56")
	if err != nil {
		t.Fatal(err)
	}
	for prefix, want := range map[string]string{"192.0.2.7/24": "DHCP=ipv4", "2001:db8::7/64": "DHCP=ipv6"} {
		body := fallbackNetwork(&nic.Lease{Name: "enp1s0", HW: hw, Prefix: netip.MustParsePrefix(prefix)})
		doc, problems := netconfig.Read(body, "boothook")
		r := netconfig.Plan(doc, &plan.Facts{Exists: map[string]bool{"/lib/systemd/systemd-networkd": true, "/lib/systemd/systemd-resolved": true}}, "", nil)
		var all strings.Builder
		for _, s := range r.Steps {
			all.Write(s.Body)
		}
		text := all.String()
		if len(problems)+len(r.Problems) > 0 || !strings.Contains(text, want) || !strings.Contains(text, "PermanentMACAddress=52:54:00:12:34:56") {
			t.Errorf("%s: %v %v\n%s\n%s", prefix, problems, r.Problems, body, text)
		}
	}
}
