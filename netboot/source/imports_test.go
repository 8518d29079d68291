package source

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestImports keeps what is large or does not belong out of the agent's half
// of netboot.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "boothook/netboot/source", "boothook/netboot/fetch", "boothook/netboot/platform").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	for _, banned := range []string{"net/http", "crypto/tls", "regexp", "text/template", "encoding/xml", "log/slog", "boothook/netboot/simulate"} {
		if slices.Contains(deps, banned) {
			t.Errorf("%s is imported", banned)
		}
	}
	for _, d := range deps {
		if strings.HasPrefix(d, "boothook/injector") || strings.HasPrefix(d, "boothook/initramfs") {
			t.Errorf("%s is imported: netboot knows nothing of it", d)
		}
	}
}
