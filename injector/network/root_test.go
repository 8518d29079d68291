package network

import (
	"slices"
	"strings"
	"testing"

	"boothook/injector/plan"
	"boothook/netboot/instance"
)

// rootWith are the facts of a root that has some programs and files.
func rootWith(files map[string]string, paths ...string) *plan.Facts {
	f := &plan.Facts{Exists: map[string]bool{}, Files: map[string]string{}}
	for _, p := range paths {
		f.Exists[p] = true
	}
	for p, text := range files {
		f.Files[p], f.Exists[p] = text, true
	}
	return f
}

func planFor(facts *plan.Facts, body string, priority ...string) Result {
	doc, problems := Read([]byte(body), "network-config")
	r := Plan(doc, facts, "", priority)
	r.Problems = append(problems, r.Problems...)
	return r
}

const oneStatic = "version: 2\nethernets: {eth0: {addresses: [10.0.0.5/24], nameservers: {addresses: [192.0.2.53], search: [a.test]}}}\n"

// TestChoice holds which renderer a root gets.
func TestChoice(t *testing.T) {
	all := []string{netplanProgram, "/sbin/ifup", interfacesFile, managerProgram, networkdProgram, networkScripts}
	for _, c := range []struct {
		name     string
		files    map[string]string
		paths    []string
		priority []string
		want     string
		warns    bool
	}{
		{"everything", nil, all, nil, "eni", false},
		{"the root's list", nil, all, []string{"networkd", "netplan"}, "networkd", false},
		{"the first of it is not there", nil, []string{netplanProgram, networkdProgram}, []string{"eni", "netplan"}, "netplan", false},
		{"nothing of it is there", nil, []string{networkdProgram}, []string{"netplan"}, "networkd", true},
		{"an unknown one in it", nil, []string{networkdProgram}, []string{"freebsd", "networkd"}, "networkd", false},
		{"ifup of Red Hat", nil, []string{"/sbin/ifup", networkScripts}, nil, "sysconfig", false},
		{"the plugin", map[string]string{"/usr/lib64/NetworkManager/1.40.16-1.el8/libnm-settings-plugin-ifcfg-rh.so": ""}, []string{managerProgram}, nil, "sysconfig", false},
		{"a newer NetworkManager", nil, []string{managerProgram}, nil, "network-manager", false},
		{"openSUSE", nil, []string{wickedProgram}, nil, "sysconfig", false},
		{"/usr merged", nil, []string{"/usr" + networkdProgram}, nil, "networkd", false},
		{"nothing", nil, nil, nil, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := planFor(rootWith(c.files, append(c.paths, resolvedProgram)...), oneStatic, c.priority...)
			if r.Renderer != c.want || c.warns != slices.ContainsFunc(r.Problems, func(p instance.Problem) bool { return p.Warning && p.Line > 0 }) {
				t.Errorf("%q with %v", r.Renderer, r.Problems)
			}
		})
	}
}

// TestLeftovers holds what becomes of files that are there already.
func TestLeftovers(t *testing.T) {
	files := map[string]string{
		"/etc/netplan/50-cloud-init.yaml":                                  "network: {}\n",
		"/etc/netplan/01-own.yaml":                                         "network: {ethernets: {eth0: {dhcp4: true}}}\n",
		"/etc/systemd/network/10-cloud-init-old.network":                   "",
		"/etc/systemd/network/05-mine.network":                             "[Match]\nName=eth*\n",
		"/etc/systemd/network/90-late.network":                             "[Match]\nName=eth0\n",
		"/etc/NetworkManager/system-connections/cloud-init-x.nmconnection": "",
		"/etc/NetworkManager/system-connections/own.nmconnection":          "",
		"/etc/network/interfaces.d/50-cloud-init.cfg":                      "",
		"/etc/network/interfaces.d/mine":                                   "iface eth0 inet dhcp\n",
		"/etc/sysconfig/network-scripts/ifcfg-eth7":                        "# Created by cloud-init automatically, do not edit.\n#\nDEVICE=eth7\n",
		"/etc/sysconfig/network-scripts/ifcfg-eth8":                        "DEVICE=eth8\n",
		renameFile: "",
	}
	r := planFor(rootWith(files, networkdProgram, resolvedProgram), oneStatic)
	var removed []string
	for _, s := range r.Steps {
		if s.Kind == plan.Remove {
			removed = append(removed, s.Path)
		}
	}
	want := []string{
		"/etc/NetworkManager/system-connections/cloud-init-x.nmconnection", "/etc/netplan/50-cloud-init.yaml", "/etc/network/interfaces.d/50-cloud-init.cfg",
		"/etc/sysconfig/network-scripts/ifcfg-eth7", "/etc/systemd/network/10-cloud-init-old.network", renameFile,
	}
	if !slices.Equal(removed, want) {
		t.Errorf("removed %v, not %v", removed, want)
	}
}

