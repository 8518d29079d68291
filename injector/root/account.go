package root

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"time"

	"boothook/injector/accounts"
	"boothook/injector/plan"
)

// The bounds of what is copied from /etc/skel into a new home.
const (
	maxSkelFiles = 1024
	maxSkelDepth = 16
	maxSkelBytes = 16 << 20
)

// An accountBook is the account files of the tree, open for editing.
type accountBook struct {
	*accounts.Book
	nodes [6]*node
	// bodies are the texts as they were read, or made since; there says which
	// files there are.
	bodies [6][]byte
	there  [6]bool
}

// texts lists the fields of f, in the order of accountPaths.
func texts(f *accounts.Files) [6]*[]byte {
	return [6]*[]byte{&f.Passwd, &f.Shadow, &f.Group, &f.GShadow, &f.SubUID, &f.SubGID}
}

func accountPaths() [6]string {
	return [6]string{"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid"}
}

// accounts opens the account files as the steps so far leave them. A file
// that is absent is nil, an empty one is not.
func (c *composer) accounts() (*accountBook, error) {
	b := &accountBook{}
	same := c.book != nil
	for i, path := range accountPaths() {
		n, err := c.tree.walk(path, true)
		if err != nil {
			return nil, err
		}
		b.nodes[i] = n
		same = same && c.book.holds(i, n)
	}
	if same {
		return c.book, nil
	}
	c.book.catchUp() // a link to one of its files may lead elsewhere now
	c.book = nil
	var files accounts.Files
	for i, text := range texts(&files) {
		body, err := c.tree.text(b.nodes[i])
		if err != nil {
			return nil, err
		}
		b.bodies[i], b.there[i] = body, b.nodes[i].want.kind == regular
		if b.there[i] {
			*text = append([]byte{}, body...)
		}
	}
	b.Book = accounts.NewBook(files)
	c.book = b
	return b, nil
}

// catchUp makes the texts that were put off. There may be no book.
func (b *accountBook) catchUp() {
	if b == nil {
		return
	}
	for _, n := range b.nodes {
		n.catchUp()
	}
}

// holds says whether the ith file still stands at n as the book has it.
func (b *accountBook) holds(i int, n *node) bool {
	if n != b.nodes[i] {
		return false
	}
	body := n.want.body
	if body == nil && n.want.kind == regular {
		body = n.was.body
	}
	old := b.bodies[i]
	return n.late != nil || len(body) == len(old) && (len(body) == 0 || &body[0] == &old[0]) &&
		(n.want.kind == regular) == b.there[i] && (n.want.kind == absent) != b.there[i]
}

// late makes the text of the ith file, once somebody asks for it.
func (b *accountBook) late(i int) func() []byte {
	return func() []byte {
		files := b.Files()
		b.bodies[i], b.there[i] = *texts(&files)[i], true
		return b.bodies[i]
	}
}

// account does the steps that are about accounts.
func (c *composer) account(i int, s *plan.Step) error {
	book, err := c.accounts()
	if err != nil {
		return err
	}
	if s.Kind == plan.AuthorizedKeys {
		return c.authorizedKeys(i, s, book)
	}
	policy, err := c.policy()
	if err != nil {
		return err
	}
	var entry plan.PasswdEntry
	fresh := false
	switch s.Kind {
	case plan.User:
		entry, fresh, err = book.AddUser(*s.Account, policy, c.today())
	case plan.Group:
		err = book.AddGroup(*s.Account, policy)
	case plan.Password:
		err = book.SetPassword(*s.Account, policy, c.today())
	}
	if err != nil {
		return err
	}
	if err := c.saveAccounts(i, book); err != nil {
		return err
	}
	if fresh && !s.Account.NoHome && !s.Account.System {
		return c.makeHome(i, entry, policy)
	}
	return nil
}

// today is the date as shadow(5) counts it.
func (c *composer) today() int {
	now := time.Now
	if c.opts.Now != nil {
		now = c.opts.Now
	}
	return int(now().Unix() / (24 * 60 * 60))
}

func (c *composer) policy() (accounts.Policy, error) {
	var text [2][]byte
	for i, p := range []string{"/etc/login.defs", "/etc/default/useradd"} {
		n, err := c.tree.walk(p, true)
		if err != nil {
			return accounts.Policy{}, err
		}
		if text[i], err = c.tree.text(n); err != nil {
			return accounts.Policy{}, err
		}
	}
	return accounts.ParsePolicy(text[0], text[1]), nil
}

// saveAccounts puts those texts into the tree that the last edit has changed.
// All are checked before the first is set: half an account is worse than none.
func (c *composer) saveAccounts(i int, b *accountBook) error {
	changed := b.Changed()
	for k, n := range b.nodes {
		if !changed[k] {
			continue
		}
		if err := c.usable(n); err != nil {
			b.Undo()
			return fmt.Errorf("%s: %w", n.path(), err)
		}
	}
	for k, n := range b.nodes {
		if !changed[k] {
			continue
		}
		want := state{kind: regular, mode: 0o644}
		owner, group := "", ""
		if n.want.kind == regular {
			want.mode, want.uid, want.gid, owner, group = n.want.mode, n.want.uid, n.want.gid, n.owner, n.group
		}
		c.set(i, n, want, owner, group)
		n.late = b.late(k)
		n.secret = k == 1 || k == 3 // the shadow files
	}
	return nil
}

