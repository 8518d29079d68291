package root

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// An entry is what shall stand at a place, as the journal knows it.
type entry struct {
	// Path is relative to the change's own place; empty for the place itself.
	Path string `json:"path,omitempty"`
	Kind kind   `json:"kind"`
	Mode uint32 `json:"mode"`
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
	Size int64  `json:"size,omitempty"`
	// Head, where it is not 0, is how many bytes Sum is of.
	Head   int64  `json:"head,omitempty"`
	Sum    uint64 `json:"sum,omitempty"`
	Target string `json:"target,omitempty"`
}

// A change is one rename, removal or change of a directory's mode and owner.
type change struct {
	// Dir and Name are the place; Temp is what is staged beside it, if any.
	Dir  string `json:"dir"`
	Name string `json:"name"`
	Temp string `json:"temp,omitempty"`
	// Clear says that what stands there has to be removed first, since a
	// rename cannot replace it: a directory, or anything by a directory.
	Clear bool `json:"clear,omitempty"`
	// Shared says that somebody else than root can rename what is in Dir, or
	// Dir itself.
	Shared bool `json:"shared,omitempty"`
	// Want is what shall stand there, and for a new directory below it. While
	// staging it is not known yet.
	Want []entry `json:"want,omitempty"`
}

func (ch change) path() string { return strings.TrimSuffix(ch.Dir, "/") + "/" + ch.Name }

// A stager makes temporary files beside their targets, complete with owner
// and mode, and knows how to take them away again.
type stager struct {
	root    *Root
	sys     syscalls
	anyOwn  bool
	changes []change
	// early are the directories that were made before the journal could be.
	early []string
	// lose, where it is not nil, is told of a change that somebody who owns
	// the directory has made impossible.
	lose func(change, error)
	// dir is the directory in which things are being staged.
	dir   string
	dirFD int
	// syncs holds an open directory for each file system, that of the journal
	// first: so whoever finds something staged on another one finds the
	// journal too, and takes it away.
	syncs []syncPoint
}

// A syncPoint is an open directory of a file system.
type syncPoint struct {
	dev uint64
	fd  int
}

func newStager(r *Root, o Options) *stager {
	return &stager{root: r, sys: r.sys, anyOwn: o.AnyOwner, dirFD: -1}
}

// close gives the descriptors back.
func (s *stager) close() {
	s.leave()
	for _, p := range s.syncs {
		unix.Close(p.fd)
	}
	s.syncs = nil
}

func (s *stager) leave() {
	if s.dirFD >= 0 {
		unix.Close(s.dirFD)
	}
	s.dir, s.dirFD = "", -1
}

// enter makes s.dirFD the directory dir.
func (s *stager) enter(dir string) error {
	if s.dirFD >= 0 && s.dir == dir {
		return nil
	}
	s.leave()
	fd, err := s.root.openPlace(dir, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return pathError("open", dir, err)
	}
	return s.enterFD(dir, fd)
}

// enterState is enter for StateDir, to which links may lead (/var elsewhere).
func (s *stager) enterState() error {
	fd, err := s.root.open(StateDir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return pathError("open", StateDir, err)
	}
	s.leave()
	if err := s.enterFD(StateDir, fd); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return pathError("open", StateDir, err)
	}
	i := slices.IndexFunc(s.syncs, func(p syncPoint) bool { return p.dev == st.Dev })
	s.syncs[0], s.syncs[i] = s.syncs[i], s.syncs[0]
	return nil
}

// enterFD makes s.dirFD the open directory fd, and takes it over.
func (s *stager) enterFD(dir string, fd int) error {
	s.dir, s.dirFD = dir, fd
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return pathError("open", dir, err)
	}
	if slices.ContainsFunc(s.syncs, func(p syncPoint) bool { return p.dev == st.Dev }) {
		return nil
	}
	keep, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return pathError("open", dir, err)
	}
	s.syncs = append(s.syncs, syncPoint{st.Dev, keep})
	return nil
}

