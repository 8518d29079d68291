package agent

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"boothook/netboot/source"
)

// The boot, the kernel's words and the network interfaces name no cloud, in
// code or comment: what one needs stands in its source. So a new cloud is one
// file there and one line of the table.
func TestNamesNoCloud(t *testing.T) {
	barred := cloudNames()
	if len(barred) < 30 {
		t.Fatalf("only %d names of sources and platforms", len(barred))
	}
	files := 0
	for _, dir := range []string{".", "../words", "../../netboot/nic"} {
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files++
			for n, line := range strings.Split(string(text), "\n") {
				if word := namesCloud(line, barred); word != "" {
					t.Errorf("%s:%d names %s: %s", name, n+1, word, strings.TrimSpace(line))
				}
			}
		}
	}
	if files < 30 {
		t.Errorf("only %d files looked at", files)
	}
	for line, want := range map[string]string{
		"// MAAS says who it is":                "maas",
		"const azureWireserver = 1":             "azure",
		`if name == "nocloud" {`:                "nocloud",
		"// clouds without DHCP (DigitalOcean)": "digitalocean",
		`load("qemu_fw_cfg")`:                   "fw_cfg",
		`"bus/acpi/devices/QEMU0002:00"`:        "qemu0002",
		"GenericOptionCode(245)":                "245",
		"func loadFWCfg() {}":                   "fwcfg",
		"// QEMU is no cloud, nor is 1245":      "",
	} {
		if got := namesCloud(line, barred); got != want {
			t.Errorf("%q: found %q, want %q", line, got, want)
		}
	}
}

// cloudNames are the names of all sources and platforms, and of what else
// belongs to one of them alone. QEMU is what many machines run on.
func cloudNames() map[string]bool {
	names := map[string]bool{"fw_cfg": true, "qemu0002": true, "245": true}
	for _, s := range source.Table() {
		names[s.Name] = true
		for _, r := range s.Rules {
			names[r.Platform] = true
		}
	}
	delete(names, "qemu")
	return names
}

var (
	wordPattern = regexp.MustCompile(`[A-Za-z0-9]+`)
	// A part of an identifier in mixed case: Wireserver, or FW of FWCfg.
	partPattern = regexp.MustCompile(`[A-Z]+[a-z0-9]*|[a-z0-9]+`)
)

// namesCloud gives the barred name that a line has in it: a whole word or parts
// of an identifier, in any case.
func namesCloud(line string, barred map[string]bool) string {
	if strings.Contains(strings.ToLower(line), "fw_cfg") {
		return "fw_cfg"
	}
	for _, word := range wordPattern.FindAllString(line, -1) {
		parts := partPattern.FindAllString(word, -1)
		for from := range parts {
			for to := from + 1; to <= len(parts); to++ {
				if name := strings.ToLower(strings.Join(parts[from:to], "")); barred[name] {
					return name
				}
			}
		}
	}
	return ""
}
