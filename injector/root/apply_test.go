package root

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/plan"
)

// newRoot makes a small but plausible root in a temporary directory.
func newRoot(t testing.TB) *Root {
	t.Helper()
	return newRootIn(t, t.TempDir())
}

// quickRoot is newRoot in memory, where syncing costs nothing, for tests that
// need very many.
func quickRoot(t testing.TB) *Root {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "boothook-test-")
	if err != nil {
		return newRoot(t)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	return newRootIn(t, dir)
}

func newRootIn(t testing.TB, dir string) *Root {
	t.Helper()
	for _, d := range []string{"etc/skel", "usr/bin", "var/lib", "home", "root", "run", "proc", "sys", "dev", "tmp"} {
		must(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	for name, body := range map[string]string{
		"etc/passwd":        "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n",
		"etc/group":         "root:x:0:\ndaemon:x:1:\nsudo:x:27:\n",
		"etc/shadow":        "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n",
		"etc/gshadow":       "root:*::\ndaemon:*::\nsudo:*::\n",
		"etc/subuid":        "",
		"etc/skel/.profile": "# profile\n",
		"etc/motd":          "hello\n",
		"etc/issue":         "Debian\n",
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644))
	}
	must(t, os.Chmod(filepath.Join(dir, "etc/shadow"), 0o640))
	must(t, os.Symlink("usr/bin", filepath.Join(dir, "bin")))
	must(t, os.Symlink("/run", filepath.Join(dir, "var/run")))
	return openRoot(t, dir)
}

func openRoot(t testing.TB, dir string) *Root {
	t.Helper()
	r, err := Open(dir)
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func apply(t testing.TB, r *Root, steps ...plan.Step) Result {
	t.Helper()
	res, err := r.Apply(context.Background(), plan.Plan{Version: plan.Version, InstanceID: "i-1", Steps: steps}, options())
	must(t, err)
	return res
}

// options fixes the day. Without privileges owners are left alone, and the
// listings below say nothing of them.
func options() Options {
	return Options{Now: someDay, AnyOwner: os.Geteuid() != 0}
}

// owners leaves out of a listing what cannot be as wished without privileges.
func owners(m map[string]string) map[string]string {
	if os.Geteuid() == 0 {
		return m
	}
	out := map[string]string{}
	for p, line := range m {
		f := strings.SplitN(line, " ", 3)
		if len(f) > 1 {
			f[1] = "-"
		}
		out[p] = strings.Join(f, " ")
	}
	return out
}

func someDay() time.Time { return time.Unix(20000*24*60*60, 0) }

// listing shows a tree: one line per file with mode, owner, link and content,
// leaving out boothook's own ledger.
func listing(t testing.TB, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	must(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		st := fi.Sys().(*syscall.Stat_t)
		rel := strings.TrimPrefix(p, dir)
		line := fi.Mode().String() + " " + strconv.Itoa(int(st.Uid)) + ":" + strconv.Itoa(int(st.Gid))
		switch {
		case fi.Mode()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(p)
			line += " -> " + to
		case fi.Mode().IsRegular():
			body, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += " " + string(body)
		}
		m[rel] = line
		return nil
	}))
	return m
}

// added are the lines of after that before does not have, without StateDir.
func added(before, after map[string]string) map[string]string {
	m := map[string]string{}
	for p, line := range after {
		if before[p] != line && !strings.HasPrefix(p, StateDir) {
			m[p] = line
		}
	}
	for p := range before {
		if _, still := after[p]; !still {
			m[p] = "gone"
		}
	}
	return m
}

func file(path, body string) plan.Step {
	return plan.Step{Kind: plan.File, Path: path, Body: []byte(body), Mode: 0o644, Why: plan.Why{Part: "part-001"}}
}

