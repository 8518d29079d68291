package root

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// What makes a path unusable as a target. Such a step is dropped, the others
// go on.
var (
	errName    = errors.New("name too long")
	errNotDir  = errors.New("path goes through something that is not a directory")
	errPlaces  = errors.New("the plan is about too many files and directories")
	errLoop    = errors.New("too many symbolic links")
	errUnsafe  = errors.New("path goes through a link of another user's")
	errSwapped = errors.New("changed while boothook was at work")
)

// A kind says what stands, or shall stand, at a place.
type kind string

const (
	absent  kind = ""
	regular kind = "file"
	folder  kind = "dir"
	link    kind = "link"
	other   kind = "device, socket or FIFO"
)

// A state is what stands at a place.
type state struct {
	kind     kind
	mode     uint32
	uid, gid int
	size     int64
	body     []byte // of a file, once it was read
	target   string // of a link
}

// A node is one place in the root: what is there, and what shall be.
type node struct {
	parent *node
	name   string
	kids   map[string]*node
	was    state
	want   state
	// owner and group are names that are looked up when all steps are done,
	// since a later step may make the account.
	owner, group string
	secret       bool
	// late, if it is not nil, makes the body of want once somebody asks for it.
	late func() []byte
	// grows says that nobody else has the memory of want's body, so that more
	// can be put at its end.
	grows bool
	// steps are the steps that had a hand in want, in order.
	steps []int
	// mount, frozen and device are about what is there now: that it is a
	// mount point, is immutable or append-only, and where it is stored.
	mount, frozen bool
	device        uint64
	// inode and links tell the file that was looked at from another one, and
	// how many names it has.
	inode uint64
	links uint32
}

// A tree is the root as steps find it and leave it. It reads the disk as it
// goes and writes nothing. Links are followed here, component by component,
// so that links and directories that only the plan will make count as well;
// the calls that write resolve no link at all, so that a link swapped in
// meanwhile makes them fail and not stray.
type tree struct {
	root *Root
	top  *node
	// dir is the directory that was looked into last, and its descriptor.
	dir *node
	fd  int
	// places is how many nodes there are.
	places int
}

// maxPlaces is how many files and directories the steps of a plan may be
// about, those on the way and below /etc/skel included: some 100 MB of memory.
const maxPlaces = 1 << 18

func newTree(r *Root) *tree {
	t := &tree{root: r, fd: -1}
	t.top = &node{name: "/"}
	t.top.parent = t.top
	t.top.was = state{kind: folder}
	var st unix.Stat_t
	if err := unix.Fstat(r.fd, &st); err == nil {
		t.top.was.mode, t.top.was.uid, t.top.was.gid = st.Mode&0o7777, int(st.Uid), int(st.Gid)
	}
	t.top.want = t.top.was
	return t
}

func (t *tree) close() {
	if t.fd >= 0 {
		unix.Close(t.fd)
	}
	t.fd, t.dir = -1, nil
}

// path is the place's own path, without links.
func (n *node) path() string {
	size := 0
	for m := n; m.parent != m; m = m.parent {
		size += len("/") + len(m.name)
	}
	if size == 0 {
		return "/"
	}
	path := make([]byte, size)
	for m := n; m.parent != m; m = m.parent {
		size -= len(m.name)
		copy(path[size:], m.name)
		size--
		path[size] = '/'
	}
	return string(path)
}

// catchUp makes the body of want if that was put off.
func (n *node) catchUp() {
	if n.late != nil {
		n.want.body = n.late()
		n.want.size, n.late = int64(len(n.want.body)), nil
	}
}

// grown is text, which is the body of want, with more at its end. A row of
// these takes time in proportion to what is added.
func (n *node) grown(text, more []byte) []byte {
	if n.grows && len(n.want.body) == len(text) {
		return append(n.want.body, more...)
	}
	body := make([]byte, 0, 2*(len(text)+len(more)))
	return append(append(body, text...), more...)
}

