package agent

import (
	"context"
	"path/filepath"

	"boothook/injector"
	"boothook/injector/root"
	"boothook/injector/state"
	"boothook/netboot/instance"
	"boothook/netboot/source"
)

// hasSeed says whether a root seems to hold a seed, in the directory that the
// kernel's words name, if they do. Reading it is left to who
// has the root contained.
func hasSeed(root, named string) bool {
	for _, path := range state.SeedPaths(named) {
		if anyExists(filepath.Join(root, path)) {
			return true
		}
	}
	return false
}

// rootSeed reads the seed in the root, if its source may be asked at all.
func (b *boot) rootSeed(dir string) (obtained, bool) {
	seed := source.SeedInRoot(&b.evidence)
	if seed.Barred || !hasSeed(dir, seed.Directory) {
		return obtained{}, false
	}
	var docs source.Docs
	look := root.WithReadable
	if b.env.ByHand {
		look = readOnly
	}
	err := look(dir, func(r *root.Root) error {
		docs = state.Seed(r, seed.Directory)
		return nil
	})
	if err != nil || len(docs) == 0 {
		return obtained{}, false // what is wrong with the root, who has to write there says
	}
	inst, err := source.Parse(seed.Match, docs, &b.evidence)
	if err != nil {
		b.problem(instance.Problem{Origin: "seed in the root", Message: err.Error(), Warning: true})
		return obtained{}, false
	}
	p := injector.Prepare(context.Background(), inst, nil)
	b.mark("instance read from " + seed.Match.Because)
	return obtained{prepared: p, match: seed.Match}, true
}