func TestApply(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []plan.Step
		want  map[string]string
		why   []string // of skipped steps
	}{
		{"file", []plan.Step{file("/etc/motd", "new\n")}, map[string]string{"/etc/motd": "-rw-r--r-- 0:0 new\n"}, nil},
		{"parents", []plan.Step{{Kind: plan.File, Path: "/srv/a/b", Body: []byte("x"), Mode: 0o4750, Owner: "daemon", Group: "27"}},
			map[string]string{"/srv": "drwxr-xr-x 0:0", "/srv/a": "drwxr-xr-x 0:0", "/srv/a/b": "urwxr-x--- 1:27 x"}, nil},
		{"through links", []plan.Step{file("/bin/tool", "x")}, map[string]string{"/usr/bin/tool": "-rw-r--r-- 0:0 x"}, nil},
		{"a link of the plan's own", []plan.Step{
			{Kind: plan.Dir, Path: "/srv/real", Mode: 0o700},
			{Kind: plan.Link, Path: "/alias", Target: "/srv/real"},
			file("/alias/f", "x")},
			map[string]string{"/srv": "drwxr-xr-x 0:0", "/srv/real": "drwx------ 0:0", "/srv/real/f": "-rw-r--r-- 0:0 x", "/alias": "Lrwxrwxrwx 0:0 -> /srv/real"}, nil},
		{"append", []plan.Step{
			{Kind: plan.File, Path: "/etc/motd", Body: []byte("a\n"), Append: true},
			{Kind: plan.File, Path: "/etc/motd", Body: []byte("a\n"), Append: true}},
			map[string]string{"/etc/motd": "-rw-r--r-- 0:0 hello\na\na\n"}, nil},
		{"keep", []plan.Step{{Kind: plan.File, Path: "/etc/motd", Body: []byte("x"), KeepExisting: true}}, map[string]string{}, nil},
		{"remove", []plan.Step{{Kind: plan.Remove, Path: "/etc/motd"}, {Kind: plan.Remove, Path: "/etc/none"}, {Kind: plan.Remove, Path: "/tmp"}},
			map[string]string{"/etc/motd": "gone", "/tmp": "gone"}, nil},
		{"a directory for a file and back", []plan.Step{
			{Kind: plan.Remove, Path: "/tmp"}, file("/tmp", "x"),
			{Kind: plan.Remove, Path: "/etc/motd"}, file("/etc/motd/d", "x")},
			map[string]string{"/tmp": "-rw-r--r-- 0:0 x", "/etc/motd": "drwxr-xr-x 0:0", "/etc/motd/d": "-rw-r--r-- 0:0 x"}, nil},
		{"hostname", []plan.Step{{Kind: plan.Hostname, Body: []byte("web1")}}, map[string]string{"/etc/hostname": "-rw-r--r-- 0:0 web1\n"}, nil},
		{"one bad step", []plan.Step{file("/etc", "x"), file("/etc/motd/x", "x"), file("/dev/x", "x"), file("/var/run/x", "x"),
			file("/"+strings.Repeat("n", 256), "x"), {Kind: plan.Remove, Path: "/etc"}, file("/etc/good", "x")},
			map[string]string{"/etc/good": "-rw-r--r-- 0:0 x"},
			[]string{"a directory is in the way", "path goes through something that is not a directory: /etc/motd", "/dev is the kernel's",
				"/run belongs to the running system, not to the root", "name too long", "the directory is not empty"}},
		{"unknown owner", []plan.Step{{Kind: plan.File, Path: "/etc/x", Mode: 0o6755, Owner: "nobody", Body: []byte("x")}},
			map[string]string{"/etc/x": "-rwxr-xr-x 0:0 x"}, nil},
		{"user, and a file of the user's before it", []plan.Step{
			{Kind: plan.File, Path: "/etc/hers", Mode: 0o600, Owner: "alice", Group: "alice", Body: []byte("x")},
			{Kind: plan.User, Account: &plan.Account{Name: "alice", Groups: []string{"sudo"}, Shell: "/bin/bash", Lock: true}},
			{Kind: plan.AuthorizedKeys, Account: &plan.Account{Name: "alice"}, Body: []byte("ssh-ed25519 AAAA a\n")}},
			map[string]string{
				"/etc/hers":                        "-rw------- 1000:1000 x",
				"/etc/passwd":                      "-rw-r--r-- 0:0 root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\nalice:x:1000:1000::/home/alice:/bin/bash\n",
				"/etc/group":                       "-rw-r--r-- 0:0 root:x:0:\ndaemon:x:1:\nsudo:x:27:alice\nalice:x:1000:\n",
				"/etc/shadow":                      "-rw-r----- 0:0 root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\nalice:!:20000:0:99999:7:::\n",
				"/etc/gshadow":                     "-rw-r--r-- 0:0 root:*::\ndaemon:*::\nsudo:*::alice\nalice:!::\n",
				"/etc/subuid":                      "-rw-r--r-- 0:0 alice:100000:65536\n",
				"/home/alice":                      "drwxr-xr-x 1000:1000",
				"/home/alice/.profile":             "-rw-r--r-- 1000:1000 # profile\n",
				"/home/alice/.ssh":                 "drwx------ 1000:1000",
				"/home/alice/.ssh/authorized_keys": "-rw------- 1000:1000 ssh-ed25519 AAAA a\n",
			}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoot(t)
			before := listing(t, r.dir)
			res := apply(t, r, c.steps...)
			after := listing(t, r.dir)
			if diff := cmp.Diff(owners(c.want), owners(added(before, after))); diff != "" {
				t.Errorf("root (-want +got):\n%s", diff)
			}
			var why []string
			for _, s := range res.Steps {
				if s.Status == Skipped {
					why = append(why, s.Why)
				}
			}
			if !slices.Equal(why, c.why) {
				t.Errorf("skipped: %q, want %q", why, c.why)
			}
			again := apply(t, r, c.steps...)
			for i, s := range again.Steps {
				if s.Status == Written {
					t.Errorf("the second time step %d (%s) was written again", i, c.steps[i])
				}
			}
			if diff := cmp.Diff(after, listing(t, r.dir)); diff != "" {
				t.Errorf("the second time (-first +second):\n%s", diff)
			}
		})
	}
}