// walk finds the place that path leads to; if follow is set, a last link is
// followed too. The place may be absent, and so may directories on the way.
func (t *tree) walk(path string, follow bool) (*node, error) {
	cur, links := t.top, 0
	rest := components(path)
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		switch {
		case len(name) > unix.NAME_MAX:
			return nil, errName
		case name == "..":
			cur = cur.parent
			continue
		case cur.want.kind != folder && cur.want.kind != absent:
			return nil, fmt.Errorf("%w: %s", errNotDir, cur.path())
		}
		next, err := t.child(cur, name)
		if err != nil {
			return nil, err
		}
		if next.want.kind != link || len(rest) == 0 && !follow {
			cur = next
			continue
		}
		if links++; links > maxLinks {
			return nil, errLoop
		}
		to := components(next.want.target)
		if strings.HasPrefix(next.want.target, "/") {
			cur = t.top
		}
		if err := t.checkLink(next, cur, to); err != nil {
			return nil, err
		}
		rest = append(to, rest...)
	}
	if len(cur.path()) >= unix.PathMax {
		return nil, errName
	}
	return cur, nil
}

func components(path string) []string {
	var names []string
	for _, name := range strings.Split(path, "/") {
		if name != "" && name != "." {
			names = append(names, name)
		}
	}
	return names
}

// checkLink refuses a link that an ordinary user made unless it leads to
// something of the same user's: else whoever owns a directory could have
// boothook write anywhere, as with links in /tmp.
func (t *tree) checkLink(l, from *node, to []string) error {
	if l.was.kind != link || t.root.trusted(l.was.uid) {
		return nil
	}
	cur := from
	for _, name := range to {
		if name == ".." {
			cur = cur.parent
			continue
		}
		next, err := t.child(cur, name)
		if err != nil {
			return err
		}
		cur = next
	}
	if cur.was.kind == absent || cur.was.uid != l.was.uid {
		return fmt.Errorf("%w: %s", errUnsafe, l.path())
	}
	return nil
}

// trusted says whether links of that user's may be followed anywhere.
func (r *Root) trusted(uid int) bool { return uid == 0 || uid == os.Geteuid() }

// child gives the place name in the directory dir.
func (t *tree) child(dir *node, name string) (*node, error) {
	if n := dir.kids[name]; n != nil {
		return n, nil
	}
	if t.places++; t.places > maxPlaces {
		return nil, errPlaces
	}
	n := &node{parent: dir, name: name}
	if dir.was.kind == folder {
		if err := t.look(n); err != nil {
			return nil, err
		}
	}
	n.want = n.was
	if dir.kids == nil {
		dir.kids = map[string]*node{}
	}
	dir.kids[name] = n
	return n, nil
}

// look reads from the disk what stands at n.
func (t *tree) look(n *node) error {
	if err := t.enter(n.parent); err != nil {
		return pathError("look up", n.path(), err)
	}
	var sx unix.Statx_t
	err := unix.Statx(t.fd, n.name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS, &sx)
	if err == unix.ENOENT {
		return nil
	}
	if err == unix.ENAMETOOLONG {
		return errName // a file system with shorter names than NAME_MAX
	}
	if err != nil {
		return pathError("look up", n.path(), err)
	}
	n.was = state{mode: uint32(sx.Mode) & 0o7777, uid: int(sx.Uid), gid: int(sx.Gid), size: int64(sx.Size), kind: other}
	n.mount = sx.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
	n.device = unix.Mkdev(sx.Dev_major, sx.Dev_minor)
	n.inode, n.links = sx.Ino, sx.Nlink
	switch uint32(sx.Mode) & unix.S_IFMT {
	case unix.S_IFREG:
		n.was.kind = regular
	case unix.S_IFDIR:
		n.was.kind = folder
	case unix.S_IFLNK:
		n.was.kind = link
		if n.was.target, err = readlinkAt(t.fd, n.name); err == unix.EINVAL {
			err = errSwapped // it is none any more
		}
		if err != nil {
			return pathError("look up", n.path(), err)
		}
	}
	n.frozen = sx.Attributes&(unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) != 0 &&
		(n.was.kind == regular || n.was.kind == folder) && isFrozen(t.fd, n.name)
	return nil
}

