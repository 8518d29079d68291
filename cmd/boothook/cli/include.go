package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/u-root/u-root/pkg/ldd"

	"boothook/initramfs/archive"
)

// maxIncluded bounds all included files in bytes.
const maxIncluded = 256 << 20

// readIncludes reads what --include names, as FILE or FILE=PATH, and the
// libraries that the programs among them need, which the system's own dynamic
// linker lists. A symbolic link comes with what it leads to.
func readIncludes(includes []string) ([]archive.File, error) {
	c := included{files: map[string]archive.File{}}
	for _, include := range includes {
		name, at, _ := strings.Cut(include, "=")
		name, err := filepath.Abs(name)
		if err != nil {
			return nil, err
		}
		if at == "" {
			at = name
		}
		if err := c.add(name, at); err != nil {
			return nil, fmt.Errorf("--include %s: %w", name, err)
		}
		needed, err := ldd.FList(name)
		if err != nil {
			return nil, fmt.Errorf("--include %s: list its libraries: %w", name, err)
		}
		for _, library := range needed {
			if library == name {
				continue
			}
			if err := c.add(library, library); err != nil {
				return nil, fmt.Errorf("--include %s: %w", name, err)
			}
		}
	}
	files := make([]archive.File, 0, len(c.files))
	for _, f := range c.files {
		files = append(files, f)
	}
	return files, nil
}

// included are files by their place.
type included struct {
	files map[string]archive.File
	size  int
}

// add reads a file and gives it its place. A link that is to have the same
// name stays one, and brings along what it leads to.
func (c *included) add(name, at string) error {
	at = filepath.Clean("/" + at)
	if _, there := c.files[at]; there {
		return nil
	}
	if target, err := os.Readlink(name); err == nil && at == name {
		// As the image will have it, where no directory is a link.
		to := target
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(name), to)
		}
		if _, err := os.Stat(to); err == nil {
			c.files[at] = archive.File{Name: at, Mode: archive.TypeSymlink | 0o777, Data: []byte(target)}
			return c.add(to, to)
		}
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "include", Path: name, Err: errors.New("not a regular file")}
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if c.size += len(data); c.size > maxIncluded {
		return fmt.Errorf("%w: more than %d bytes", archive.ErrTooLarge, maxIncluded)
	}
	c.files[at] = archive.File{Name: at, Mode: archive.TypeRegular | uint32(info.Mode().Perm()), Data: data}
	return nil
}
