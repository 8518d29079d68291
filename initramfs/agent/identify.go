package agent

import (
	"slices"
	"time"

	"boothook/initramfs/words"
	"boothook/injector"
	"boothook/injector/root"
	"boothook/netboot/instance"
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

// readSeed reads the seed that a root holds, in the directory that the kernel's
// words name, if they do. What is wrong with the root, who has to write there
// says.
func (e *Env) readSeed(dir, named string) (docs source.Docs, found []instance.Problem) {
	_ = e.Machine.ReadRoot(dir, func(r *root.Root) error {
		docs, found = injector.Seed(r, named)
		return nil
	})
	return docs, found
}

// hasSeed says whether a root holds a seed that no kernel word names.
func (e *Env) hasSeed(dir string) bool {
	docs, found := e.readSeed(dir, "")
	return len(docs)+len(found) > 0
}
