//go:build net

package root

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"boothook/injector/plan"
)

// sealed makes an image of a root on a file system or disk that can never be
// written, and mounts it.
func sealed(t *testing.T, how string, more map[string]string) string {
	t.Helper()
	tree := newRoot(t).dir
	must(t, os.MkdirAll(tree+"/usr/local/bin", 0o755))
	must(t, os.Chmod(tree+"/root", 0o700))
	must(t, os.Mkdir(tree+"/srv", 0o755))
	for name, body := range more {
		must(t, os.MkdirAll(filepath.Dir(tree+name), 0o755))
		must(t, os.WriteFile(tree+name, []byte(body), 0o644))
	}
	image := filepath.Join(t.TempDir(), "image")
	switch how {
	case "squashfs":
		run(t, "mksquashfs", tree, image, "-quiet", "-no-progress")
	case "erofs":
		run(t, "mkfs.erofs", image, tree)
	case "ext4":
		run(t, "truncate", "-s", "16M", image)
		run(t, "mkfs.ext4", "-q", "-d", tree, image)
	}
	dev := run(t, "losetup", "--find", "--show", "--read-only", image)
	t.Cleanup(func() { run(t, "losetup", "--detach", dev) })
	return mounted(t, dev, "ro")
}

// memory is a tmpfs, as the initrd's /run is.
func memory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run(t, "mount", "-t", "tmpfs", "-o", "mode=755", "none", dir)
	t.Cleanup(func() { run(t, "umount", dir) })
	return dir
}

// unlay takes away what a test left laid over a root.
func unlay(t *testing.T, dir string) {
	t.Cleanup(func() {
		for line := range strings.Lines(mountTable(t)) {
			if mi, ok := parseMountInfo(line); ok && strings.HasPrefix(mi.point, dir+"/") {
				run(t, "umount", mi.point)
			}
		}
	})
}

func points(t *testing.T, dir string) (list []string) {
	for line := range strings.Lines(mountTable(t)) {
		if mi, ok := parseMountInfo(line); ok && strings.HasPrefix(mi.point, dir+"/") {
			list = append(list, strings.TrimPrefix(mi.point, dir)+" "+mi.fstype)
		}
	}
	slices.Sort(list)
	return list
}

// TestVolatile: a root that can never be written gets overlays, which stay as
// far as they hold something; the second run finds them.
func TestVolatile(t *testing.T) {
	steps := []plan.Step{
		file("/etc/motd", "new\n"), file("/root/new", "x"), {Kind: plan.Remove, Path: "/etc/issue"},
		file("/usr/local/bin/tool", "x"), file("/usr/bin/tool", "x"), file("/run/boothook/x", "in run\n"),
		{Kind: plan.User, Account: &plan.Account{Name: "alice"}},
	}
	for _, how := range []string{"squashfs", "erofs", "ext4"} {
		t.Run(how, func(t *testing.T) {
			dir, runDir := sealed(t, how, nil), memory(t)
			unlay(t, dir)
			o := MountOptions{Run: runDir, Volatile: filepath.Join(runDir, "volatile, or:so")}
			for _, want := range []Status{Written, Unchanged} {
				var res Result
				var persistence string
				must(t, WithWritable(dir, o, func(r *Root) (err error) {
					persistence = r.Persistence()
					res, err = r.Apply(context.Background(), plan.Plan{Version: 1, InstanceID: "i", Steps: steps}, Options{})
					return err
				}))
				for i, s := range res.Steps {
					expect := want
					if i == 4 {
						expect = Skipped // nothing is laid over /usr
					}
					if s.Status != expect {
						t.Errorf("%s: %+v, want %s", steps[i], s, expect)
					}
				}
				if !strings.HasPrefix(persistence, "volatile: the root ("+how+") cannot be written") || !strings.Contains(persistence, "again at each boot") {
					t.Errorf("persistence %q", persistence)
				}
			}
			want := []string{"/etc overlay", "/home overlay", "/root overlay", "/usr/local overlay", "/var overlay"}
			if got := points(t, dir); !slices.Equal(got, want) {
				t.Errorf("mounted: %v, want %v", got, want)
			}
			for path, want := range map[string]string{"/etc/motd": "new\n", "/etc/issue": "gone", "/home/alice/.profile": "# profile\n", "/usr/local/bin/tool": "x"} {
				got, err := os.ReadFile(dir + path)
				if errors.Is(err, unix.ENOENT) {
					got, err = []byte("gone"), nil
				}
				if err != nil || string(got) != want {
					t.Errorf("%s: %q, %v; want %q", path, got, err, want)
				}
			}
			// What is laid over looks as what is below, and is nobody else's.
			for path, want := range map[string]os.FileMode{dir + "/root": 0o700, dir + "/etc": 0o755, o.Volatile: 0o700} {
				if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
					t.Errorf("%s: %v, %v, want %v", path, st.Mode(), err, want)
				}
			}
		})
	}
}

