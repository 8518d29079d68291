package cloudconfig

import (
	"path"

	"boothook/injector/plan"
)

// injectedFiles plans the files that the source gives along with the instance,
// as config drives do. They are root's, and for root's eyes, as cloud-init writes
// them.
func injectedFiles(b *builder) {
	for _, f := range b.Instance.Files {
		b.step(&plan.Step{
			Kind: plan.File, Path: path.Clean("/" + f.Path), Body: f.Body, Mode: 0o660, Secret: true,
			Why: plan.Why{Part: "meta-data", Key: "files"},
		})
	}
}