// makeHome makes the home directory of a new account from /etc/skel. One that
// is there already is left as it is, as useradd(8) does.
func (c *composer) makeHome(i int, e plan.PasswdEntry, p accounts.Policy) error {
	home, err := c.tree.walk(e.Home, true)
	if err != nil {
		return fmt.Errorf("home: %w", err)
	}
	if home.want.kind != absent {
		return nil
	}
	if err := c.usable(home); err != nil {
		return fmt.Errorf("home %s: %w", e.Home, err)
	}
	c.set(i, home, state{kind: folder, mode: p.HomeMode, uid: e.UID, gid: e.GID}, "", "")
	skel, err := c.tree.walk("/etc/skel", true)
	if err != nil || skel.want.kind != folder {
		return nil
	}
	k := skelCopy{c: c, step: i, owner: e}
	return k.copy(skel, home, 0)
}

// A skelCopy is the copying of /etc/skel into one home.
type skelCopy struct {
	c     *composer
	step  int
	owner plan.PasswdEntry
	files int
	bytes int64
}

func (k *skelCopy) copy(from, to *node, depth int) error {
	names, err := k.c.tree.names(from)
	if err != nil {
		return err
	}
	for _, name := range names {
		src, err := k.c.tree.child(from, name)
		if err != nil {
			return err
		}
		dst, err := k.c.tree.child(to, name)
		if err != nil {
			return err
		}
		k.files++
		k.bytes += src.want.size
		if k.files > maxSkelFiles || k.bytes > maxSkelBytes || depth > maxSkelDepth {
			return fmt.Errorf("/etc/skel: %w", ErrTooBig)
		}
		want := state{kind: src.want.kind, mode: src.want.mode, target: src.want.target, uid: k.owner.UID, gid: k.owner.GID}
		switch src.want.kind {
		case regular:
			if want.body, err = k.c.tree.body(src); err != nil {
				return err
			}
		case folder, link:
		default:
			continue // a device or a FIFO has no business in a home
		}
		k.c.set(k.step, dst, want, "", "")
		if src.want.kind == folder {
			if err := k.copy(src, dst, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// authorizedKeys adds keys in the home directory of an account, if sshd would
// then accept them: the way there must be nobody else's, and no link.
func (c *composer) authorizedKeys(i int, s *plan.Step, book *accountBook) error {
	e, found := book.User(s.Account.Name)
	if !found {
		return fmt.Errorf("%s: %w", s.Account.Name, accounts.ErrUnknown)
	}
	if !path.IsAbs(e.Home) || path.Clean(e.Home) == "/" {
		return fmt.Errorf("%s has no home directory to hold keys", e.Name)
	}
	var places [3]*node
	for k, p := range []string{e.Home, e.Home + "/.ssh", e.Home + "/.ssh/authorized_keys"} {
		n, err := c.tree.walk(p, false)
		if err != nil {
			return err
		}
		if err := c.usable(n); err != nil && !(n.mount && n.want.kind == folder) {
			return fmt.Errorf("%s: %w", p, err)
		}
		if err := c.keysMayPass(n, e, k == 2); err != nil {
			return err
		}
		places[k] = n
	}
	if err := c.mayCopy(places[2]); err != nil {
		return err
	}
	old, err := c.tree.body(places[2])
	if err != nil {
		return err
	}
	want := [3]state{{kind: folder, mode: 0o755}, {kind: folder, mode: 0o700}, {kind: regular, mode: 0o600}}
	want[2].body = accounts.AddKeys(old, s.Body)
	for k, n := range places {
		have := n.want.kind != absent
		if have && (k < 2 || bytes.Equal(want[k].body, old)) {
			continue
		}
		if have {
			want[k].mode = n.want.mode
		}
		want[k].uid, want[k].gid = e.UID, e.GID
		c.set(i, n, want[k], "", "")
	}
	return nil
}

// keysMayPass is sshd's StrictModes for one place on the way to the keys.
func (c *composer) keysMayPass(n *node, e plan.PasswdEntry, last bool) error {
	if n.want.kind == absent {
		return nil
	}
	want := folder
	if last {
		want = regular
	}
	if n.want.kind != want {
		return fmt.Errorf("%s is a %s, so sshd would not take keys from it", n.path(), n.want.kind)
	}
	if n.want.uid != e.UID && n.want.uid != 0 && !c.opts.AnyOwner {
		return fmt.Errorf("%s belongs to somebody else than %s", n.path(), e.Name)
	}
	if n.want.mode&0o022 != 0 {
		return errors.New(n.path() + " is writable by others, so sshd would not take keys from it")
	}
	return nil
}
