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
			Match:     platform.Match{Source: s.Name, Platform: s.Name, Because: "seed in the root", Rooted: true},
			Directory: s.directory(ev),
			Barred:    len(ev.Only) > 0 && !slices.ContainsFunc(ev.Only, func(name string) bool { return strings.EqualFold(name, s.Name) }),
		}
	}
	return RootSeed{Barred: true}
}

// A SeedDirectory is a directory of the root that stands for a volume.
type SeedDirectory struct{ Path, Label string }

// SeedDirectories are those, as cloud-init and ds-identify know them; each
// may also be below one of the places of the root's seeds.
func SeedDirectories() []SeedDirectory {
	var dirs []SeedDirectory
	for _, s := range Table() {
		for _, path := range s.seeds {
			dirs = append(dirs, SeedDirectory{path, strings.TrimSuffix(s.Labels[0], "*")})
		}
	}
	return dirs
}

// Seeds are the matches that directories of the root speak for, which stand for
// these volumes, unless the kernel's words name a source.
func Seeds(ev *platform.Evidence, volumes []Volume) []platform.Match {
	var matches []platform.Match
	for _, s := range Table() {
		if len(s.seeds) > 0 && s.Reads(volumes) && !Named(ev) {
			m := forced(ev, s.Name, "seed in the root, "+s.seeds[0])
			m.Rooted = true
			matches = append(matches, m)
		}
	}
	return matches
}

// Baked says that the source reads a volume that came with the initrd.
func (s *Source) Baked(volumes []Volume) bool {
	return slices.ContainsFunc(volumes, func(v Volume) bool { return v.Baked && s.readsLabel(v.Label) })
}

// Rank gives the place of a source in a list, which spells it as cloud-init
// does: behind the list's end if it is left out, in front of it if cloud-init
// does not know it. In an empty list all have the same.
func Rank(list []string, name string) int {
	s, err := Find(name)
	if err != nil || s.own || len(list) == 0 {
		return -1
	}
	i := slices.IndexFunc(list, func(item string) bool { return ownName(item) == name })
	if i < 0 {
		return len(list) + 1
	}
	return i
}

// Unheard gives the keys of an image's settings that would have mattered to a
// source that was asked without them, and has failed or not.
func Unheard(name, settings string, failed bool) string {
	o, err := parseYAML(name, []byte(settings))
	if err != nil {
		return ""
	}
	var keys []string
	for _, key := range []string{"metadata_urls", "metadata_url", "max_wait", "timeout", "retries"} {
		where := strings.HasPrefix(key, "metadata")
		if _, there := o[key]; there && (failed || where && !strings.Contains(settings, "//169.254.")) {
			keys = append(keys, key)
		}
	}
	return strings.Join(keys, ", ")
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
