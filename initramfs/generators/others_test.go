package generators

import (
	"errors"
	"strings"
	"testing"

	"boothook/initramfs/archive"
)

func systemdTree() []archive.File {
	return []archive.File{
		script("/usr/lib/systemd/systemd", "\x7fELF"),
		linkTo("/init", "usr/lib/systemd/systemd"),
		linkTo("/lib", "usr/lib"),
		text("/usr/lib/initrd-release", ""),
		linkTo("/etc/initrd-release", "/usr/lib/initrd-release"),
		text("/usr/lib/systemd/system/initrd.target", ""),
	}
}

func dracutTree(hooks string) []archive.File {
	return []archive.File{
		script("/init", "#!/bin/sh\n"),
		linkTo("/lib", "usr/lib"),
		text("/usr/lib/dracut-lib.sh", "# hookdir=/wrong\nexport PATH\nhookdir="+hooks+"\nexport hookdir\n"),
		text("/etc/initrd-release", ""),
	}
}

// Each kind of initrd is known for what it is, is not called baked before it
// is, and is when the calls are in it.
func TestGenerators(t *testing.T) {
	tests := []struct {
		want  string
		base  []archive.File
		early string // where the call ends up
		late  string
	}{
		{"initramfs-tools", debian(nil), "/scripts/init-top/00-boothook", "/scripts/init-bottom/u-boothook"},
		{"systemd", systemdTree(), "/usr/lib/systemd/system/initrd.target.wants/boothook-early.service", "/lib/systemd/system/boothook-late.service"},
		{"dracut with systemd", append(systemdTree(), text("/usr/lib/dracut-lib.sh", "")), "/lib/systemd/system/boothook-early.service", "/lib/systemd/system/initrd.target.wants/boothook-late.service"},
		{"dracut", dracutTree("/lib/dracut/hooks"), "/usr/lib/dracut/hooks/cmdline/00-boothook-early.sh", "/usr/lib/dracut/hooks/pre-pivot/99-boothook-late.sh"},
		{"dracut", dracutTree(`"/var/lib/dracut/hooks"`), "/var/lib/dracut/hooks/cmdline/00-boothook-early.sh", "/var/lib/dracut/hooks/pre-pivot/99-boothook-late.sh"},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			tree := treeOf(t, tt.base...)
			g, err := Detect(tree)
			if err != nil || g.Name() != tt.want {
				t.Fatalf("%v, %v", g, err)
			}
			if err := g.Check(tree); err == nil {
				t.Error("an unbaked initrd passes the check")
			}
			files, err := g.Calls(tree)
			if err != nil {
				t.Fatal(err)
			}
			baked := extended(t, tt.base, files...)
			if err := g.Check(baked); err != nil {
				t.Error(err)
			}
			for name, want := range map[string]string{tt.early: Agent + " early", tt.late: Agent + " late --root"} {
				if got, err := baked.ReadFile(name); err != nil || !strings.Contains(string(got), want) {
					t.Errorf("%s: %v, %q", name, err, got)
				}
			}
			if g.Install() == "" || strings.HasSuffix(g.Install(), ".") {
				t.Errorf("install: %q", g.Install())
			}
		})
	}
}

func TestSystemdHidden(t *testing.T) {
	base := append(systemdTree(), linkTo("/etc/systemd/system/boothook-late.service", "/dev/null"))
	calls, err := anySystemd().Calls(treeOf(t, base...))
	if err != nil {
		t.Fatal(err)
	}
	if err := anySystemd().Check(extended(t, base, calls...)); err == nil || !strings.Contains(err.Error(), "hides") {
		t.Errorf("masked, and yet: %v", err)
	}
}

func TestDracutWithoutHookdir(t *testing.T) {
	for _, dir := range []string{"", "$PREFIX/hooks", "relative"} {
		if files, err := (dracutPlain{}).Calls(treeOf(t, dracutTree(dir)...)); err == nil {
			t.Errorf("hookdir=%s gives %d files", dir, len(files))
		}
	}
}

func TestNoPlace(t *testing.T) {
	for want, tree := range map[string]*archive.Tree{
		"booster": treeOf(t, script("/init", "\x7fELF"), text("/etc/booster.init.yaml", ""), text("/etc/initrd-release", "")),
		"u-root":  treeOf(t, linkTo("/init", "bbin/init"), script("/bbin/bb", "\x7fELF"), linkTo("/bbin/init", "bb")),
	} {
		g, err := Detect(tree)
		if err != nil || g.Name() != want {
			t.Fatalf("%v, %v", g, err)
		}
		if _, err := g.Calls(tree); !errors.Is(err, ErrNoPlace) || !strings.Contains(err.Error(), "boothook build") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// u-root put in front of another generator's initrd keeps that one's init as
// /inito, and so its places for the calls.
func TestURootInFront(t *testing.T) {
	shell := []archive.File{script("/init", "#!/bin/sh\nmount -t proc proc /proc\nmount /dev/vda /r\nexec switch_root /r /sbin/init\n")}
	for want, base := range map[string][]archive.File{
		"initramfs-tools": debian(nil),
		"dracut":          dracutTree("/lib/dracut/hooks"),
		"systemd":         systemdTree(),
		"a shell script":  shell,
	} {
		t.Run(want, func(t *testing.T) {
			var both []archive.File
			for _, f := range base {
				if f.Name == "/init" {
					f.Name = "/inito"
				}
				both = append(both, f)
			}
			both = append(both, linkTo("/init", "bbin/init"), script("/bbin/bb", "\x7fELF"), linkTo("/bbin/init", "bb"))
			g, err := Detect(treeOf(t, both...))
			if err != nil || g.Name() != want {
				t.Fatalf("%v, %v", g, err)
			}
			calls, err := g.Calls(treeOf(t, both...))
			if err != nil {
				t.Fatal(err)
			}
			baked := extended(t, both, calls...)
			if err := g.Check(baked); err != nil {
				t.Error(err)
			}
			if _, init, err := baked.Lookup("/init"); err != nil || init != "/bbin/bb" {
				t.Errorf("/init has become %s, %v", init, err)
			}
		})
	}
}
