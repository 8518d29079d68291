package root

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"boothook/injector/plan"
	"boothook/netboot/instance"
)

// Options are how a plan is applied.
type Options struct {
	// Run lets targets under /run be written in a root whose /run is its own.
	// Without it they are dropped; at boot (WithWritable) they go to the
	// initrd's /run, which moves along, whatever Run says.
	Run bool
	// AnyOwner leaves new files to whoever runs boothook instead of changing
	// their owners, for use without privileges. Else that is an error.
	AnyOwner bool
	// preview says that nothing is going to be written, so that it does not
	// matter whether it can be: at boot a read-only root is remounted.
	preview bool
	// Now is the clock that shadow(5) entries are dated by; nil: time.Now.
	Now func() time.Time
}

// A Status is what became of a step.
type Status string

const (
	// Written: what the step is about was changed to what it asks for.
	Written Status = "written"
	// Unchanged: all was so already and nothing was touched.
	Unchanged Status = "unchanged"
	// Skipped: the step was dropped; Why says what stood against it.
	Skipped Status = "skipped"
)

// A StepResult is what became of one step.
type StepResult struct {
	Status Status `json:"status"`
	Why    string `json:"why,omitempty"`
}

// A Result is what became of a plan: one StepResult for each of its steps.
type Result struct {
	Steps    []StepResult
	Problems []instance.Problem
	// Recovery is what an earlier apply, cut short, had left to do.
	Recovery Recovery
}

// Apply writes what p asks for. All steps it is given are due: choosing among
// them by frequency is the caller's.
//
// What cannot be done by what the root is like is dropped step by step and
// listed in the Result; any other failure ends the whole. If that happens
// before the first rename, nothing has changed and what was staged is gone
// again. After it, the error is ErrHalfway, and Recover goes on at the next
// boot. Targets that are already as they should be are not touched at all.
func (r *Root) Apply(ctx context.Context, p plan.Plan, o Options) (Result, error) {
	unlock, err := r.lock()
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	if err := r.MountFor(r.targets(p)); err != nil {
		return Result{}, err
	}
	recovery, err := r.recover()
	if err != nil {
		return Result{Recovery: recovery}, err
	}
	c, err := r.compose(ctx, p, o)
	if err != nil {
		return Result{Recovery: recovery}, err
	}
	res := Result{Steps: c.steps, Problems: c.problems, Recovery: recovery}
	// Where not even this can be written, it is the root that is read-only,
	// and not some part of it that some steps would have to do without.
	if c.noJournal != nil && (c.writes() || c.readOnly) {
		return Result{Recovery: recovery}, fmt.Errorf("apply: %w", c.noJournal)
	}
	if !c.writes() {
		return res, nil
	}
	if err := r.write(ctx, c); err != nil {
		return Result{Recovery: recovery}, err
	}
	res.Steps, res.Problems = c.steps, c.problems // some may have been lost
	return res, nil
}

// write stages, journals and commits what c has to do.
func (r *Root) write(ctx context.Context, c *composer) error {
	s := newStager(r, c.opts)
	s.lose = c.lose
	defer s.close()
	defer c.tree.close()
	if err := r.prepare(ctx, s, c); err != nil {
		return errors.Join(err, r.undo(s))
	}
	begun, err := s.commit()
	if err == nil {
		err = s.sync()
	}
	if err == nil {
		// The mark that all is done. It needs no sync: if it is lost, Recover
		// finds everything in its place and nothing left to do.
		return r.removeJournal()
	}
	if begun {
		return fmt.Errorf("apply: %w: %w", ErrHalfway, err)
	}
	return errors.Join(fmt.Errorf("apply: %w", err), r.undo(s))
}

// undo takes away what was made before the first rename.
func (r *Root) undo(s *stager) error {
	err := errors.Join(s.abandon(), r.removeJournal())
	r.removeDirs(s.early)
	return err
}

// prepare does all that comes before the first rename.
func (r *Root) prepare(ctx context.Context, s *stager, c *composer) error {
	if err := s.makeEarly(c.early); err != nil {
		return err
	}
	s.plan(c.todo)
	if err := s.enterState(); err != nil {
		return err
	}
	j := journal{Version: journalVersion, Instance: c.plan.InstanceID, AnyOwner: c.opts.AnyOwner, Staging: true, Changes: s.changes}
	if slices.ContainsFunc(s.changes, func(ch change) bool { return ch.Temp != "" }) {
		if err := s.writeJournal(j); err != nil {
			return err
		}
	}
	kept := 0
	for i, n := range c.todo {
		ch := &s.changes[i]
		if err := s.stage(ctx, c.tree, n, ch); err != nil {
			if s.lost(*ch, err) {
				continue
			}
			return err
		}
		s.changes[kept] = *ch
		kept++
	}
	s.changes = s.changes[:kept]
	if err := s.enterState(); err != nil {
		return err
	}
	j.Staging, j.Changes = false, s.changes
	if err := s.writeJournal(j); err != nil {
		return err
	}
	return s.sync()
}

// commit gives everything its name, in order. Begun says whether anything has
// changed.
func (s *stager) commit() (begun bool, err error) {
	for _, ch := range s.changes {
		err := s.enter(ch.Dir)
		if err == nil {
			var did bool
			did, err = s.commitOne(ch)
			begun = begun || did
		}
		if err != nil && !s.lost(ch, err) {
			return begun, pathError("write", ch.path(), err)
		}
	}
	return begun, nil
}

func (s *stager) commitOne(ch change) (begun bool, err error) {
	want := ch.Want[0]
	switch {
	case want.Kind == absent:
		err := s.clear(ch.Name)
		return err == nil, err
	case ch.Temp == "":
		return s.changeDir(ch.Name, want)
	case ch.Clear:
		if err := s.clear(ch.Name); err != nil {
			return false, err
		}
		return true, s.sys.Rename(s.dirFD, ch.Temp, ch.Name)
	}
	err = s.sys.Rename(s.dirFD, ch.Temp, ch.Name)
	return err == nil, err
}

// clear removes a file or an empty directory that may be gone already.
func (s *stager) clear(name string) error {
	err := s.sys.Unlink(s.dirFD, name, 0)
	if err == unix.EISDIR || err == unix.EPERM {
		err = s.sys.Unlink(s.dirFD, name, unix.AT_REMOVEDIR)
	}
	if err == unix.ENOENT {
		return nil
	}
	return err
}

// changeDir gives a directory that exists its owner and mode.
func (s *stager) changeDir(name string, want entry) (begun bool, err error) {
	fd, err := unix.Openat(s.dirFD, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	if !s.anyOwn {
		if err := s.sys.Chown(fd, want.UID, want.GID); err != nil {
			return false, err
		}
	}
	return true, s.sys.Chmod(fd, want.Mode)
}

// targets are the paths that p is going to write to, for mounting what they
// are on; accounts' homes as far as they are known by now.
func (r *Root) targets(p plan.Plan) []string {
	paths := []string{StateDir}
	homes := map[string]string{}
	facts := r.users()
	for _, u := range facts {
		homes[u.Name] = u.Home
	}
	for _, s := range p.Steps {
		if s.Path != "" {
			paths = append(paths, s.Path)
		}
		if a := s.Account; a != nil && s.Kind != plan.Group {
			home := homes[a.Name]
			switch {
			case home != "":
			case a.Home != "":
				home = a.Home
			default:
				home = "/home/" + a.Name
			}
			homes[a.Name] = home
			paths = append(paths, home+"/.ssh")
		}
	}
	return append(paths, "/etc/passwd")
}
