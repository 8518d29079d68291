package nic

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestHandover(t *testing.T) {
	eth0, eth1 := parseHW("02:00:00:00:00:01"), parseHW("02:00:00:00:00:02")
	addr := netip.MustParseAddr
	dhcp4 := Lease{Index: 2, Name: "eth0", HW: eth0, By: ByDHCP4, Prefix: netip.MustParsePrefix("10.0.0.5/24"), Gateway: addr("10.0.0.1"),
		DNS: []netip.Addr{addr("10.0.0.1"), addr("10.0.0.2"), addr("10.0.0.3")}, Search: []string{"a.example", "b.example"},
		Hostname: "node", ServerID: addr("10.0.0.1"), Lifetime: time.Hour}
	dhcp6 := Lease{Index: 2, Name: "eth0", HW: eth0, By: ByDHCP6, Prefix: netip.MustParsePrefix("fd00::5/128"), Gateway: addr("fe80::1")}
	static := Lease{Index: 3, Name: "eth1", HW: eth1, By: ByStatic, Prefix: netip.MustParsePrefix("192.0.2.5/32"), Gateway: addr("198.51.100.1"), DNS: []netip.Addr{addr("9.9.9.9")}}
	ra := Lease{Index: 3, Name: "eth1", HW: eth1, By: ByRA, Prefix: netip.MustParsePrefix("2001:db8::5/64")}
	linkLocal := Lease{Index: 4, Name: "eth2", By: ByLinkLocal, Prefix: netip.MustParsePrefix("169.254.7.7/16")}
	adopted := Lease{Index: 5, Name: "eth3", By: ByAdopted, Adopted: true, Prefix: netip.MustParsePrefix("10.3.0.5/24")}
	for name, leases := range map[string][]Lease{
		"dual":   {dhcp6, dhcp4, linkLocal},
		"static": {static, adopted},
		"ra":     {ra},
	} {
		var got strings.Builder
		for _, f := range Handover(leases) {
			fmt.Fprintf(&got, "-- %s %v --\n%s", f.Path, f.Mode, f.Data)
		}
		golden := filepath.Join("testdata", "handover-"+name+".txt")
		if *update {
			if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// What klibc would have written is what adoption reads.
	dns, search, host := klibcConf(Handover([]Lease{dhcp4})[0].Data)
	if len(dns) != 2 || len(search) != 2 || host != "node" {
		t.Errorf("reads back as %v, %q, %q", dns, search, host)
	}
}
