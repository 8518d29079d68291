// Package platform says which cloud or hypervisor this machine runs on,
// without touching the network.
//
// In goes Evidence: what firmware, hypervisor, volume labels and the kernel's
// command line say. Out come Matches: the datasources that are positively
// identified, best first, each with what spoke for it. The policy is the
// strict one of cloud-init's ds-identify: without a positive sign there is no
// match, and whoever calls must not ask the network.
//
// Detect is pure. Read gathers the evidence that sysfs holds; volume labels
// and kernel words are given by the caller, who knows when they are there.
package platform

import "strings"

// Evidence is all that Detect looks at.
type Evidence struct {
	// DMI holds the firmware's strings by their name in /sys/class/dmi/id,
	// without trailing white space. Absent and empty mean the same.
	DMI map[string]string
	// HypervisorUUID is /sys/hypervisor/uuid, which Xen guests have.
	HypervisorUUID string
	// OEM holds the firmware's OEM strings (SMBIOS type 11).
	OEM []string
	// FWCfg names the files below opt/boothook that QEMU's fw_cfg device
	// offers; the kernel shows them once the module qemu_fw_cfg is loaded.
	FWCfg []string
	// GuestInfo names the variables of interest that VMware's hypervisor
	// keeps for this machine.
	GuestInfo []string
	// Labels are the file system labels of the volumes present.
	Labels []string
	// Words are the words of the kernel's command line.
	Words []string
	// Only, when not empty, names the sources to use, in this order
	// (boothook.source=): nothing else is considered, and no sign is needed.
	Only []string
}

// A Match is one datasource that this machine is served by.
type Match struct {
	// Source is the datasource's name: "ec2", "nocloud".
	Source string
	// Platform is the cloud or hypervisor: "aws", "brightbox". Empty where
	// the evidence does not say, as when a kernel word names the source.
	Platform string
	// HardwareID is what identifies this very machine offline, as NAME=VALUE:
	// "product_uuid=ec2e1916-…". Empty where the platform has none.
	HardwareID string
	// Because says what spoke for the match, for the report.
	Because string
}

// Detect names the datasources that the evidence positively points to, in the
// order in which they should be asked. No match: ask nobody.
func Detect(ev Evidence) []Match {
	if len(ev.Only) > 0 {
		var out []Match
		for _, name := range ev.Only {
			out = append(out, forced(ev, strings.ToLower(name), "boothook.source="+name))
		}
		return out
	}
	if word, name := forcedWord(ev.Words); name != "" {
		return []Match{forced(ev, name, word)}
	}
	return detected(ev)
}

// detected applies the table, one match per source.
func detected(ev Evidence) []Match {
	var out []Match
	seen := map[string]bool{}
	for _, r := range table() {
		if seen[r.source] {
			continue
		}
		if because, ok := r.when(ev); ok {
			seen[r.source] = true
			out = append(out, Match{Source: r.source, Platform: r.platform, HardwareID: r.hardwareID(ev), Because: because})
		}
	}
	return out
}

// forced makes the match for a source that a kernel word names. What the
// table knows of it on this machine is kept.
func forced(ev Evidence, name, because string) Match {
	for _, m := range detected(ev) {
		if m.Source == name {
			m.Because = because + ", " + m.Because
			return m
		}
	}
	return Match{Source: name, HardwareID: productUUID(ev), Because: because}
}

// forcedWord finds the word that names the one datasource to use, as
// ds-identify reads the command line: ds=NAME[;KEY=VALUE…], ci.ds=NAME,
// ci.datasource=NAME. The last one counts. The word is returned without
// what follows the name, which may hold addresses.
func forcedWord(words []string) (word, source string) {
	for _, w := range words {
		for _, key := range []string{"ds=", "ci.ds=", "ci.datasource="} {
			v, ok := strings.CutPrefix(w, key)
			if !ok {
				continue
			}
			v, _, _ = strings.Cut(v, ";")
			if name := sourceName(v); name != "" {
				word, source = key+v, name
			}
		}
	}
	return word, source
}

// sourceName gives our name for a datasource as cloud-init spells it.
func sourceName(s string) string {
	switch s = strings.ToLower(strings.TrimSpace(s)); s {
	case "nocloud-net", "nocloudnet":
		return "nocloud"
	default:
		return s
	}
}