// namesIn lists an open directory without moving its descriptor.
func (r *Root) namesIn(fd int) ([]string, error) {
	again, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return namesOf(again)
}

// makeEarly makes the directories that the journal needs; the innermost comes
// first in the list.
func (s *stager) makeEarly(dirs []*node) error {
	for i := len(dirs) - 1; i >= 0; i-- {
		n := dirs[i]
		s.early = append(s.early, n.path())
		if err := s.root.makeDir(n.parent.path(), n.name); err != nil {
			return pathError("make directory", n.path(), err)
		}
	}
	return nil
}

// stage makes whatever shall stand at n, of which ch says how it is staged.
func (s *stager) stage(ctx context.Context, t *tree, n *node, ch *change) error {
	if err := s.enter(ch.Dir); err != nil {
		return err
	}
	if ch.Temp == "" {
		ch.Want = []entry{entryOf(n, "")}
		return nil
	}
	for range maxTries {
		want, err := s.make(ctx, t, n, s.dirFD, ch.Temp, "")
		if err == nil {
			ch.Want = want
			return nil
		}
		if err != unix.EEXIST {
			return pathError("stage", n.path(), err)
		}
		// In a directory of root's own this is what an apply has left whose
		// journal the power cut took along. Elsewhere it is not ours to touch.
		if ch.Shared || s.removeAll(s.dirFD, ch.Temp) != nil {
			ch.Temp = randomName()
		}
	}
	ch.Temp = ""
	return pathError("stage", n.path(), unix.EEXIST)
}

func entryOf(n *node, rel string) entry {
	w := n.want
	e := entry{Path: rel, Kind: w.kind, Mode: w.mode, UID: w.uid, GID: w.gid, Target: w.target}
	if w.kind == regular {
		e.Size, e.Sum = w.size, checksum(w.body)
		if n := int64(len(w.body)); n < w.size {
			e.Head = n
		}
	}
	return e
}

// make creates n, and all below it, as name in the directory dir, with its
// label.
func (s *stager) make(ctx context.Context, t *tree, n *node, dir int, name, rel string) ([]entry, error) {
	entries, err := s.makeNode(ctx, t, n, dir, name, rel)
	if err != nil {
		return nil, err
	}
	old := ""
	if n.was.kind == n.want.kind {
		old = attrOf(dir, n.name, labelAttr)
	}
	err = s.root.label(s.sys, dir, name, n.path(), n.want.kind.fileMode(), old)
	if s.anyOwn {
		err = ignorePermission(err)
	}
	return entries, err
}

func (s *stager) makeNode(ctx context.Context, t *tree, n *node, dir int, name, rel string) ([]entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch n.want.kind {
	case regular:
		if _, err := t.body(n); err != nil {
			return nil, err
		}
		if n.want.body == nil {
			n.want.body = n.was.body
		}
		var attrs []attr
		if n.was.kind == regular {
			attrs = keptAttrs(dir, n.name)
		}
		return []entry{entryOf(n, rel)}, s.makeFile(dir, name, n.want, attrs)
	case link:
		if err := s.sys.Symlink(n.want.target, dir, name); err != nil {
			return nil, err
		}
		return []entry{entryOf(n, rel)}, s.own(n.want, func(uid, gid int) error { return s.sys.Lchown(dir, name, uid, gid) })
	case folder:
		return s.makeDir(ctx, t, n, dir, name, rel)
	}
	return nil, fmt.Errorf("cannot make a %s", n.want.kind)
}

