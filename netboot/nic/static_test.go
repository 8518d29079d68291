package nic

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseIP(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Config
	}{
		{"dhcp", Config{Method: MethodDHCP}},
		{"on", Config{Method: MethodDHCP}},
		{"off", Config{Method: MethodOff}},
		{"eth0:dhcp", Config{Device: "eth0", Method: MethodDHCP}},
		{"eth0:dhcp:1400", Config{Device: "eth0", Method: MethodDHCP, MTU: 1400}},
		{"eth0:dhcp:65535", Config{Device: "eth0", Method: MethodDHCP, MTU: 65535}},
		{":::::eth1:dhcp", Config{Device: "eth1", Method: MethodDHCP}},
		{":::::eth1", Config{Device: "eth1", Method: MethodDHCP}},
		{"10.0.0.5::10.0.0.1:255.255.255.0:node:eth0:off:8.8.8.8:0.0.0.0", Config{Device: "eth0", Method: MethodStatic, Hostname: "node",
			Prefix: netip.MustParsePrefix("10.0.0.5/24"), Gateway: netip.MustParseAddr("10.0.0.1"), DNS: []netip.Addr{netip.MustParseAddr("8.8.8.8")}}},
		{"10.0.0.5::10.0.0.1:24", Config{Method: MethodStatic, Prefix: netip.MustParsePrefix("10.0.0.5/24"), Gateway: netip.MustParseAddr("10.0.0.1")}},
		{"10.0.0.5:::1", Config{Method: MethodStatic, Prefix: netip.MustParsePrefix("10.0.0.5/1")}},
		{"10.0.0.5", Config{Method: MethodStatic, Prefix: netip.MustParsePrefix("10.0.0.5/8")}},
		{"10.0.0.5:10.0.0.9:10.0.0.1:16::eth0:none:1460", Config{Device: "eth0", Method: MethodStatic, MTU: 1460,
			Prefix: netip.MustParsePrefix("10.0.0.5/16"), Gateway: netip.MustParseAddr("10.0.0.1")}},
		{"10.0.0.5::10.0.0.1:24::eth0:none:65535", Config{Device: "eth0", Method: MethodStatic, MTU: 65535,
			Prefix: netip.MustParsePrefix("10.0.0.5/24"), Gateway: netip.MustParseAddr("10.0.0.1")}},
		{"10.0.0.5:192.0.2.1:192.0.2.1:32", Config{Method: MethodStatic, Peer: netip.MustParseAddr("192.0.2.1"),
			Prefix: netip.MustParsePrefix("10.0.0.5/32"), Gateway: netip.MustParseAddr("192.0.2.1")}},
		{"[2001:db8::5]::[fe80::1]:64:node:eth0:none:[2001:db8::53]", Config{Device: "eth0", Method: MethodStatic, Hostname: "node",
			Prefix: netip.MustParsePrefix("2001:db8::5/64"), Gateway: netip.MustParseAddr("fe80::1"), DNS: []netip.Addr{netip.MustParseAddr("2001:db8::53")}}},
		{"02-00-00-00-00-01:dhcp", Config{Device: "02-00-00-00-00-01", Method: MethodDHCP}},
	} {
		got, err := ParseIP(tt.in)
		if err != nil {
			t.Errorf("ParseIP(%q): %v", tt.in, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got, sameAddr, samePrefix); diff != "" {
			t.Errorf("ParseIP(%q) (-want +got):\n%s", tt.in, diff)
		}
	}
}

func TestParseIPErrors(t *testing.T) {
	for _, in := range []string{
		"", "nonsense", "10.0.0.5::10.0.0.1:255.0.255.0", "10.0.0.5:::33", "10.0.0.300", "0.0.0.0", "224.0.0.1", "10.0.0.5::x", "[::1", "[::1]x",
		"10.0.0.5::::a b", "10.0.0.5::::::maybe", "10.0.0.5::::::off:9", "10.0.0.5::::::off:1400:00:11:22", "1:2:3:4:5:6:7:8:9:10:11",
		"eth0:dhcp:1", "eth0:dhcp:65536", "10.0.0.5:::0", "10.0.0.5::::::off:65536", "eth0:dhcp::02-00-00-00-00-01", "10.0.0.5::::::off:dns",
		"127.0.0.1::10.0.0.1:24", "10.0.0.5::127.0.0.1:24", "10.0.0.5::10.0.0.5:24", "10.0.0.5::10.0.0.255:24", "10.0.0.5::10.0.0.0:24",
		"10.0.0.5::224.0.0.1:24", "10.0.0.5:127.0.0.1:10.0.0.1:32", "10.0.0.5::::::off:224.0.0.1", "[::1]:::64", "[fd00::5]::[::1]:64",
		"[fd00::5]::[fd00::5]:64", "[::ffff:10.0.0.5]:::64", "[fd00::5]::[fe80::1%eth0]:64", "0.0.0.5::10.0.0.1:24",
	} {
		if c, err := ParseIP(in); !errors.Is(err, ErrSyntax) {
			t.Errorf("ParseIP(%q) = %+v, %v; want %v", in, c, err, ErrSyntax)
		}
	}
}

func FuzzParseIP(f *testing.F) {
	f.Add("10.0.0.5:10.0.0.9:10.0.0.1:16:host:eth0:none:1460")
	f.Add("[2001:db8::5]::[fe80::1]:64:node:eth0:none:[2001:db8::53]")
	f.Add("eth0:dhcp:1400")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseIP(s)
		if err != nil {
			if !errors.Is(err, ErrSyntax) {
				t.Errorf("error %v", err)
			}
			return
		}
		if c.Method != MethodDHCP && c.Method != MethodStatic && c.Method != MethodOff {
			t.Errorf("method %q", c.Method)
		}
		if (c.Method == MethodStatic) != c.Prefix.IsValid() {
			t.Errorf("method %s with prefix %v", c.Method, c.Prefix)
		}
		l, _ := c.lease()
		if l.Gateway.IsValid() && !isOtherHost(l.Gateway, l.Prefix) {
			t.Errorf("gateway %v on %v", l.Gateway, l.Prefix)
		}
	})
}
