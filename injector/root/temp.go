package root

import (
	"errors"
	"math/rand/v2"
	"strconv"

	"golang.org/x/sys/unix"
)

// What is staged stands beside its target, under a name that begins with
// tempPrefix; it does not contain the target's name, which may fill NAME_MAX
// by itself. Others may use such names as they like.
//
// Nothing is ever looked for by listing a directory. In a directory that only
// root can write to, the name follows from the target's, so that whoever
// stages there again meets what was left. In others it is one that nobody can
// guess. The journal is written before anything is staged and knows all of
// them.
const tempPrefix = ".boothook-"

// maxTries is how many names are tried in a directory where others can make
// files, too.
const maxTries = 16

// tempName is under what the target name in the directory dir is staged.
func tempName(dir, name string) string {
	return tempPrefix + strconv.FormatUint(checksum([]byte(dir+"/"+name)), 36)
}

// randomName needs no entropy but what the kernel gave at exec, so that it
// never waits.
func randomName() string { return tempPrefix + strconv.FormatUint(rand.Uint64(), 36) }

// plan fills s.changes with how each of todo is to be staged and written.
func (s *stager) plan(todo []*node) {
	used := map[string]bool{}
	for _, n := range todo {
		ch := change{Dir: n.parent.path(), Name: n.name, Shared: s.root.shared(n.parent)}
		if n.want.kind != absent && (n.was.kind != folder || n.want.kind != folder) {
			ch.Clear = n.was.kind != absent && (n.was.kind == folder) != (n.want.kind == folder)
			ch.Temp = tempName(ch.Dir, ch.Name)
			if k := n.parent.kids[ch.Temp]; ch.Shared || used[ch.Dir+"/"+ch.Temp] || k != nil && (k.was.kind != absent || k.want.kind != absent) {
				ch.Temp = randomName()
			}
			used[ch.Dir+"/"+ch.Temp] = true
		}
		s.changes = append(s.changes, ch)
	}
}

// shared says whether somebody else than root can rename what is in dir, or
// dir itself.
func (r *Root) shared(dir *node) bool {
	for ; ; dir = dir.parent {
		if !r.trusted(dir.was.uid) || dir.was.mode&0o022 != 0 {
			return true
		}
		if dir.parent == dir {
			return false
		}
	}
}

// gone says whether err means that a place is not there any more, or not the
// one that was looked at.
func gone(err error) bool {
	for _, e := range []error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, errSwapped} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// lost says whether err, met while doing ch, is the work of the one who can
// write to the directory, and then leaves that change out: others' files do
// not depend on what a user does in a directory of his own.
func (s *stager) lost(ch change, err error) bool {
	theirs := gone(err)
	for _, e := range []error{unix.EEXIST, unix.EISDIR, unix.ENOTEMPTY, unix.EBUSY, unix.EDQUOT} {
		theirs = theirs || errors.Is(err, e)
	}
	if !ch.Shared || !theirs {
		return false
	}
	s.discard(ch)
	if s.lose != nil {
		s.lose(ch, err)
	}
	return true
}
