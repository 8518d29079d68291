package root

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"boothook/injector/plan"
	"boothook/injector/selinux"
)

const (
	labelAttr = "security.selinux"
	// autorelabel makes an SELinux system label all its files at its next
	// boot, before anything else.
	autorelabel = "/.autorelabel"
	// maxPolicy is the largest file of contexts that is read.
	maxPolicy = 8 << 20
)

// A labeller knows the labels of a root in which SELinux is on. Nobody else
// gives them: in an initrd the policy is not loaded, and what is made there
// would have no label, so that confined services could not read it.
type labeller struct {
	on     bool
	policy *selinux.Labels
}

// labels reads the policy, once.
func (r *Root) labels() *labeller {
	if r.labeller != nil {
		return r.labeller
	}
	l := &labeller{}
	r.labeller = l
	mode, policy := selinuxConfig(string(r.fact("/etc/selinux/config")))
	if mode != "enforcing" && mode != "permissive" || policy == "" || strings.Contains(policy, "/") {
		return l
	}
	l.on = true
	read := func(names ...string) (texts [][]byte) {
		for _, name := range names {
			text, err := r.ReadFileMax(path.Join("/etc/selinux", policy, "contexts/files", name), maxPolicy)
			if err == nil {
				texts = append(texts, text)
			}
		}
		return texts
	}
	if contexts := read("file_contexts", "file_contexts.homedirs", "file_contexts.local"); len(contexts) > 0 {
		l.policy = selinux.Parse(contexts, read("file_contexts.subs_dist", "file_contexts.subs"))
	}
	return l
}

// selinuxConfig reads what /etc/selinux/config says (selinux(8)).
func selinuxConfig(text string) (mode, policy string) {
	for line := range strings.Lines(text) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch strings.TrimSpace(k) {
		case "SELINUX":
			mode = strings.ToLower(strings.TrimSpace(v))
		case "SELINUXTYPE":
			policy = strings.TrimSpace(v)
		}
	}
	return mode, policy
}

// label gives name in the directory dir its label: that of the file which it
// replaces, or else the policy's for the path that it is going to have.
func (r *Root) label(sys syscalls, dir int, name, path string, mode fs.FileMode, old string) error {
	label := old
	if l := r.labels(); label == "" && l.policy != nil {
		if found, ok := l.policy.Lookup(path, mode); ok {
			label = found + "\x00" // as setfilecon(3) stores it
		}
	}
	if label == "" {
		return nil
	}
	err := sys.Attr(dir, name, labelAttr, label)
	if errors.Is(err, unix.ENOTSUP) {
		return nil // a file system without labels needs none
	}
	return err
}

// relabel arranges for labels where the root wants them and its policy cannot
// be read, if the plan changes anything.
func (c *composer) relabel() error {
	last := -1
	for i, s := range c.steps {
		if s.Status == Written {
			last = i
		}
	}
	if l := c.tree.root.labels(); !l.on || l.policy != nil || last < 0 {
		return nil
	}
	n, err := c.tree.walk(autorelabel, false)
	if err != nil || n.want.kind != absent {
		return err
	}
	if err := c.usable(n); err != nil {
		if fatal(err) {
			return err
		}
		c.problems = append(c.problems, (&plan.Step{Kind: plan.File, Path: autorelabel}).Problem(
			"SELinux is on, its file contexts cannot be read, and this cannot be written: "+err.Error()))
		return nil
	}
	c.set(last, n, state{kind: regular, mode: 0o644}, "", "")
	p := (&plan.Step{Kind: plan.File, Path: autorelabel}).Problem("SELinux is on but its file contexts cannot be read, so the whole root is labelled anew at this boot")
	p.Warning = true
	c.problems = append(c.problems, p)
	return nil
}

// fileMode is the type of what shall stand at a place, as package fs has it.
func (k kind) fileMode() fs.FileMode {
	switch k {
	case folder:
		return fs.ModeDir
	case link:
		return fs.ModeSymlink
	}
	return 0
}