// TestRivals holds what is said of a file of the image that configures the same
// link: an error where the daemon that is written for reads it too, a warning
// where it is that of another one that the root has.
func TestRivals(t *testing.T) {
	const keyfiles = "/etc/NetworkManager/system-connections/"
	for _, c := range []struct {
		name, renderer string
		has            string // a program of another daemon
		file, text     string
		want           string
	}{
		{"interfaces", "eni", "", interfacesFile, "iface eth0 inet dhcp\n", "error"},
		{"interfaces of another link", "eni", "", interfacesFile, "iface eth1 inet dhcp\n", ""},
		{"networkd by name", "networkd", "", "/etc/systemd/network/05.network", "[Match]\nName=en* eth*\n", "error"},
		{"networkd by address", "networkd", "", "/etc/systemd/network/05.network", "[Match]\nMACAddress=02:00:00:00:00:0A\n", "error"},
		{"networkd, later", "networkd", "", "/etc/systemd/network/50.network", "[Match]\nName=eth0\n", ""},
		{"networkd before netplan's", "netplan", "", "/etc/systemd/network/05.network", "[Match]\nName=eth0\n", "error"},
		{"networkd after netplan's", "netplan", "", "/etc/systemd/network/20.network", "[Match]\nName=eth0\n", ""},
		{"netplan", "netplan", "", "/etc/netplan/01.yaml", "network: {version: 2, ethernets: {nic: {dhcp4: true}}}\n", "error"},
		{"a keyfile", "network-manager", "", keyfiles + "a.nmconnection", "[connection]\ninterface-name=eth0\n", ""},
		{"a keyfile that comes first", "network-manager", "", keyfiles + "a.nmconnection", "[connection]\ninterface-name=eth0\nautoconnect-priority=500\n", "error"},
		{"a keyfile by address that comes first", "network-manager", "", keyfiles + "a.nmconnection", "[connection]\nautoconnect-priority=500\n[ethernet]\nmac-address=02:00:00:00:00:0A\n", "error"},
		{"ifcfg of another name", "sysconfig", "", ifcfgDir + "ifcfg-System_eth0", "DEVICE=\"eth0\"\n", "error"},
		{"ifcfg by address", "sysconfig", "", ifcfgDir + "ifcfg-Wired", "HWADDR=02:00:00:00:00:0a\n", "error"},
		{"ifcfg of the same name", "sysconfig", "", ifcfgDir + "ifcfg-eth0", "DEVICE=eth0\n", ""},
		{"interfaces beside networkd", "networkd", "/sbin/ifup", interfacesFile, "iface eth0 inet dhcp\n", "warning"},
		{"interfaces of nobody", "networkd", "", interfacesFile, "iface eth0 inet dhcp\n", ""},
		{"networkd beside ifupdown", "eni", networkdProgram, "/etc/systemd/network/80-dhcp.network", "[Match]\nName=eth*\n", "warning"},
		{"netplan beside ifupdown", "eni", netplanProgram, "/etc/netplan/01.yaml", "network: {version: 2, ethernets: {nic: {dhcp4: true}}}\n", "warning"},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc, _ := Read([]byte("version: 2\nethernets: {nic: {match: {macaddress: '02:00:00:00:00:0a'}, set-name: eth0, addresses: [10.0.0.5/24]}}\n"), "")
			r := Plan(doc, rootWith(map[string]string{c.file: c.text}, c.has, resolvedProgram), c.renderer, nil)
			got := ""
			for _, p := range r.Problems {
				if strings.Contains(p.Message, c.file) {
					got += either(p.Warning, "warning", "error")
				}
			}
			if got != c.want {
				t.Errorf("%q, not %q: %v", got, c.want, r.Problems)
			}
		})
	}
}

// TestInterfacesFile holds that ifupdown reads what is written for it.
func TestInterfacesFile(t *testing.T) {
	for _, c := range []struct {
		name, text string
		adds       bool
	}{
		{"sourced", "source /etc/network/interfaces.d/*\n", false},
		{"sourced by a relative pattern", "source interfaces.d/*\n", false},
		{"the folder", "source-directory /etc/network/interfaces.d\n", false},
		{"other files", "source /etc/network/interfaces.d/*.cfg\n", true},
		{"not at all", "auto lo\niface lo inet loopback\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := planFor(rootWith(map[string]string{interfacesFile: c.text}, "/sbin/ifup", "/sbin/resolvconf"), oneStatic)
			adds := slices.ContainsFunc(r.Steps, func(s plan.Step) bool { return s.Path == interfacesFile && s.Append })
			if adds != c.adds || !slices.ContainsFunc(r.Steps, func(s plan.Step) bool { return s.Path == ifupdownFile }) {
				t.Errorf("%s", show(r))
			}
		})
	}
}

