package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"boothook/netboot/fetch"
)

// findVolume gives the volume of that label, in lower or upper case.
func findVolume(volumes []Volume, label string) (Volume, error) {
	for _, v := range volumes {
		if v.Label == label || v.Label == strings.ToUpper(label) {
			return v, nil
		}
	}
	return Volume{}, fmt.Errorf("%w: %s", ErrNoVolume, label)
}

// readDocs reads documents from a directory of a volume. A file that is not
// there is absent; one that cannot be read is an error, like one too large.
func readDocs(fsys fs.FS, dir string, want ...doc) (Docs, error) {
	got := Docs{}
	for _, d := range want {
		body, err := readFile(fsys, path.Join(dir, d.path))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		got[d.path] = body
	}
	return got, nil
}

// readFile reads a file of at most fetch.MaxDocument bytes.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, fetch.MaxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(body) > fetch.MaxDocument {
		return nil, fmt.Errorf("read %s: %w", name, fetch.ErrTooLarge)
	}
	return body, nil
}
