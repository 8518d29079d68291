package generators

import (
	"os/exec"
	"slices"
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
