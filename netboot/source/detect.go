package source

import (
	"strings"

	"boothook/netboot/platform"
)

// Detect names the datasources that the evidence positively points to, in the
// order in which they should be asked. The policy is the strict one of
// cloud-init's ds-identify (whose rules, of 26.2, are those of the sources):
// without a rule that holds, or a word that names a source, there is no match,
// and the caller must not use the network.
//
// Rules about what was given to this very machine come first (Rule.Given);
// within both groups the order is the Table's. A source matches once.
func Detect(ev *platform.Evidence) []platform.Match {
	if len(ev.Only) > 0 {
		var out []platform.Match
		for _, name := range ev.Only {
			out = append(out, forced(ev, strings.ToLower(name), "boothook.source="+name))
		}
		return out
	}
	// The settings may hold addresses; they are not for the report.
	if key, name, _ := datasourceWord(ev.Words); name != "" {
		return []platform.Match{forced(ev, ownName(name), key+name)}
	}
	return detected(ev)
}

// Named says that a kernel word names the source.
func Named(ev *platform.Evidence) bool {
	_, name, _ := datasourceWord(ev.Words)
	return len(ev.Only) > 0 || name != ""
}

// Forced makes the matches for sources that somebody names, as cloud-init
// spells them, without any evidence.
func Forced(ev *platform.Evidence, names []string, because string) []platform.Match {
	var out []platform.Match
	for _, name := range names {
		out = append(out, forced(ev, ownName(name), because))
	}
	return out
}

// detected applies the rules of all sources.
func detected(ev *platform.Evidence) []platform.Match {
	var out []platform.Match
	seen := map[string]bool{}
	sources := Table()
	for _, given := range []bool{true, false} {
		for _, s := range sources {
			for i := range s.Rules {
				r := &s.Rules[i]
				if r.Given != given || seen[s.Name] {
					continue
				}
				because, ok := r.Holds(ev)
				if !ok {
					continue
				}
				seen[s.Name] = true
				m := platform.Match{Source: s.Name, Platform: r.Platform, Because: because}
				if r.HardwareID != nil {
					m.HardwareID = r.HardwareID(ev)
				}
				out = append(out, m)
			}
		}
	}
	return out
}

// forced makes the match for a source that a kernel word names. What its rules
// find on this machine is kept.
func forced(ev *platform.Evidence, name, because string) platform.Match {
	for _, m := range detected(ev) {
		if m.Source == name {
			m.Because = because + ", " + m.Because
			return m
		}
	}
	return platform.Match{Source: name, HardwareID: platform.ProductUUID(ev), Because: because}
}

// datasourceWord finds the word that names the one datasource to use, as
// ds-identify reads the command line: ds=NAME[;KEY=VALUE…], ci.ds=NAME,
// ci.datasource=NAME. The last one counts that does name one.
func datasourceWord(words []string) (key, name, settings string) {
	for _, w := range words {
		for _, k := range []string{"ds=", "ci.ds=", "ci.datasource="} {
			value, ok := strings.CutPrefix(w, k)
			if n, rest, _ := strings.Cut(value, ";"); ok && ownName(n) != "" {
				key, name, settings = k, n, rest
			}
		}
	}
	return key, name, settings
}

// ownName gives our name for a datasource as cloud-init spells it.
func ownName(s string) string {
	switch s = strings.ToLower(strings.TrimSpace(s)); s {
	case "nocloud-net", "nocloudnet":
		return "nocloud"
	default:
		return s
	}
}
