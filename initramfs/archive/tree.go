package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"
)

// HeadSize is how much of every file a Tree keeps: enough for the ELF header,
// to tell programs and their machines.
const HeadSize = 64

// maxLinks is how many symbolic links one name may lead through, as in the
// kernel (MAXSYMLINKS).
const maxLinks = 40

// A Node is a file of a Tree.
type Node struct {
	Mode    uint32 // type and permissions, as in stat(2)
	Size    int64
	Link    string // target of a symbolic link
	Head    []byte // the first HeadSize bytes of a regular file, or all of it
	Data    []byte // of a regular file, if Kept
	Kept    bool
	Segment int // that wrote it last; -1 if the kernel made it

	children map[string]*Node
}

// IsDir tells whether the node is a directory.
func (n *Node) IsDir() bool { return n.Mode&TypeMask == TypeDir }

// IsRegular tells whether the node is a regular file.
func (n *Node) IsRegular() bool { return n.Mode&TypeMask == TypeRegular }

// IsSymlink tells whether the node is a symbolic link.
func (n *Node) IsSymlink() bool { return n.Mode&TypeMask == TypeSymlink }

// A Tree is the file system that the kernel makes of an initrd: what all its
// segments together come to.
type Tree struct {
	// Newest is the latest modification time of any entry, in seconds since
	// 1970: the initrd was not made before.
	Newest int64

	root *Node
	kept int64
}

// NewTree returns what is there before the first segment: the kernel's own
// default initramfs (usr/default_cpio_list).
func NewTree() *Tree {
	dir := func(perm uint32) *Node { return &Node{Mode: TypeDir | perm, Segment: -1, children: map[string]*Node{}} }
	t := &Tree{root: dir(0o755)}
	dev := dir(0o755)
	dev.children["console"] = &Node{Mode: TypeChar | 0o600, Segment: -1}
	t.root.children["dev"] = dev
	t.root.children["root"] = dir(0o700)
	return t
}

// Keep says which bodies a Tree holds in memory, by a file's name, its size
// and its first HeadSize bytes.
type Keep func(name string, size int64, head []byte) bool

// KeepSmall keeps files of at most limit bytes.
func KeepSmall(limit int64) Keep {
	return func(_ string, size int64, _ []byte) bool { return size <= limit }
}

// Read walks an initrd and gives its tree and its segments.
func Read(r io.ReaderAt, size int64, keep Keep) (*Tree, []Segment, error) {
	t := NewTree()
	b := builder{tree: t, keep: keep, links: map[linkKey]*Node{}}
	segments, err := Walk(r, size, b.visit)
	return t, segments, err
}

// ReadOn reads what follows the segments of an initrd of which t and segments
// are known, into t, and gives all segments. Where a stream ends is told by
// the stream itself, and so nothing before it need be read again; LZ4's legacy
// format alone has no end mark, and a last segment in it is read anew.
func ReadOn(t *Tree, segments []Segment, r io.ReaderAt, size int64, keep Keep) ([]Segment, error) {
	b := builder{tree: t, keep: keep, links: map[linkKey]*Node{}}
	w := walker{r: r, size: size, visit: b.visit, segments: slices.Clone(segments)}
	var pos int64
	if n := len(segments); n > 0 {
		last := segments[n-1]
		pos = last.Offset + last.Size
		if last.Compression == LZ4 {
			w.segments, pos = w.segments[:n-1], last.Offset
		}
	}
	for _, s := range w.segments {
		w.entries += s.Entries
		w.unpacked += s.Unpacked
	}
	err := w.walk(pos)
	return w.segments, err
}

// A linkKey is what makes two entries the same inode, until a trailer.
type linkKey struct{ inode, major, minor, kind uint32 }

type builder struct {
	tree  *Tree
	keep  Keep
	links map[linkKey]*Node
}

// visit does what do_header, do_name and do_symlink of init/initramfs.c do.
// An entry that the kernel skips without a word is skipped here.
func (b *builder) visit(e *Entry, body io.Reader) error {
	if e.Name == newcTrailer {
		clear(b.links)
		return nil
	}
	b.tree.Newest = max(b.tree.Newest, int64(e.ModTime))
	if e.Size > 0 && e.kind() != TypeRegular && e.kind() != TypeSymlink {
		return nil
	}
	parent, name, err := b.tree.parent(e.Name)
	if skippable(err) || err == nil && name == "" {
		return nil // no such directory: open and mkdir fail in the kernel, too
	}
	if err != nil {
		return fmt.Errorf("%q: %w", e.Name, err)
	}
	switch e.kind() {
	case TypeRegular:
		return b.file(e, parent, name, body)
	case TypeDir:
		if clearFor(parent, name, TypeDir) {
			parent.children[name] = &Node{children: map[string]*Node{}}
		}
		n := parent.children[name] // a directory, old or new
		n.Mode, n.Segment = e.Mode, e.Segment
	case TypeSymlink:
		if clearFor(parent, name, 0) {
			parent.children[name] = &Node{Mode: e.Mode, Link: e.Link, Size: e.Size, Segment: e.Segment}
		}
	case TypeChar, TypeBlock, TypeFifo, TypeSocket:
		if clearFor(parent, name, e.kind()) {
			parent.children[name] = &Node{Mode: e.Mode, Segment: e.Segment}
		}
	default:
		return malformed("%q has mode %o, which is no file type", e.Name, e.Mode)
	}
	return nil
}

