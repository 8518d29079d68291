package state

import "path"

// SeedPaths are the files that make a directory of the root a NoCloud seed.
func SeedPaths() []string {
	var paths []string
	for _, dir := range []string{"nocloud", "nocloud-net"} {
		for _, name := range []string{"meta-data", "user-data"} {
			paths = append(paths, CloudDir+"/seed/"+dir+"/"+name)
		}
	}
	return paths
}

// Seed reads the files of the seed directory in a root, by their names: the
// source's own parser makes sense of them. Of the two directories in use the
// first that holds a seed counts, as a whole.
func Seed(root Reader) map[string][]byte {
	r := &reader{root: root}
	for _, p := range SeedPaths() {
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
