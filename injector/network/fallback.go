package network

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"boothook/injector/plan"
	"boothook/netboot/instance"
)

// A NIC is the interface that gets the fallback. The zero value stands for one
// that nobody has seen: the booted system may have a driver that the initrd
// has not.
type NIC struct {
	// Name is the one that it has now. The booted system may call it otherwise.
	Name string
	// MAC is its hardware address.
	MAC string
	// Six says that IPv6 alone led to the source.
	Six bool
}

// Fallback gives what cloud-init makes up where nobody says anything of the
// network (generate_fallback_config in its net/__init__.py): DHCP on one
// interface, for IPv4 and IPv6. With ifupdown it is for one family, the one that
// led to the source: a DHCP client for the other one would hold up a boot on a
// network without such a server, for a minute and at each boot. An interface
// that nobody has seen is whichever has an Ethernet name.
//
// Where the image configures the interface itself there is no document: nothing
// is added to that. Where it may or may not do so, because names can change
// between initrd and root, a problem says so.
func Fallback(nic NIC, facts *plan.Facts, choice string, priority []string) ([]byte, []instance.Problem) {
	r := &reader{}
	re, found := (&reader{}).choose(facts, choice, priority, 0) // who plans says what is wrong
	if mac := hardware(nic.MAC); mac != "" && goodName(nic.Name) && len(nic.Name) <= maxName {
		nic.MAC = mac
	} else {
		nic = NIC{Six: nic.Six}
	}
	if !found {
		r.warn(0, "neither the source nor the image configures the network, and the root has nothing that could: cloud-init is disabled, and would have used DHCP")
		return nil, r.problems
	}
	if file, certain := r.configured(nic, re, facts); certain {
		return nil, nil
	} else if file != "" {
		r.warn(0, "nothing was added to the network that the image configures in %s, which may be the network of %s or not", file, nic.called(re))
		return nil, r.problems
	}
	r.warn(0, "neither the source nor the image configures the network: it is DHCP on %s, as cloud-init would have had it", nic.called(re))
	return nic.document(re), r.problems
}

// called is what the report calls the interface.
func (nic NIC) called(re renderer) string {
	switch {
	case nic.Name != "":
		return nic.Name + " (" + nic.MAC + ")"
	case re.name == "sysconfig":
		return "eth0 (the initrd sees no interface, and an ifcfg file is for one)"
	}
	return "each Ethernet interface (the initrd sees none)"
}

// document is the fallback as network-config version 2.
func (nic NIC) document(re renderer) []byte {
	name, match := nic.Name, fmt.Sprintf("{macaddress: \"%s\"}", nic.MAC)
	switch {
	case name == "" && re.name == "sysconfig": // an ifcfg file is for one interface
		name, match = "eth0", "{name: eth0}"
	case name == "":
		name, match = "any", "{name: \"e*\"}"
	case re.name == "sysconfig": // wicked finds its files by the name
		match += fmt.Sprintf("\n    set-name: \"%s\"", name)
	}
	one := re.name == "eni"
	return fmt.Appendf(nil, "version: 2\nethernets:\n  \"%s\":\n    match: %s\n    dhcp4: %t\n    dhcp6: %t\n", name, match, !one || !nic.Six, !one || nic.Six)
}

// configured looks for a file of the image's that configures the interface, for
// a daemon that the root has. It is certain where a file names the interface,
// by its address or by a name of the same kind as the one that it has now.
func (r *reader) configured(nic NIC, re renderer, facts *plan.Facts) (file string, certain bool) {
	var files []string
	for file := range facts.Files {
		files = append(files, file)
	}
	slices.Sort(files)
	perhaps := ""
	for _, file := range files {
		daemon, claims := claims(file, facts.Files[file])
		if daemon == "" || ours(file, facts.Files[file]) || daemon != re.name && !available(daemon, facts) {
			continue
		}
		for _, c := range claims {
			switch match, err := path.Match(c, nic.Name); {
			case c == "" || c == "lo":
			case c == everything, err == nil && match, strings.EqualFold(c, nic.MAC):
				return file, true
			case perhaps == "" && hardware(c) == "" && (nic.Name == "" || strings.HasPrefix(c, "eth") != strings.HasPrefix(nic.Name, "eth")):
				perhaps = file
			}
		}
	}
	return perhaps, false
}
