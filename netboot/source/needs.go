package source

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"boothook/netboot/platform"
)

// OnVolume says that the source reads volumes, perhaps beside the network.
func (s *Source) OnVolume() bool { return len(s.Labels) > 0 }

// Reads says that the source reads one of these volumes.
func (s *Source) Reads(volumes []Volume) bool {
	return slices.ContainsFunc(volumes, func(v Volume) bool { return s.readsLabel(v.Label) })
}

// readsLabel says that the source reads a volume of that label, in lower or in
// upper case.
func (s *Source) readsLabel(label string) bool {
	label = strings.ToLower(label)
	return slices.ContainsFunc(s.Labels, func(own string) bool {
		start, any := strings.CutSuffix(own, "*")
		return label == start || any && strings.HasPrefix(label, start)
	})
}

// NeedsNetwork says that the source has to be asked over the network: it always
// is, or evidence or a volume names a server. Where a volume cannot be read that
// may name one, the network is needed too: Fetch then returns the error.
func (s *Source) NeedsNetwork(ev *platform.Evidence, volumes []Volume) bool {
	if s.Network || s.server == nil {
		return s.Network
	}
	server, err := s.server(ev, volumes)
	return err != nil || server != ""
}

// Local says that Fetch needs neither the network nor, because the evidence
// names a directory there, the root.
func (s *Source) Local(ev *platform.Evidence, volumes []Volume) bool {
	if s.NeedsNetwork(ev, volumes) {
		return false
	}
	return s.directory == nil || s.directory(ev) == "" || s.Reads(volumes)
}

// A RootSeed says which source reads documents that lie in the root, and where.
type RootSeed struct {
	// Match names the source.
	Match platform.Match
	// Directory is the one that the evidence names; "": the usual ones are
	// looked into.
	Directory string
	// Barred says that boothook.source= leaves the source out.
	Barred bool
}

// SeedInRoot gives the source that reads a seed in the root.
func SeedInRoot(ev *platform.Evidence) RootSeed {
	for _, s := range Table() {
		if s.directory == nil {
			continue
		}
		return RootSeed{
			Match:     platform.Match{Source: s.Name, Platform: s.Name, Because: "seed in the root"},
			Directory: s.directory(ev),
			Barred:    len(ev.Only) > 0 && !slices.ContainsFunc(ev.Only, func(name string) bool { return strings.EqualFold(name, s.Name) }),
		}
	}
	return RootSeed{Barred: true}
}

// IsSeedLabel says whether some source reads volumes of that label.
func IsSeedLabel(label string) bool {
	return slices.ContainsFunc(Table(), func(s *Source) bool { return s.readsLabel(label) })
}

// DHCPOptions are the codes of the DHCPv4 options that the sources of these
// matches read.
func DHCPOptions(matches []platform.Match) []uint8 {
	var codes []uint8
	for _, m := range matches {
		if s, err := Find(m.Source); err == nil {
			codes = append(codes, s.DHCPOptions...)
		}
	}
	return codes
}

// Modules names the kernel modules of sources whose device is there and which
// are neither loaded nor built in. Where there are matches, only the modules of
// their sources count.
func Modules(sysfs string, matches []platform.Match) []string {
	var names []string
	for _, s := range Table() {
		if len(matches) > 0 && !slices.ContainsFunc(matches, func(m platform.Match) bool { return m.Source == s.Name }) {
			continue
		}
		for _, m := range s.Modules {
			if exists(sysfs, m.Device) && !exists(sysfs, m.Makes) {
				names = append(names, m.Name)
			}
		}
	}
	return names
}

func exists(sysfs, path string) bool {
	_, err := os.Stat(filepath.Join(sysfs, path))
	return err == nil
}