func TestTmpIsWarnedOf(t *testing.T) {
	r := newRoot(t)
	res := apply(t, r, file("/tmp/a/b", "x"), file("/var/tmp/c", "x"))
	if len(res.Problems) != 1 || !res.Problems[0].Warning || !strings.Contains(res.Problems[0].Message, "file /tmp/a/b") {
		t.Errorf("problems %v", res.Problems)
	}
}

// TestUnchangedIsUntouched: what is as it should be keeps inode and ctime.
func TestUnchangedIsUntouched(t *testing.T) {
	r := newRoot(t)
	steps := []plan.Step{file("/etc/motd", "hello\n"), {Kind: plan.Dir, Path: "/etc", Mode: 0o755},
		{Kind: plan.Link, Path: "/bin", Target: "usr/bin"},
		{Kind: plan.User, Account: &plan.Account{Name: "daemon"}}}
	stat := func(p string) syscall.Stat_t {
		var st syscall.Stat_t
		must(t, syscall.Lstat(r.dir+p, &st))
		st.Atim = syscall.Timespec{}
		return st
	}
	paths := []string{"/etc/motd", "/etc", "/bin", "/etc/passwd", "/etc/shadow", "/var/lib", "/"}
	before := map[string]syscall.Stat_t{}
	for _, p := range paths {
		before[p] = stat(p)
	}
	res := apply(t, r, steps...)
	for i, s := range res.Steps {
		if s.Status != Unchanged {
			t.Errorf("step %d: %v", i, s)
		}
	}
	for _, p := range paths {
		if after := stat(p); after != before[p] {
			t.Errorf("%s was touched: %+v, before %+v", p, after, before[p])
		}
	}
}

func TestSecretsFromTheFirstByte(t *testing.T) {
	r := newRoot(t)
	seen := &spy{syscalls: kernel{}}
	r.sys = seen
	step := file("/etc/key", "secret")
	step.Mode, step.Secret = 0o400, true
	apply(t, r, step)
	if seen.modeAtWrite != 0o600 || seen.writes == 0 {
		t.Errorf("mode while writing was %o in %d writes", seen.modeAtWrite, seen.writes)
	}
}

// A spy looks at the mode of files while they are written.
type spy struct {
	syscalls
	modeAtWrite uint32
	writes      int
}

func (s *spy) Write(fd int, b []byte) (int, error) {
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return 0, err
	}
	s.modeAtWrite |= st.Mode & 0o777
	s.writes++
	return s.syscalls.Write(fd, b)
}

func TestLocked(t *testing.T) {
	r := newRoot(t)
	unlock, err := r.lock()
	must(t, err)
	other := openRoot(t, r.dir)
	if _, err := other.Apply(context.Background(), plan.Plan{}, Options{}); !errors.Is(err, ErrBusy) {
		t.Errorf("second apply: %v", err)
	}
	unlock()
	apply(t, other)
}

// An account file that a link led to keeps what steps have made of it when a
// later step takes the link away.
func TestAccountsBehindLink(t *testing.T) {
	for _, name := range []string{"passwd", "subuid"} { // the latter is empty before
		r := newRoot(t)
		must(t, os.Rename(filepath.Join(r.dir, "etc", name), filepath.Join(r.dir, "home", name)))
		must(t, os.Symlink("/home/"+name, filepath.Join(r.dir, "etc", name)))
		user := func(name string) plan.Step { return plan.Step{Kind: plan.User, Account: &plan.Account{Name: name}} }
		apply(t, r, user("alice"), plan.Step{Kind: plan.Remove, Path: "/etc/" + name}, user("bob"))
		text, err := r.ReadFile("/home/" + name)
		must(t, err)
		if !strings.Contains("\n"+string(text), "\nalice:") {
			t.Errorf("%s has no alice:\n%s", name, text)
		}
	}
}
