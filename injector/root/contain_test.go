package root

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"boothook/injector/plan"
)

// marker is in the files outside the root; to find it inside is a leak.
const marker = "SECRET-OF-THE-OUTSIDE"

// A place is where a hostile root or hostile user-data lead outside.
type place struct {
	name string
	// set makes dir, inside the root, lead to outside, and returns the path
	// by which user-data would name it.
	set func(t testing.TB, root, outside, dir string) string
}

func places() []place {
	link := func(t testing.TB, root, dir, to string) string {
		must(t, os.RemoveAll(root+dir))
		must(t, os.MkdirAll(filepath.Dir(root+dir), 0o755))
		must(t, os.Symlink(to, root+dir))
		return dir
	}
	return []place{
		{"absolute link", func(t testing.TB, root, outside, dir string) string { return link(t, root, dir, outside) }},
		{"relative link", func(t testing.TB, root, outside, dir string) string {
			up := strings.Repeat("../", strings.Count(filepath.Dir(dir), "/")+strings.Count(root, "/")+1)
			return link(t, root, dir, up+strings.TrimPrefix(outside, "/"))
		}},
		{"chain of links", func(t testing.TB, root, outside, dir string) string {
			link(t, root, "/chain/1", "2")
			link(t, root, "/chain/2", root+"/chain/3")
			link(t, root, "/chain/3", outside)
			must(t, os.RemoveAll(root+"/chain/2"))
			must(t, os.Symlink("../chain/3", root+"/chain/2"))
			return link(t, root, dir, strings.Repeat("../", strings.Count(dir, "/")-1)+"chain/1")
		}},
		{"link in proc", func(t testing.TB, root, outside, dir string) string {
			return link(t, root, dir, "/proc/self/root"+outside)
		}},
		{"link to a link's parent", func(t testing.TB, root, outside, dir string) string {
			link(t, root, "/sub", outside+"/sub")
			return link(t, root, dir, strings.Repeat("../", strings.Count(dir, "/")-1)+"sub/..")
		}},
		{"dots", func(t testing.TB, root, outside, dir string) string {
			must(t, os.MkdirAll(root+dir, 0o755))
			return dir + strings.Repeat("/..", strings.Count(root, "/")+strings.Count(dir, "/")+2) + outside
		}},
	}
}

// An act is something boothook does at a place. It returns what it read.
type act struct {
	name string
	// at is the directory of the root that leads outside.
	at string
	// fixed says that the path is boothook's own, so that user-data cannot
	// put dots into it.
	fixed bool
	do    func(r *Root, at string) string
	// naive does the same as a script would, which puts the path behind that
	// of the root's directory. What it reaches is what containment is for.
	naive func(root, at string) string
}

