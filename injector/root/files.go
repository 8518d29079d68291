package root

import (
	"bytes"
	"path"

	"boothook/injector/plan"
)

// maxText bounds what ReadFiles reads of one file, and maxFolder how many files
// of a folder.
const (
	maxText   = 64 << 10
	maxFolder = 512
)

// ReadFiles adds to the facts the text of some files and of the files in some
// folders; of those in the folders of libraries it adds the names alone. What
// is missing is left out.
func (r *Root) ReadFiles(f *plan.Facts, files, folders, libraries []string) {
	if f.Files == nil {
		f.Files = map[string]string{}
	}
	for _, p := range files {
		if f.Exists[p] = r.Exists(p); f.Exists[p] {
			f.Files[p] = r.text(p)
		}
	}
	for _, dir := range folders {
		f.Exists[dir] = r.Exists(dir)
		for _, name := range r.few(dir) {
			f.Files[path.Join(dir, name)] = r.text(path.Join(dir, name))
		}
	}
	for _, dir := range libraries {
		for _, version := range r.few(dir) {
			for _, name := range r.few(path.Join(dir, version)) {
				f.Files[path.Join(dir, version, name)] = ""
			}
		}
	}
}

func (r *Root) few(dir string) []string {
	names, _ := r.ReadDir(dir) // absent is fine
	return names[:min(len(names), maxFolder)]
}

func (r *Root) text(p string) string {
	body, err := r.ReadFileMax(p, maxText)
	if err != nil || bytes.IndexByte(body, 0) >= 0 {
		return ""
	}
	return string(body)
}
