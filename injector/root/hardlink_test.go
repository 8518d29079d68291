package root

import (
	"os"
	"strings"
	"testing"

	"boothook/injector/plan"
)

// TestHardLinks: what a user may not read does not come into a file that the
// user may, by a hard link in a directory of the user's own.
func TestHardLinks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for files of two owners")
	}
	const secret = "root:$6$secret"
	link := func(t *testing.T, dir, at string) { must(t, os.Link(dir+"/etc/shadow", at)) }
	only := func(mode os.FileMode, uid int) func(t *testing.T, dir, at string) {
		return func(t *testing.T, _, at string) {
			must(t, os.WriteFile(at, []byte(secret), mode))
			must(t, os.Chown(at, uid, uid))
		}
	}
	appended := func(path string) plan.Step {
		return plan.Step{Kind: plan.File, Path: path, Body: []byte("x\n"), Append: true, Mode: 0o644, Owner: "alice"}
	}
	for _, c := range []struct {
		name, at string
		put      func(t *testing.T, dir, at string)
		step     plan.Step
		done     bool
	}{
		{"keys", aliceSSH + "/authorized_keys", link, aliceKeys("ssh-ed25519 BBBB b\n"), false},
		{"append", "/home/alice/.profile", link, appended("/home/alice/.profile"), false},
		{"append in a directory for all", "/tmp/f", link, appended("/tmp/f"), false},
		{"append through a link of the user's", "/home/alice/f", link, appended("/home/alice/l"), false},
		{"the other name is gone", aliceSSH + "/authorized_keys", only(0o600, 0), aliceKeys("ssh-ed25519 BBBB b\n"), false},
		{"the other name is gone, append", "/home/alice/.profile", only(0o640, 0), appended("/home/alice/.profile"), false},
		{"a third user's", "/home/alice/.profile", only(0o644, 1), appended("/home/alice/.profile"), false},
		{"her own", "/home/alice/.profile", only(0o600, 1000), appended("/home/alice/.profile"), true},
		{"root's, for all to read", aliceSSH + "/authorized_keys", only(0o644, 0), aliceKeys("ssh-ed25519 BBBB b\n"), true},
		{"in a directory of root's", "/etc/copy", link, appended("/etc/copy"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := aliceRoot(t)
			must(t, os.Chmod(r.dir+"/tmp", 0o777|os.ModeSticky))
			must(t, os.WriteFile(r.dir+"/etc/shadow", []byte(secret), 0o600))
			must(t, os.Symlink("f", r.dir+"/home/alice/l"))
			must(t, os.Lchown(r.dir+"/home/alice/l", 1000, 1000))
			os.Remove(r.dir + c.at)
			c.put(t, r.dir, r.dir+c.at)
			before := listing(t, r.dir)[c.at]
			res := apply(t, r, c.step, file("/etc/motd", "y"))
			if done := res.Steps[0].Status == Written; done != c.done || res.Steps[1].Status != Written {
				t.Errorf("%+v", res.Steps)
			}
			after := listing(t, r.dir)[c.at]
			if !c.done && after != before {
				t.Errorf("before %q, after %q", before, after)
			}
			if c.done && !strings.Contains(after, secret) {
				t.Errorf("after %q", after)
			}
		})
	}
}

// TestFileSwappedIn: a file that takes the place of the one that was looked at
// is not read.
func TestFileSwappedIn(t *testing.T) {
	r := aliceRoot(t)
	c := &composer{tree: newTree(r)}
	n, err := c.tree.walk(aliceSSH+"/authorized_keys", false)
	must(t, err)
	must(t, os.Remove(r.dir+aliceSSH+"/authorized_keys"))
	must(t, os.Link(r.dir+"/etc/shadow", r.dir+aliceSSH+"/authorized_keys"))
	if body, err := c.tree.body(n); err == nil {
		t.Errorf("read %q", body)
	}
}
