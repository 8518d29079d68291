package network

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"boothook/injector/internal/golden"
)

// referenceFile is the page whose table this test makes: what each key of
// version 2 becomes on each renderer, told by rendering a document with the key
// and one without it.
const referenceFile = "../../docs/reference/network-config.md"

// TestReference holds that the page tells what the code does, and that each key
// of keyTable is rendered, refused or explained on each renderer.
func TestReference(t *testing.T) {
	head, err := os.ReadFile("testdata/reference-head.md")
	if err != nil {
		t.Fatal(err)
	}
	page := &strings.Builder{}
	page.Write(head)
	for _, group := range []struct{ letters, title string }{
		{"*", "All links"}, {"e", "ethernets"}, {"b", "bonds"}, {"r", "bridges"}, {"v", "vlans"}, {"o", "vrfs"}, {"p", "virtual-ethernets"}, {"t", "tunnels"},
	} {
		fmt.Fprintf(page, "\n### %s\n\n| key | netplan | systemd-networkd | NetworkManager | ifupdown | sysconfig |\n|---|---|---|---|---|---|\n", group.title)
		for line := range strings.Lines(keyTable) {
			w := strings.Fields(line)
			if len(w) < 3 || !strings.Contains(w[0], group.letters) || strings.Contains(w[0], "1") || group.letters != "*" && w[0][:1] != group.letters && len(w[0]) == 1 {
				continue
			}
			fmt.Fprintf(page, "| `%s` |", w[1])
			for _, name := range []string{"netplan", "networkd", "network-manager", "eni", "sysconfig"} {
				cell := describe(t, group.letters, w[1], w[2], w[3:], name)
				if cell == "" || strings.HasSuffix(cell, "has no value") {
					t.Errorf("%s: %s: nothing is written and nothing is said", name, w[1])
				}
				fmt.Fprintf(page, " %s |", cell)
			}
			fmt.Fprintln(page)
		}
	}
	golden.File(t, referenceFile, []byte(page.String()))
}

// sampleOf is a value of a key that is not what it would be anyway.
func sampleOf(key, typ string, needs []string) string {
	named := map[string]string{
		"match.name": "en*", "addresses.label": "eth0:x", "mtu": "1400", "routes.to": "10.9.0.0/16", "routes.via": "10.0.0.1", "routes.from": "10.0.0.5",
		"routing-policy.from": "10.0.0.5", "routing-policy.to": "10.8.0.0/16", "set-name": "lan0", "link": "eth0", "peer": "vb", "parameters.primary": "eth0",
		"routes.scope": "link", "routes.type": "blackhole", "routes.on-link": "true", "match.driver": "virtio_net", "nameservers.search": "[a.test]", "key": "5",
		"keys.input": "5", "keys.output": "6", "keys.private": wireguardKey, "keys.private-key-flags": "[not-required]", "peers.keys.public": wireguardKey, "peers.keys.shared": wireguardKey,
		"peers.endpoint": "'192.0.2.9:51820'", "peers.allowed-ips": "[10.20.0.0/16]", "parameters.path-cost": "{eth0: 5}", "parameters.port-priority": "{eth0: 5}",
		"local": "10.0.0.5", "remote": "10.0.0.6", "mode": "gre", "interfaces": "[eth0]", "gateway4": "10.0.0.1", "gateway6": "'2001:db8::1'", "ipv6-address-token": "'::5'",
		"nameservers.addresses": "[192.0.2.53]", "parameters.arp-ip-targets": "[10.0.0.1]", "link-local": "[]", "activation-mode": "manual", "dhcp-identifier": "mac", "addresses.lifetime": "0",
		"networkmanager": "{name: x}", "openvswitch": "{external-ids: {a: b}}", "wakeonwlan": "[any]", "addresses": "[10.0.0.5/24]", "ipv6-address-generation": "stable-privacy", "infiniband-mode": "connected",
		"accept-ra": "false", "auth.phase2-auth": "mschapv2", "parameters.stp": "false", "renderer": "", "port-range": "[4000, 5000]",
	}
	if v, ok := named[key]; ok {
		return v
	}
	switch typ {
	case "bool", "domains":
		if strings.Contains(key, ".use-") || strings.Contains(key, ".send-") {
			return "false"
		}
		return "true"
	case "num", "positive", "s", "ms":
		return "7"
	case "word":
		return needs[len(needs)-1]
	case "words":
		return "[" + needs[0] + "]"
	case "host":
		return "web1"
	case "mac":
		return "'02:00:00:aa:00:07'"
	case "addr":
		return "10.0.0.9"
	case "secret", "text", "name":
		return "secret"
	}
	return ""
}

