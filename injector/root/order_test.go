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

// An orderly system of calls notes what must stand in a certain order: what is
// staged, the journal, syncs, and what changes a name that others can see.
type orderly struct {
	kernel
	events []string
}

func (o *orderly) note(event string) {
	if n := len(o.events); n == 0 || o.events[n-1] != event {
		o.events = append(o.events, event)
	}
}

func (o *orderly) Create(dir int, name string) (int, error) {
	o.note("stage")
	return o.kernel.Create(dir, name)
}

func (o *orderly) Write(fd int, b []byte) (int, error) {
	o.note("stage")
	return o.kernel.Write(fd, b)
}

func (o *orderly) Symlink(target string, dir int, name string) error {
	o.note("stage")
	return o.kernel.Symlink(target, dir, name)
}

func (o *orderly) Syncfs(fd int) error {
	o.note("sync")
	return o.kernel.Syncfs(fd)
}

func (o *orderly) Rename(dir int, old, new string) error {
	if new == journalName {
		o.note("journal")
	} else {
		o.note("change")
	}
	return o.kernel.Rename(dir, old, new)
}

func (o *orderly) Unlink(dir int, name string, flags int) error {
	switch {
	case name == journalName:
		o.note("done")
	case !strings.HasPrefix(name, tempPrefix):
		o.note("change")
	}
	return o.kernel.Unlink(dir, name, flags)
}

