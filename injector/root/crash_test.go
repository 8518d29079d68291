package root

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"boothook/injector/plan"
)

// richPlan has every kind of change: files new, replaced, appended to and
// removed, new trees, links, modes of directories, kinds that replace others,
// accounts.
func richPlan() plan.Plan {
	big := file("/etc/big", strings.Repeat("0123456789abcdef", 1<<12))
	return plan.Plan{Version: plan.Version, InstanceID: "i-1", Steps: []plan.Step{
		file("/etc/motd", "new\n"), big, file("/srv/new/tree/one", "1"), file("/srv/new/two", "2"),
		{Kind: plan.Link, Path: "/srv/new/link", Target: "two"},
		{Kind: plan.File, Path: "/etc/group", Body: []byte("# appended\n"), Append: true},
		{Kind: plan.File, Path: "/etc/group", Body: []byte("# appended\n"), Append: true},
		{Kind: plan.Remove, Path: "/etc/skel/.profile"},
		{Kind: plan.Remove, Path: "/tmp"}, file("/tmp", "a file now"),
		{Kind: plan.Remove, Path: "/etc/issue"}, file("/etc/issue/dir", "a directory now"),
		{Kind: plan.Dir, Path: "/home", Mode: 0o711},
		{Kind: plan.User, Account: &plan.Account{Name: "alice", Groups: []string{"sudo"}}},
		{Kind: plan.AuthorizedKeys, Account: &plan.Account{Name: "alice"}, Body: []byte("ssh-ed25519 AAAA a\n")},
		{Kind: plan.Hostname, Body: []byte("web1")},
	}}
}

// A faulty system of calls fails one call, or dies at it. Call 0 is the first.
type faulty struct {
	kernel
	calls int
	at    int // which call; -1: none
	only  string
	errno error
	die   bool
	after bool // die when the call has been made
	kill  bool // die by SIGKILL
	names []string
}

// death stands for the process's end: nothing of boothook runs after it.
type death struct{}

func (f *faulty) do(name string, call func() error) error {
	if f.only != "" && f.only != name {
		return call()
	}
	f.names = append(f.names, name)
	n := f.calls
	f.calls++
	if n != f.at {
		return call()
	}
	if f.die && f.after {
		_ = call()
	}
	if f.kill {
		unix.Kill(unix.Getpid(), unix.SIGKILL)
		select {}
	}
	if f.die {
		panic(death{})
	}
	return f.errno
}

func (f *faulty) Create(dir int, name string) (fd int, err error) {
	fd = -1
	err = f.do("create", func() error { fd, err = f.kernel.Create(dir, name); return err })
	return fd, err
}

// Write writes in two halves, so that dying in the middle leaves half a file.
func (f *faulty) Write(fd int, b []byte) (n int, err error) {
	err = f.do("write", func() error { n, err = f.kernel.Write(fd, b[:(len(b)+1)/2]); return err })
	return n, err
}
func (f *faulty) Allocate(fd int, size int64) error {
	return f.do("allocate", func() error { return f.kernel.Allocate(fd, size) })
}
func (f *faulty) Chown(fd, uid, gid int) error {
	return f.do("chown", func() error { return f.kernel.Chown(fd, uid, gid) })
}
func (f *faulty) Chmod(fd int, mode uint32) error {
	return f.do("chmod", func() error { return f.kernel.Chmod(fd, mode) })
}
func (f *faulty) Mkdir(dir int, name string) error {
	return f.do("mkdir", func() error { return f.kernel.Mkdir(dir, name) })
}
func (f *faulty) Symlink(target string, dir int, name string) error {
	return f.do("symlink", func() error { return f.kernel.Symlink(target, dir, name) })
}
func (f *faulty) Lchown(dir int, name string, uid, gid int) error {
	return f.do("lchown", func() error { return f.kernel.Lchown(dir, name, uid, gid) })
}
func (f *faulty) Attr(dir int, name, attribute, value string) error {
	return f.do("attr", func() error { return f.kernel.Attr(dir, name, attribute, value) })
}
func (f *faulty) Rename(dir int, old, new string) error {
	return f.do("rename", func() error { return f.kernel.Rename(dir, old, new) })
}
func (f *faulty) Unlink(dir int, name string, flags int) error {
	return f.do("unlink", func() error { return f.kernel.Unlink(dir, name, flags) })
}
func (f *faulty) Syncfs(fd int) error {
	return f.do("syncfs", func() error { return f.kernel.Syncfs(fd) })
}
func (f *faulty) Close(fd int) error {
	return f.do("close", func() error { return f.kernel.Close(fd) })
}

// applyWith applies the rich plan with a system of calls that may fail.
func applyWith(r *Root, f *faulty) (err error) {
	r.sys = f
	defer func() {
		r.sys = kernel{}
		if p := recover(); p != nil {
			if _, ok := p.(death); !ok {
				panic(p)
			}
			err = errDied
		}
	}()
	res, err := r.Apply(context.Background(), richPlan(), options())
	if err == nil && len(res.Problems) > 0 {
		return fmt.Errorf("problems: %v", res.Problems)
	}
	return err
}

