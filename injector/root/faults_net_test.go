//go:build net

package root

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"boothook/injector/plan"
)

// tmpfs mounts a small file system in memory and fills it as a root.
func tmpfs(t *testing.T, options string) *Root {
	dir := t.TempDir()
	run(t, "mount", "-t", "tmpfs", "-o", options, "none", dir)
	t.Cleanup(func() { run(t, "umount", dir) })
	return newRootIn(t, dir)
}

// TestRealFaults has the kernel itself refuse: no space, no inodes, on
// two kinds of file system. Quotas, which do not bind root, are for
// TestFaultAtEveryCall. Nothing may have changed.
func TestRealFaults(t *testing.T) {
	big := []plan.Step{file("/etc/motd", "new"), file("/srv/a/b", "x"), file("/etc/big", strings.Repeat("x", 1<<20)), file("/etc/huge", strings.Repeat("y", 40<<20))}
	var many []plan.Step
	for i := range 400 {
		many = append(many, file(fmt.Sprintf("/srv/many/%d", i), "x"))
	}
	for _, c := range []struct {
		name  string
		root  func(t *testing.T) *Root
		steps []plan.Step
		want  error
	}{
		{"no space", func(t *testing.T) *Root { return tmpfs(t, "size=4m,mode=755") }, big, unix.ENOSPC},
		{"no inodes", func(t *testing.T) *Root { return tmpfs(t, "nr_inodes=200,mode=755") }, many, unix.ENOSPC},
		{"no space on ext4", func(t *testing.T) *Root { return extRoot(t, "16M") }, big, unix.ENOSPC},
		{"no inodes on ext4", func(t *testing.T) *Root { return extRoot(t, "16M", "-N", "128") }, many, unix.ENOSPC},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := c.root(t)
			before := listing(t, r.dir)
			_, err := r.Apply(context.Background(), plan.Plan{InstanceID: "i", Steps: c.steps}, Options{})
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if diff := cmp.Diff(before, listing(t, r.dir)); diff != "" {
				t.Errorf("changed (-before +after):\n%s", diff)
			}
			apply(t, r, file("/etc/motd", "small")) // what fits still goes
		})
	}
}

func extRoot(t *testing.T, size string, options ...string) *Root {
	dir := mounted(t, attach(t, size, append([]string{"mkfs.ext4", "-q"}, options...)...), "rw")
	fill(t, dir)
	return openRoot(t, dir)
}

// TestImmutable: what may not be changed drops its step, and only that.
func TestImmutable(t *testing.T) {
	r := extRoot(t, "16M")
	for _, p := range []string{"/etc/motd", "/srv"} {
		must(t, os.MkdirAll(r.dir+"/srv", 0o755))
		run(t, "chattr", "+i", r.dir+p)
		t.Cleanup(func() { run(t, "chattr", "-i", r.dir+p) })
	}
	run(t, "chattr", "+a", r.dir+"/etc/group")
	t.Cleanup(func() { run(t, "chattr", "-a", r.dir+"/etc/group") })
	res := apply(t, r, file("/etc/motd", "x"), file("/srv/x", "x"), file("/etc/good", "x"), plan.Step{Kind: plan.Remove, Path: "/etc/motd"},
		plan.Step{Kind: plan.Group, Account: &plan.Account{Name: "web"}}, plan.Step{Kind: plan.Dir, Path: "/srv", Mode: 0o700})
	for i, want := range []Status{Skipped, Skipped, Written, Skipped, Skipped, Skipped} {
		if res.Steps[i].Status != want || want == Skipped && !strings.Contains(res.Steps[i].Why, "immutable") {
			t.Errorf("step %d: %+v, want %s", i, res.Steps[i], want)
		}
	}
}

// TestReadOnlyPart: a part of the root that is read-only drops what falls
// there, and only that.
func TestReadOnlyPart(t *testing.T) {
	r := newRoot(t)
	run(t, "mount", "-t", "tmpfs", "-o", "ro", "none", r.dir+"/usr")
	t.Cleanup(func() { run(t, "umount", r.dir+"/usr") })
	res := apply(t, r, file("/usr/x", "x"), file("/etc/good", "x"))
	if res.Steps[0].Status != Skipped || res.Steps[1].Status != Written {
		t.Errorf("steps %+v", res.Steps)
	}
}

