package network

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"boothook/injector/internal/golden"
	"boothook/netboot/instance"
)

// planned reads a document and plans it for one renderer, without a root.
func planned(body []byte, renderer string) Result {
	doc, problems := Read(body, "network-config")
	r := Plan(doc, nil, renderer, nil)
	r.Problems = append(problems, r.Problems...)
	return r
}

func show(r Result) string {
	var s strings.Builder
	for _, step := range r.Steps {
		fmt.Fprintf(&s, "== %s %s %04o%s", step.Kind, step.Path, step.Mode, step.Target)
		if step.Group != "" {
			s.WriteString(" " + step.Group)
		}
		if step.Secret {
			s.WriteString(" secret")
		}
		fmt.Fprintf(&s, "\n%s", step.Body)
	}
	for _, p := range r.Problems {
		kind := "!!"
		if p.Warning {
			kind = "??"
		}
		fmt.Fprintln(&s, kind, p)
	}
	return s.String()
}

// TestCases compares, for each document and each renderer, all files and
// problems with what they have been read to be right. A case has the document
// "net" and what each renderer makes of it.
func TestCases(t *testing.T) {
	golden.Cases(t, "testdata/*.txtar", func(t *testing.T, files []txtar.File) []txtar.File {
		i := slices.IndexFunc(files, func(f txtar.File) bool { return f.Name == "net" })
		if i < 0 {
			t.Fatal("no document")
		}
		var out []txtar.File
		for _, re := range renderers() {
			out = append(out, txtar.File{Name: re.name, Data: []byte(show(planned(files[i].Data, re.name)))})
		}
		return out
	})
}

// corpus gives all documents of the cases.
func corpus(t testing.TB) [][]byte {
	files, _ := filepath.Glob("testdata/*.txtar")
	var out [][]byte
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if f.Name == "net" {
				out = append(out, f.Data)
			}
		}
	}
	return out
}

// FuzzPlan holds that no document puts a file elsewhere than among network
// configuration, nor a value on a line of its own, and that what is written for
// netplan is read again as the same links.
func FuzzPlan(f *testing.F) {
	for _, doc := range corpus(f) {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, re := range renderers() {
			for _, s := range planned(body, re.name).Steps {
				if !strings.HasPrefix(s.Path, "/etc/") || slices.Contains(strings.Split(s.Path, "/"), "..") {
					t.Errorf("%s: path %q", re.name, s.Path)
				}
				if strings.ContainsAny(string(s.Body), "\x00\x1b\r") {
					t.Errorf("%s: %q", re.name, s.Body)
				}
			}
		}
		stable(t, body)
	})
}

// stable holds that a document is read, written as version 2 and read again as
// the same links, and that netplan's file of netplan's file is the same.
func stable(t *testing.T, body []byte) {
	t.Helper()
	top, _ := Read(body, "first")
	first := parse(top)
	printed := func(r *reader) string {
		s := &text{}
		s.value(r.links.document(), "")
		return s.String()
	}
	once := printed(first)
	again, problems := Read([]byte(once), "again")
	second := parse(again)
	if len(problems) > 0 {
		t.Fatalf("%q is read with %v", once, problems)
	}
	if twice := printed(second); twice != once {
		t.Fatalf("of\n%s\ncame\n%s\nwith %v\nand then\n%s", body, once, second.problems, twice)
	}
	for _, step := range planned(body, "netplan").Steps {
		next := planned(step.Body, "netplan")
		for _, p := range next.Problems {
			if !p.Warning {
				t.Errorf("of\n%s\ncame\n%s\nin which is %v", body, step.Body, p)
			}
		}
		if len(next.Steps) != 1 || string(next.Steps[0].Body) != string(step.Body) {
			t.Errorf("of\n%s\ncame\n%s\nand then\n%v", body, step.Body, show(next))
		}
	}
}

func TestStable(t *testing.T) {
	for _, doc := range corpus(t) {
		stable(t, doc)
	}
}

