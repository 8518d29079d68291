package platform

import "strings"

// A Rule says what identifies one platform of a datasource. It is plain data.
type Rule struct {
	// Platform is the cloud or hypervisor, as in Match.
	Platform string
	// Given says that the rule looks for something that was given to this very
	// machine on purpose, as a volume is; other rules look at what all machines
	// of their maker have. Rules about what was given come first.
	Given bool
	// Fact has to be found, and Also too, where it is not empty.
	Fact, Also Fact
	// HardwareID tells the platform's machines apart; nil: nothing does.
	HardwareID func(*Evidence) string
}

// A Fact is a pattern and the part of the evidence in which it is looked for.
type Fact struct {
	// Of is where to look: one of the following, or a name in Evidence.DMI.
	Of string
	// Is is what has to be found there: * stands for any bytes, ? for one.
	Is string
}

// The values of Fact.Of besides the names of DMI strings.
const (
	// Hypervisor is Evidence.HypervisorUUID.
	Hypervisor = "hypervisor uuid"
	// Label is one of Evidence.Labels. What is written in lower case is found
	// in upper case too: vfat has that only, iso9660 either.
	Label = "volume label"
	// OEMString is the NAME of one of Evidence.OEM that is NAME=VALUE.
	OEMString = "oem string"
	// FWCfgFile is one of Evidence.FWCfg.
	FWCfgFile = "fw_cfg file"
	// GuestVariable is one of Evidence.GuestInfo.
	GuestVariable = "guestinfo variable"
	// Word is one of Evidence.Words by its key, with a value or without.
	Word = "kernel word"
	// CloudConfig is one of the words, keys and values alike, in
	// Evidence.CloudConfig.
	CloudConfig = "word in cc:"
)

// Holds says whether the evidence has the rule's facts, and what was found. That
// text goes into the report: it never quotes a secret.
func (r *Rule) Holds(ev *Evidence) (because string, ok bool) {
	because, ok = r.Fact.holds(ev)
	if !ok || r.Also == (Fact{}) {
		return because, ok
	}
	also, ok := r.Also.holds(ev)
	return because + ", " + also, ok
}

func (f *Fact) holds(ev *Evidence) (because string, ok bool) {
	for _, v := range f.values(ev) {
		if v == "" {
			continue // as good as not there
		}
		if match(f.Is, v) || f.Of == Label && match(strings.ToUpper(f.Is), v) {
			return f.Of + " is " + clip(v), true
		}
	}
	return "", false
}

// values are those that the evidence has where the fact looks.
func (f *Fact) values(ev *Evidence) (values []string) {
	switch f.Of {
	case Hypervisor:
		return []string{ev.HypervisorUUID}
	case Label:
		return ev.Labels
	case OEMString:
		for _, s := range ev.OEM {
			if name, _, ok := strings.Cut(s, "="); ok {
				values = append(values, name)
			}
		}
	case FWCfgFile:
		return ev.FWCfg
	case GuestVariable:
		return ev.GuestInfo
	case Word:
		for _, w := range ev.Words {
			key, _, _ := strings.Cut(w, "=")
			values = append(values, key)
		}
	case CloudConfig:
		return strings.FieldsFunc(ev.CloudConfig, func(r rune) bool { return strings.ContainsRune(" \t\n[]{},:'\"", r) })
	case "product_uuid": // hexadecimal digits of either case
		return []string{strings.ToLower(ev.DMI[f.Of])}
	default:
		return []string{ev.DMI[f.Of]}
	}
	return values
}

// match says whether a pattern, in which * stands for any bytes and ? for one,
// is all of s.
func match(pattern, s string) bool {
	for pattern != "" {
		if pattern[0] == '*' {
			for i := range len(s) + 1 {
				if match(pattern[1:], s[i:]) {
					return true
				}
			}
			return false
		}
		if s == "" || pattern[0] != '?' && pattern[0] != s[0] {
			return false
		}
		pattern, s = pattern[1:], s[1:]
	}
	return s == ""
}

// clip makes a value fit for a line of the report: short, and without what
// follows a semicolon, where a seed's serial number keeps addresses.
func clip(s string) string {
	const most = 80
	s, _, _ = strings.Cut(s, ";")
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