const wireguardKey = "Ym9vdGhvb2sgcmVmZXJlbmNlIGtleSBudW1iZXIgMSE="

// around gives a document for the key: one without it, and the line and text
// with it.
func around(letter, key, value string) (without, with string) {
	const two = "version: 2\nethernets:\n  eth0:\n    addresses: [10.0.0.5/24]\n"
	const dhcp = "version: 2\nethernets:\n  eth0:\n    dhcp4: true\n    dhcp6: true\n"
	nest := func(in, key string) string {
		parts := strings.Split(key, ".")
		return in + strings.Join(parts, ": {") + ": " + value + strings.Repeat("}", len(parts)-1) + "\n"
	}
	under := func(list, fixed string) (string, string) {
		item := strings.TrimPrefix(key, list+".")
		all := fixed
		if i := strings.Index(fixed, item+": "); i >= 0 || item == "from" && list == "routing-policy" {
			return two, two + "    " + list + ":\n    - {" + fixed + "}\n"
		}
		switch item {
		case "type":
			all = "to: 10.9.0.0/16"
		}
		return two + "    " + list + ":\n    - {" + all + "}\n", two + "    " + list + ":\n    - {" + all + ", " + item + ": " + value + "}\n"
	}
	switch {
	case strings.HasPrefix(key, "routes"):
		if key == "routes" {
			value = "x"
			return two, two + "    routes:\n    - {to: 10.9.0.0/16, via: 10.0.0.1}\n"
		}
		return under("routes", "to: 10.9.0.0/16, via: 10.0.0.1")
	case strings.HasPrefix(key, "routing-policy"):
		if key == "routing-policy" {
			return two, two + "    routing-policy:\n    - {from: 10.0.0.5, table: 7, priority: 9}\n"
		}
		return under("routing-policy", "from: 10.0.0.5, table: 7, priority: 9")
	case strings.HasPrefix(key, "addresses."):
		plain := "version: 2\nethernets:\n  eth0:\n    addresses:\n"
		return plain + "    - 10.0.0.5/24\n", plain + "    - 10.0.0.5/24: {" + strings.TrimPrefix(key, "addresses.") + ": " + value + "}\n"
	case key == "addresses" || key == "link-local" || strings.HasPrefix(key, "dhcp") && !strings.Contains(key, ".") && key != "dhcp-identifier":
		empty := "version: 2\nethernets:\n  eth0:\n    optional: false\n"
		return empty, empty + nest("    ", key)
	case letter == "*" && (strings.HasPrefix(key, "gateway") || key == "macaddress" || key == "accept-ra"):
		return two, two + nest("    ", key)
	case key == "hairpin" || key == "neigh-suppress" || key == "port-mac-learning":
		in, rest := "version: 2\nethernets:\n  eth0:\n    optional: false\n", "bridges:\n  br0: {interfaces: [eth0]}\n"
		return in + rest, in + nest("    ", key) + rest
	case key == "set-name":
		in := dhcp + "    match: {macaddress: '02:00:00:aa:00:01'}\n"
		return in, in + nest("    ", key)
	case letter == "*" || letter == "e" && key != "link":
		return dhcp, dhcp + nest("    ", key)
	case letter == "e":
		in := "version: 2\nethernets:\n  eth0: {dhcp4: true}\n  vf0:\n    dhcp4: true\n"
		return in, in + nest("    ", key)
	}
	kind := ""
	for w := range strings.FieldsSeq(kindLetters) {
		if w[:1] == letter {
			kind = w[2:]
		}
	}
	head := "version: 2\nethernets:\n  eth0: {}\n" + kind + ":\n  x0:\n"
	base := map[string]string{
		"b": "    interfaces: [eth0]\n", "r": "    interfaces: [eth0]\n", "v": "    id: 5\n    link: eth0\n", "o": "    table: 5\n", "p": "    dhcp4: false\n", "t": "    mode: gre\n    remote: 10.0.0.6\n",
	}[letter]
	switch {
	case letter == "p":
		pair := "  vb: {peer: x0}\n"
		return "version: 2\n", head + nest("    ", key) + pair
	case letter == "t" && (strings.HasPrefix(key, "peers") || strings.HasPrefix(key, "keys.private") || key == "mark" || key == "port"):
		base = "    mode: wireguard\n    addresses: [10.10.0.1/24]\n"
		if strings.HasPrefix(key, "keys.private") {
			// Without any the link would be refused.
			return head + base + "    keys: {private: Ym9vdGhvb2sgcmVmZXJlbmNlIGtleSBudW1iZXIgMiE=}\n", head + base + nest("    ", key)
		}
		base += "    keys: {private: " + wireguardKey + "}\n"
		if strings.HasPrefix(key, "peers") {
			item := strings.TrimPrefix(key, "peers.")
			if key == "peers" || item == "keys.public" {
				return head + base, head + base + "    peers:\n    - {keys: {public: " + wireguardKey + "}}\n"
			}
			with := "{keys: {public: " + wireguardKey + "}, " + item + ": " + value + "}"
			if item == "keys.shared" {
				with = "{keys: {public: " + wireguardKey + ", shared: " + value + "}}"
			}
			return head + base + "    peers:\n    - {keys: {public: " + wireguardKey + "}}\n", head + base + "    peers:\n    - " + with + "\n"
		}
	case letter == "t" && slices.Contains(strings.Fields("ageing arp-proxy checksums do-not-fragment extensions flow-label id limit link mac-learning notifications port-range short-circuit type-of-service"), key):
		base = "    mode: vxlan\n    id: 5\n"
		if key == "id" {
			base = "    mode: vxlan\n"
		}
	case letter == "t" && (key == "mode" || key == "remote"):
		return "version: 2\nethernets:\n  eth0: {}\n", head + base
	}
	if strings.Contains(base, "    "+key+": ") {
		return "version: 2\nethernets:\n  eth0: {}\n", head + base
	}
	return head + base, head + base + nest("    ", key)
}

