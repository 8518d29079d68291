package simulate

import "testing"

func TestParseNIC(t *testing.T) {
	n, err := ParseNIC("FA:16:3E:00:00:01=192.0.2.5/22,192.0.2.1")
	if err != nil || n != (NIC{"fa:16:3e:00:00:01", "192.0.2.5/22", "192.0.2.1"}) {
		t.Errorf("%+v, %v", n, err)
	}
	if n.mask() != "255.255.252.0" || n.subnet() != "192.0.0.0/22" || n.ip() != "192.0.2.5" || n.bits() != "22" || n.six() {
		t.Errorf("read as %s %s %s %s %v", n.mask(), n.subnet(), n.ip(), n.bits(), n.six())
	}
	for _, text := range []string{"", "eth0=192.0.2.5/24", "fa:16:3e:00:00:01", "fa:16:3e:00:00:01=192.0.2.5", "fa:16:3e:00:00:01=192.0.2.5/24,gw"} {
		if n, err := ParseNIC(text); err == nil {
			t.Errorf("ParseNIC(%q) = %+v", text, n)
		}
	}
}