// Flags of ioctl_iflags(2) that package unix lacks.
const (
	immutableFlag = 0x10
	appendFlag    = 0x20
)

// isFrozen asks again whether name is immutable or append-only: statx(2) says
// so of everything that comes from an erofs, even through an overlay.
func isFrozen(dir int, name string) bool {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	flags, err := unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS)
	return err == nil && flags&(immutableFlag|appendFlag) != 0
}

// enter makes t.fd the descriptor of the directory dir.
func (t *tree) enter(dir *node) error {
	if t.dir == dir {
		return nil
	}
	fd, err := -1, error(nil)
	if t.dir == dir.parent && t.dir != dir && t.fd >= 0 {
		how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
		if fd, err = unix.Openat2(t.fd, dir.name, &how); err != nil {
			fd = -1 // the whole path says why
		}
	}
	if fd < 0 {
		if fd, err = t.root.openPlace(dir.path(), unix.O_PATH|unix.O_DIRECTORY); err != nil {
			t.close()
			return err
		}
	}
	t.close()
	t.fd, t.dir = fd, dir
	return nil
}

// openPlace opens a place by its own path, through which no link may lead.
func (r *Root) openPlace(path string, flags int) (int, error) {
	fd, err := r.open(path, flags, unix.RESOLVE_NO_SYMLINKS)
	if err == unix.ELOOP {
		return -1, errSwapped
	}
	return fd, err
}

// body gives the content of the file that shall stand at n.
func (t *tree) body(n *node) ([]byte, error) {
	n.catchUp()
	if n.want.kind != regular {
		return nil, nil
	}
	if n.want.body != nil || n.want.size == 0 {
		return slices.Clip(n.want.body), nil // what is appended to it must not get into n's memory
	}
	if n.was.body == nil {
		if err := t.enter(n.parent); err != nil {
			return nil, pathError("read", n.path(), err)
		}
		fd, err := unix.Openat(t.fd, n.name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, pathError("read", n.path(), err)
		}
		defer unix.Close(fd)
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return nil, pathError("read", n.path(), err)
		}
		if st.Ino != n.inode || uint32(st.Nlink) != n.links || int(st.Uid) != n.was.uid {
			return nil, pathError("read", n.path(), errSwapped)
		}
		if n.was.body, err = readFD(fd, MaxFile); err != nil {
			return nil, pathError("read", n.path(), err)
		}
	}
	return n.was.body, nil
}

// text is body for a place where only a file makes sense: nil if it is absent.
func (t *tree) text(n *node) ([]byte, error) {
	if n.want.kind != regular && n.want.kind != absent {
		return nil, fmt.Errorf("%w: %s", ErrNotRegular, n.path())
	}
	return t.body(n)
}

// names lists what shall be in the directory n.
func (t *tree) names(n *node) ([]string, error) {
	var names []string
	if n.was.kind == folder {
		fd, err := t.root.openPlace(n.path(), unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return nil, pathError("list", n.path(), err)
		}
		onDisk, err := namesOf(fd)
		if err != nil {
			return nil, pathError("list", n.path(), err)
		}
		for _, name := range onDisk {
			if k := n.kids[name]; k == nil || k.want.kind != absent {
				names = append(names, name)
			}
		}
	}
	for name, k := range n.kids {
		if k.want.kind != absent && k.was.kind == absent {
			names = append(names, name)
		}
	}
	return names, nil
}

// sortedKids are the places known in a directory, by name.
func sortedKids(n *node) []*node {
	kids := make([]*node, 0, len(n.kids))
	for _, name := range slices.Sorted(maps.Keys(n.kids)) {
		kids = append(kids, n.kids[name])
	}
	return kids
}