func acts() []act {
	// A step, done by Apply and by a script.
	step := func(name, at string, fixed bool, of func(at string) plan.Step) act {
		return act{name, at, fixed,
			func(r *Root, at string) string {
				res, err := r.Apply(context.Background(), plan.Plan{InstanceID: "i", Steps: []plan.Step{of(at)}}, options())
				return fmt.Sprint(res, err)
			},
			func(root, at string) string { s := of(at); return fmt.Sprint(naiveStep(root, &s)) },
		}
	}
	alice := &plan.Account{Name: "alice"}
	return []act{
		step("write", "/srv/d", false, func(at string) plan.Step { return file(at+"/new", "x") }),
		step("overwrite", "/srv/d", false, func(at string) plan.Step { return file(at+"/victim", "x") }),
		step("append", "/srv/d", false, func(at string) plan.Step {
			return plan.Step{Kind: plan.File, Path: at + "/victim", Body: []byte("x"), Append: true}
		}),
		step("make directory", "/srv/d", false, func(at string) plan.Step { return plan.Step{Kind: plan.Dir, Path: at + "/a/b"} }),
		step("change mode", "/srv/d", false, func(at string) plan.Step { return plan.Step{Kind: plan.Dir, Path: at, Mode: 0o700} }),
		step("link", "/srv/d", false, func(at string) plan.Step { return plan.Step{Kind: plan.Link, Path: at + "/l", Target: "x"} }),
		step("remove", "/srv/d", false, func(at string) plan.Step { return plan.Step{Kind: plan.Remove, Path: at + "/victim"} }),
		step("add user", "/etc", true, func(string) plan.Step { return plan.Step{Kind: plan.User, Account: alice} }),
		step("set password", "/etc", true, func(string) plan.Step {
			return plan.Step{Kind: plan.Password, Account: &plan.Account{Name: "root", Hash: "x"}}
		}),
		step("set hostname", "/etc", true, func(string) plan.Step { return plan.Step{Kind: plan.Hostname, Body: []byte("web1")} }),
		step("make home", "/home", true, func(string) plan.Step { return plan.Step{Kind: plan.User, Account: alice} }),
		step("copy skel", "/etc/skel", true, func(string) plan.Step { return plan.Step{Kind: plan.User, Account: alice} }),
		{"journal", "/var/lib", true,
			func(r *Root, _ string) string {
				res, err := r.Apply(context.Background(), plan.Plan{InstanceID: "i", Steps: []plan.Step{file("/etc/motd", "x")}}, options())
				return fmt.Sprint(res, err)
			},
			func(root, _ string) string { return fmt.Sprint(naiveFile(root+StateDir+"/journal", "x", 0)) }},
		{"own record", "/var/lib", true,
			func(r *Root, _ string) string {
				return fmt.Sprint(r.WriteFile(StateDir+"/report.json", []byte("x"), 0o600))
			},
			func(root, _ string) string { return fmt.Sprint(naiveFile(root+StateDir+"/report.json", "x", 0)) }},
		{"read", "/srv/d", false,
			func(r *Root, at string) string {
				body, err := r.ReadFile(at + "/victim")
				return fmt.Sprint(string(body), err)
			},
			func(root, at string) string { return naiveText(root + at + "/victim") }},
		{"list", "/srv/d", false,
			func(r *Root, at string) string {
				names, err := r.ReadDir(at)
				return fmt.Sprint(names, err)
			},
			func(root, at string) string { return fmt.Sprint(os.ReadDir(root + at)) }},
		{"stat", "/srv/d", false,
			func(r *Root, at string) string {
				if r.Exists(at + "/" + marker) {
					return marker
				}
				return ""
			},
			func(root, at string) string {
				if fi, err := os.Stat(root + at + "/" + marker); err == nil {
					return fi.Name()
				}
				return ""
			}},
		{"facts", "/etc", true,
			func(r *Root, _ string) string {
				f, err := r.Facts()
				return fmt.Sprint(f, err)
			},
			func(root, _ string) string { return naiveText(root + "/etc/os-release") }},
		{"cloud.cfg", "/etc/cloud", true,
			func(r *Root, _ string) string {
				f, err := r.Facts()
				return fmt.Sprintf("%s %v", f.CloudConfig, err)
			},
			func(root, _ string) string { return naiveText(root + "/etc/cloud/cloud.cfg") }},
	}
}

// naiveStep does what a step asks for as a script would.
func naiveStep(root string, s *plan.Step) error {
	at := root + s.Path
	switch s.Kind {
	case plan.File:
		flags := os.O_TRUNC
		if s.Append {
			flags = os.O_APPEND
		}
		return naiveFile(at, string(s.Body), flags)
	case plan.Dir:
		err := os.MkdirAll(at, 0o755)
		if s.Mode != 0 {
			err = errors.Join(err, os.Chmod(at, fs.FileMode(s.Mode)))
		}
		return err
	case plan.Link:
		return os.Symlink(s.Target, at)
	case plan.Remove:
		return os.Remove(at)
	case plan.Hostname:
		return naiveFile(root+"/etc/hostname", string(s.Body), os.O_TRUNC)
	case plan.Password:
		return naiveFile(root+"/etc/shadow", s.Account.Name+":"+s.Account.Hash+":::::::\n", os.O_APPEND)
	case plan.User:
		home := "/home/" + s.Account.Name
		err := naiveFile(root+"/etc/passwd", s.Account.Name+":x:1000:1000::"+home+":/bin/sh\n", os.O_APPEND)
		return errors.Join(err, os.MkdirAll(root+home, 0o755),
			naiveFile(root+home+"/.profile", naiveText(root+"/etc/skel/.profile"), os.O_TRUNC))
	}
	return fmt.Errorf("a script for %s steps is yet to be written", s.Kind)
}

