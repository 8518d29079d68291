package root

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"boothook/injector/plan"
	"boothook/netboot/instance"
)

// A composer plays the steps of a plan through on a tree, where they build on
// each other: what a step appends to is what the step before it wrote.
//
// The rule for what cannot be done: whatever looking at the root can tell (a
// refused path, a directory in the way, an immutable target) drops that one
// step, with a problem, and the others go on. An error from the kernel (I/O,
// no space, no permission) ends the whole, and nothing is changed; but not that
// a place has gone since it was looked at, which is the work of a user whose
// directory it is in.
type composer struct {
	tree     *tree
	plan     plan.Plan
	opts     Options
	steps    []StepResult
	problems []instance.Problem
	// touched are the places that each step had a hand in.
	touched [][]*node
	// closed remembers directories in which nothing can be made, and why.
	closed map[*node]error
	ledger *ledger
	// begun are the files of rules that a step of this plan has begun.
	begun map[*node]bool
	// readOnly says that a step was dropped for a read-only file system.
	readOnly bool
	// book is the account files as they were opened last, nil before that.
	book *accountBook
	// warned are the texts of the warnings about what will be lost.
	warned map[string]bool
	// early are the directories that are to be made before anything is staged,
	// innermost first: those on the way to the journal that are not there yet.
	// noJournal says why the journal cannot be kept.
	early     []*node
	noJournal error
	// todo is what has to be staged, in order; lastStep is which step each of
	// it is of, by path, once that is asked for.
	todo     []*node
	lastStep map[string]int
}