// TestReadOnlyRoot: a root that is read-only as a whole is an error, unless
// there is nothing to write.
func TestReadOnlyRoot(t *testing.T) {
	r := extRoot(t, "16M")
	run(t, "mount", "-o", "remount,ro", r.dir)
	_, err := r.Apply(context.Background(), plan.Plan{Steps: []plan.Step{file("/etc/new", "x")}}, Options{})
	if !errors.Is(err, ErrReadOnly) {
		t.Errorf("error %v", err)
	}
	if res := apply(t, r, plan.Step{Kind: plan.Remove, Path: "/etc/none"}); res.Steps[0].Status != Unchanged {
		t.Errorf("steps %+v", res.Steps)
	}
}

// TestDevices: a device node is neither opened nor replaced.
func TestDevices(t *testing.T) {
	r := newRoot(t)
	for _, p := range []string{"/etc/hostname", "/etc/os-release", "/etc/fstab"} {
		must(t, unix.Mknod(r.dir+p, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5)))) // zero: endless
	}
	f, err := r.Facts()
	if err != nil || f.Hostname != "" || len(f.OSRelease) > 0 {
		t.Errorf("facts %+v, %v", f, err)
	}
	if res := apply(t, r, file("/etc/hostname", "x")); res.Steps[0].Status != Skipped {
		t.Errorf("steps %+v", res.Steps)
	}
}

// TestLabelStays: a file that replaces another has its label, on any root.
func TestLabelStays(t *testing.T) {
	r := newRoot(t)
	const label = "system_u:object_r:etc_t:s0\x00"
	must(t, unix.Setxattr(r.dir+"/etc/motd", labelAttr, []byte(label), 0))
	apply(t, r, file("/etc/motd", "new\n"))
	buf := make([]byte, 100)
	n, err := unix.Getxattr(r.dir+"/etc/motd", labelAttr, buf)
	must(t, err)
	if string(buf[:n]) != label {
		t.Errorf("label %q", buf[:n])
	}
}

// TestOverlay: a root on overlayfs, as overlayroot and live systems have it.
func TestOverlay(t *testing.T) {
	old, new, _ := states(t)
	lower, upper, dir := newRoot(t).dir, t.TempDir(), t.TempDir()
	must(t, os.MkdirAll(upper+"/up", 0o755))
	must(t, os.MkdirAll(upper+"/work", 0o755))
	run(t, "mount", "-t", "overlay", "-o", "lowerdir="+lower+",upperdir="+upper+"/up,workdir="+upper+"/work", "none", dir)
	t.Cleanup(func() { run(t, "umount", dir) })
	r := openRoot(t, dir)
	must(t, applyWith(r, &faulty{at: -1}))
	if !settled(t, "overlay", r, old, new) {
		t.Error("not all was applied")
	}
	apply(t, r, richPlan().Steps...)
	if !settled(t, "overlay, again", r, old, new) {
		t.Error("again it is another")
	}
}

// TestUsersLinks: a link that an ordinary user made is not followed to what is
// not that user's.
func TestUsersLinks(t *testing.T) {
	r := newRoot(t)
	home := r.dir + "/home/bob"
	must(t, os.MkdirAll(home+"/own", 0o755))
	for name, to := range map[string]string{"evil": "/etc/shadow", "dir": "../../etc", "mine": "own", "dangling": "/etc/new"} {
		must(t, os.Symlink(to, home+"/"+name))
		must(t, os.Lchown(home+"/"+name, 1000, 1000))
	}
	must(t, os.Chown(home+"/own", 1000, 1000))
	res := apply(t, r, file("/home/bob/evil", "x"), file("/home/bob/dir/x", "x"), file("/home/bob/dangling", "x"), file("/home/bob/mine/x", "x"))
	for i, want := range []Status{Skipped, Skipped, Skipped, Written} {
		if res.Steps[i].Status != want {
			t.Errorf("step %d: %+v, want %s", i, res.Steps[i], want)
		}
	}
}