// TestRefused gives documents of which something or all cannot be used: what is
// wrong in the link "bad" costs that one, and a problem names key and line.
func TestRefused(t *testing.T) {
	const two = "version: 2\nethernets:\n  good: {dhcp4: true}\n"
	bad := func(keys string) string { return two + "  bad:\n    " + keys + "\n" }
	also := func(rest string) string { return two + rest + "\n" }
	one := func(keys string) string {
		return "version: 1\nconfig:\n- {type: physical, name: good, subnets: [{type: dhcp}]}\n- {type: physical, name: bad, " + keys + "}\n"
	}
	for _, c := range []struct {
		name, body, problem string
		line                int
	}{
		{"path as a name", also("  ../../x: {dhcp4: true}"), `"../../x" cannot be the name`, 4},
		{"name too long", also("  a234567890123456: {dhcp4: true}"), "too long", 4},
		{"no mapping", also("  bad: [1]"), "must be a mapping", 4},
		{"mtu", bad("mtu: 70000"), "mtu: must be a number from 0 to 65536", 5},
		{"mtu as a word", bad("mtu: big"), "mtu: must be a number", 5},
		{"boolean", bad("dhcp4: maybe"), "dhcp4: must be true or false", 5},
		{"accept-ra", bad("accept-ra: 2"), "accept-ra: must be true or false", 5},
		{"activation-mode", bad("activation-mode: auto"), "activation-mode: must be one of manual, off", 5},
		{"address generation", bad("ipv6-address-generation: random"), "ipv6-address-generation: must be one of", 5},
		{"token beside it", bad("{ipv6-address-generation: eui64, ipv6-address-token: '::2'}"), "ipv6-address-token: cannot be beside", 5},
		{"dhcp-identifier", bad("dhcp-identifier: host"), "dhcp-identifier: must be one of mac, duid", 5},
		{"bad mac", bad("macaddress: zz"), "macaddress: not a MAC address", 5},
		{"wireguard without a key", also("tunnels:\n  bad: {mode: wireguard, port: 5}"), "keys.private: a wireguard tunnel needs its private key", 5},
		{"bad address", bad("addresses: [10.0.0.300/24]"), "addresses: \"10.0.0.300/24\" is not an address", 5},
		{"address without its length", bad("addresses: [10.0.0.3]"), "length of its network behind a slash", 5},
		{"length 0", bad("addresses: [10.0.0.3/0]"), "not an address", 5},
		{"lifetime", bad("addresses: [{10.0.0.3/24: {lifetime: 60}}]"), "addresses.lifetime: must be one of 0, forever", 5},
		{"no list", bad("addresses: 10.0.0.3/24"), "addresses: must be a list", 5},
		{"gateway4", bad("gateway4: '2001:db8::1'"), "gateway4: not an IPv4 address", 5},
		{"name server", bad("nameservers: {addresses: [dns.test]}"), "nameservers.addresses: not an IP address", 5},
		{"name servers as a list", bad("nameservers: [192.0.2.53]"), "nameservers: must be a mapping", 5},
		{"line break", bad("nameservers: {search: [\"a\\nb\"]}"), "cannot stand here", 5},
		{"link-local", bad("link-local: [ipv5]"), "link-local: must be one of ipv4, ipv6", 5},
		{"override", bad("dhcp4-overrides: {use-dns: perhaps}"), "dhcp4-overrides.use-dns: must be true or false", 5},
		{"set-name without match", bad("set-name: x"), "set-name: needs match", 5},
		{"route to nowhere", bad("routes: [{via: 10.0.0.1}]"), "routes.to: a route needs a destination", 5},
		{"route without via", bad("routes: [{to: 10.0.0.0/8, scope: global}]"), "routes.via: a route of global scope needs a gateway", 5},
		{"route of two families", bad("routes: [{to: '2001:db8::/32', via: 10.0.0.1}]"), "one family", 5},
		{"route's scope", bad("routes: [{to: 10.0.0.0/8, via: 10.0.0.1, scope: site}]"), "routes.scope: must be one of", 5},
		{"route's type", bad("routes: [{to: 10.0.0.0/8, type: black}]"), "routes.type: must be one of", 5},
		{"route's table", bad("routes: [{to: 10.0.0.0/8, via: 10.0.0.1, table: main}]"), "routes.table: must be a number", 5},
		{"rule without from and to", bad("routing-policy: [{table: 5}]"), "a rule needs from or to", 5},
		{"rule of two families", bad("routing-policy: [{from: 10.0.0.0/8, to: '::/0'}]"), "one family", 5},
		{"rule's mark", bad("routing-policy: [{from: 10.0.0.0/8, mark: -1}]"), "routing-policy.mark: must be a number", 5},
		{"rule's tos", bad("routing-policy: [{from: 10.0.0.0/8, type-of-service: 256}]"), "type-of-service: must be a number from 0 to 255", 5},
		{"rule's priority", bad("routing-policy: [{from: 10.0.0.0/8, priority: high}]"), "routing-policy.priority: must be a number", 5},
		{"match on a bond", also("bonds:\n  bad: {match: {name: x}}"), "match: no key of bonds", 5},
		{"wakeonlan on a vlan", also("vlans:\n  bad: {id: 1, link: good, wakeonlan: true}"), "wakeonlan: no key of vlans", 5},
		{"set-name on a bridge", also("bridges:\n  bad: {set-name: x}"), "set-name: no key of bridges", 5},
		{"vlan without id", also("vlans:\n  bad: {link: good}"), "id: a vlan needs its id", 5},
		{"vlan without link", also("vlans:\n  bad: {id: 3}"), "link: a vlan needs the link", 5},
		{"vlan on nothing", also("vlans:\n  bad: {id: 3, link: nic}"), "link: there is no link nic", 5},
		{"vlan's id", also("vlans:\n  bad: {id: 4095, link: good}"), "id: must be a number from 0 to 4094", 5},
		{"member that is nowhere", also("bonds:\n  bad: {interfaces: [nic]}"), "interfaces: there is no link nic", 5},
		{"lacp-rate", also("bonds:\n  bad: {parameters: {lacp-rate: medium}}"), "parameters.lacp-rate: must be one of slow, fast", 5},
		{"mode", also("bonds:\n  bad: {parameters: {mode: fastest}}"), "parameters.mode: must be one of", 5},
		{"primary", also("bonds:\n  bad: {parameters: {primary: good}}"), "parameters.primary: good is no member", 5},
		{"path cost of a stranger", also("bridges:\n  bad: {parameters: {path-cost: {good: 5}}}"), "parameters.path-cost: good is no member", 5},
		{"vrf without table", also("vrfs:\n  bad: {interfaces: [good]}"), "table: a vrf needs its routing table", 5},
		{"tunnel's family", also("tunnels:\n  bad: {mode: gre, local: 10.0.0.1, remote: '2001:db8::1'}"), "remote: not of the family", 5},
		{"tunnel's mode", also("tunnels:\n  bad: {mode: teleport}"), "mode: must be one of", 5},
		{"tunnel's key", also("tunnels:\n  bad: {mode: ipip, remote: 10.0.0.1, key: 5}"), "key: ipip tunnels have no keys", 5},
		{"wireguard's key", also("tunnels:\n  bad: {mode: wireguard, key: secret}"), "keys.private: not a wireguard key", 5},
		{"bad mask", one("subnets: [{type: static, address: 10.0.0.1, netmask: 255.0.255.0}]"), "is no netmask", 4},
		{"a mask of nothing", one("subnets: [{type: static, address: 10.0.0.1, prefix: 0}]"), "is no netmask", 4},
		{"no address", one("subnets: [{type: static}]"), "address: a static subnet needs its address", 4},
		{"no type of a subnet", one("subnets: [{address: 10.0.0.1/8}]"), "a subnet needs its type", 4},
		{"a type of subnets", one("subnets: [{type: dhcp9}]"), `type "dhcp9" is not known`, 4},
		{"version 1's mac", one("mac_address: zz"), "mac_address: not a MAC address", 4},
		{"version 1's metric", one("subnets: [{type: dhcp, metric: low}]"), "metric: must be a number", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, re := range renderers() {
				got := planned([]byte(c.body), re.name)
				text := show(got)
				if !strings.Contains(text, "good") || strings.Contains(text[:max(0, strings.Index(text, "!!"))], "bad") {
					t.Errorf("%s: not the one good link:\n%s", re.name, text)
				}
				found := slices.ContainsFunc(got.Problems, func(p instance.Problem) bool {
					return strings.Contains(p.Message, c.problem) && p.Line == c.line && !p.Warning
				})
				if !found {
					t.Errorf("%s: problems %v, not %q in line %d", re.name, got.Problems, c.problem, c.line)
				}
			}
		})
	}
}

