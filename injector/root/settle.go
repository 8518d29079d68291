package root

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"

	"golang.org/x/sys/unix"

	"boothook/injector/accounts"
)

// settle looks up the owners, now that every account is known, and says what
// became of each step.
func (c *composer) settle() error {
	users, groups, err := c.ids()
	if err != nil {
		return err
	}
	changed := map[*node]bool{}
	for i := range c.touched {
		for _, n := range c.touched[i] {
			if _, seen := changed[n]; !seen {
				c.own(n, users, groups)
				if changed[n], err = c.tree.changed(n); err != nil {
					return err
				}
			}
			if changed[n] {
				c.steps[i].Status = Written
				c.warnOfTmp(i, n)
			}
		}
		if c.steps[i].Status == "" {
			c.steps[i].Status = Unchanged
		}
	}
	return nil
}

// warnOfTmp says what will come of a file in /tmp: systemd mounts a tmpfs
// there or removes what it finds, and so do the scripts of other systems.
func (c *composer) warnOfTmp(i int, n *node) {
	top := n
	for top.parent != c.tree.top {
		top = top.parent
	}
	if n.want.kind == absent || n == top || top.name != "tmp" {
		return
	}
	p := c.plan.Steps[i].Problem("/tmp is emptied when the system starts, so this will most likely be lost; /run and /var/tmp are kept")
	p.Warning = true
	if text := p.String(); !c.warned[text] {
		c.warned[text] = true
		c.problems = append(c.problems, p)
	}
}

// ids are the accounts that owners are looked up among. A root whose account
// files cannot be read has none.
func (c *composer) ids() (users, groups map[string]int, err error) {
	users, groups = map[string]int{}, map[string]int{}
	book, err := c.accounts()
	if err != nil {
		if fatal(err) {
			return nil, nil, err
		}
		return users, groups, nil
	}
	files := book.Files()
	for _, u := range accounts.Users(files.Passwd) {
		users[u.Name] = u.UID
	}
	for _, g := range accounts.Groups(files.Group) {
		groups[g.Name] = g.GID
	}
	return users, groups, nil
}

// own turns the owner's and the group's name into ids. Somebody unknown
// becomes root, which gives nobody more access than was meant, save for
// set-id bits: so these go.
func (c *composer) own(n *node, users, groups map[string]int) {
	if c.opts.AnyOwner {
		n.want.uid, n.want.gid = os.Geteuid(), os.Getegid()
		if n.was.kind != absent {
			n.want.uid, n.want.gid = n.was.uid, n.was.gid
		}
		return
	}
	for _, o := range []struct {
		name, what string
		ids        map[string]int
		id         *int
	}{{n.owner, "user", users, &n.want.uid}, {n.group, "group", groups, &n.want.gid}} {
		if o.name == "" || o.name == "root" {
			if o.name == "root" {
				*o.id = 0
			}
			continue
		}
		if id, found := o.ids[o.name]; found {
			*o.id = id
			continue
		}
		if id, err := strconv.ParseUint(o.name, 10, 32); err == nil && id < 1<<32-1 {
			*o.id = int(id)
			continue
		}
		*o.id = 0
		n.want.mode &^= unix.S_ISUID | unix.S_ISGID
		s := c.plan.Steps[n.steps[len(n.steps)-1]]
		c.problems = append(c.problems, s.Problem(fmt.Sprintf("%s: the root has no %s %q; root owns it instead", n.path(), o.what, o.name)))
	}
}

// changed says whether what shall stand at n differs from what does.
func (t *tree) changed(n *node) (bool, error) {
	a, b := &n.was, &n.want
	if a.kind != b.kind || a.target != b.target || a.uid != b.uid || a.gid != b.gid {
		return true, nil
	}
	if a.kind != link && a.mode != b.mode || a.kind == regular && a.size != b.size {
		return true, nil
	}
	if a.kind != regular || b.body == nil {
		return false, nil
	}
	if a.body == nil && a.size > 0 {
		want := b.body
		b.body = nil // so that body reads the disk
		_, err := t.body(n)
		b.body = want
		if errors.Is(err, ErrTooBig) || gone(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return !bytes.Equal(a.body, b.body), nil
}

// changes lists what has to be staged: places that differ and whose directory
// is there already, in the order of the steps. What stands in a directory
// that is not there yet is staged with it, as one tree.
func (c *composer) changes() ([]*node, error) {
	var list []*node
	var visit func(n *node) error
	visit = func(n *node) error {
		if n.parent.was.kind == folder && len(n.steps) > 0 && n != c.tree.top {
			changed, err := c.tree.changed(n)
			if err != nil {
				return err
			}
			if changed {
				list = append(list, n)
			}
		}
		if n.was.kind != folder {
			return nil
		}
		for _, k := range n.kids {
			if err := visit(k); err != nil {
				return err
			}
		}
		return nil
	}
	if err := visit(c.tree.top); err != nil {
		return nil, err
	}
	sort.Slice(list, func(i, j int) bool {
		a, b := list[i], list[j]
		if d := a.steps[len(a.steps)-1] - b.steps[len(b.steps)-1]; d != 0 {
			return d < 0
		}
		return a.path() < b.path()
	})
	return list, nil
}