// TestResolver holds that name servers reach resolv.conf.
func TestResolver(t *testing.T) {
	const resolvedFile = "/etc/systemd/resolved.conf.d/50-cloud-init.conf"
	for _, c := range []struct {
		name  string
		paths []string
		own   string // resolv.conf as the root has it; empty: none, or a link into /run
		want  string
	}{
		{"networkd with resolved", []string{networkdProgram, resolvedProgram}, "", ""},
		{"networkd with resolved and its static file", []string{networkdProgram, resolvedProgram}, "nameserver 127.0.0.53\n", ""},
		{"networkd with resolved, which a file of the image's passes by", []string{networkdProgram, resolvedProgram}, "nameserver 192.0.2.1\n", resolvConf},
		{"ifupdown with resolved, which a file of the image's passes by", []string{"/sbin/ifup", interfacesFile, resolvedProgram}, "nameserver 192.0.2.1\n", resolvConf},
		{"netplan with resolved", []string{netplanProgram, resolvedProgram}, "", ""},
		{"netplan with networkd alone", []string{netplanProgram, networkdProgram}, "", resolvConf},
		{"netplan with NetworkManager", []string{netplanProgram, networkdProgram, managerProgram}, "", ""},
		{"networkd alone", []string{networkdProgram}, "", resolvConf},
		{"ifupdown with resolvconf", []string{"/sbin/ifup", interfacesFile, "/sbin/resolvconf"}, "", ""},
		{"ifupdown alone", []string{"/sbin/ifup", interfacesFile}, "", resolvConf},
		{"ifupdown with resolved and its hook", []string{"/sbin/ifup", interfacesFile, resolvedProgram, "/etc/network/if-up.d/resolved"}, "", ""},
		{"ifupdown with resolved", []string{"/sbin/ifup", interfacesFile, resolvedProgram}, "", resolvedFile},
		{"NetworkManager", []string{managerProgram}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{}
			if c.own != "" {
				files[resolvConf] = c.own
			}
			r := planFor(rootWith(files, c.paths...), oneStatic)
			got := ""
			for _, s := range r.Steps {
				if s.Path == resolvConf || s.Path == resolvedFile {
					got = s.Path
					if !strings.Contains(string(s.Body), "192.0.2.53") || !strings.Contains(string(s.Body), "a.test") {
						t.Errorf("%s", s.Body)
					}
				}
			}
			if got != c.want {
				t.Errorf("%q, not %q", got, c.want)
			}
		})
	}
}

// TestMissingPackages holds that a stanza's package is named where the root
// lacks it.
func TestMissingPackages(t *testing.T) {
	const doc = "version: 2\nethernets: {e0: {dhcp4: true, wakeonlan: true}, e1: {}, e2: {}}\nbonds: {b0: {interfaces: [e1]}}\nbridges: {r0: {interfaces: [e2]}}\nvlans: {e0.5: {id: 5, link: e0}, v0: {id: 6, link: e0}}\n"
	text := ""
	for _, p := range planFor(rootWith(nil, "/sbin/ifup", interfacesFile, "/sbin/resolvconf"), doc).Problems {
		text += p.Message + "\n"
	}
	for _, name := range []string{"ifenslave", "vlan", "bridge-utils", "ethtool", "isc-dhcp-client"} {
		if !strings.Contains(text, "needs the package "+name) {
			t.Errorf("%s is not named in\n%s", name, text)
		}
	}
	full := rootWith(nil, "/sbin/ifup", interfacesFile, "/sbin/resolvconf", "/etc/network/if-pre-up.d/ifenslave", "/etc/network/if-pre-up.d/vlan", "/sbin/brctl", "/etc/network/if-up.d/ethtool", "/sbin/dhclient")
	if r := planFor(full, doc); len(r.Problems) > 0 {
		t.Errorf("%v", r.Problems)
	}
}

// TestModes holds who may read what has keys in it.
func TestModes(t *testing.T) {
	doc := "version: 2\nethernets: {eth0: {dhcp4: true}}\ntunnels: {wg0: {mode: wireguard, key: " + wireguardKey + "}}\n"
	for renderer, want := range map[string]string{"networkd": ".netdev 0640 systemd-network secret", "network-manager": "wg0.nmconnection 0600 secret", "netplan": ".yaml 0600 secret"} {
		if text := show(planned([]byte(doc), renderer)); !strings.Contains(text, want) {
			t.Errorf("%s: no %q in\n%s", renderer, want, text)
		}
	}
}
