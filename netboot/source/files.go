package source

import (
	"bytes"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Files are those of a volume that is no file system of the kernel's: a
// directory of the root, say. They go by their paths in it.
type Files map[string][]byte

// Open implements fs.FS.
func (f Files) Open(name string) (fs.File, error) {
	if body, there := f[name]; there {
		return &file{file: entry{name: path.Base(name), size: len(body)}, Reader: *bytes.NewReader(body)}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// ReadDir implements fs.ReadDirFS.
func (f Files) ReadDir(name string) ([]fs.DirEntry, error) {
	var names []string
	size := map[string]int{} // -1: a directory
	for file := range f {
		rest, in := strings.CutPrefix(file, name+"/")
		first, _, dir := strings.Cut(rest, "/")
		if _, seen := size[first]; !in || seen {
			continue
		}
		names = append(names, first)
		if size[first] = len(f[file]); dir {
			size[first] = -1
		}
	}
	if names == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	slices.Sort(names)
	var entries []fs.DirEntry
	for _, n := range names {
		entries = append(entries, entry{name: n, dir: size[n] < 0, size: size[n]})
	}
	return entries, nil
}

// A file is one of them, open.
type file struct {
	file entry
	bytes.Reader
}

func (f *file) Stat() (fs.FileInfo, error) { return f.file, nil }
func (f *file) Close() error               { return nil }

// An entry says what one of them is.
type entry struct {
	name string
	dir  bool
	size int
}

func (e entry) Name() string               { return e.name }
func (e entry) IsDir() bool                { return e.dir }
func (e entry) Size() int64                { return int64(e.size) }
func (e entry) ModTime() time.Time         { return time.Time{} }
func (e entry) Sys() any                   { return nil }
func (e entry) Info() (fs.FileInfo, error) { return e, nil }
func (e entry) Type() fs.FileMode          { return e.Mode() }
func (e entry) Mode() fs.FileMode {
	if e.dir {
		return fs.ModeDir
	}
	return 0
}