// makeFile writes a file that is 0600 until it is complete, and has its owner
// before its mode, so that nobody can open it too early.
//
// The attributes come between the two: a new owner takes capabilities away,
// and the mode has the last word on what an access list allows.
func (s *stager) makeFile(dir int, name string, want state, attrs []attr) error {
	fd, err := s.sys.Create(dir, name)
	if err != nil {
		return err
	}
	defer func() {
		if fd >= 0 {
			unix.Close(fd)
		}
	}()
	for body := want.body; len(body) > 0; {
		n, err := s.sys.Write(fd, body)
		if err != nil && err != unix.EINTR {
			return err
		}
		body = body[max(n, 0):]
	}
	if want.size > int64(len(want.body)) {
		if err := s.sys.Allocate(fd, want.size); err != nil {
			return err
		}
	}
	if err := s.own(want, func(uid, gid int) error { return s.sys.Chown(fd, uid, gid) }); err != nil {
		return err
	}
	if err := s.setAttrs(dir, name, attrs); err != nil {
		return err
	}
	if err := s.sys.Chmod(fd, want.mode); err != nil {
		return err
	}
	err = s.sys.Close(fd) // file systems over the network say here what went wrong
	fd = -1
	return err
}

func (s *stager) makeDir(ctx context.Context, t *tree, n *node, dir int, name, rel string) ([]entry, error) {
	if err := s.sys.Mkdir(dir, name); err != nil {
		return nil, err
	}
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	entries := []entry{entryOf(n, rel)}
	for _, k := range sortedKids(n) {
		if k.want.kind == absent {
			continue
		}
		below, err := s.make(ctx, t, k, fd, k.name, strings.TrimPrefix(rel+"/"+k.name, "/"))
		if err != nil {
			return nil, err
		}
		entries = append(entries, below...)
	}
	if err := s.own(n.want, func(uid, gid int) error { return s.sys.Chown(fd, uid, gid) }); err != nil {
		return nil, err
	}
	return entries, s.sys.Chmod(fd, n.want.mode)
}

// own changes an owner unless the caller's own id is good enough.
func (s *stager) own(want state, chown func(uid, gid int) error) error {
	if s.anyOwn {
		return nil
	}
	if err := chown(want.uid, want.gid); err != nil {
		return fmt.Errorf("change owner to %d:%d: %w", want.uid, want.gid, err)
	}
	return nil
}

// sync writes every file system that was touched to its disk.
func (s *stager) sync() error {
	for _, p := range s.syncs {
		if err := s.sys.Syncfs(p.fd); err != nil {
			return os.NewSyscallError("syncfs", err)
		}
	}
	return nil
}

// abandon takes away all that was staged, as far as that can be done.
func (s *stager) abandon() error {
	var first error
	for _, ch := range s.changes {
		if err := s.discard(ch); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// discard takes away what is staged for a change. What the owner of the
// directory has made of it since is left to the owner.
func (s *stager) discard(ch change) error {
	if ch.Temp == "" {
		return nil
	}
	err := s.enter(ch.Dir)
	if err == nil {
		err = s.removeAll(s.dirFD, ch.Temp)
	}
	if err == nil || gone(err) || ch.Shared {
		return nil
	}
	return pathError("clean up", ch.Dir+"/"+ch.Temp, err)
}

// maxDepth is how deep a staged tree can be: PATH_MAX bytes of "x/".
// maxRemoved is how many names are removed in one go.
const (
	maxDepth   = unix.PathMax / 2
	maxRemoved = 1 << 20
)

// removeAll removes name in the directory dir and all below it, following no
// link. That it is gone already is fine.
func (s *stager) removeAll(dir int, name string) error {
	names := 0
	return s.removeBelow(dir, name, 0, &names)
}

func (s *stager) removeBelow(dir int, name string, depth int, names *int) error {
	err := s.sys.Unlink(dir, name, 0)
	if err == nil || err == unix.ENOENT {
		return nil
	}
	if *names++; err != unix.EISDIR && err != unix.EPERM || depth > maxDepth || *names > maxRemoved {
		return err
	}
	fd, openErr := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if openErr != nil {
		return err
	}
	defer unix.Close(fd)
	list, err := s.root.namesIn(fd)
	if err != nil {
		return err
	}
	for _, below := range list {
		if err := s.removeBelow(fd, below, depth+1, names); err != nil {
			return err
		}
	}
	return s.sys.Unlink(dir, name, unix.AT_REMOVEDIR)
}
