// Package volume reads small seed volumes, iso9660, UDF and FAT, from the block
// device itself: it needs no mount and no kernel module.
//
// In goes anything that can be read at an offset. Out comes the volume's label
// and its files as an fs.FS, with the names that Joliet, Rock Ridge or long
// file names give them. It only reads, follows no links, and trusts no volume:
// sizes, counts and chains have bounds, and a loop is an error.
package volume

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

const (
	// maxEntries bounds the entries of one directory.
	maxEntries = 4096
	// maxDirectory bounds the bytes of one directory.
	maxDirectory = 4 << 20
	// maxFile bounds the bytes of a file that can be opened.
	maxFile = 64 << 20
	// maxDepth bounds how deep a path may go.
	maxDepth = 16
)

// The errors that a caller may want to tell apart.
var (
	// ErrUnknown: neither iso9660 nor UDF nor FAT.
	ErrUnknown = errors.New("unknown file system")
	// ErrCorrupt: it is one of them, but breaks its specification.
	ErrCorrupt = errors.New("corrupt file system")
	// ErrTooLarge: a file is larger than a seed ever is.
	ErrTooLarge = errors.New("file too large")
)

// A Volume is a file system that was found on a device.
type Volume struct {
	// Type is "iso9660", "udf" or "vfat".
	Type string
	// Label is the volume's label without the spaces that fill it up.
	Label string
	// FS holds the files. Names are compared as the file system does: with
	// FAT and plain iso9660, case does not matter.
	FS fs.FS
}

// Open recognises the file system on r. A disc that is both iso9660 and UDF is
// taken for UDF, whose label is not limited to capitals.
func Open(r io.ReaderAt) (*Volume, error) {
	for _, open := range []func(io.ReaderAt) (*Volume, error){openUDF, openISO, openFAT} {
		v, err := open(r)
		if !errors.Is(err, ErrUnknown) {
			return v, err
		}
	}
	return nil, ErrUnknown
}

// An entry is a file or directory as its parent describes it.
type entry struct {
	name string
	dir  bool
	size int64
	// at is where its content is, in the file system's own terms.
	at uint32
}

// A format is what the file systems differ in.
type format interface {
	// root gives the root directory.
	root() entry
	// list gives a directory's entries without "." and "..".
	list(dir entry) ([]entry, error)
	// read gives a file's content.
	read(file entry) (io.Reader, error)
	// same compares names.
	same(a, b string) bool
}

// A tree makes an fs.FS of a format.
type tree struct{ format }

// Open finds a file or directory by its path.
func (t tree) Open(name string) (fs.File, error) {
	f, err := t.open(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

func (t tree) open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	at := t.root()
	if name != "." {
		steps := strings.Split(name, "/")
		if len(steps) > maxDepth {
			return nil, fs.ErrNotExist
		}
		for _, step := range steps {
			var err error
			if at, err = t.step(at, step); err != nil {
				return nil, err
			}
		}
	}
	if at.dir {
		entries, err := t.list(at)
		return &openDir{openFile{entry: at}, entries}, err
	}
	if at.size > maxFile {
		return nil, fmt.Errorf("%w: %d bytes of at most %d", ErrTooLarge, at.size, maxFile)
	}
	r, err := t.read(at)
	return &openFile{at, &exact{r, at.size}}, err
}

// An exact reader gives so many bytes and no more; an end before that is an
// error. Half a file must not pass for a whole one.
type exact struct {
	r    io.Reader
	left int64
}

func (e *exact) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if errors.Is(err, io.EOF) && e.left > 0 {
		err = corrupt("a file ends %d bytes early", e.left)
	}
	return n, err
}

// step goes from a directory to one of its entries.
func (t tree) step(dir entry, name string) (entry, error) {
	if !dir.dir {
		return entry{}, fs.ErrNotExist
	}
	entries, err := t.list(dir)
	if err != nil {
		return entry{}, err
	}
	for _, e := range entries {
		if t.same(e.name, name) {
			return e, nil
		}
	}
	return entry{}, fs.ErrNotExist
}

// An openFile is a file being read.
type openFile struct {
	entry
	io.Reader
}

func (f *openFile) Stat() (fs.FileInfo, error) { return info{f.entry}, nil }
func (f *openFile) Close() error               { return nil }

// An openDir is a directory being read.
type openDir struct {
	openFile
	left []entry
}

func (d *openDir) Read([]byte) (int, error) { return 0, fs.ErrInvalid }

// ReadDir gives the next n entries, or all that are left if n is not positive.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(d.left)
	} else if len(d.left) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.left))
	list := make([]fs.DirEntry, n)
	for i, e := range d.left[:n] {
		list[i] = fs.FileInfoToDirEntry(info{e})
	}
	d.left = d.left[n:]
	return list, nil
}

// An info describes an entry.
type info struct{ e entry }

func (i info) Name() string       { return path.Base(i.e.name) }
func (i info) Size() int64        { return i.e.size }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.e.dir }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.e.dir {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

// corrupt says what breaks the specification.
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// usable accepts the names that can be one step of a path.
func usable(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

// readAt reads exactly n bytes at off.
func readAt(r io.ReaderAt, off int64, n int) ([]byte, error) {
	b := make([]byte, n)
	if got, err := r.ReadAt(b, off); got < n {
		if errors.Is(err, io.EOF) {
			return nil, corrupt("it ends before byte %d", off+int64(n))
		}
		return nil, err
	}
	return b, nil
}
