package netboot

import (
	"context"

	"boothook/netboot/instance"
	"boothook/netboot/source"
)

// askLocal asks the sources that need no network: those of volumes, firmware
// and hypervisor, and of the seeds in the root, in the order of the image's list
// if it has one. What is wrong with one of them keeps no other from counting.
func (s *Search) askLocal(ctx context.Context, seed source.RootSeed, image *Image, volumes []source.Volume) *Found {
	ev := s.Evidence
	ev.Labels = nil
	for i := range volumes {
		ev.Labels = append(ev.Labels, volumes[i].Label)
	}
	matches := source.Detect(&ev)
	// Where a source is asked over the network, its seed only adds to that.
	for _, m := range source.Seeds(&ev, image.Volumes) {
		if i := indexOf(matches, m.Source); i >= 0 && indexOf(s.Matches, m.Source) < 0 {
			matches[i] = m
		}
	}
	if len(image.Docs) > 0 && !seed.Barred {
		matches = append(matches, seed.Match)
	}
	image.sort(matches)
	for i := range matches {
		match := &matches[i]
		src, err := source.Find(match.Source)
		if err != nil || !match.Rooted && !src.Local(&ev, volumes) {
			continue
		}
		if image.out(match.Source) && !src.Baked(volumes) {
			s.leftOut(image, match)
			continue
		}
		var inst instance.Instance
		if match.Because == seed.Match.Because { // there are the documents
			inst, err = source.Parse(*match, image.Docs, &s.Evidence)
		} else {
			inst, err = s.Sources.Ask(ctx, Over{}, *match, volumes)
		}
		if err != nil {
			origin := match.Source
			if match.Rooted {
				origin = match.Because
			}
			s.Watcher.Problem(instance.Problem{Origin: origin, Message: err.Error(), Warning: true})
			continue
		}
		s.Watcher.Mark("instance read from " + match.Because)
		return s.found(ctx, inst, *match)
	}
	return nil
}
