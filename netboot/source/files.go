package source

import (
	"io"
	"io/fs"
	"maps"
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
		return &file{entry{path.Base(name), len(body)}, body}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// ReadDir implements fs.ReadDirFS.
func (f Files) ReadDir(name string) ([]fs.DirEntry, error) {
	var entries []fs.DirEntry
	for _, file := range slices.Sorted(maps.Keys(f)) {
		rest, in := strings.CutPrefix(file, name+"/")
		first, _, dir := strings.Cut(rest, "/")
		if !in || len(entries) > 0 && entries[len(entries)-1].Name() == first {
			continue
		}
		e := &entry{first, len(f[file])}
		if dir {
			e.size = -1
		}
		entries = append(entries, e)
	}
	if entries == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return entries, nil
}

// A file is one of them, open; rest is what is yet to be read.
type file struct {
	entry
	rest []byte
}

func (f *file) Stat() (fs.FileInfo, error) { return &f.entry, nil }
func (f *file) Close() error               { return nil }

func (f *file) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// An entry says what one of them is.
type entry struct {
	name string
	size int // -1: a directory
}

func (e *entry) Name() string               { return e.name }
func (e *entry) IsDir() bool                { return e.size < 0 }
func (e *entry) Size() int64                { return int64(e.size) }
func (e *entry) ModTime() time.Time         { return time.Time{} }
func (e *entry) Sys() any                   { return nil }
func (e *entry) Info() (fs.FileInfo, error) { return e, nil }
func (e *entry) Type() fs.FileMode          { return e.Mode() }
func (e *entry) Mode() fs.FileMode {
	if e.IsDir() {
		return fs.ModeDir
	}
	return 0
}
