package root

import (
	"context"
	"sort"

	"boothook/injector/plan"
)

// Changes plays p through as Apply would and says what would differ, in the
// order of paths, without writing anything.
func (r *Root) Changes(ctx context.Context, p plan.Plan, o Options) ([]plan.Change, Result, error) {
	o.preview = true
	c, err := r.compose(ctx, p, o)
	if err != nil {
		return nil, Result{}, err
	}
	defer c.tree.close()
	var list []plan.Change
	for _, n := range c.todo {
		if list, err = c.describe(n, list); err != nil {
			return nil, Result{}, err
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Path < list[j].Path })
	return list, Result{Steps: c.steps, Problems: c.problems}, nil
}

func (c *composer) describe(n *node, list []plan.Change) ([]plan.Change, error) {
	ch := plan.Change{Path: n.path(), Secret: n.secret, Old: describe(n.was), New: describe(n.want)}
	if ch.Secret {
		ch.Old.Body, ch.New.Body = nil, nil
	} else if n.was.kind == regular && n.was.body == nil {
		t := &node{parent: n.parent, name: n.name, was: n.was, want: n.was, inode: n.inode, links: n.links}
		body, err := c.tree.body(t)
		if err != nil {
			return nil, err
		}
		ch.Old.Body = body
	}
	list = append(list, ch)
	if n.was.kind == folder {
		return list, nil // what is below it is a change of its own
	}
	for _, k := range sortedKids(n) {
		if k.want.kind == absent {
			continue
		}
		var err error
		if list, err = c.describe(k, list); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func describe(s state) plan.State {
	return plan.State{Kind: string(s.kind), Mode: s.mode, UID: s.uid, GID: s.gid, Target: s.target, Body: s.body}
}
