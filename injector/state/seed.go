package state

import (
	"path"

	"boothook/netboot/instance"
)

// The documents of a seed, by their names. SeedLowerMeta is metadata that those
// of SeedMeta override.
const (
	SeedMeta      = "meta-data"
	SeedUser      = "user-data"
	SeedVendor    = "vendor-data"
	SeedNetwork   = "network-config"
	SeedLowerMeta = "seedfrom/meta-data"
)

// coreDir is where CloudDir is on Ubuntu Core.
const coreDir = "/writable/system-data" + CloudDir

// seedPaths are the files that make a directory of the root a NoCloud seed: in
// the one that is named, if any is, or else in the usual ones.
func seedPaths(named string) []string {
	dirs := []string{CloudDir + "/seed/nocloud", coreDir + "/seed/nocloud", CloudDir + "/seed/nocloud-net", coreDir + "/seed/nocloud-net"}
	if named != "" {
		dirs = []string{named}
	}
	var paths []string
	for _, dir := range dirs {
		paths = append(paths, path.Join(dir, SeedMeta), path.Join(dir, SeedUser))
	}
	return paths
}

// Seed reads the files of the seed directory in a root, by their names: the
// source's own parser makes sense of them. Of the usual directories the
// first that holds a seed counts, as a whole.
func Seed(root Reader, named string) map[string][]byte {
	r := &reader{root: root}
	for _, p := range seedPaths(named) {
		if !root.Exists(p) {
			continue
		}
		seed := map[string][]byte{}
		for _, name := range []string{SeedMeta, SeedUser, SeedVendor, SeedNetwork} {
			if body, ok := r.read(path.Join(path.Dir(p), name), MaxBody); ok {
				seed[name] = body
			}
		}
		return seed
	}
	return nil
}

// The bounds of a tree of the root that stands for a volume.
const (
	maxTree      = 16 << 20 // bytes in all
	maxTreeFiles = 256
	maxTreeDepth = 5
)

// Tree reads the files of a directory that is named below CloudDir, there or on
// Ubuntu Core, or by its whole path, by their paths in it. Problems name what is
// there and was not read.
func Tree(root Reader, dir string) (map[string][]byte, []instance.Problem) {
	places := []string{path.Join(CloudDir, dir), path.Join(coreDir, dir)}
	if path.IsAbs(dir) {
		places = []string{dir}
	}
	for _, place := range places {
		t := tree{reader: reader{root: root}, files: map[string][]byte{}, left: maxTree}
		t.walk(place, "", maxTreeDepth)
		if len(t.files)+len(t.problems) > 0 {
			return t.files, t.problems
		}
	}
	return nil, nil
}

// A tree is being read.
type tree struct {
	reader
	files map[string][]byte
	left  int64
}

func (t *tree) walk(place, dir string, depth int) {
	names, _ := t.root.ReadDir(path.Join(place, dir)) // absent is fine
	for _, name := range names {
		file := path.Join(dir, name)
		full := path.Join(place, file)
		if _, err := t.root.ReadDir(full); err == nil {
			if depth--; depth > 0 {
				t.walk(place, file, depth)
			} else {
				t.problem(full, "is too deep for a seed, and was not read")
			}
			depth++
			continue
		}
		if len(t.files) >= maxTreeFiles {
			t.problem(full, "is one file too many for a seed: what comes after %d was not read", maxTreeFiles)
			return
		}
		if body, ok := t.read(full, t.left); ok {
			t.files[file], t.left = body, t.left-int64(len(body))
		}
	}
}
