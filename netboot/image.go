package netboot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"boothook/netboot/instance"
	"boothook/netboot/platform"
	"boothook/netboot/source"
)

// errLeftOut says that the image's list leaves out what was found.
var errLeftOut = errors.New("what was found is left out")

// out says that the image's list leaves a source out.
func (i *Image) out(name string) bool { return source.Rank(i.Sources, name) > len(i.Sources) }

// sort puts matches into the order of the image's list, and leaves those that
// are equal there as they are. By hand: the library's sort would weigh 8 KB.
func (i *Image) sort(matches []platform.Match) {
	for n := range matches {
		for ; n > 0 && source.Rank(i.Sources, matches[n-1].Source) > source.Rank(i.Sources, matches[n].Source); n-- {
			matches[n-1], matches[n] = matches[n], matches[n-1]
		}
	}
}

// with gives a match what the image says of its source.
func (i *Image) with(m platform.Match) platform.Match {
	m.Settings = i.Settings[m.Source]
	return m
}

// leftOut tells that what was found is not used.
func (s *Search) leftOut(i *Image, m *platform.Match) {
	s.Watcher.Problem(instance.Problem{Origin: i.Origin, Warning: true,
		Message: fmt.Sprintf("%s (%s) is not used: datasource_list leaves it out; boothook.source=%s on the kernel command line uses it", m.Source, m.Because, m.Source)})
}

// certain gives the sources of the network that the image names without any
// evidence.
func (s *Search) certain(i *Image) []platform.Match {
	var matches []platform.Match
	if !i.Certain {
		return nil
	}
	for _, m := range source.Forced(&s.Evidence, i.Sources, "named by the image") {
		if src, err := source.Find(m.Source); err == nil && src.Network {
			matches = append(matches, i.with(m))
		}
	}
	return matches
}

// first says that the network is to be heard before a source that needs none:
// the image's list names one of those that were asked in front of it.
func (s *Search) first(i *Image, local string) bool {
	for n := range s.Matches {
		src, err := source.Find(s.Matches[n].Source)
		if err == nil && src.Network && source.Rank(i.Sources, src.Name) < source.Rank(i.Sources, local) {
			return true
		}
	}
	return false
}

// lateMatches are the sources that only the root and the volumes in it lead to,
// where nothing was asked before they were there.
func (s *Search) lateMatches(i *Image) []platform.Match {
	if named := s.certain(i); len(named) > 0 {
		return named
	}
	seed := source.SeedInRoot(&s.Evidence)
	if i.Server && !seed.Barred {
		return []platform.Match{i.with(seed.Match)}
	}
	var left []platform.Match
	for n := range s.Matches {
		if !i.out(s.Matches[n].Source) {
			left = append(left, s.Matches[n])
		}
	}
	return left
}

// allowed holds the network's answer against the image's list, which was not
// there yet when the network was asked: what the list leaves out is not used,
// and what it leaves in is asked over the same lease.
func (s *Search) allowed(ctx context.Context, i *Image, found *Found, volumes []source.Volume) (*Found, error) {
	if !i.out(found.Match.Source) {
		return found, nil
	}
	s.leftOut(i, &found.Match)
	err := fmt.Errorf("%w: %s", errLeftOut, found.Match.Source)
	for _, m := range append(s.certain(i), s.Matches...) {
		if i.out(m.Source) {
			continue
		}
		var inst instance.Instance
		if inst, err = s.Sources.Ask(ctx, found.over(), m, volumes); err == nil {
			other := *found
			other.Instance, other.Match = inst, m
			return &other, nil
		}
	}
	return nil, err
}

// indexOf finds the match of a source; -1: there is none.
func indexOf(matches []platform.Match, name string) int {
	return slices.IndexFunc(matches, func(m platform.Match) bool { return m.Source == name })
}

// tell tells of what came too late for the network.
func (s *Search) tell(i *Image, name, what string) {
	s.Watcher.Problem(instance.Problem{Origin: i.Origin, Warning: true, Message: name + ": " + what})
}

// unheard names what the image says of sources of the network that were asked
// before the root was there.
func (s *Search) unheard(i *Image, err error) {
	for n := range s.Matches {
		m := &s.Matches[n]
		if keys := source.Unheard(m.Source, i.Settings[m.Source], err != nil); keys != "" {
			s.tell(i, m.Source, keys+" came too late: the network is asked before the root is there; boothook.timeout= and boothook.source= on the kernel command line are there in time")
		}
	}
	if err == nil {
		return
	}
	for _, m := range s.certain(i) {
		if indexOf(s.Matches, m.Source) < 0 {
			s.tell(i, m.Source, "named alone, but the network was asked before the root was there; boothook.source="+m.Source+" on the kernel command line is there in time")
		}
	}
}
