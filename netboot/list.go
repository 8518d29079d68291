package netboot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"boothook/netboot/instance"
	"boothook/netboot/platform"
	"boothook/netboot/source"
)

// ErrLeftOut says that the root's configuration leaves all sources out that
// this machine has.
var ErrLeftOut = errors.New("no source that the image lists is here")

// A list is what the root's configuration says of sources. It is known when the
// root is there, and the network may have answered by then.
type list struct {
	names []string // empty: all may be used
	where string
	told  map[string]bool // the sources of which leaveOut has told
}

// readList reads it. Kernel words that name a source count more.
func (s *Search) readList() list {
	if len(s.Evidence.Only) > 0 || slices.ContainsFunc(s.Evidence.Words, func(word string) bool { return strings.HasPrefix(word, "ds=") }) {
		return list{}
	}
	names, where := s.Seed.Listed()
	return list{names, where, map[string]bool{}}
}

// allows says that a source may be used. What no other agent knows no list of
// another agent's can leave out.
func (l list) allows(name string) bool {
	if len(l.names) == 0 || slices.Contains(l.names, name) {
		return true
	}
	src, err := source.Find(name)
	return err == nil && src.Own
}

// leaveOut tells that a source is not used, which has something to say.
func (l list) leaveOut(to Watcher, match platform.Match) {
	if l.told[match.Source] {
		return
	}
	l.told[match.Source] = true
	to.Problem(instance.Problem{Origin: match.Source, Warning: true, Message: fmt.Sprintf(
		"is not used: %s lists the sources without it; boothook.source=%[2]s on the kernel command line has the last word", l.where, match.Source)})
}

// narrowed is the search in the sources that the list leaves. The only one that
// is listed needs no evidence.
func (s *Search) narrowed(l list) *Search {
	if len(l.names) == 0 {
		return s
	}
	narrow := *s
	narrow.Matches = nil
	for _, m := range s.Matches {
		if l.allows(m.Source) {
			narrow.Matches = append(narrow.Matches, m)
		} else {
			l.leaveOut(s.Watcher, m)
		}
	}
	if name := OnlyListed(l.names); len(narrow.Matches) == 0 && name != "" {
		narrow.Matches = []platform.Match{{Source: name, Platform: name, Because: "the only source that " + l.where + " lists"}}
	}
	return &narrow
}

// OnlyListed gives the only source of a list, or "" if there are others or none:
// "none" beside it, which stands for having no source, does not count.
func OnlyListed(names []string) string {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "none" })
	if len(names) != 1 {
		return ""
	}
	if _, err := source.Find(names[0]); err != nil {
		return ""
	}
	return names[0]
}

// listed gives the network's answer if its source is listed; otherwise what a
// listed one says over the same lease.
func (s *Search) listed(ctx context.Context, found *Found, l list) (*Found, error) {
	if l.allows(found.Match.Source) {
		return found, nil
	}
	err := ErrLeftOut
	for _, match := range s.Matches {
		var inst instance.Instance
		if inst, err = s.Sources.Ask(ctx, found.over(), match, nil); err == nil {
			other := *found
			other.Instance, other.Match = inst, match
			return &other, nil
		}
	}
	return nil, err
}