func naiveFile(at, text string, flags int) error {
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(at, os.O_CREATE|os.O_WRONLY|flags, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func naiveText(at string) string {
	body, err := os.ReadFile(at)
	if err != nil {
		return ""
	}
	return string(body)
}

// outsideOf makes the directory outside, which looks like what an attacker
// would like to reach.
func outsideOf(t testing.TB, dir string) {
	for name, body := range map[string]string{
		"victim": marker, marker: "", "sub/x": marker, "passwd": "root:x:0:0:" + marker + ":/root:/bin/sh\n", "shadow": "root:*:1::::::\n",
		"group": "root:x:0:\n", "hostname": marker, ".profile": marker, "cloud.cfg": marker, "os-release": "ID=" + marker + "\n", "motd": marker,
	} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644))
	}
}

// unsynced saves the time of syncing, where only names matter.
type unsynced struct{ kernel }

func (unsynced) Syncfs(int) error { return nil }

// escape does a at p, contained or as a script would, and says how it got
// outside, if it did.
func escape(t *testing.T, a act, p place, contained bool) string {
	r := newRoot(t) // not under /dev/shm: /dev is refused whatever it is
	r.sys = unsynced{}
	outside := filepath.Join(filepath.Dir(r.dir), "outside-"+filepath.Base(r.dir))
	t.Cleanup(func() { os.RemoveAll(outside) })
	outsideOf(t, outside)
	at := p.set(t, r.dir, outside, a.at)
	before := listing(t, outside)
	var got string
	if contained {
		got = a.do(r, at)
	} else {
		got = a.naive(r.dir, at)
	}
	switch {
	case cmp.Diff(before, listing(t, outside)) != "":
		return "it changed the outside"
	case strings.Contains(got, marker):
		return "it read the outside"
	}
	for name, line := range listing(t, r.dir) {
		if strings.Contains(line, marker) {
			return "it took " + name + " from outside"
		}
	}
	return ""
}

// TestContainment does everything that boothook does at places that lead
// outside, and does it again as a script would, to see that the outside would
// have been reached.
func TestContainment(t *testing.T) {
	trees := 0
	for _, a := range acts() {
		for _, p := range places() {
			if a.fixed && p.name == "dots" {
				continue
			}
			t.Run(a.name+"/"+p.name, func(t *testing.T) {
				if how := escape(t, a, p, true); how != "" {
					t.Errorf("escaped: %s", how)
				}
				if escape(t, a, p, false) == "" {
					t.Error("a script does not escape either, so this shows nothing")
				}
			})
			trees++
		}
	}
	t.Logf("%d hostile names and trees", trees)
	if trees < 60 {
		t.Error("too few")
	}
}

// A swapper puts a link in the place of a directory when the first file has
// been staged.
type swapper struct {
	kernel
	dir, outside string
	done         bool
}

func (s *swapper) Create(dir int, name string) (int, error) {
	fd, err := s.kernel.Create(dir, name)
	if !s.done {
		s.done = true
		err = errors.Join(err, s.swap())
	}
	return fd, err
}

func (s *swapper) swap() error {
	return errors.Join(os.Rename(s.dir, s.dir+".away"), os.Symlink(s.outside, s.dir))
}

// TestLinkSwappedIn: a directory that becomes a link between the look and the
// write stops the apply, and nothing gets outside, nor to where the link leads
// inside the root. Without that the second file would be written there.
func TestLinkSwappedIn(t *testing.T) {
	steps := []plan.Step{file("/etc/first", "x"), file("/srv/d/second", "x")}
	prepare := func(t *testing.T, inside bool) (r *Root, sys *swapper, reached string) {
		r = newRoot(t)
		must(t, os.MkdirAll(r.dir+"/srv/d", 0o755))
		sys = &swapper{dir: r.dir + "/srv/d", outside: t.TempDir()}
		reached = sys.outside
		if inside {
			sys.outside, reached = "/home", r.dir+"/home"
		}
		return r, sys, reached
	}
	for _, inside := range []bool{false, true} {
		r, sys, reached := prepare(t, inside)
		r.sys = sys
		_, err := r.Apply(context.Background(), plan.Plan{Steps: steps}, options())
		if names, _ := os.ReadDir(reached); len(names) > 0 || !errors.Is(err, errSwapped) {
			t.Errorf("inside %v: reached %v, error %v", inside, names, err)
		}
	}
	r, sys, reached := prepare(t, false)
	must(t, naiveStep(r.dir, &steps[0]))
	must(t, sys.swap())
	must(t, naiveStep(r.dir, &steps[1]))
	if names, _ := os.ReadDir(reached); len(names) == 0 {
		t.Error("a script does not escape either, so this shows nothing")
	}
}

