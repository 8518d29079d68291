package root

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"boothook/injector/plan"
)

// deepTree makes folders nested so deep that no path could name the last.
func deepTree(t testing.TB, at string, depth int) {
	t.Helper()
	must(t, os.Mkdir(at, 0o755))
	fd, err := unix.Open(at, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	for range depth {
		must(t, unix.Mkdirat(fd, "d", 0o755))
		next, err := unix.Openat(fd, "d", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(t, err)
		unix.Close(fd)
		fd = next
	}
	unix.Close(fd)
}

// aliceRoot is a root with the account alice, who owns her home.
func aliceRoot(t testing.TB) *Root {
	t.Helper()
	r := quickRoot(t)
	apply(t, r, plan.Step{Kind: plan.User, Account: &plan.Account{Name: "alice"}}, aliceKeys("ssh-ed25519 AAAA a\n"))
	return r
}

func aliceKeys(keys string) plan.Step {
	return plan.Step{Kind: plan.AuthorizedKeys, Account: &plan.Account{Name: "alice"}, Body: []byte(keys)}
}

const aliceSSH = "/home/alice/.ssh"

// written fails the test unless all steps were written without a problem.
func written(t testing.TB, res Result) {
	t.Helper()
	for i, s := range res.Steps {
		if s.Status != Written {
			t.Errorf("step %d: %+v", i, s)
		}
	}
	if len(res.Problems) > 0 {
		t.Errorf("problems: %v", res.Problems)
	}
}

// TestManyNeighbours: how many files stand beside a target is nothing to it.
func TestManyNeighbours(t *testing.T) {
	r := quickRoot(t)
	must(t, os.Mkdir(r.dir+"/srv", 0o755))
	for i := range maxDir + 1 {
		must(t, os.Link(r.dir+"/etc/skel/.profile", fmt.Sprintf("%s/srv/%d", r.dir, i)))
	}
	written(t, apply(t, r, file("/srv/target", "x"), file("/etc/motd", "y")))
}

// TestNamesOfOthers: what others name as boothook names what it stages is
// theirs: it stays, and stops nothing.
func TestNamesOfOthers(t *testing.T) {
	r := aliceRoot(t)
	deepTree(t, r.dir+aliceSSH+"/"+tempPrefix+"x", 2100)
	must(t, os.WriteFile(r.dir+"/etc/"+tempPrefix+"mine", []byte("kept"), 0o644))
	written(t, apply(t, r, aliceKeys("ssh-ed25519 BBBB b\n"), file("/etc/motd", "y")))
	for _, p := range []string{aliceSSH + "/" + tempPrefix + "x/d/d", "/etc/" + tempPrefix + "mine"} {
		if !r.Exists(p) {
			t.Errorf("%s is gone", p)
		}
	}
}

// TestNameLikeStaging: a directory named after an instance-id that looks like
// something staged is a place as any other, and outlasts every apply.
func TestNameLikeStaging(t *testing.T) {
	r := quickRoot(t)
	dir := "/var/lib/cloud/instances/" + tempPrefix + "i-1"
	written(t, apply(t, r, file(dir+"/user-data.txt", "x"), file("/etc/motd", "y")))
	written(t, apply(t, r, file("/var/lib/cloud/instances/other", "x"), file(dir+"/more", "x")))
	if !r.Exists(dir + "/user-data.txt") {
		t.Error("it is gone")
	}
	// Even the very name under which a neighbour will be staged is usable.
	name := tempName("/srv", "b")
	written(t, apply(t, r, file("/srv/a", "x")))
	written(t, apply(t, r, file("/srv/"+name, "kept"), file("/srv/b", "x")))
	if body, err := r.ReadFile("/srv/" + name); err != nil || string(body) != "kept" {
		t.Errorf("%s: %q, %v", name, body, err)
	}
}

// TestOwnRecordsRefused: the journal is nobody else's to write.
func TestOwnRecordsRefused(t *testing.T) {
	r := quickRoot(t)
	for _, name := range []string{journalName, journalNew, "appended"} {
		res := apply(t, r, file(StateDir+"/"+name, "{}"), file("/etc/motd", "new "+name))
		if res.Steps[0].Status != Skipped || res.Steps[1].Status != Written {
			t.Errorf("%s: %+v", name, res.Steps)
		}
	}
}

// TestStagedOfAnotherPlan: what a process that was killed while it staged has
// left is taken away by the next apply, whatever that is about.
func TestStagedOfAnotherPlan(t *testing.T) {
	_, _, calls := states(t)
	for at, call := range calls {
		r := quickRoot(t)
		if err := applyWith(r, &faulty{at: at, die: true, after: true}); err != errDied {
			t.Fatal(err)
		}
		apply(t, r, file("/etc/other", "x"))
		for p := range listing(t, r.dir) {
			if strings.Contains(p, tempPrefix) || p == StateDir+"/"+journalName {
				t.Errorf("died after call %d (%s): %s is left over", at, call, p)
			}
		}
		r.Close()
		os.RemoveAll(r.dir)
	}
}

// stagedBy gives what is staged in a directory.
func stagedIn(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(dir + "/" + tempPrefix + "*")
	must(t, err)
	return names
}

// A meddler is the owner of a directory who does something there just before
// a rename.
type meddler struct {
	unsynced
	before int // which rename; the journal's are counted, too
	do     func()
	n      int
}

func (m *meddler) Rename(dir int, old, new string) error {
	if m.n == m.before {
		m.do()
	}
	m.n++
	return m.kernel.Rename(dir, old, new)
}

// meddlings are what a user can do in a directory of his own while boothook
// has something staged there.
func meddlings() map[string]func(t testing.TB, dir string) {
	return map[string]func(t testing.TB, dir string){
		"nothing": func(testing.TB, string) {},
		"removes what is staged": func(t testing.TB, dir string) {
			for _, name := range stagedIn(t, dir) {
				os.RemoveAll(name)
			}
		},
		"puts a deep tree there": func(t testing.TB, dir string) {
			for _, name := range stagedIn(t, dir) {
				os.RemoveAll(name)
				deepTree(t, name, 2100)
			}
		},
		"moves the directory away": func(t testing.TB, dir string) { must(t, os.Rename(dir, dir+".away")) },
		"puts a link there": func(t testing.TB, dir string) {
			must(t, os.Rename(dir, dir+".away"))
			must(t, os.Symlink("/etc", dir))
		},
		"puts a file there": func(t testing.TB, dir string) {
			must(t, os.Rename(dir, dir+".away"))
			must(t, os.WriteFile(dir, nil, 0o644))
		},
		"puts a directory in the way": func(t testing.TB, dir string) {
			os.Remove(dir + "/authorized_keys")
			must(t, os.MkdirAll(dir+"/authorized_keys/x", 0o755))
		},
	}
}

// lines are those of a listing for the places that the tests below are about,
// for not every tree here can be listed.
func lines(t testing.TB, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, p := range []string{"/etc/motd", "/etc/issue", "/etc/passwd", StateDir + "/" + journalName, aliceSSH + "/authorized_keys", aliceSSH + ".away/authorized_keys"} {
		if fi, err := os.Lstat(dir + p); err == nil {
			m[p] = "there"
			if fi.Mode().IsRegular() {
				body, err := os.ReadFile(dir + p)
				must(t, err)
				m[p] = string(body)
			}
		}
	}
	return m
}

// TestMeddlingOwner: whatever the owner of a directory does there costs what
// was meant for that directory, and nothing else.
func TestMeddlingOwner(t *testing.T) {
	for name, meddle := range meddlings() {
		for before := range 4 {
			t.Run(fmt.Sprintf("%s before rename %d", name, before), func(t *testing.T) {
				r := aliceRoot(t)
				passwd := lines(t, r.dir)["/etc/passwd"]
				r.sys = &meddler{before: before, do: func() { meddle(t, r.dir+aliceSSH) }}
				res, err := r.Apply(context.Background(), plan.Plan{InstanceID: "i-1", Steps: []plan.Step{
					file("/etc/motd", "one"), aliceKeys("ssh-ed25519 BBBB b\n"), file("/etc/issue", "two")}}, options())
				must(t, err)
				for i, want := range map[int]string{0: "/etc/motd", 2: "/etc/issue"} {
					if res.Steps[i].Status != Written {
						t.Errorf("%s: %+v", want, res.Steps[i])
					}
				}
				got := lines(t, r.dir)
				if got["/etc/motd"] != "one" || got["/etc/issue"] != "two" || got["/etc/passwd"] != passwd {
					t.Error("a file that is not hers is not as it should be")
				}
				if _, there := got[StateDir+"/"+journalName]; there {
					t.Error("the journal is left over")
				}
				keys := got[aliceSSH+"/authorized_keys"] + got[aliceSSH+".away/authorized_keys"]
				if done := strings.Contains(keys, "BBBB"); done != (res.Steps[1].Status == Written) || done != (len(res.Problems) == 0) {
					t.Errorf("keys %q, but the step %+v, problems %v", keys, res.Steps[1], res.Problems)
				}
				if name == "nothing" && !strings.Contains(keys, "BBBB") {
					t.Error("her keys are not there")
				}
			})
		}
	}
}

// TestMeddledJournal: the same between a kill and the next boot.
func TestMeddledJournal(t *testing.T) {
	p := plan.Plan{InstanceID: "i-1", Steps: []plan.Step{file("/etc/motd", "one"), aliceKeys("ssh-ed25519 BBBB b\n"), file("/etc/issue", "two")}}
	for name, meddle := range meddlings() {
		for at := 0; ; at++ {
			r := aliceRoot(t)
			f := &faulty{at: at, only: "rename", die: true}
			r.sys = f
			died := func() (died bool) {
				defer func() { died = recover() != nil }()
				_, err := r.Apply(context.Background(), p, options())
				must(t, err)
				return false
			}()
			r.sys = kernel{}
			if !died {
				break
			}
			meddle(t, r.dir+aliceSSH)
			res, err := r.Apply(context.Background(), plan.Plan{InstanceID: "i-1", Steps: p.Steps}, options())
			if err != nil {
				t.Errorf("%s, at rename %d: %v", name, at, err)
			}
			got := lines(t, r.dir)
			if got["/etc/motd"] != "one" || got["/etc/issue"] != "two" {
				t.Errorf("%s, at rename %d: %+v", name, at, res)
			}
			if _, there := got[StateDir+"/"+journalName]; there {
				t.Errorf("%s, at rename %d: the journal is left over", name, at)
			}
		}
	}
}

// overQuota refuses whatever would belong to alice.
type overQuota struct{ unsynced }

func (overQuota) Chown(fd, uid, gid int) error {
	if uid >= 1000 {
		return unix.EDQUOT
	}
	return unix.Fchown(fd, uid, gid)
}

// TestUsersQuota: a user whose quota is used up does not stop the rest.
func TestUsersQuota(t *testing.T) {
	r := aliceRoot(t)
	before := listing(t, r.dir)
	r.sys = overQuota{}
	res := apply(t, r, file("/etc/motd", "one"), aliceKeys("ssh-ed25519 BBBB b\n"), file("/etc/issue", "two"))
	if res.Steps[0].Status != Written || res.Steps[1].Status != Skipped || res.Steps[2].Status != Written || len(res.Problems) != 1 {
		t.Errorf("%+v", res)
	}
	want := map[string]string{"/etc/motd": "-rw-r--r-- 0:0 one", "/etc/issue": "-rw-r--r-- 0:0 two"}
	if diff := cmp.Diff(want, added(before, listing(t, r.dir))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
