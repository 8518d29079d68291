//go:build daemons

package networkdaemons

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// inGuest is the variable by which this program knows that it runs in the guest
// of TestGuest.
const inGuest = "BOOTHOOK_DAEMONS_GUEST"

// guestInit is the guest's first process. What the guest sees as its root is
// the host's, so it mounts what it changes, and says by a file how it went.
const guestInit = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/run/tmp ` + inGuest + `=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/tmp /run/modules/lib/modules
ln -s /usr/lib/uml/modules/$(uname -r) /run/modules/lib/modules/
for m in veth dummy bonding 8021q bridge stp vrf ip_gre sit ipip ip6_tunnel; do modprobe -d /run/modules $m; done
# New namespaces get no gre0 and sit0 of their own.
echo 1 >/proc/sys/net/core/fb_tunnels_only_for_init_net
cd DIRECTORY
SELF -test.v -test.count=1 -test.timeout=50m -test.run='^TestDaemons$/RUN' >LOG 2>&1
echo $? >STATUS
sync
poweroff -f
`

// TestGuest shows the daemons documents with links that the kernel of this
// machine may not have: bonds, bridges, VLANs, VRFs, dummies and tunnels. It
// runs TestDaemons in a guest of user-mode Linux, which needs no rights and no
// processor of its own, and has the host's files for its root.
func TestGuest(t *testing.T) {
	if os.Getenv(inGuest) != "" {
		t.Skip("this is the guest")
	}
	for _, release := range []string{"bookworm", "trixie"} {
		chroot(t, release)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	status, log := filepath.Join(dir, "status"), filepath.Join(dir, "log")
	run := os.Getenv("BOOTHOOK_DAEMONS_RUN") // as in -run, below TestDaemons
	script := strings.NewReplacer("DIRECTORY", here, "SELF", self, "LOG", log, "STATUS", status, "RUN", run).Replace(guestInit)
	init := filepath.Join(dir, "init")
	if err := os.WriteFile(init, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 55*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "linux.uml", "root=/dev/root", "rootfstype=hostfs", "rw", "init="+init, "mem=768M",
		"con=null", "con0=null,fd:1", "ssl=null").CombinedOutput()
	text, _ := os.ReadFile(log)
	if code, _ := os.ReadFile(status); err != nil || strings.TrimSpace(string(code)) != "0" {
		t.Fatalf("the guest ended with %v and %q; it said\n%s\nand its kernel\n%s", err, code, text, out)
	}
	passed := strings.Count(string(text), "--- PASS: TestDaemons/")
	if passed == 0 {
		t.Fatalf("nothing was tried:\n%s", text)
	}
	t.Logf("%d documents shown to daemons in the guest:\n%s", passed, text)
}
