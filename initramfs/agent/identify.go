package agent

import (
	"path/filepath"
	"slices"
	"time"

	"boothook/initramfs/words"
	"boothook/injector/state"
	"boothook/netboot/platform"
	"boothook/netboot/source"
)

// SettleTime bounds how long the boot waits for devices after the root device:
// a volume may be behind a slower controller than the root is, and to miss it
// would be to boot without its data.
const SettleTime = 5 * time.Second

// evidence is what says where we are: the kernel's words and the machine.
func (e *Env) evidence(o *words.Options) *platform.Evidence {
	evidence := platform.Read(e.Sysfs)
	evidence.Only, evidence.Words, evidence.CloudConfig = o.Source.Names, o.Source.Words, o.Inject.CloudConfig
	return &evidence
}

// identify gathers all evidence that there is now, and says which sources it
// points to.
func (e *Env) identify(o *words.Options) (*platform.Evidence, []platform.Match) {
	evidence := e.evidence(o)
	matches := source.Detect(evidence)
	if len(matches) == 0 {
		evidence.Labels = e.labels()
		matches = source.Detect(evidence)
	}
	if len(matches) == 0 && e.Seeded {
		matches = append(matches, source.SeedInRoot(evidence).Match)
	}
	return evidence, matches
}

// WantsVolumes says that the machine's data may be on a volume: nothing says
// where they are, or what does names a source that reads one.
func (e *Env) WantsVolumes(o words.Options) bool {
	matches := source.Detect(e.evidence(&o))
	return len(matches) == 0 || slices.ContainsFunc(matches, func(m platform.Match) bool {
		s, err := source.Find(m.Source)
		return err == nil && s.OnVolume()
	})
}

// hasSeed says whether a root seems to hold a seed, in the directory that the
// kernel's words name, if they do. Reading it is left to who has the root
// contained.
func hasSeed(root, named string) bool {
	for _, path := range state.SeedPaths(named) {
		if exists(filepath.Join(root, path)) {
			return true
		}
	}
	return false
}
