// Package closure gathers kernel modules for an initramfs at bake time: the
// modules asked for, all they need, decompressed, and an index of just these.
//
// In go a directory like /lib/modules/VERSION and names; out come files to be
// put under the same directory in the image. It never writes anything and is
// never part of the agent, whose kernel may be unable to decompress modules.
package closure

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"boothook/initramfs/modules"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// maxModule bounds a decompressed module in bytes.
const maxModule = 64 << 20

// maxWindow bounds the memory that a zstd frame may ask for in bytes; the
// kernel's build uses at most 128 MiB (zstd -22 --ultra).
const maxWindow = 128 << 20

// ErrTooLarge marks a module that decompresses to more than any module has.
var ErrTooLarge = errors.New("module too large")

// A File is one file of the image, by its path under /lib/modules/VERSION.
type File struct {
	Path string
	Data []byte
}

// Collect gives the modules that names stand for and all that these need, in
// the order of loading, each decompressed and named *.ko, followed by
// modules.dep, modules.softdep, modules.alias and modules.builtin for them.
// Names of modules that are built in add nothing.
func Collect(dir string, names []string) ([]File, error) {
	index, err := modules.ReadIndex(dir)
	if err != nil {
		return nil, err
	}
	order, err := index.Closure(names...)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, name := range order {
		data, err := Read(filepath.Join(dir, index.Path(name)))
		if err != nil {
			return nil, err
		}
		files = append(files, File{plainPath(index.Path(name)), data})
	}
	texts, err := indexFiles(dir, order)
	if err != nil {
		return nil, err
	}
	return append(files, texts...), nil
}

// Read reads a module's file and undoes its compression, which is told by the
// file's name: .ko, .ko.gz, .ko.xz or .ko.zst.
func Read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := decompress(name, f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxModule+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > maxModule {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", name, ErrTooLarge, maxModule)
	}
	return data, nil
}

func decompress(name string, f io.Reader) (io.ReadCloser, error) {
	switch path.Ext(name) {
	case ".gz":
		return gzip.NewReader(f)
	case ".xz":
		r, err := xz.NewReader(f)
		return io.NopCloser(r), err
	case ".zst":
		r, err := zstd.NewReader(f, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return r.IOReadCloser(), nil
	}
	return io.NopCloser(f), nil
}

// plainPath is where a module goes once it is decompressed.
func plainPath(p string) string {
	if i := strings.LastIndex(p, ".ko."); i >= 0 {
		return p[:i+len(".ko")]
	}
	return p
}

// indexFiles cuts depmod's files down to what concerns these modules.
// modules.builtin is kept whole: it says what need not be there.
func indexFiles(dir string, names []string) ([]File, error) {
	in := map[string]bool{}
	for _, n := range names {
		in[n] = true
	}
	var files []File
	for _, f := range []struct {
		name string
		cut  func(line string) (string, bool)
	}{
		{"modules.dep", func(line string) (string, bool) { return cutDep(line, in) }},
		{"modules.softdep", func(line string) (string, bool) { return line, in[field(line, 1)] }},
		{"modules.alias", func(line string) (string, bool) { return line, in[field(line, -1)] }},
		{"modules.builtin", func(line string) (string, bool) { return line, true }},
	} {
		data, err := os.ReadFile(filepath.Join(dir, f.name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var out bytes.Buffer
		for line := range strings.Lines(string(data)) {
			if kept, ok := f.cut(strings.TrimSuffix(line, "\n")); ok {
				out.WriteString(kept + "\n")
			}
		}
		files = append(files, File{f.name, out.Bytes()})
	}
	return files, nil
}

// cutDep keeps a line of modules.dep if its module is among in, with the
// paths that the decompressed modules have.
func cutDep(line string, in map[string]bool) (string, bool) {
	file, deps, ok := strings.Cut(line, ":")
	if !ok || !in[modules.Name(file)] {
		return "", false
	}
	out := plainPath(file) + ":"
	for _, d := range strings.Fields(deps) {
		out += " " + plainPath(d)
	}
	return out, true
}

// field gives the i-th word of a line as a module's name, the last one for -1.
func field(line string, i int) string {
	f := strings.Fields(line)
	if i < 0 {
		i += len(f)
	}
	if i < 0 || i >= len(f) {
		return ""
	}
	return modules.Name(f[i])
}