var errDied = errors.New("died")

// states are the listings of a root before and after the rich plan.
func states(t testing.TB) (old, new map[string]string, calls []string) {
	t.Helper()
	r := quickRoot(t)
	old = listing(t, r.dir)
	f := &faulty{at: -1}
	must(t, applyWith(r, f))
	return old, listing(t, r.dir), f.names
}

// oldOrNew fails the test unless each place is as before or as after.
func oldOrNew(t testing.TB, what string, got, old, new map[string]string) {
	t.Helper()
	for p, line := range got {
		if strings.Contains(p, "/"+tempPrefix) || strings.HasPrefix(p, StateDir) {
			continue
		}
		if line != old[p] && line != new[p] {
			t.Fatalf("%s: %s is neither old nor new: %.200s", what, p, line)
		}
	}
	for p, line := range old {
		// What gives way to a file of another kind may be gone for a moment.
		if _, there := got[p]; !there && new[p] != "" && kindOf(new[p]) == kindOf(line) {
			t.Fatalf("%s: %s is lost", what, p)
		}
	}
}

func kindOf(line string) byte { return line[0] }

// settled fails the test unless a root is wholly old or wholly new, with
// nothing left lying about.
func settled(t testing.TB, what string, r *Root, old, new map[string]string) (isNew bool) {
	t.Helper()
	got := listing(t, r.dir)
	dOld, dNew := added(old, got), added(new, got)
	if len(dOld) > 0 && len(dNew) > 0 {
		t.Fatalf("%s: half done; against the old root:\n%s\nagainst the new:\n%s", what, cmp.Diff(old, got), cmp.Diff(new, got))
	}
	for p := range got {
		if strings.Contains(p, tempPrefix) || p == StateDir+"/"+journalName {
			t.Fatalf("%s: %s is left over", what, p)
		}
	}
	return len(dNew) == 0
}

// TestDeathAtEveryCall lets the process end before and after each call that
// changes the root. The kernel's caches survive that; a power cut is for
// scripts/powercut.
func TestDeathAtEveryCall(t *testing.T) {
	old, new, calls := states(t)
	forward, back := 0, 0
	for i := range calls {
		for _, after := range []bool{false, true} {
			what := fmt.Sprintf("died at call %d (%s), after it: %v", i, calls[i], after)
			r := quickRoot(t)
			if err := applyWith(r, &faulty{at: i, die: true, after: after}); !errors.Is(err, errDied) {
				t.Fatalf("%s: %v", what, err)
			}
			oldOrNew(t, what, listing(t, r.dir), old, new)
			rec := recoverAfterDeaths(t, r, what, old, new)
			if rec.Finished {
				forward++
			} else {
				back++
			}
			apply(t, r, richPlan().Steps...)
			if !settled(t, what+", and applied again", r, old, new) {
				t.Fatalf("%s: applying again did not complete it", what)
			}
			r.Close()
			os.RemoveAll(r.dir)
		}
	}
	t.Logf("%d calls: %d deaths rolled forward, %d back", len(calls), forward, back)
	if forward == 0 || back == 0 {
		t.Error("one of the two never happened")
	}
}

// recoverAfterDeaths lets recovery die at its every other call, too, until it
// gets through.
func recoverAfterDeaths(t testing.TB, r *Root, what string, old, new map[string]string) Recovery {
	t.Helper()
	for n := 0; ; n += 2 {
		rec, err := recoverWith(r, &faulty{at: n, die: true})
		if err == nil {
			return rec
		}
		if !errors.Is(err, errDied) {
			t.Fatalf("%s: recover: %v", what, err)
		}
		oldOrNew(t, what+", then in recovery", listing(t, r.dir), old, new)
	}
}

func recoverWith(r *Root, f *faulty) (rec Recovery, err error) {
	r.sys = f
	defer func() {
		r.sys = kernel{}
		if p := recover(); p != nil {
			err = errDied
		}
	}()
	return r.Recover(context.Background())
}

// TestFaultAtEveryCall makes each call fail with each error it can have, and
// prints what came of it. No row may say "half" or "lost".
func TestFaultAtEveryCall(t *testing.T) {
	old, new, _ := states(t)
	faults := []struct {
		call   string
		errnos []unix.Errno
	}{
		{"create", []unix.Errno{unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EIO, unix.EPERM, unix.EMFILE}},
		{"write", []unix.Errno{unix.ENOSPC, unix.EDQUOT, unix.EIO, unix.EFBIG}},
		{"chown", []unix.Errno{unix.EPERM, unix.EIO, unix.EROFS, unix.EDQUOT}},
		{"chmod", []unix.Errno{unix.EPERM, unix.EIO, unix.EROFS}},
		{"mkdir", []unix.Errno{unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EIO, unix.EMLINK}},
		{"symlink", []unix.Errno{unix.ENOSPC, unix.EPERM, unix.EIO}},
		{"lchown", []unix.Errno{unix.EPERM, unix.EIO}},
		{"rename", []unix.Errno{unix.EIO, unix.ENOSPC, unix.EROFS, unix.EBUSY, unix.EPERM}},
		{"unlink", []unix.Errno{unix.EIO, unix.EROFS, unix.EBUSY}},
		{"syncfs", []unix.Errno{unix.EIO, unix.ENOSPC, unix.EDQUOT}},
		{"close", []unix.Errno{unix.EIO, unix.EDQUOT}},
	}
	var table bytes.Buffer
	for _, f := range faults {
		for _, errno := range f.errnos {
			outcome := map[string]int{}
			for at := 0; ; at++ {
				r := quickRoot(t)
				fs := &faulty{at: at, only: f.call, errno: errno}
				err := applyWith(r, fs)
				if fs.calls <= at {
					break // there are no more calls of this kind
				}
				outcome[faultOutcome(t, fmt.Sprintf("%s %d fails with %v", f.call, at, errno), r, err, errno, old, new)]++
				r.Close()
				os.RemoveAll(r.dir)
			}
			fmt.Fprintf(&table, "%-8s %-28v unchanged %3d, finished at next boot %3d, done all the same %3d\n",
				f.call, errno, outcome["unchanged"], outcome["forward"], outcome["done"])
		}
	}
	t.Logf("fault and outcome:\n%s", table.String())
}

