package root

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/plan"
)

// put writes files into a root; a body that begins with "-> " makes a link.
func put(t testing.TB, r *Root, files map[string]string) {
	t.Helper()
	for name, body := range files {
		path := r.dir + name
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		os.Remove(path)
		if len(body) > 3 && body[:3] == "-> " {
			must(t, os.Symlink(body[3:], path))
			continue
		}
		must(t, os.WriteFile(path, []byte(body), 0o755))
	}
}

func TestInitOf(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  plan.Init
	}{
		{"nothing", nil, plan.UnknownInit},
		{"systemd", map[string]string{"/sbin/init": "-> /lib/systemd/systemd", "/lib": "-> usr/lib", "/usr/lib/systemd/systemd": "ELF"}, plan.Systemd},
		{"systemd by a chain", map[string]string{"/sbin": "-> usr/sbin", "/usr/sbin/init": "-> ../lib/systemd/systemd", "/usr/lib/systemd/systemd": "ELF"}, plan.Systemd},
		{"upstart", map[string]string{"/sbin/init": "ELF com.ubuntu.Upstart0_6.Job"}, plan.Upstart},
		{"sysvinit", map[string]string{"/sbin/init": "ELF /etc/inittab", "/etc/inittab": "si::sysinit:/etc/init.d/rcS\n"}, plan.Sysvinit},
		{"OpenRC on sysvinit", map[string]string{"/sbin/init": "ELF /etc/inittab", "/etc/inittab": "rc::bootwait:/sbin/openrc boot\n"}, plan.OpenRC},
		{"OpenRC on Debian", map[string]string{"/sbin/init": "ELF /etc/inittab", "/etc/inittab": "l2:2:wait:/etc/init.d/rc 2\n", "/etc/init.d/rc": "#!/bin/sh\nexec /sbin/openrc default\n"}, plan.OpenRC},
		{"OpenRC left over in a comment", map[string]string{"/sbin/init": "ELF /etc/inittab", "/etc/inittab": "# l0::/sbin/openrc\n"}, plan.Sysvinit},
		{"OpenRC's own", map[string]string{"/sbin/init": "-> openrc-init", "/sbin/openrc-init": "ELF"}, plan.OpenRC},
		{"Alpine", map[string]string{"/sbin/init": "-> /bin/busybox", "/usr/bin/busybox": "ELF", "/etc/inittab": "::sysinit:/sbin/openrc sysinit\n"}, plan.OpenRC},
		{"busybox", map[string]string{"/sbin/init": "-> /bin/busybox", "/usr/bin/busybox": "ELF"}, plan.BusyboxInit},
		{"busybox, copied", map[string]string{"/sbin/init": "ELF BusyBox v1.36"}, plan.BusyboxInit},
		{"runit", map[string]string{"/sbin/init": "-> runit-init", "/sbin/runit-init": "ELF"}, plan.Runit},
		{"runit, copied", map[string]string{"/sbin/init": "ELF /etc/runit/1"}, plan.Runit},
		{"a dangling link says enough", map[string]string{"/sbin/init": "-> /usr/lib/systemd/systemd"}, plan.Systemd},
		{"a loop", map[string]string{"/sbin/init": "-> init"}, plan.UnknownInit},
		{"another", map[string]string{"/sbin/init": "#!/bin/sh\n"}, plan.UnknownInit},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoot(t)
			put(t, r, c.files)
			if got := r.InitOf("/sbin/init"); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestFacts(t *testing.T) {
	r := newRoot(t)
	put(t, r, map[string]string{
		"/etc/os-release":              "-> ../usr/lib/os-release",
		"/usr/lib/os-release":          "# c\nID=debian\nNAME=\"A \\\"B\\\" \\$C\"\nVERSION_ID='12'\njunk\n",
		"/etc/cloud/cloud.cfg":         "a: 1\n",
		"/etc/cloud/cloud.cfg.d/10":    "not: read\n",
		"/etc/cloud/cloud.cfg.d/b.cfg": "b: 2\n",
		"/etc/cloud/cloud.cfg.d/a.cfg": "c: 3\n",
		"/usr/bin/cloud-init":          "x",
		"/etc/fstab":                   "/dev/sda1 / ext4\n",
		"/etc/hostname":                "old\n",
		"/opt/asked":                   "x",
	})
	f, err := r.Facts("/opt/asked", "/opt/none")
	must(t, err)
	if !f.Exists["/opt/asked"] || f.Exists["/opt/none"] || !f.Exists["/etc/fstab"] || f.Exists["/etc/apt"] {
		t.Errorf("exists: %v", f.Exists)
	}
	f.Exists = nil
	want := plan.Facts{
		Init: plan.UnknownInit, HasCloudInit: true, Fstab: "/dev/sda1 / ext4\n", Hostname: "old\n",
		OSRelease: map[string]string{"ID": "debian", "NAME": `A "B" $C`, "VERSION_ID": "12"},
		Accounts:  []plan.PasswdEntry{{Name: "root", Gecos: "root", Home: "/root", Shell: "/bin/bash"}, {Name: "daemon", UID: 1, GID: 1, Home: "/", Shell: "/usr/sbin/nologin"}},
		Groups:    []plan.GroupEntry{{Name: "root"}, {Name: "daemon", GID: 1}, {Name: "sudo", GID: 27}},
		CloudConfig: []plan.Document{{Path: "/etc/cloud/cloud.cfg", Body: []byte("a: 1\n")},
			{Path: "/etc/cloud/cloud.cfg.d/a.cfg", Body: []byte("c: 3\n")}, {Path: "/etc/cloud/cloud.cfg.d/b.cfg", Body: []byte("b: 2\n")}},
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParseFstab(t *testing.T) {
	got := parseFstab("# c\n\nUUID=1 /var ext4 rw,noatime 0 2\n/dev/sdb\\0401 /mnt/a\\040b auto\nshort line\n")
	want := []fstabEntry{{spec: "UUID=1", point: "/var", fstype: "ext4", options: []string{"rw", "noatime"}}, {spec: "/dev/sdb 1", point: "/mnt/a b", fstype: "auto"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(fstabEntry{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// FuzzPaths: whatever a path is like, it leads to a place in the root, the
// same by this package's walk as by the kernel's.
func FuzzPaths(f *testing.F) {
	for _, p := range []string{"/etc/motd", "//etc/../bin/./x", "/var/run", "../../..", "/a/b/../c", "/l1/l2", "/up/up/etc/motd", "/self/self/self/x", "/etc/motd/x", "/abs/motd"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if len(p) > 200 {
			return
		}
		for _, c := range []byte(p) {
			if c == 0 {
				return
			}
		}
		r := quickRoot(t)
		put(t, r, map[string]string{"/l1": "-> etc/..", "/l2": "-> l1/etc", "/up": "-> ../../..", "/self": "-> .", "/abs": "-> /etc", "/loop": "-> loop"})
		tr := newTree(r)
		defer tr.close()
		n, err := tr.walk("/"+p, true)
		kernel, kernelErr := r.Stat("/" + p)
		if kernelErr != nil {
			return // the plan may make what is missing
		}
		if err != nil {
			t.Fatalf("%q: the kernel finds it, walk says %v", p, err)
		}
		ours, err := r.Lstat(n.path())
		if err != nil || ours.Ino != kernel.Ino || ours.Dev != kernel.Dev {
			t.Fatalf("%q: walk leads to %s, %v, the kernel elsewhere", p, n.path(), err)
		}
	})
}
