package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"
	"strings"

	"github.com/cavaliergopher/cpio"
)

// A File is a file that is to be put into an initrd, owned by root.
type File struct {
	Name string // absolute
	Mode uint32 // type and permissions, as in stat(2)
	Data []byte // contents, or the target of a symbolic link
}

// Overlay fits files to the tree of the segments before them. Each name is
// resolved through the links that are there, so that nothing replaces a link
// by a directory; directories that are missing are added, those that exist
// are not repeated. The result is sorted, for Write.
func (t *Tree) Overlay(files []File) ([]File, error) {
	out := map[string]File{}
	for _, f := range files {
		real, err := t.place(f.Name, out)
		if err != nil {
			return nil, fmt.Errorf("place %s: %w", f.Name, err)
		}
		if _, twice := out[real]; twice {
			return nil, fmt.Errorf("place %s: two files are called %s", f.Name, real)
		}
		f.Name = real
		out[real] = f
	}
	sorted := make([]File, 0, len(out))
	for _, f := range out {
		sorted = append(sorted, f)
	}
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Name < sorted[j].Name })
	return sorted, nil
}

// place returns the real path that name will have, and adds to out the
// directories that it lacks.
func (t *Tree) place(name string, out map[string]File) (string, error) {
	name = path.Clean("/" + name)
	if name == "/" {
		return "", errors.New("the root needs no entry")
	}
	real := "/"
	parts := strings.Split(name[1:], "/")
	for i, part := range parts[:len(parts)-1] {
		next := path.Join(real, part)
		n, at, err := t.Lookup(next)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if _, _, lerr := t.Lstat(next); lerr == nil {
				return "", fmt.Errorf("%s is a symbolic link to nothing", next)
			}
			if f, ok := out[next]; ok && f.Mode&TypeMask != TypeDir {
				return "", fmt.Errorf("%s is a file", next)
			}
			out[next] = File{Name: next, Mode: TypeDir | 0o755}
			real = next
		case err != nil:
			return "", err
		case !n.IsDir():
			return "", fmt.Errorf("/%s is not a directory", strings.Join(parts[:i+1], "/"))
		default:
			real = at
		}
	}
	real = path.Join(real, parts[len(parts)-1])
	if n, _, err := t.Lstat(real); err == nil && n.IsDir() {
		return "", fmt.Errorf("%s is a directory", real)
	}
	return real, nil
}

// Write writes one cpio archive in the newc format, in the order given.
// Times are zero and inode numbers count from one, so that the same files
// give the same bytes.
func Write(w io.Writer, files []File) error {
	out := cpio.NewWriter(w)
	for i, f := range files {
		if err := writeFile(out, int64(i)+1, f); err != nil {
			return fmt.Errorf("write %s: %w", f.Name, err)
		}
	}
	return out.Close()
}

func writeFile(w *cpio.Writer, inode int64, f File) error {
	name := strings.TrimPrefix(f.Name, "/")
	if name == "" || len(name) >= MaxName {
		return fmt.Errorf("%w: name of %d bytes", ErrTooLarge, len(name))
	}
	if int64(len(f.Data)) >= 1<<32 {
		return fmt.Errorf("%w: %d bytes; the format ends at 4 GiB", ErrTooLarge, len(f.Data))
	}
	h := &cpio.Header{Name: name, Mode: cpio.FileMode(f.Mode), Inode: inode, Links: 1, Size: int64(len(f.Data))}
	switch f.Mode & TypeMask {
	case TypeDir:
		h.Links = 2
		if len(f.Data) > 0 {
			return errors.New("a directory has no contents")
		}
	case TypeRegular:
	case TypeSymlink:
		if len(f.Data) == 0 || len(f.Data) > MaxName || bytes.IndexByte(f.Data, 0) >= 0 {
			return errors.New("not the target of a symbolic link")
		}
	default:
		return fmt.Errorf("%w: mode %o", ErrUnsupported, f.Mode)
	}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err := w.Write(f.Data)
	return err
}
