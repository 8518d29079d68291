package agent

import (
	"os/exec"
	"strings"
	"testing"
)

// The flow of design, one way: netboot knows nothing of roots, injector
// nothing of networks, and only initramfs and the commands know both. What
// passes between them is netboot/instance, a leaf; the YAML that both read is
// another one beside it.
func TestImportsFollowTheFlow(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}: {{join .Imports " "}}`, "boothook/...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	packages := 0
	for line := range strings.Lines(string(out)) {
		from, imports, _ := strings.Cut(strings.TrimSpace(line), ": ")
		packages++
		for _, to := range strings.Fields(imports) {
			if !allowed(from, to) {
				t.Errorf("%s imports %s, against the flow", from, to)
			}
		}
	}
	if packages < 20 {
		t.Errorf("go list names %d packages only", packages)
	}
	for _, pair := range [][2]string{
		{"boothook/netboot/nic", "boothook/injector/root"}, {"boothook/injector/root", "boothook/netboot/fetch"},
		{"boothook/injector", "boothook/initramfs/words"}, {"boothook/netboot/instance", "boothook/netboot/fetch"},
		{"boothook/netboot/yaml", "boothook/netboot/instance"}, {"boothook/injector", "boothook/netboot/source"},
	} {
		if allowed(pair[0], pair[1]) {
			t.Errorf("the rule lets %s import %s", pair[0], pair[1])
		}
	}
}

// allowed says whether a package may import another one.
func allowed(from, to string) bool {
	const instance, yaml = "boothook/netboot/instance", "boothook/netboot/yaml"
	floor := func(p string) string {
		p, _ = strings.CutPrefix(p, "boothook/")
		top, _, _ := strings.Cut(p, "/")
		return top
	}
	if !strings.HasPrefix(to, "boothook/") {
		return true
	}
	switch {
	case from == instance, from == yaml:
		return false
	case floor(from) == "netboot":
		return floor(to) == "netboot"
	case floor(from) == "injector":
		return floor(to) == "injector" || to == instance || to == yaml
	case floor(from) == "initramfs":
		return floor(to) != "cmd"
	}
	return true
}