// TestOrderOfCalls: the names are journalled before anything is staged. When
// everything is, it is journalled again, then synced, before anything changes;
// and synced once more before the journal goes. A power cut that loses what was
// not synced finds files old or new.
func TestOrderOfCalls(t *testing.T) {
	for name, p := range map[string]plan.Plan{
		"one file":   {InstanceID: "i-1", Steps: []plan.Step{file("/etc/motd", "new")}},
		"a removal":  {InstanceID: "i-1", Steps: []plan.Step{{Kind: plan.Remove, Path: "/etc/motd"}}},
		"everything": richPlan(),
	} {
		t.Run(name, func(t *testing.T) {
			r := quickRoot(t)
			sys := &orderly{}
			r.sys = sys
			_, err := r.Apply(context.Background(), p, options())
			must(t, err)
			want := []string{"stage", "journal", "sync", "change", "sync", "done"} // to write the journal is staging, too
			if name != "a removal" {
				want = append([]string{"stage", "journal"}, want...)
			}
			if diff := cmp.Diff(want, sys.events); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSyncsAgainInRecovery: what Recover finishes is synced before the journal
// goes, too.
func TestSyncsAgainInRecovery(t *testing.T) {
	r := quickRoot(t)
	if err := applyWith(r, &faulty{at: 2, only: "rename", die: true, after: true}); !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	sys := &orderly{}
	r.sys = sys
	rec, err := r.Recover(context.Background())
	must(t, err)
	if diff := cmp.Diff([]string{"change", "sync", "done"}, sys.events); diff != "" || !rec.Finished {
		t.Errorf("finished %v; calls (-want +got):\n%s", rec.Finished, diff)
	}
}

// A counter is a context that counts how often it is asked: once for each step
// that is composed, and once for each place that is staged.
type counter struct {
	context.Context
	asked int
}

func (c *counter) Err() error { c.asked++; return c.Context.Err() }

// TestStateDir: the journal's directory is part of what is composed: a plan is
// composed once whether the directory is there or not, a plan with nothing to
// do makes none, and one that fails takes away what it made.
func TestStateDir(t *testing.T) {
	p := plan.Plan{InstanceID: "i-1", Steps: []plan.Step{
		{Kind: plan.Dir, Path: StateDir, Mode: 0o750}, file(StateDir+"/mine", "x"), file("/etc/motd", "new"),
	}}
	asked := func(r *Root) int {
		ctx := &counter{Context: t.Context()}
		res, err := r.Apply(ctx, p, options())
		must(t, err)
		for i, s := range res.Steps {
			if s.Status != Written {
				t.Errorf("step %d: %v", i, s)
			}
		}
		return ctx.asked
	}
	absent, there := newRoot(t), newRoot(t)
	must(t, os.Mkdir(there.dir+StateDir, 0o755))
	if a, b := asked(absent), asked(there); a != b {
		t.Errorf("with the directory to be made the context is asked %d times, else %d", a, b)
	}
	if diff := cmp.Diff(listing(t, there.dir), listing(t, absent.dir)); diff != "" {
		t.Errorf("with the directory to be made (-there +absent):\n%s", diff)
	}

	// A plan that wants no more than that has it made.
	alone := newRoot(t)
	res := apply(t, alone, plan.Step{Kind: plan.Dir, Path: StateDir})
	if got := listing(t, alone.dir)[StateDir]; res.Steps[0].Status != Written || !strings.HasPrefix(got, "drwxr-xr-x") {
		t.Errorf("alone: %v, %q", res.Steps[0], got)
	}

	for name, fault := range map[string]*faulty{
		"while staging":   {at: 0, only: "create", errno: unix.ENOSPC},
		"making it":       {at: 0, only: "mkdir", errno: unix.EDQUOT},
		"half made":       {at: 0, only: "chmod", errno: unix.EIO},
		"at the journal":  {at: 0, only: "rename", errno: unix.EIO},
		"at the sync":     {at: 0, only: "syncfs", errno: unix.EIO},
		"nothing is done": {at: -1},
	} {
		r := newRoot(t)
		before := listing(t, r.dir)
		r.sys = fault
		steps := p
		if fault.at < 0 {
			steps = plan.Plan{Steps: []plan.Step{file("/etc/motd", "hello\n"), file("/dev/refused", "x")}}
		}
		if _, err := r.Apply(context.Background(), steps, options()); (err != nil) != (fault.at >= 0) {
			t.Errorf("%s: error %v", name, err)
		}
		if diff := cmp.Diff(before, listing(t, r.dir)); diff != "" {
			t.Errorf("%s (-before +after):\n%s", name, diff)
		}
	}
}

// TestStateDirElsewhere: links may lead to the journal's directory.
func TestStateDirElsewhere(t *testing.T) {
	for _, c := range []struct{ name, link, to, at string }{
		{"a link to a directory", "/var/lib", "/srv/lib", "/srv/lib/boothook"},
		{"a link to nothing", StateDir, "/srv/state/boothook", "/srv/state/boothook"},
	} {
		r := newRoot(t)
		must(t, os.RemoveAll(r.dir+c.link))
		must(t, os.Symlink(c.to, r.dir+c.link))
		must(t, os.MkdirAll(r.dir+"/srv", 0o755))
		apply(t, r, plan.Step{Kind: plan.File, Path: "/etc/motd", Body: []byte("more"), Append: true})
		if _, err := os.Stat(r.dir + c.at + "/appended"); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	r := newRoot(t)
	must(t, os.RemoveAll(r.dir+"/var/lib"))
	must(t, os.WriteFile(r.dir+"/var/lib", nil, 0o644))
	if _, err := r.Apply(t.Context(), plan.Plan{Steps: []plan.Step{file("/etc/motd", "x")}}, options()); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("a file in the way: %v", err)
	}
}

func TestStateDirHasItsOwnGroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give a directory another group")
	}
	r := newRoot(t)
	must(t, os.Chown(r.dir+"/var/lib", 0, 27))
	must(t, os.Chmod(r.dir+"/var/lib", 0o755|os.ModeSetgid))
	apply(t, r, file("/etc/motd", "x"))
	if got := listing(t, r.dir)[StateDir]; !strings.HasPrefix(got, fmt.Sprintf("drwxr-xr-x 0:%d", os.Getegid())) {
		t.Errorf("in a set-group-id directory: %s", got)
	}
}
