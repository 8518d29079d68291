package state

import "path"

// SeedPaths are the files that make a directory of the root a NoCloud seed: in
// the one that is named, if any is, or else in the usual two.
func SeedPaths(named string) []string {
	dirs := []string{CloudDir + "/seed/nocloud", CloudDir + "/seed/nocloud-net"}
	if named != "" {
		dirs = []string{named}
	}
	var paths []string
	for _, dir := range dirs {
		paths = append(paths, path.Join(dir, "meta-data"), path.Join(dir, "user-data"))
	}
	return paths
}

// Seed reads the files of the seed directory in a root, by their names: the
// source's own parser makes sense of them. Of the two usual directories the
// first that holds a seed counts, as a whole.
func Seed(root Reader, named string) map[string][]byte {
	r := &reader{root: root}
	for _, p := range SeedPaths(named) {
		if !root.Exists(p) {
			continue
		}
		seed := map[string][]byte{}
		for _, name := range []string{"meta-data", "user-data", "vendor-data", "network-config"} {
			if body, ok := r.read(path.Join(path.Dir(p), name), MaxBody); ok {
				seed[name] = body
			}
		}
		return seed
	}
	return nil
}
