//go:build boot && inits

package boottest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestServicesOfRealRoots: services of Debian's OpenRC and runit are enabled
// and disabled by the links that those read, in roots that are not running.
// The boots of TestInits prove that they read them.
func TestServicesOfRealRoots(t *testing.T) {
	roots := strings.TrimSpace(run(t, "../realroots/make"))
	tool := built.Path(t, "boothook")
	order := filepath.Join(t.TempDir(), "order")
	for _, c := range []struct {
		init, wish string
		gone       []string
		links      map[string]string
	}{
		{"openrc", "disable: [bootlogs], enable: [hwclock.sh]",
			[]string{"etc/runlevels/default/bootlogs", "etc/runlevels/recovery/bootlogs"},
			map[string]string{"etc/runlevels/default/hwclock.sh": "/etc/init.d/hwclock.sh"}},
		{"runit", "disable: [bootlogs], mask: [getty-tty2], enable: [getty-hvc0]",
			[]string{"etc/rc2.d/S01bootlogs", "etc/runit/runsvdir/default/getty-tty2"},
			map[string]string{"etc/rc2.d/K01bootlogs": "../init.d/bootlogs", "etc/runit/runsvdir/default/getty-hvc0": "/etc/sv/getty-hvc0"}},
	} {
		t.Run(c.init, func(t *testing.T) {
			root := t.TempDir()
			run(t, "tar", "-C", root, "--numeric-owner", "--exclude=./usr/share/*", "-xpf", filepath.Join(roots, "bookworm-"+c.init+".tar"))
			for _, path := range c.gone {
				if _, err := os.Lstat(filepath.Join(root, path)); err != nil {
					t.Fatalf("before: %v", err)
				}
			}
			check(t, os.WriteFile(order, []byte("#cloud-config\nboothook: {"+c.wish+"}\n"), 0o600))
			run(t, tool, "apply", "--root", root, order)
			for _, path := range c.gone {
				if _, err := os.Lstat(filepath.Join(root, path)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is still there: %v", path, err)
				}
			}
			for path, want := range c.links {
				if got, err := os.Readlink(filepath.Join(root, path)); got != want {
					t.Errorf("%s leads to %q, want %q: %v", path, got, want, err)
				}
			}
		})
	}
}
