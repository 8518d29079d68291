package agent

import (
	"slices"
	"time"

	"boothook/initramfs/words"
	"boothook/injector"
	"boothook/injector/root"
	"boothook/injector/state"
	"boothook/netboot"
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

// readImage reads what a root says of the sources: the seed in the directory
// that the kernel's words name, if they do, or else what it holds and lists.
// What is wrong with the root, who has to write there says.
func (e *Env) readImage(ev *platform.Evidence, dir, named string) (image netboot.Image, found []instance.Problem) {
	_ = e.Machine.ReadRoot(dir, func(r *root.Root) error {
		said := injector.Sources(r, named, !source.Named(ev))
		image, found = netboot.Image{Docs: said.Docs, Sources: said.Sources, Certain: said.Certain, Server: said.Server,
			Settings: said.Settings, Origin: said.Origin}, said.Problems
		if named != "" {
			return nil
		}
		for _, d := range source.SeedDirectories() {
			files, problems := state.Tree(r, d.Path)
			found = append(found, problems...)
			if len(files) > 0 {
				image.Volumes = append(image.Volumes, source.Volume{Label: d.Label, FS: source.Files(files)})
			}
		}
		return nil
	})
	return image, found
}

// hasSeed says whether a root holds a seed that no kernel word names, or names a
// source to be asked without any evidence.
func (e *Env) hasSeed(o *words.Options, dir string) bool {
	ev := e.evidence(o)
	image, found := e.readImage(ev, dir, "")
	if len(image.Docs)+len(image.Volumes) > 0 || image.Server || slices.ContainsFunc(found, func(p instance.Problem) bool { return !p.Warning }) {
		return true
	}
	return image.Certain && slices.ContainsFunc(source.Forced(ev, image.Sources, ""), func(m platform.Match) bool {
		src, err := source.Find(m.Source)
		return err == nil && src.Network
	})
}
