package netboot

import (
	"context"

	"boothook/netboot/instance"
	"boothook/netboot/source"
)

// askVolumes asks the sources that need no network: those of volumes, firmware
// and hypervisor. What is wrong with one of them keeps no other from counting.
func (s *Search) askVolumes(ctx context.Context, volumes []source.Volume) *Found {
	ev := s.Evidence
	ev.Labels = nil
	for i := range volumes {
		ev.Labels = append(ev.Labels, volumes[i].Label)
	}
	for _, match := range source.Detect(&ev) {
		src, err := source.Find(match.Source)
		if err != nil || !src.Local(&ev, volumes) {
			continue
		}
		inst, err := s.Sources.Ask(ctx, Over{}, match, volumes)
		if err != nil {
			s.Watcher.Problem(instance.Problem{Origin: match.Source, Message: err.Error(), Warning: true})
			continue
		}
		s.Watcher.Mark("instance read from " + match.Because)
		return s.found(ctx, inst, match)
	}
	return nil
}

// readSeed reads the seed in the root, unless the kernel's words leave its
// source out.
func (s *Search) readSeed(ctx context.Context) *Found {
	seed := source.SeedInRoot(&s.Evidence)
	if seed.Barred {
		return nil
	}
	docs := s.Seed.Seed(seed.Directory)
	if len(docs) == 0 {
		return nil
	}
	inst, err := source.Parse(seed.Match, docs, &s.Evidence)
	if err != nil {
		s.Watcher.Problem(instance.Problem{Origin: seed.Match.Because, Message: err.Error(), Warning: true})
		return nil
	}
	s.Watcher.Mark("instance read from " + seed.Match.Because)
	return s.found(ctx, inst, seed.Match)
}
