package source

import (
	"os/exec"
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
	for line := range strings.Lines(string(out)) {
		path := strings.TrimSpace(line)
		switch path {
		case "net/http", "crypto/tls", "text/template", "encoding/xml", "log/slog", "regexp", "boothook/netboot/simulate":
			t.Errorf("%s is imported", path)
		}
		if strings.HasPrefix(path, "boothook/injector") || strings.HasPrefix(path, "boothook/initramfs") {
			t.Errorf("%s is imported: netboot knows nothing of it", path)
		}
	}
}