// TestWritten holds what drawn documents and daemons have once shown to be wrong.
func TestWritten(t *testing.T) {
	const two = "version: 2\nethernets:\n  e0: "
	for _, c := range []struct{ name, renderer, body, has, hasNot string }{
		{"0 says nothing", "networkd", two + "{mtu: 0, dhcp4: true}", "DHCP=ipv4", "MTUBytes="},
		{"a rule's table of 0", "networkd", two + "{routing-policy: [{from: 10.0.0.1, table: 0}]}", "From=10.0.0.1", "Table="},
		{"critical said no", "networkd", two + "{critical: false, dhcp4: true}", "DHCP=ipv4", "KeepConfiguration"},
		{"a match of nothing", "networkd", two + "{match: {}, dhcp4: true}", "Name=*", "Name=e0"},
		{"words for a MAC", "network-manager", two + "{macaddress: random, dhcp4: true}", "cloned-mac-address=random", ""},
		{"cost of a port that is gone", "networkd", two + "{mtu: 99999}\nbridges:\n  br0: {interfaces: [e0], parameters: {path-cost: {e0: 5}}}", "Name=br0", "Cost="},
		{"lo's section", "network-manager", "version: 1\nconfig:\n- {type: loopback, name: lo, subnets: [{type: static, address: 10.255.0.7/32}]}", "[loopback]\nmtu=0\n\n[ipv4]\nmethod=manual", "method=disabled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := show(planned([]byte(c.body+"\n"), c.renderer))
			if !strings.Contains(got, c.has) || c.hasNot != "" && strings.Contains(got, c.hasNot) {
				t.Errorf("not %q, or %q, in\n%s", c.has, c.hasNot, got)
			}
		})
	}
}