// file writes a regular file. A hard link's second name shares the node of
// the first; its body, if it has one, is the body of both.
func (b *builder) file(e *Entry, parent *Node, name string, body io.Reader) error {
	key := linkKey{e.Inode, e.Major, e.Minor, TypeRegular}
	if first, ok := b.links[key]; ok && e.Links >= 2 {
		if parent.children[name] != first {
			if !clearFor(parent, name, 0) {
				return nil
			}
			parent.children[name] = first
		}
		if e.Size == 0 {
			return nil
		}
	}
	if clearFor(parent, name, TypeRegular) {
		parent.children[name] = &Node{Mode: e.Mode}
	}
	n := parent.children[name]
	if !n.IsRegular() {
		return nil // a directory that is not empty stays
	}
	if e.Links >= 2 {
		b.links[key] = n
	}
	return b.fill(n, e, body)
}

// fill reads a body, or what is wanted of it. When MaxKept bytes are held,
// what comes later is not: whoever asks for it is told.
func (b *builder) fill(n *Node, e *Entry, body io.Reader) error {
	if n.Kept {
		b.tree.kept -= int64(len(n.Data))
	}
	n.Mode, n.Size, n.Segment, n.Data = e.Mode, e.Size, e.Segment, nil
	n.Head = make([]byte, min(HeadSize, e.Size))
	if _, err := io.ReadFull(body, n.Head); err != nil {
		return err
	}
	n.Kept = b.keep(e.Name, e.Size, n.Head) && b.tree.kept+e.Size <= MaxKept
	if !n.Kept {
		return nil
	}
	b.tree.kept += e.Size
	n.Data = make([]byte, e.Size)
	_, err := io.ReadFull(body, n.Data[copy(n.Data, n.Head):])
	return err
}

// clearFor removes what is at name unless it has the type kind, as clean_path
// does. It tells whether the name is free now.
func clearFor(parent *Node, name string, kind uint32) bool {
	old := parent.children[name]
	if old == nil {
		return true
	}
	if old.Mode&TypeMask == kind || old.IsDir() && len(old.children) > 0 {
		return false
	}
	delete(parent.children, name)
	return true
}

func skippable(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrLoop) || errors.Is(err, errNotDir)
}

var errNotDir = errors.New("not a directory")

// parent finds the directory that a name is in, through symbolic links, and
// the name's last component, which is "" for the root itself.
func (t *Tree) parent(name string) (*Node, string, error) {
	name = strings.TrimRight(name, "/")
	i := strings.LastIndexByte(name, '/')
	base := name[i+1:]
	if base == "" || base == "." || base == ".." {
		return t.root, "", nil
	}
	dir, _, err := t.Lookup(name[:i+1])
	if err == nil && !dir.IsDir() {
		err = errNotDir
	}
	return dir, base, err
}

// Lookup finds a name, through symbolic links, and returns its node and its
// real path, absolute and clean. Errors: fs.ErrNotExist, ErrLoop.
func (t *Tree) Lookup(name string) (*Node, string, error) {
	return t.lookup(name, true)
}

// Lstat is Lookup, but gives the last component itself if that is a link.
func (t *Tree) Lstat(name string) (*Node, string, error) {
	return t.lookup(name, false)
}

func (t *Tree) lookup(name string, follow bool) (*Node, string, error) {
	rest := strings.Split(name, "/")
	stack := []*Node{t.root} // the directories above and at the current place
	real := []string{}
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		at := stack[len(stack)-1]
		switch {
		case !at.IsDir():
			return nil, "", fmt.Errorf("/%s: %w", strings.Join(real, "/"), errNotDir)
		case part == "" || part == ".":
			continue
		case part == "..":
			if len(real) > 0 {
				stack, real = stack[:len(stack)-1], real[:len(real)-1]
			}
			continue
		case len(real) >= MaxDepth:
			return nil, "", fmt.Errorf("%w: path deeper than %d", ErrTooLarge, MaxDepth)
		}
		next := at.children[part]
		if next == nil {
			return nil, "", fmt.Errorf("/%s: %w", path.Join(strings.Join(real, "/"), part), fs.ErrNotExist)
		}
		if next.IsSymlink() && (follow || len(rest) > 0) {
			if links++; links > maxLinks {
				return nil, "", fmt.Errorf("/%s: %w", path.Join(strings.Join(real, "/"), part), ErrLoop)
			}
			rest = append(strings.Split(next.Link, "/"), rest...)
			if strings.HasPrefix(next.Link, "/") {
				stack, real = stack[:1], real[:0]
			}
			continue
		}
		stack, real = append(stack, next), append(real, part)
	}
	return stack[len(stack)-1], "/" + strings.Join(real, "/"), nil
}

// ReadFile gives the contents of a regular file that the tree has kept.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	n, _, err := t.Lookup(name)
	switch {
	case err != nil:
		return nil, err
	case !n.IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", name)
	case !n.Kept:
		return nil, fmt.Errorf("%s: %w: %d bytes", name, ErrNotKept, n.Size)
	}
	return n.Data, nil
}

// Has tells whether a name leads to something.
func (t *Tree) Has(name string) bool {
	_, _, err := t.Lookup(name)
	return err == nil
}

// List gives the sorted names in a directory; none if there is no such one.
func (t *Tree) List(dir string) []string {
	n, _, err := t.Lookup(dir)
	if err != nil {
		return nil
	}
	names := make([]string, 0, len(n.children))
	for name := range n.children {
		names = append(names, name)
	}
	sort.Strings(names)
	return slices.Clip(names)
}