// explained are cells where nothing is written and nothing has to be said.
func explained(key, name string) string {
	switch {
	case key == "renderer":
		return "it is netplan's; another daemon than the root's is a warning"
	case name == "network-manager" && strings.HasPrefix(key, "auth.key-management"):
		return "802.1X is the only one that a cable has"
	case strings.HasSuffix(key, ".use-ntp") && name == "network-manager":
		return "it sets no clock"
	case key == "dhcp-identifier" && name == "eni":
		return "the address is what DHCP clients there send"
	case key == "networkmanager" || key == "openvswitch" || key == "wakeonwlan":
		return ""
	}
	return ""
}

// describe is the cell of a key and a renderer.
func describe(t *testing.T, letter, key, typ string, needs []string, name string) string {
	value := sampleOf(key, typ, needs)
	if key == "renderer" {
		value = "networkd"
	}
	before, after := around(letter, key, value)
	without, with := planned([]byte(before), name), planned([]byte(after), name)
	old := map[string]int{}
	for _, s := range without.Steps {
		for line := range strings.Lines(string(s.Body)) {
			old[strings.TrimSpace(line)]++
		}
	}
	var added []string
	for _, s := range with.Steps {
		for line := range strings.Lines(string(s.Body)) {
			line = strings.TrimSpace(line)
			if old[line]--; old[line] < 0 && line != "" && line[0] != '#' && line[0] != '[' {
				added = append(added, line)
			}
		}
	}
	earlier := map[string]bool{}
	for _, p := range without.Problems {
		earlier[p.Message] = true
	}
	said := ""
	for _, p := range with.Problems {
		if earlier[p.Message] && !strings.Contains(p.Message, "the link is left out") {
			continue
		}
		if p.Line == 0 {
			t.Errorf("%s: %s: a problem without a line: %v", name, key, p)
		}
		said = "refused: " + strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(p.Message, "eth0: "), "x0: "), key+": ")
		if p.Warning {
			said = "warning" + strings.TrimPrefix(said, "refused")
		}
		break
	}
	short := strings.Join(strings.Fields(key), " ")
	last := short[strings.LastIndex(short, ".")+1:]
	switch {
	case said != "":
		return strings.ReplaceAll(said, "|", `\|`)
	case len(added) == 0:
		for _, s := range without.Steps {
			for line := range strings.Lines(string(s.Body)) {
				if line = strings.TrimSpace(line); old[line] > 0 && line != "" {
					return "no `" + line + "`"
				}
			}
		}
		return explained(key, name)
	}
	// What names the key's own value says most.
	slices.SortStableFunc(added, func(a, b string) int {
		in := func(s string) int {
			if strings.Contains(strings.ToLower(s), strings.ReplaceAll(last, "-", "")) || strings.Contains(s, last) {
				return 0
			}
			return 1
		}
		return in(a) - in(b)
	})
	more := ""
	if len(added) > 2 {
		added, more = added[:2], " …"
	}
	for i, a := range added {
		if cut, _, found := strings.Cut(a, " || "); found {
			a = cut
		}
		added[i] = "`" + strings.ReplaceAll(a, "|", `\|`) + "`"
	}
	return strings.Join(added, ", ") + more
}