// TestVolatileNothing: where nothing is written, or all fails, nothing stays.
func TestVolatileNothing(t *testing.T) {
	dir, runDir := sealed(t, "squashfs", nil), memory(t)
	unlay(t, dir)
	before := mountTable(t)
	failed := errors.New("failed")
	if err := WithWritable(dir, MountOptions{Volatile: runDir}, func(*Root) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
	if after := mountTable(t); after != before {
		t.Errorf("mounts before:\n%s\nafter:\n%s", before, after)
	}
	for path, load := range map[string]func(string) error{
		dir:                    nil,
		sealed(t, "ext4", nil): func(string) error { t.Error("a module was asked for, though the kernel has overlays"); return nil },
	} {
		err := WithWritable(path, MountOptions{Load: load}, func(*Root) error { t.Error("work was begun"); return nil })
		if !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "and it can never be written") {
			t.Errorf("error %v", err)
		}
	}
	// An upper layer has to be on a file system that can be one.
	err := WithWritable(dir, MountOptions{Volatile: "/proc/boothook"}, func(*Root) error { t.Error("work was begun"); return nil })
	if !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "nor can an overlay be laid over it: volatile /etc") {
		t.Errorf("error %v", err)
	}
}

// TestVolatileBesideMounts: what the booted system mounts by itself is left
// alone, or mounted as it would be.
func TestVolatileBesideMounts(t *testing.T) {
	varDev := attach(t, "16M", "mkfs.ext4", "-q")
	dir, runDir := sealed(t, "squashfs", map[string]string{
		"/etc/fstab":                            varDev + " /var ext4 defaults 0 2\ntmpfs /home tmpfs mode=755,size=1m 0 0\n",
		"/usr/lib/systemd/system/srv.mount":     "[Mount]\n",
		"/usr/lib/systemd/system/opt-big.mount": "[Mount]\n",
	}), memory(t)
	unlay(t, dir)
	var res Result
	steps := []plan.Step{file("/etc/motd", "x"), file("/var/lib/new", "x"), file("/home/new", "x"), file("/srv/new", "x")}
	must(t, WithWritable(dir, MountOptions{Run: runDir, Volatile: runDir + "/v"}, func(r *Root) (err error) {
		res, err = r.Apply(context.Background(), plan.Plan{Version: 1, InstanceID: "i", Steps: steps}, Options{})
		return err
	}))
	for i, want := range []Status{Written, Written, Written, Skipped} {
		if res.Steps[i].Status != want {
			t.Errorf("%s: %+v, want %s", steps[i], res.Steps[i], want)
		}
	}
	if !strings.Contains(res.Steps[3].Why, "/usr/lib/systemd/system/srv.mount mounts something there") {
		t.Errorf("why: %s", res.Steps[3].Why)
	}
	if got, want := points(t, dir), []string{"/etc overlay", "/home tmpfs"}; !slices.Equal(got, want) {
		t.Errorf("mounted: %v, want %v", got, want)
	}
	if _, err := os.Stat(mounted(t, varDev, "ro") + "/lib/new"); err != nil {
		t.Error(err)
	}
}

// TestVolatileNeedless: where the initrd has mounted something writable, there
// is nothing volatile about it, and nothing is laid over it.
func TestVolatileNeedless(t *testing.T) {
	dir, runDir := sealed(t, "squashfs", nil), memory(t)
	for _, d := range []string{"/etc", "/var"} {
		writable := mounted(t, attach(t, "16M", "mkfs.ext4", "-q"), "rw")
		run(t, "cp", "-a", dir+d+"/.", writable)
		run(t, "mount", "--bind", writable, dir+d)
		t.Cleanup(func() { run(t, "umount", dir+d) })
	}
	before := points(t, dir)
	must(t, WithWritable(dir, MountOptions{Run: runDir, Volatile: runDir + "/v"}, func(r *Root) error {
		res, err := r.Apply(context.Background(), plan.Plan{Version: 1, InstanceID: "i", Steps: []plan.Step{file("/etc/motd", "x"), file("/usr/new", "x")}}, Options{})
		if err == nil && (res.Steps[0].Status != Written || res.Steps[1].Status != Skipped || slices.Contains(r.Volatile(), "/etc")) {
			t.Errorf("steps %+v, volatile %v", res.Steps, r.Volatile())
		}
		return err
	}))
	if after := points(t, dir); !slices.Equal(after, before) {
		t.Errorf("mounted: %v, was %v", after, before)
	}
	expectFile(t, dir+"/etc/motd", "x")
}
