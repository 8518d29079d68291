package platform

import "strings"

// A Rule says what identifies one platform of a datasource.
type Rule struct {
	// Platform is the cloud or hypervisor, as in Match.
	Platform string
	// Given says that what the rule looks for was given to this very machine
	// by somebody, as a volume is; other rules look at what all machines of
	// their maker have. Rules about what was given come first.
	Given bool
	// When looks at the evidence.
	When Predicate
	// HardwareID tells the platform's machines apart; nil: nothing does.
	HardwareID HardwareID
}

// A Predicate says whether the evidence holds one thing, and what it found.
// What it says goes into the report: it never quotes a secret.
type Predicate func(*Evidence) (because string, ok bool)

// DMI looks at one of the firmware's strings. It must be in the list that Read
// reads.
func DMI(name string, t Test) Predicate {
	return func(ev *Evidence) (string, bool) {
		v := ev.DMI[name]
		return name + " is " + clip(v), v != "" && t(v)
	}
}

// HypervisorUUID looks for a Xen guest whose UUID begins with start.
func HypervisorUUID(start string) Predicate {
	return func(ev *Evidence) (string, bool) {
		return "hypervisor uuid is " + clip(ev.HypervisorUUID), ev.HypervisorUUID != "" && strings.HasPrefix(ev.HypervisorUUID, start)
	}
}

// Label looks for a volume of one of these labels, which are in lower case, in
// lower or in upper case: as the file systems in question store it (vfat upper,
// iso9660 either).
func Label(names ...string) Predicate {
	return func(ev *Evidence) (string, bool) {
		for _, name := range names {
			for _, l := range ev.Labels {
				if l == name || l == strings.ToUpper(name) {
					return "volume label is " + l, true
				}
			}
		}
		return "", false
	}
}

// OEM looks for an OEM string NAME=VALUE whose name begins with prefix.
func OEM(prefix string) Predicate {
	return func(ev *Evidence) (string, bool) {
		for _, s := range ev.OEM {
			if name, _, ok := strings.Cut(s, "="); ok && strings.HasPrefix(name, prefix) {
				return "firmware has the OEM string " + clip(name), true
			}
		}
		return "", false
	}
}

// FWCfg looks for files of fw_cfg that are for us.
func FWCfg(ev *Evidence) (string, bool) {
	return "fw_cfg has opt/boothook", len(ev.FWCfg) > 0
}

// GuestInfo looks for one of VMware's variables.
func GuestInfo(names ...string) Predicate {
	return func(ev *Evidence) (string, bool) {
		for _, name := range ev.GuestInfo {
			if Is(names...)(name) {
				return "vmware has guestinfo." + name, true
			}
		}
		return "", false
	}
}

// Word looks for a word of the kernel's command line by its key, with a value
// or without.
func Word(key string) Predicate {
	return func(ev *Evidence) (string, bool) {
		for _, w := range ev.Words {
			if k, _, _ := strings.Cut(w, "="); k == key {
				return "kernel word " + key, true
			}
		}
		return "", false
	}
}

// CloudConfig looks for a name in the cloud-config of the kernel's command
// line.
func CloudConfig(name string) Predicate {
	return func(ev *Evidence) (string, bool) {
		return "kernel words cc: name " + name, strings.Contains(ev.CloudConfig, name)
	}
}

// All holds where each of the predicates does.
func All(ps ...Predicate) Predicate {
	return func(ev *Evidence) (string, bool) {
		var because []string
		for _, p := range ps {
			b, ok := p(ev)
			if !ok {
				return "", false
			}
			because = append(because, b)
		}
		return strings.Join(because, ", "), true
	}
}

// A Test looks at one string that is not empty.
type Test func(string) bool

// Is holds for one of these names.
func Is(names ...string) Test {
	return func(v string) bool {
		for _, n := range names {
			if v == n {
				return true
			}
		}
		return false
	}
}

// Prefix, Suffix and Contains hold where the string begins with, ends in or
// has in it what they are given.
func Prefix(p string) Test   { return func(v string) bool { return strings.HasPrefix(v, p) } }
func Suffix(s string) Test   { return func(v string) bool { return strings.HasSuffix(v, s) } }
func Contains(s string) Test { return func(v string) bool { return strings.Contains(v, s) } }

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
