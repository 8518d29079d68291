package network

import (
	"strings"
	"testing"
)

// TestFallback holds where an image is left with what it has, and where it may
// be. The document itself is shown, for each renderer, in the cases of package
// injector.
func TestFallback(t *testing.T) {
	const (
		mine      = `it is DHCP on ens3 (52:54:00:12:34:56)`
		uncertain = `may be the network of`
		netplan   = "/etc/netplan/01.yaml"
	)
	ens3 := NIC{Name: "ens3", MAC: "52:54:00:12:34:56"}
	with := func(file, text string) map[string]string { return map[string]string{file: text} }
	for _, c := range []struct {
		name  string
		nic   NIC
		files map[string]string
		paths []string
		// says is in the one problem; empty: there is none.
		says string
		doc  bool
	}{
		{"nothing there", ens3, nil, []string{netplanProgram}, mine, true},
		{"no daemon", ens3, nil, nil, "the root has nothing that could", false},
		{"a name that no file can have", NIC{Name: "../x", MAC: ens3.MAC}, nil, []string{netplanProgram}, "each Ethernet interface", true},
		{"its name", ens3, with(netplan, "network: {ethernets: {ens3: {}}}"), []string{netplanProgram}, "", false},
		{"a pattern", ens3, with(netplan, "network: {ethernets: {a: {match: {name: en*}}}}"), []string{netplanProgram}, "", false},
		{"its address", ens3, with(netplan, "network: {ethernets: {a: {match: {macaddress: '52:54:00:12:34:56'}}}}"), []string{netplanProgram}, "", false},
		{"another address", ens3, with(netplan, "network: {ethernets: {ens4: {match: {macaddress: '52:54:00:12:34:57'}}}}"), []string{netplanProgram}, mine, true},
		{"another name", ens3, with(netplan, "network: {ethernets: {ens4: {}}}"), []string{netplanProgram}, mine, true},
		{"a name of another kind", NIC{Name: "eth0", MAC: ens3.MAC}, with(netplan, "network: {ethernets: {ens4: {}}}"), []string{netplanProgram}, uncertain, false},
		{"a name where no interface is seen", NIC{}, with(netplan, "network: {ethernets: {ens4: {}}}"), []string{netplanProgram}, uncertain, false},
		{"what is not YAML", ens3, with(netplan, "{["), []string{netplanProgram}, mine, true},
		{"what cloud-init wrote", ens3, with("/etc/netplan/50-cloud-init.yaml", "network: {ethernets: {ens3: {}}}"), []string{netplanProgram}, mine, true},
		{"a daemon that is not there", ens3, with("/etc/systemd/network/a.network", "[Match]\nName=ens3\n"), []string{netplanProgram}, mine, true},
		{"netplan's own daemon", ens3, with("/etc/systemd/network/a.network", "[Match]\nName=ens3\n"), []string{netplanProgram, networkdProgram}, "", false},
		{"all Ethernet of networkd", ens3, with("/etc/systemd/network/a.network", "[Match]\nType=ether\n"), []string{networkdProgram}, "", false},
		{"another type", ens3, with("/etc/systemd/network/a.network", "[Match]\nType=wlan\n"), []string{networkdProgram}, mine, true},
		{"ifupdown", ens3, with(interfacesFile, "auto lo\niface lo inet loopback\niface ens3 inet dhcp\n"), []string{"/sbin/ifup"}, "", false},
		{"ifupdown's loopback", ens3, with(interfacesFile, "auto lo\niface lo inet loopback\n"), []string{"/sbin/ifup"}, mine, true},
		{"a profile for all", ens3, with("/etc/NetworkManager/system-connections/a.nmconnection", "[connection]\ntype=ethernet\n"), []string{managerProgram}, "", false},
		{"a profile for Wi-Fi", ens3, with("/etc/NetworkManager/system-connections/a.nmconnection", "[connection]\ntype=wifi\n"), []string{managerProgram}, mine, true},
		{"an ifcfg file", ens3, with(ifcfgDir+"ifcfg-x", "HWADDR=\"52:54:00:12:34:56\"\n"), []string{networkScripts}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, problems := Fallback(c.nic, rootWith(c.files, c.paths...), "", nil)
			said := ""
			for _, p := range problems {
				said += p.Message + "\n"
				if !p.Warning {
					t.Errorf("%v costs something", p)
				}
			}
			if !strings.Contains(said, c.says) || (c.says == "") != (said == "") || c.doc != (len(body) > 0) {
				t.Errorf("the document %q, with %q", body, said)
			}
		})
	}
}

// TestFallbackFamily holds that ifupdown does DHCP for the family alone that led
// to the source.
func TestFallbackFamily(t *testing.T) {
	facts := rootWith(map[string]string{interfacesFile: ""}, "/sbin/ifup", "/sbin/dhclient")
	for six, want := range map[bool]string{false: "iface ens3 inet dhcp\n", true: "iface ens3 inet6 dhcp\n"} {
		body, _ := Fallback(NIC{"ens3", "52:54:00:12:34:56", six}, facts, "", nil)
		if text := show(planFor(facts, string(body))); !strings.Contains(text, want) || strings.Count(text, " dhcp\n") != 1 {
			t.Errorf("IPv6 alone %v:\n%s", six, text)
		}
	}
}
