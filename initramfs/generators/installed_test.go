package generators

import (
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

func TestModules(t *testing.T) {
	cards, others := Modules()
	if len(cards) < 10 || cards[0] != "virtio_net" || slices.Contains(cards, "virtio_pci") {
		t.Errorf("cards: %q", cards)
	}
	if len(others) < 15 || !slices.Contains(others, "isofs") || slices.Contains(others, "#") {
		t.Errorf("others: %q", others)
	}
}

// What generators run must at least be understood by their shells.
func TestInstalledScripts(t *testing.T) {
	for file, shell := range map[string]string{
		"initramfs-tools/hook": "sh", "initramfs-tools/early": "sh", "initramfs-tools/late": "sh",
		"dracut/module-setup.sh": "bash", "dracut/early.sh": "sh", "dracut/late.sh": "sh",
	} {
		if out, err := exec.Command(shell, "-n", "files/"+file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", file, err, out)
		}
	}
}

// mkinitramfs gives the names of a stage's scripts to tsort(1), each as a pair
// with itself if it waits for no other. Ours must come out where bake puts them.
func TestInstalledOrder(t *testing.T) {
	for _, others := range [][2]string{
		{"all_generic_ide blacklist keymap udev", "udev"},
		{"", "overlayroot udev"},
		{"udev", "plymouth udev zz-last"},
		{"framebuffer", ""},
	} {
		top, bottom := sorted(t, others[0], ownEarly), sorted(t, others[1], ownLate)
		base := debian(map[string]string{"init-top": order("init-top", top...), "init-bottom": order("init-bottom", bottom...)})
		base = append(base, script(ownEarly, initramfsToolsEarly), script(ownLate, initramfsToolsLate))
		if err := (initramfsTools{}).Check(treeOf(t, base...)); err != nil {
			t.Error(err)
		}
		if top[0] != path.Base(ownEarly) {
			t.Errorf("the early call is not the first of %q", top)
		}
		if i := slices.Index(bottom, "overlayroot"); i > slices.Index(bottom, path.Base(ownLate)) {
			t.Errorf("the late call comes before overlayroot in %q", bottom)
		}
	}
}

func sorted(t *testing.T, others, own string) []string {
	t.Helper()
	var pairs strings.Builder
	for _, name := range append(strings.Fields(others), path.Base(own)) {
		pairs.WriteString(name + " " + name + "\n")
	}
	cmd := exec.Command("tsort")
	cmd.Stdin = strings.NewReader(pairs.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}