// TestHostileFiles: nothing that stands where a file is expected makes
// boothook wait, read without end or fall over.
func TestHostileFiles(t *testing.T) {
	for _, c := range []struct {
		name string
		put  func(path string) error
	}{
		{"FIFO", func(p string) error { return unix.Mkfifo(p, 0o666) }},
		{"socket", func(p string) error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			dir, err := unix.Open(filepath.Dir(p), unix.O_PATH, 0)
			if err != nil {
				return err
			}
			defer unix.Close(dir)
			return unix.Bind(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir, filepath.Base(p))})
		}},
		{"loop", func(p string) error { return os.Symlink(filepath.Base(p), p) }},
		{"huge", func(p string) error {
			f, err := os.Create(p)
			if err != nil {
				return err
			}
			defer f.Close()
			return f.Truncate(1 << 40)
		}},
		{"directory", func(p string) error { return os.MkdirAll(p+"/x", 0o755) }},
		{"deep links", func(p string) error {
			for i := range 50 {
				if err := os.Symlink(fmt.Sprintf("%s.%d", filepath.Base(p), i+1), fmt.Sprintf("%s.%d", p, i)); err != nil {
					return err
				}
			}
			return os.Symlink(filepath.Base(p)+".0", p)
		}},
		{"no permission, no content", func(p string) error { return os.WriteFile(p, nil, 0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t)
			must(t, os.MkdirAll(r.dir+"/sbin", 0o755))
			must(t, os.MkdirAll(r.dir+"/etc/cloud/cloud.cfg.d", 0o755))
			for _, p := range []string{"/etc/os-release", "/etc/passwd", "/etc/group", "/etc/fstab", "/etc/hostname", "/etc/login.defs",
				"/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg.d/1.cfg", "/sbin/init", "/etc/inittab", "/etc/skel/hostile"} {
				os.Remove(r.dir + p)
				must(t, c.put(r.dir+p))
			}
			done := make(chan bool)
			go func() {
				if _, err := r.Facts(); err != nil {
					t.Errorf("facts: %v", err)
				}
				p := plan.Plan{Steps: []plan.Step{file("/etc/hostname", "x"), {Kind: plan.User, Account: &plan.Account{Name: "alice"}},
					{Kind: plan.File, Path: "/etc/os-release", Append: true, Body: []byte("x")}, file("/etc/good", "x")}}
				res, err := r.Apply(context.Background(), p, options())
				if err != nil || res.Steps[3].Status != Written {
					t.Errorf("apply: %+v, %v", res, err)
				}
				close(done)
			}()
			select {
			case <-done:
			case <-time.After(20 * time.Second):
				t.Fatal("still waiting")
			}
		})
	}
}

// Paths may be long and many, but not both: each place takes memory.
func TestTooManyPlaces(t *testing.T) {
	p := plan.Plan{InstanceID: "i-1"}
	const depth = 2000
	n := 2 * maxPlaces / depth
	for i := range n {
		p.Steps = append(p.Steps, file("/srv/"+strconv.Itoa(i)+strings.Repeat("/d", depth), "x"))
	}
	c, err := openRoot(t, t.TempDir()).compose(context.Background(), p, options())
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	for _, s := range c.steps {
		if s.Status == Written {
			written++
		}
	}
	if want := maxPlaces / depth; written < want-1 || written > want+1 || len(c.problems) != n-written {
		t.Errorf("%d of %d are written, with %d problems, want %d", written, n, len(c.problems), want)
	}
}
