//go:build net

package root

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"boothook/injector/plan"
)

// applyAsBooted applies steps to a root as at boot and gives what Persistence says.
func applyAsBooted(t *testing.T, dir string, steps ...plan.Step) (string, Result) {
	t.Helper()
	var res Result
	var persistence string
	must(t, WithWritable(dir, MountOptions{Run: t.TempDir()}, func(r *Root) (err error) {
		persistence = r.Persistence()
		res, err = r.Apply(context.Background(), plan.Plan{Version: 1, InstanceID: "i", Steps: steps}, Options{})
		return err
	}))
	return persistence, res
}

func expectFile(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s: %q, %v; want %q", path, got, err, want)
	}
}

// TestBtrfs: the root is a subvolume, mounted read-only; /home is another one
// of the same file system, /srv one inside the root, and /var is an XFS.
func TestBtrfs(t *testing.T) {
	uuid := "0b7f5c7e-5d2a-4d5e-8a52-" + fmt.Sprintf("%012x", os.Getpid())
	dev := attach(t, "128M", "mkfs.btrfs", "-q", "-U", uuid)
	varDev := attach(t, "512M", "mkfs.xfs", "-q")
	top := mounted(t, dev, "rw")
	for _, sub := range []string{"/@", "/@home"} {
		run(t, "btrfs", "subvolume", "create", top+sub)
	}
	fill(t, top+"/@")
	run(t, "btrfs", "subvolume", "create", top+"/@/srv")
	must(t, os.WriteFile(top+"/@/etc/fstab", []byte(
		"UUID="+uuid+" / btrfs ro,subvol=@ 0 0\nUUID="+uuid+" /home btrfs subvol=@home,compress=zstd 0 0\n"+varDev+" /var xfs defaults,nofail 0 0\n"), 0o644))
	dir := mounted(t, dev, "ro,subvol=@")
	steps := []plan.Step{
		file("/etc/motd", "new\n"), file("/srv/www/index", "x"), file("/var/lib/new", "in var\n"),
		{Kind: plan.User, Account: &plan.Account{Name: "alice"}}, {Kind: plan.Remove, Path: "/etc/issue"},
	}
	before := mountTable(t)
	persistence, res := applyAsBooted(t, dir, steps...)
	if persistence != "" {
		t.Errorf("persistence %q", persistence)
	}
	for i, s := range res.Steps {
		if s.Status != Written {
			t.Errorf("%s: %+v", steps[i], s)
		}
	}
	if after := mountTable(t); after != before {
		t.Errorf("mounts before:\n%s\nafter:\n%s", before, after)
	}
	expectFile(t, top+"/@/etc/motd", "new\n")
	expectFile(t, top+"/@/srv/www/index", "x")
	expectFile(t, top+"/@home/alice/.profile", "# profile\n")
	expectFile(t, mounted(t, varDev, "ro")+"/lib/new", "in var\n")
	if _, err := os.Lstat(top + "/@/home/alice"); err == nil {
		t.Error("the home is in the root's own /home")
	}
	if _, res = applyAsBooted(t, dir, steps...); res.Steps[0].Status != Unchanged || res.Steps[3].Status != Unchanged {
		t.Errorf("the second time: %+v", res.Steps)
	}
}

// TestOverlayRoot: overlayroot, live-boot and systemd.volatile=overlay leave a
// root that is an overlay already.
func TestOverlayRoot(t *testing.T) {
	lower, upper, dir := sealed(t, "erofs", nil), memory(t), t.TempDir()
	must(t, os.MkdirAll(upper+"/up", 0o755))
	must(t, os.MkdirAll(upper+"/work", 0o755))
	run(t, "mount", "-t", "overlay", "-o", "lowerdir="+lower+",upperdir="+upper+"/up,workdir="+upper+"/work", "overlay", dir)
	t.Cleanup(func() { run(t, "umount", dir) })
	steps := []plan.Step{
		file("/etc/motd", "new\n"), file("/usr/bin/tool", "x"), {Kind: plan.Remove, Path: "/etc/issue"},
		{Kind: plan.Dir, Path: "/srv", Mode: 0o700}, {Kind: plan.Link, Path: "/bin", Target: "/usr/bin"},
		{Kind: plan.Remove, Path: "/home"}, file("/home", "a file now"),
		{Kind: plan.User, Account: &plan.Account{Name: "alice", Home: "/var/alice"}},
	}
	persistence, res := applyAsBooted(t, dir, steps...)
	if !strings.Contains(persistence, "is an overlay") || !strings.Contains(persistence, upper+"/up") {
		t.Errorf("persistence %q", persistence)
	}
	for i, s := range res.Steps {
		if s.Status != Written {
			t.Errorf("%s: %+v", steps[i], s)
		}
	}
	expectFile(t, dir+"/etc/motd", "new\n")
	expectFile(t, dir+"/home", "a file now")
	expectFile(t, dir+"/var/alice/.profile", "# profile\n")
	expectFile(t, lower+"/etc/motd", "hello\n")
}

// TestAttributesAreKept: a file that is replaced hands on its access list, its
// capability and what users noted on it, but no signature.
func TestAttributesAreKept(t *testing.T) {
	for _, mkfs := range [][]string{{"mkfs.ext4", "-q"}, {"mkfs.xfs", "-q"}, {"mkfs.btrfs", "-q"}} {
		t.Run(mkfs[0], func(t *testing.T) {
			dir := mounted(t, attach(t, "512M", mkfs...), "rw")
			fill(t, dir)
			motd := dir + "/etc/motd"
			run(t, "setfacl", "-m", "u:1:rw,g:27:r", motd)
			run(t, "setfattr", "-n", "user.note", "-v", "kept", motd)
			run(t, "setfattr", "-n", "user.empty", motd)
			run(t, "setfattr", "-n", "trusted.other", "-v", "gone", motd)
			run(t, "setcap", "cap_net_raw=ep", motd)
			names := func() string {
				var list []string
				for line := range strings.Lines(run(t, "getfattr", "--absolute-names", "-d", "-m", "-", "-e", "text", motd)) {
					if name, _, ok := strings.Cut(line, "="); ok && name != "security.selinux" && name != "trusted.SGI_ACL_FILE" {
						list = append(list, name)
					} else if strings.HasPrefix(line, "user.empty") {
						list = append(list, "user.empty")
					}
				}
				return strings.Join(list, " ")
			}
			r := openRoot(t, dir)
			res := apply(t, r, file("/etc/motd", "new content\n"))
			if res.Steps[0].Status != Written {
				t.Fatalf("%+v", res.Steps[0])
			}
			if got, want := names(), "security.capability system.posix_acl_access user.empty user.note"; got != want {
				t.Errorf("attributes %q, want %q", got, want)
			}
			if got := run(t, "getcap", motd); !strings.Contains(got, "cap_net_raw=ep") {
				t.Errorf("capability %q", got)
			}
			// As after chmod(1) 0640: what the list allows is bounded by the mode.
			step := file("/etc/motd", "secret\n")
			step.Mode = 0o640
			apply(t, r, step)
			acl := run(t, "getfacl", "-cEn", "--absolute-names", motd)
			if want := "user::rw-\nuser:1:rw-\ngroup::r--\ngroup:27:r--\nmask::r--\nother::---"; acl != want {
				t.Errorf("access list\n%s\nwant\n%s", acl, want)
			}
		})
	}
}
