package network

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boothook/injector/internal/golden"
	"boothook/injector/plan"
)

// roots are what decides the renderer.
func roots() map[string]map[string]bool {
	return map[string]map[string]bool{
		"netplan":    {netplanProgram: true, networkdProgram: true},
		"ifupdown":   {ifupUsrProgram: true, interfacesFolder: true, networkdProgram: true},
		"interfaces": {ifupProgram: true},
		"keyfile":    {managerProgram: true, networkdProgram: true},
		"networkd":   {networkdProgram: true},
		"none":       {},
	}
}

// TestPlan compares, for each document and each kind of root, all files with
// what they have been read to be right.
func TestPlan(t *testing.T) {
	docs, err := filepath.Glob("testdata/*.[yj]*")
	if err != nil || len(docs) == 0 {
		t.Fatal("no documents", err)
	}
	for _, doc := range docs {
		body, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for name, exists := range roots() {
			t.Run(filepath.Base(doc)+"/"+name, func(t *testing.T) {
				file := strings.TrimSuffix(doc, filepath.Ext(doc)) + "." + name + ".golden"
				golden.File(t, file, []byte(show(read(body, &plan.Facts{Exists: exists}))))
			})
		}
	}
}

// read reads and plans.
func read(body []byte, facts *plan.Facts) Result {
	doc, problems := Read(body, "network-config")
	r := Plan(doc, body, facts)
	r.Problems = append(problems, r.Problems...)
	return r
}

func show(r Result) string {
	var s strings.Builder
	for _, step := range r.Steps {
		fmt.Fprintf(&s, "== %s %s %04o%s\n%s", step.Kind, step.Path, step.Mode, step.Target, step.Body)
	}
	for _, p := range r.Problems {
		fmt.Fprintln(&s, "!!", p)
	}
	return s.String()
}

// TestRefused gives documents of which something or all cannot be used.
func TestRefused(t *testing.T) {
	facts := &plan.Facts{Exists: roots()["networkd"]}
	for _, c := range []struct {
		name, body, problem string
		files               int
	}{
		{"nothing", "", "", 0},
		{"disabled", "config: disabled\n", "", 0},
		{"no yaml", "a: [\n", "yaml", 0},
		{"no mapping", "- 1\n", "not a mapping", 0},
		{"no version", "ethernets: {}\n", "version", 0},
		{"path as a name", "version: 2\nethernets:\n  ../../x: {dhcp4: true}\n  eth0: {dhcp4: true}\n", "network-config: line 3: \"../../x\" cannot be the name", 2},
		{"name too long", "version: 2\nethernets:\n  a234567890123456: {dhcp4: true}\n", "too long", 0},
		{"long name of a match", "version: 2\nethernets:\n  a234567890123456: {match: {name: 'e*'}, dhcp4: true}\n", "", 2},
		{"line break", "version: 2\nethernets:\n  e0: {match: {name: \"x\\n[Link]\"}, nameservers: {search: [\"a\\nb\"]}}\n", "cannot stand here", 2},
		{"bad mac", "version: 1\nconfig:\n- {type: physical, name: e0, mac_address: zz}\n", "network-config: line 3: not a MAC address", 2},
		{"mac of digits", "version: 2\nethernets:\n  e0: {match: {macaddress: 52:54:00:12:34:56}}\n", "", 2},
		{"bad address", "version: 2\nethernets:\n  e0: {addresses: [10.0.0.300/24, 10.0.0.1/24]}\n", "not an address", 2},
		{"bad mask", "version: 1\nconfig:\n- {type: physical, name: e0, subnets: [{type: static, address: 10.0.0.1, netmask: 255.0.255.0}]}\n", "not a netmask", 2},
		{"bad type", "version: 1\nconfig:\n- {type: infiniband, name: ib0}\n", `type "infiniband" is not known`, 0},
		{"wifi", "version: 2\nwifis: {}\n", "netplan only", 0},
		{"mtu", "version: 2\nethernets:\n  e0: {mtu: 70000}\n", "0 to 65535", 2},
		{"route to nowhere", "version: 2\nethernets:\n  e0: {routes: [{via: 10.0.0.1}]}\n", "without a destination", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := read([]byte(c.body), facts)
			if len(got.Steps) != c.files {
				t.Errorf("%d steps, not %d:\n%s", len(got.Steps), c.files, show(got))
			}
			text := fmt.Sprint(got.Problems)
			if c.problem == "" && len(got.Problems) > 0 || !strings.Contains(text, c.problem) {
				t.Errorf("problems %q, not %q", text, c.problem)
			}
		})
	}
}

// FuzzPlan holds that no document puts a file elsewhere than among network
// configuration, nor a value on a line of its own.
func FuzzPlan(f *testing.F) {
	docs, _ := filepath.Glob("testdata/*.[yj]*")
	for _, doc := range docs {
		body, err := os.ReadFile(doc)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for name, exists := range roots() {
			for _, s := range read(body, &plan.Facts{Exists: exists}).Steps {
				if !strings.HasPrefix(s.Path, "/etc/") || strings.Contains(s.Path, "..") {
					t.Errorf("%s: path %q", name, s.Path)
				}
				if name == "netplan" {
					continue // as it was given
				}
				for line := range strings.Lines(string(s.Body)) {
					word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
					if i := strings.IndexAny(word, "\x00\x1b;`"); i >= 0 && !strings.Contains(word, "=") {
						t.Errorf("%s: line %q", name, line)
					}
				}
			}
		}
	})
}
