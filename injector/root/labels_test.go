package root

import (
	"context"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"boothook/injector/plan"
)

// A scribe notes labels down instead of setting them, which needs privileges.
type scribe struct {
	unsynced
	labels map[string]string
	err    error
}

func (s *scribe) Attr(dir int, name, attribute, label string) error {
	path, err := readlinkAt(unix.AT_FDCWD, fdPath(dir))
	if err != nil {
		return err
	}
	s.labels[path+"/"+name] = label
	return s.err
}

func selinuxRoot(t *testing.T) (*Root, *scribe) {
	r := newRoot(t)
	put(t, r, map[string]string{
		"/etc/selinux/config": "# c\nSELINUX=enforcing\nSELINUXTYPE=targeted\n",
		"/etc/selinux/targeted/contexts/files/file_contexts": "/.* u:r:default_t:s0\n/etc(/.*)? u:r:etc_t:s0\n/srv(/.*)? u:r:var_t:s0\n" +
			"/srv/.+/link -l u:r:link_t:s0\n/var/lib/boothook(/.*)? u:r:own_t:s0\n/tmp/.* <<none>>\n",
	})
	s := &scribe{labels: map[string]string{}}
	r.sys = s
	return r, s
}

func TestLabels(t *testing.T) {
	r, s := selinuxRoot(t)
	apply(t, r, file("/etc/new", "x"), file("/srv/a/b", "x"), plan.Step{Kind: plan.Link, Path: "/srv/a/link", Target: "b"}, file("/tmp/x", "x"))
	got := map[string]int{}
	for name, label := range s.labels {
		if !strings.HasSuffix(label, ":s0\x00") {
			t.Errorf("%s: label %q", name, label)
		}
		got[strings.Split(label, ":")[2]]++
	}
	// /etc/new; /srv, a and b; the link; /var/lib/boothook. None under /tmp.
	for typ, n := range map[string]int{"etc_t": 1, "var_t": 3, "link_t": 1, "own_t": 1, "default_t": 0} {
		if got[typ] != n {
			t.Errorf("%d labels %s, want %d: %v", got[typ], typ, n, s.labels)
		}
	}
}

func TestLabelFails(t *testing.T) {
	r, s := selinuxRoot(t)
	s.err = unix.ENOTSUP // a file system without labels
	apply(t, r, file("/etc/new", "x"))
	s.err = unix.EIO
	if _, err := r.Apply(context.Background(), plan.Plan{Steps: []plan.Step{file("/etc/other", "x")}}, options()); !errors.Is(err, unix.EIO) || r.Exists("/etc/other") {
		t.Errorf("error %v", err)
	}
}

// TestAutorelabel: without file contexts there is nothing to label by.
func TestAutorelabel(t *testing.T) {
	r, s := selinuxRoot(t)
	put(t, r, map[string]string{"/etc/selinux/config": "SELINUX=permissive\nSELINUXTYPE=gone\n"})
	res := apply(t, r, file("/etc/motd", "hello\n"))
	if r.Exists(autorelabel) {
		t.Error("a plan that changes nothing arranged for labels")
	}
	res = apply(t, r, file("/etc/new", "x"))
	if !r.Exists(autorelabel) || len(s.labels) > 0 || len(res.Problems) != 1 || !res.Problems[0].Warning {
		t.Errorf("labels %v, problems %v", s.labels, res.Problems)
	}
	put(t, r, map[string]string{"/etc/selinux/config": "SELINUX=disabled\nSELINUXTYPE=gone\n"})
	r = openRoot(t, r.dir)
	if res := apply(t, r, file("/etc/another", "x")); len(res.Problems) > 0 {
		t.Errorf("problems %v", res.Problems)
	}
}
