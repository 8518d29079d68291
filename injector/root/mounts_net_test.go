//go:build net

package root

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"boothook/injector/plan"
)

func mountTable(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	return string(text)
}

// TestWithWritable: a root mounted read-only, with /var and /home elsewhere
// and /usr on a file system that is missing, as an initrd finds it.
func TestWithWritable(t *testing.T) {
	rootDev := attach(t, "16M", "mkfs.ext4", "-q")
	varDev := attach(t, "16M", "mkfs.ext4", "-q")
	uuid := "6f1c2a8e-0d4b-4c57-9a53-" + fmt.Sprintf("%012x", os.Getpid())
	homeDev := attach(t, "16M", "mkfs.ext4", "-q", "-U", uuid)
	ro := mounted(t, rootDev, "rw,nodev,noatime")
	fill(t, ro)
	must(t, os.Mkdir(ro+"/opt", 0o755))
	must(t, os.WriteFile(ro+"/etc/fstab", []byte(
		"# a comment\n/dev/none / ext4 defaults 0 1\n"+
			varDev+" /var ext4 defaults,noatime,x-systemd.device-timeout=5 0 2\n"+
			"UUID=0000-none /opt ext4 defaults 0 2\n"+
			"UUID="+uuid+" /home ext4 ro,nosuid 0 2\n"), 0o644))
	run(t, "mount", "-o", "remount,ro", ro)
	runDir := t.TempDir()
	before := mountTable(t)

	steps := []plan.Step{
		file("/etc/motd", "new\n"), file("/run/boothook/x", "in run\n"), file("/var/lib/thing", "in var\n"),
		file("/opt/lost", "x"), {Kind: plan.User, Account: &plan.Account{Name: "alice"}},
	}
	var res Result
	err := WithWritable(ro, MountOptions{Run: runDir}, func(r *Root) error {
		var err error
		res, err = r.Apply(context.Background(), plan.Plan{Version: 1, InstanceID: "i", Steps: steps}, Options{})
		if _, err := os.Stat(ro + "/var/lib/boothook"); err == nil {
			// This goroutine is in the namespace, so that hooks are too.
			_, err = os.Stat(ro + "/home/alice")
			must(t, err)
		} else {
			t.Error(err)
		}
		return err
	})
	must(t, err)
	for i, want := range []Status{Written, Written, Written, Skipped, Written} {
		if res.Steps[i].Status != want {
			t.Errorf("%s: %+v, want %s", steps[i], res.Steps[i], want)
		}
	}
	if !strings.Contains(res.Steps[3].Why, "UUID=0000-none on /opt, which cannot be mounted") {
		t.Errorf("why: %s", res.Steps[3].Why)
	}
	if after := mountTable(t); after != before {
		t.Errorf("mounts before:\n%s\nafter:\n%s", before, after)
	}
	if err := os.WriteFile(ro+"/x", nil, 0o644); !errors.Is(err, unix.EROFS) {
		t.Errorf("the root is still writable: %v", err)
	}
	expect := func(path, want string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", path, got, err, want)
		}
	}
	expect(ro+"/etc/motd", "new\n")
	expect(runDir+"/boothook/x", "in run\n")
	expect(mounted(t, varDev, "ro")+"/lib/thing", "in var\n")
	expect(mounted(t, homeDev, "ro")+"/alice/.profile", "# profile\n")
	for _, p := range []string{ro + "/opt/lost", ro + "/var/lib/thing", ro + "/home/alice", ro + "/run/boothook"} {
		if _, err := os.Lstat(p); !errors.Is(err, unix.ENOENT) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// TestWithReadable: a look sees what fstab mounts, and changes nothing.
func TestWithReadable(t *testing.T) {
	varDev := attach(t, "16M", "mkfs.ext4", "-q")
	content := mounted(t, varDev, "rw")
	must(t, os.MkdirAll(content+StateDir[len("/var"):], 0o755))
	must(t, os.WriteFile(content+"/lib/boothook/journal", []byte("x"), 0o644))
	run(t, "mount", "-o", "remount,ro", content)
	r := newRoot(t)
	must(t, os.MkdirAll(r.dir+"/var", 0o755))
	must(t, os.WriteFile(r.dir+"/etc/fstab", []byte(varDev+" /var ext4 defaults 0 2\n"), 0o644))
	before := mountTable(t)
	must(t, WithReadable(r.dir, func(look *Root) error {
		if look.Unfinished() {
			t.Error("/var is there before anybody asked for it")
		}
		must(t, look.MountFor([]string{StateDir}))
		if !look.Unfinished() {
			t.Error("the journal on /var is not seen")
		}
		if err := os.WriteFile(r.dir+"/var/x", nil, 0o644); !errors.Is(err, unix.EROFS) {
			t.Errorf("/var can be written: %v", err)
		}
		return nil
	}))
	if after := mountTable(t); after != before {
		t.Errorf("mounts before:\n%s\nafter:\n%s", before, after)
	}
}

// TestWithWritableCannot: a file system that is never writable is refused by
// name, before anything else is done.
func TestWithWritableCannot(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	run(t, "truncate", "-s", "16M", image)
	run(t, "mkfs.ext4", "-q", image)
	dev := run(t, "losetup", "--find", "--show", "--read-only", image)
	t.Cleanup(func() { run(t, "losetup", "--detach", dev) })
	dir := mounted(t, dev, "ro")
	err := WithWritable(dir, MountOptions{}, func(*Root) error { t.Error("work was begun"); return nil })
	if !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "ext4") {
		t.Errorf("error %v", err)
	}
}

// TestWithWritableDirectory: a plain directory is made a mount of its own, and
// several workings one after another leave nothing behind.
func TestWithWritableDirectory(t *testing.T) {
	r := newRoot(t)
	before := mountTable(t)
	for range 20 {
		must(t, WithWritable(r.dir, MountOptions{}, func(w *Root) error {
			if n, err := newTree(w).walk("/var/run/x", true); err != nil || n.path() != "/run/x" {
				t.Errorf("walk: %v, %v", n, err)
			}
			return w.WriteFile("/etc/motd", []byte("x"), 0o600)
		}))
	}
	if after := mountTable(t); after != before {
		t.Errorf("mounts before:\n%s\nafter:\n%s", before, after)
	}
	if got, _ := os.ReadFile(r.dir + "/etc/motd"); string(got) != "x" {
		t.Errorf("motd %q", got)
	}
}

func TestMountPointsAreNotReplaced(t *testing.T) {
	r := newRoot(t)
	must(t, os.WriteFile(r.dir+"/etc/resolv.conf", []byte("old"), 0o644))
	run(t, "mount", "--bind", "/dev/null", r.dir+"/etc/resolv.conf")
	t.Cleanup(func() { run(t, "umount", r.dir+"/etc/resolv.conf") })
	res := apply(t, r, file("/etc/resolv.conf", "new"), file("/etc/good", "x"))
	if res.Steps[0].Why != "a mount point is in the way" || res.Steps[1].Status != Written {
		t.Errorf("steps %+v", res.Steps)
	}
}
