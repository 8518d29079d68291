package state

import "path"

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
