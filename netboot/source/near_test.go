package source

import (
	"net/netip"
	"strings"
	"testing"
)

func TestNear(t *testing.T) {
	const bases = "http://169.254.169.254/ http://[fd00:ec2::254]/ http://data-server/ http://[fe80::a9fe:a9fe%25eth0]/"
	for address, want := range map[string]string{
		"":         bases,
		"10.0.0.5": "http://169.254.169.254/ http://data-server/",
		"fd00::5":  "http://[fd00:ec2::254]/ http://data-server/ http://[fe80::a9fe:a9fe%25eth0]/",
		"fe80::5":  "http://[fd00:ec2::254]/ http://data-server/ http://[fe80::a9fe:a9fe%25eth0]/",
	} {
		var l Lease
		if address != "" {
			l.Address = netip.MustParseAddr(address)
		}
		if got := strings.Join(l.near(strings.Fields(bases)), " "); got != want {
			t.Errorf("near %s: %s, want %s", address, got, want)
		}
	}
}
