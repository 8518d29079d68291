package root

import (
	"context"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"boothook/injector/plan"
)

// meanwhile is a context that has something happen before a step: it is asked
// before each whether it has ended.
type meanwhile struct {
	context.Context
	before int
	do     func()
}

func (m *meanwhile) Err() error {
	if m.before == 0 {
		m.do()
	}
	m.before--
	return m.Context.Err()
}

// TestSwappedWhileLooking: a user who changes a directory of the user's own
// while a plan is played through costs the steps that are about it, and no others.
func TestSwappedWhileLooking(t *testing.T) {
	const conf = "/home/alice/conf"
	for name, swap := range map[string]func(t *testing.T, dir string){
		"gone": func(*testing.T, string) {},
		"a file": func(t *testing.T, dir string) {
			must(t, os.WriteFile(dir, []byte("x"), 0o644))
		},
		"a link":      func(t *testing.T, dir string) { must(t, os.Symlink("/etc", dir)) },
		"a FIFO":      func(t *testing.T, dir string) { must(t, unix.Mkfifo(dir, 0o644)) },
		"another one": func(t *testing.T, dir string) { must(t, os.Mkdir(dir, 0o755)) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, late := range []plan.Step{
				file(conf+"/late", "x"),
				{Kind: plan.File, Path: conf + "/old", Body: []byte("x"), Append: true},
				{Kind: plan.Remove, Path: conf + "/sub"},
				{Kind: plan.Dir, Path: conf + "/sub/deep"},
				{Kind: plan.Link, Path: conf + "/late", Target: "/"},
			} {
				r := aliceRoot(t)
				must(t, os.MkdirAll(r.dir+conf+"/sub", 0o755))
				must(t, os.WriteFile(r.dir+conf+"/old", []byte("old"), 0o644))
				steps := []plan.Step{
					file(conf+"/early", "x"), // conf is known now
					{Kind: plan.File, Path: conf + "/old", Mode: 0o600, Body: []byte("y"), KeepExisting: true}, // and so is a file in it
					{Kind: plan.Dir, Path: conf + "/sub", Mode: 0o700},                                         // and a directory
					file("/etc/motd", "y"), // and no longer the one looked into last
					late,
					file("/etc/issue", "y"),
				}
				ctx := &meanwhile{t.Context(), 4, func() {
					must(t, os.RemoveAll(r.dir+conf))
					swap(t, r.dir+conf)
				}}
				res, err := r.Apply(ctx, plan.Plan{Version: plan.Version, InstanceID: "i-1", Steps: steps}, options())
				if err != nil {
					t.Errorf("%s: %v", late, err)
					continue
				}
				for _, i := range []int{3, 5} {
					if res.Steps[i].Status != Written {
						t.Errorf("%s: step %d: %+v", late, i, res.Steps[i])
					}
				}
				if _, err := os.Lstat(r.dir + "/etc/late"); err == nil {
					t.Errorf("%s: written through the link", late)
				}
			}
		})
	}
}