// TestSaid gives documents that have something to be said of, and lose no link.
func TestSaid(t *testing.T) {
	for _, c := range []struct {
		name, body, problem string
		warning             bool
	}{
		{"nothing", "", "", true},
		{"disabled", "config: disabled\n", "", true},
		{"no yaml", "a: [\n", "yaml", false},
		{"no mapping", "- 1\n", "not a mapping", false},
		{"no version", "ethernets: {}\n", "version: 1 or version: 2", false},
		{"another version", "version: 3\n", "line 1: version: network-config must say", false},
		{"version in quotes", "version: '2'\nethernets: {e0: {dhcp4: true}}\n", "in quotes", true},
		{"renderer of a kind", "version: 2\nethernets: {renderer: networkd, e0: {dhcp4: true}}\n", "", true},
		{"renderer of nobody", "version: 2\nrenderer: ifupdown\nethernets: {e0: {dhcp4: true}}\n", "renderer: must be networkd or NetworkManager", false},
		{"unknown key", "version: 2\nethernets: {e0: {dhpc4: true, dhcp4: true}}\n", "dhpc4 is no key that is known", false},
		{"unknown kind", "version: 2\nethernet: {e0: {dhcp4: true}}\nethernets: {e0: {dhcp4: true}}\n", "ethernet is no kind of links", false},
		{"nothing said", "version: 2\nethernets:\n  e0:\n", "nothing is said", true},
		{"mac of digits", "version: 2\nethernets:\n  e0: {match: {macaddress: 52:54:00:12:34:56}, set-name: e0}\n", "", true},
		{"two default routes", "version: 2\nethernets:\n  e0: {addresses: [10.0.0.2/24], gateway4: 10.0.0.1, routes: [{to: default, via: 10.0.0.1}]}\n", "routes.to: e0 has a default route of the same table", false},
		{"one member of two bonds", "version: 2\nethernets: {e0: {dhcp4: true}, e1: {}}\nbonds: {b0: {interfaces: [e0]}, b1: {interfaces: [e0]}}\n", "interfaces: e0 is a member of b0 already", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := planned([]byte(c.body), "networkd")
			if c.problem == "" && len(got.Problems) > 0 || c.problem != "" && !slices.ContainsFunc(got.Problems, func(p instance.Problem) bool {
				return strings.Contains(p.String(), c.problem) && p.Warning == c.warning
			}) {
				t.Errorf("problems %v, not %q", got.Problems, c.problem)
			}
			if strings.Contains(c.body, "e0:") != strings.Contains(show(got), "10-cloud-init-e0.network") {
				t.Errorf("the link:\n%s", show(got))
			}
		})
	}
}

// Name servers of version 1 that belong to no interface go into the file of
// each, so that their number is bounded over the whole document.
func TestManySharedServers(t *testing.T) {
	doc := "version: 1\nconfig:\n- {type: physical, name: eth0, subnets: [{type: dhcp}]}\n"
	for i := range maxItems + 10 {
		doc += fmt.Sprintf("- {type: nameserver, address: 10.0.%d.%d}\n", i/256, i%256)
	}
	p := planned([]byte(doc), "networkd")
	if len(p.Problems) != 1 || !strings.Contains(p.Problems[0].Message, "the rest is left out") {
		t.Errorf("problems %v", p.Problems)
	}
	servers := 0
	for _, s := range p.Steps {
		servers += strings.Count(string(s.Body), "DNS=10.")
	}
	if servers != maxItems {
		t.Errorf("%d name servers, want %d", servers, maxItems)
	}
}