// compose plays p through on a fresh tree.
func (r *Root) compose(ctx context.Context, p plan.Plan, o Options) (*composer, error) {
	c := &composer{
		tree: newTree(r), plan: p, opts: o,
		steps: make([]StepResult, len(p.Steps)), touched: make([][]*node, len(p.Steps)),
		closed: map[*node]error{}, warned: map[string]bool{},
	}
	defer c.tree.close()
	if !o.preview {
		c.noJournal = c.wantStateDir()
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := s.Validate()
		if err == nil {
			err = c.step(i, s)
		}
		if err == nil {
			continue
		}
		if fatal(err) {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
		if gone(err) && !errors.Is(err, errSwapped) {
			err = fmt.Errorf("%w: %w", errSwapped, err)
		}
		c.drop(i, err)
	}
	if err := c.saveLedger(); err != nil {
		return nil, err
	}
	c.book.catchUp()
	if err := c.settle(); err != nil {
		return nil, err
	}
	if err := c.relabel(); err != nil {
		return nil, err
	}
	for _, n := range c.early {
		n.was = earlyDir()
	}
	var err error
	c.todo, err = c.changes()
	return c, err
}

// writes says whether anything is to be written at all.
func (c *composer) writes() bool {
	for i := range c.steps {
		if c.steps[i].Status == Written {
			return true
		}
	}
	return false
}

// wantStateDir makes the journal's directory a part of the tree, so that the
// steps count with it: when there is anything to write, it is made before the
// rest is staged.
func (c *composer) wantStateDir() error {
	n, err := c.tree.walk(StateDir+"/"+journalName, true)
	if err != nil {
		return err
	}
	if err := c.usable(n); err != nil {
		return err
	}
	for dir := n.parent; dir.want.kind == absent; dir = dir.parent {
		dir.want = earlyDir()
		c.early = append(c.early, dir)
	}
	return nil
}

// earlyDir is what stands where a directory was made early.
func earlyDir() state {
	return state{kind: folder, mode: 0o755, uid: unix.Geteuid(), gid: unix.Getegid()}
}

// fatal says whether err is of the kind that ends the whole: one that came
// from the kernel, and not from somebody who is at work in the root as well.
func fatal(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && !gone(err)
}

func (c *composer) drop(i int, why error) {
	s := &c.plan.Steps[i]
	c.readOnly = c.readOnly || errors.Is(why, ErrReadOnly)
	c.steps[i] = StepResult{Status: Skipped, Why: why.Error()}
	c.problems = append(c.problems, s.Problem(why.Error()))
}

func (c *composer) step(i int, s *plan.Step) error {
	switch s.Kind {
	case plan.File:
		return c.file(i, s)
	case plan.Dir:
		return c.dir(i, s)
	case plan.Link:
		return c.link(i, s)
	case plan.Remove:
		return c.remove(i, s)
	case plan.Hostname:
		file := *s
		file.Path, file.Mode, file.Body = "/etc/hostname", 0o644, append(bytes.TrimSpace(s.Body), '\n')
		return c.file(i, &file)
	case plan.Sudo, plan.Doas:
		return c.rules(i, s)
	}
	return c.account(i, s)
}

func (c *composer) file(i int, s *plan.Step) error {
	n, err := c.tree.walk(s.Path, true)
	if err != nil {
		return err
	}
	if err := c.target(n); err != nil {
		return err
	}
	switch {
	case n.want.kind == folder:
		return errors.New("a directory is in the way")
	case n.want.kind == other:
		return fmt.Errorf("a %s is in the way", other)
	case s.KeepExisting && n.want.kind != absent:
		c.steps[i].Why = "exists already"
		return nil
	}
	if s.Size > 0 {
		if err := c.roomFor(n, s.Size); err != nil {
			return err
		}
	}
	want := state{kind: regular, mode: s.Mode, body: s.Body}
	owner, group := s.Owner, s.Group
	grows := false
	if s.Append {
		if err := c.mayCopy(n); err != nil {
			return err
		}
		if want.body, grows, err = c.appended(i, n, s.Body); err != nil {
			return err
		}
	}
	if n.want.kind == regular && s.Mode == 0 {
		want.mode = n.want.mode
	}
	if n.want.kind == regular && s.Append && owner == "" && group == "" {
		want.uid, want.gid, owner, group = n.want.uid, n.want.gid, n.owner, n.group
	}
	if want.mode == 0 {
		want.mode = 0o644
	}
	c.set(i, n, want, owner, group)
	n.want.size = max(n.want.size, s.Size)
	n.grows = grows
	n.secret = n.secret || s.Secret
	return nil
}

// mayCopy refuses to take what stands at n into a file of another owner or
// mode if that could disclose it: where somebody else than root can make
// names, a file may be a hard link to one that its maker cannot read. A file
// whose other name is gone has one link, so that its mode has to tell.
func (c *composer) mayCopy(n *node) error {
	user := n.parent.was.uid
	if n.was.kind != regular || len(n.steps) > 0 || !c.tree.root.shared(n.parent) {
		return nil
	}
	switch {
	case n.links > 1:
		return fmt.Errorf("the file has %d hard links, and could be somebody else's", n.links)
	case n.was.uid != user && !c.tree.root.trusted(n.was.uid):
		return errors.New("the file belongs neither to root nor to whom the directory belongs to")
	case n.was.uid != user && n.was.mode&0o004 == 0:
		return errors.New("the file is root's, and whom the directory belongs to may not read it")
	}
	return nil
}

// appended is the text of n with body at its end, unless this instance
// appended it before and it is still there. Grows is for n.
func (c *composer) appended(i int, n *node, body []byte) (text []byte, grows bool, err error) {
	if text, err = c.tree.body(n); err != nil {
		return nil, false, err
	}
	if c.ledger == nil {
		if c.ledger, err = c.readLedger(); err != nil {
			return nil, false, err
		}
	}
	path := n.path()
	switch {
	case !c.ledger.seen(i, path, c.plan.InstanceID, body), !c.ledger.finds(path, text, body):
		return n.grown(text, body), true, nil
	case n.grows:
		return n.want.body, true, nil
	}
	return text, false, nil
}

func (c *composer) dir(i int, s *plan.Step) error {
	n, err := c.tree.walk(s.Path, true)
	if err != nil {
		return err
	}
	switch {
	case n.want.kind != folder && n.want.kind != absent:
		return fmt.Errorf("a %s is in the way", n.want.kind)
	case n.want.kind == folder && (s.KeepExisting || n == c.tree.top):
		c.steps[i].Why = "exists already"
		return nil
	}
	if err := c.target(n); err != nil && !(n.mount && n.want.kind == folder) {
		return err
	}
	mode := s.Mode
	if mode == 0 && n.want.kind == folder {
		mode = n.want.mode
	} else if mode == 0 {
		mode = 0o755
	}
	c.set(i, n, state{kind: folder, mode: mode}, s.Owner, s.Group)
	return nil
}

func (c *composer) link(i int, s *plan.Step) error {
	n, err := c.tree.walk(s.Path, false)
	if err != nil {
		return err
	}
	if err := c.target(n); err != nil {
		return err
	}
	switch {
	case n.want.kind == folder:
		return errors.New("a directory is in the way")
	case s.KeepExisting && n.want.kind != absent:
		c.steps[i].Why = "exists already"
		return nil
	}
	c.set(i, n, state{kind: link, mode: 0o777, target: s.Target}, s.Owner, s.Group)
	return nil
}

func (c *composer) remove(i int, s *plan.Step) error {
	n, err := c.tree.walk(s.Path, false)
	if err != nil {
		if errors.Is(err, errNotDir) {
			return nil // then there is nothing to remove
		}
		return err
	}
	if n.want.kind == absent {
		c.steps[i].Why = "not there"
		return nil
	}
	if err := c.target(n); err != nil {
		return err
	}
	if n == c.tree.top {
		return errors.New("the root itself stays")
	}
	if n.want.kind == folder {
		names, err := c.tree.names(n)
		if err != nil {
			return err
		}
		if len(names) > 0 {
			return errors.New("the directory is not empty")
		}
	}
	c.set(i, n, state{}, "", "")
	return nil
}

// set records what step i wants to stand at n, and makes its directories.
func (c *composer) set(i int, n *node, want state, owner, group string) {
	want.size = int64(len(want.body))
	n.want, n.owner, n.group, n.late, n.grows = want, owner, group, nil, false
	c.touch(i, n)
	if want.kind == absent {
		return
	}
	for p := n.parent; p.want.kind == absent; p = p.parent {
		p.want = state{kind: folder, mode: 0o755}
		p.owner, p.group = "", ""
		c.touch(i, p)
	}
}

func (c *composer) touch(i int, n *node) {
	n.steps = append(n.steps, i)
	c.touched[i] = append(c.touched[i], n)
}

// target refuses what is not for a step to write: the records by which
// boothook knows what it has begun, and places that are not usable.
func (c *composer) target(n *node) error {
	switch n.name {
	case journalName, journalNew, path.Base(ledgerPath):
		if own, err := c.tree.walk(StateDir, true); err == nil && own == n.parent {
			return errors.New("boothook keeps its own records there")
		}
	}
	return c.usable(n)
}

// lose says of the steps behind a change that it could not be made.
func (c *composer) lose(ch change, why error) {
	if c.lastStep == nil {
		c.lastStep = map[string]int{}
		for _, n := range c.todo {
			c.lastStep[n.path()] = n.steps[len(n.steps)-1]
		}
	}
	i, known := c.lastStep[ch.path()]
	if !known {
		return
	}
	c.steps[i] = StepResult{Status: Skipped, Why: why.Error()}
	c.problems = append(c.problems, c.plan.Steps[i].Problem(ch.path()+": not written, for its directory belongs to somebody who changed it meanwhile or can write no more: "+why.Error()))
}

// usable refuses places that are not boothook's to write, or cannot be written.
func (c *composer) usable(n *node) error {
	path := n.path()
	for _, top := range []string{"/proc", "/sys", "/dev"} {
		if path == top || strings.HasPrefix(path, top+"/") {
			return fmt.Errorf("%s is the kernel's", top)
		}
	}
	if (path == "/run" || strings.HasPrefix(path, "/run/")) && !c.opts.Run && !c.tree.root.mounts.hasRun() {
		return errors.New("/run belongs to the running system, not to the root")
	}
	if why := c.tree.root.mounts.missing(path); why != nil {
		return why
	}
	if n.mount {
		return errors.New("a mount point is in the way")
	}
	if n.frozen {
		return errors.New("immutable or append-only")
	}
	dir := n.parent
	for dir.was.kind != folder && dir != c.tree.top {
		dir = dir.parent
	}
	why, known := c.closed[dir]
	if !known {
		why = c.writable(dir)
		c.closed[dir] = why
	}
	return why
}

// writable says why nothing can be made in a directory that exists.
func (c *composer) writable(dir *node) error {
	if dir.frozen {
		return fmt.Errorf("%s is immutable or append-only", dir.path())
	}
	if err := c.tree.enter(dir); err != nil {
		return pathError("look into", dir.path(), err)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(c.tree.fd, &fs); err != nil {
		return pathError("look into", dir.path(), err)
	}
	if fs.Flags&unix.ST_RDONLY != 0 && !c.opts.preview {
		return fmt.Errorf("%s: %w", dir.path(), ErrReadOnly)
	}
	return nil
}