func faultOutcome(t *testing.T, what string, r *Root, err error, errno unix.Errno, old, new map[string]string) string {
	t.Helper()
	oldOrNew(t, what, listing(t, r.dir), old, new)
	switch {
	case err == nil:
		if !settled(t, what, r, old, new) {
			t.Fatalf("%s: no error, but not done", what)
		}
		return "done"
	case !errors.Is(err, errno):
		t.Fatalf("%s: the error does not say so: %v", what, err)
	case errors.Is(err, ErrHalfway):
		rec, err := r.Recover(context.Background())
		if err != nil || !rec.Finished || !settled(t, what+", recovered", r, old, new) {
			t.Fatalf("%s: recovery %+v, %v; not done", what, rec, err)
		}
		return "forward"
	}
	if _, err := r.Recover(context.Background()); err != nil {
		t.Fatalf("%s: recover: %v", what, err)
	}
	if isNew := settled(t, what, r, old, new); isNew {
		return "forward" // the error came with taking the journal away
	}
	return "unchanged"
}

// manyPlan is the rich plan and many more files, for enough moments to die at.
func manyPlan() plan.Plan {
	p := richPlan()
	for i := range 100 {
		p.Steps = append(p.Steps, file(fmt.Sprintf("/srv/many/%d", i), strings.Repeat("x", i)), file(fmt.Sprintf("/etc/many-%d", i), "y"))
	}
	return p
}

// killedApply is the environment variable by which TestKilled has this program
// apply a plan, rather than run tests.
const killedApply = "BOOTHOOK_TEST_KILLED_APPLY"

func TestMain(m *testing.M) {
	if os.Getenv(killedApply) == "" {
		os.Exit(m.Run())
	}
	at, err := strconv.Atoi(os.Args[2])
	if err == nil {
		err = applyAndDie(os.Args[1], at)
	}
	fmt.Fprintln(os.Stderr, "not killed:", err)
	os.Exit(1)
}

// applyAndDie applies the plan of many steps to the root at dir, and is killed
// at one call: before or, at every other, after it is made.
func applyAndDie(dir string, at int) error {
	r, err := Open(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	r.sys = &faulty{at: at, die: true, after: at%2 == 1, kill: true}
	_, err = r.Apply(context.Background(), manyPlan(), options())
	return err
}

// TestKilled applies in a process of its own that is killed at some moment of
// its work, and recovers. BOOTHOOK_KILLS says at how many moments.
func TestKilled(t *testing.T) {
	moments := 24
	if n, err := strconv.Atoi(os.Getenv("BOOTHOOK_KILLS")); err == nil {
		moments = n
	}
	self, err := os.Executable()
	must(t, err)
	r := quickRoot(t)
	old := listing(t, r.dir)
	whole := &faulty{at: -1}
	r.sys = whole
	apply(t, r, manyPlan().Steps...)
	new := listing(t, r.dir)
	outcomes := map[string]int{}
	for i := range moments {
		at := i * whole.calls / moments
		what := fmt.Sprintf("killed at call %d of %d", at, whole.calls)
		r := quickRoot(t)
		cmd := exec.Command(self, r.dir, strconv.Itoa(at))
		cmd.Env = append(os.Environ(), killedApply+"=1")
		if err := cmd.Run(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("%s: ended with %v", what, err)
		}
		oldOrNew(t, what, listing(t, r.dir), old, new)
		if _, err := r.Recover(context.Background()); err != nil {
			t.Fatalf("%s: recover: %v", what, err)
		}
		if len(added(new, listing(t, r.dir))) == 0 {
			outcomes["rolled forward"]++
		} else {
			outcomes["unchanged"]++
		}
		apply(t, r, manyPlan().Steps...)
		if !settled(t, what+", and applied again", r, old, new) {
			t.Fatalf("%s: applying again did not complete it", what)
		}
		r.Close()
		os.RemoveAll(r.dir)
	}
	t.Logf("attack: killed at %d moments: %v", moments, outcomes)
}
