package network

import (
	"strings"

	"boothook/injector/plan"
)

// The programs and files by which a root says which daemons it has.
const (
	netplanProgram  = "/usr/sbin/netplan"
	managerProgram  = "/usr/sbin/NetworkManager"
	networkdProgram = "/lib/systemd/systemd-networkd"
	networkdUnit    = "/lib/systemd/system/systemd-networkd.service"
	networkScripts  = "/etc/sysconfig/network-scripts/network-functions"
	wickedProgram   = "/usr/sbin/wicked"
	resolvedProgram = "/lib/systemd/systemd-resolved"
)

// AskExists lists the paths that Plan looks up in Facts.Exists.
func AskExists() []string {
	return []string{
		netplanProgram, "/sbin/netplan", managerProgram, networkdProgram, "/usr" + networkdProgram, networkScripts, wickedProgram,
		resolvedProgram, "/usr" + resolvedProgram, "/sbin/ifup", "/usr/sbin/ifup", "/sbin/resolvconf", "/usr/sbin/resolvconf",
		"/etc/network/if-up.d/resolved", "/etc/network/if-up.d/ethtool", "/etc/network/if-pre-up.d/ifenslave", "/etc/network/if-pre-up.d/vlan",
		"/etc/network/if-pre-up.d/bridge", "/sbin/brctl", "/usr/sbin/brctl", "/lib/bridge-utils/ifupdown.sh",
		"/sbin/dhclient", "/usr/sbin/dhclient", "/sbin/dhcpcd", "/usr/sbin/dhcpcd", "/sbin/udhcpc", "/usr/sbin/udhcpc", "/sbin/pump",
	}
}

// AskFolders lists the folders whose files Plan looks up in Facts.Files. The
// plugin that reads ifcfg files is in a folder named after NetworkManager's
// version: of libraries only the names are looked at.
func AskFolders() []string {
	return []string{
		"/etc/netplan", "/etc/systemd/network", "/etc/NetworkManager/system-connections", interfacesDir,
		strings.TrimSuffix(ifcfgDir, "/"), strings.TrimSuffix(ifcfgSUSEDir, "/"), "/etc/udev/rules.d",
	}
}

// AskLibraries lists the folders in whose folders Plan looks for plugins.
func AskLibraries() []string {
	return []string{"/usr/lib64/NetworkManager", "/usr/lib/NetworkManager", "/usr/lib/x86_64-linux-gnu/NetworkManager", "/usr/lib/aarch64-linux-gnu/NetworkManager"}
}

// AskFiles lists the files whose text Plan looks up in Facts.Files.
func AskFiles() []string { return []string{interfacesFile, resolvConf} }

// has says whether the root has any of some paths.
func has(facts *plan.Facts, paths ...string) bool {
	for _, p := range paths {
		if facts.Exists[p] {
			return true
		}
	}
	return false
}

// available says whether the root has what reads a renderer's files, by
// cloud-init's rules.
func available(name string, facts *plan.Facts) bool {
	switch name {
	case "netplan":
		return has(facts, netplanProgram, "/sbin/netplan")
	case "eni":
		return has(facts, "/sbin/ifup", "/usr/sbin/ifup") && has(facts, interfacesFile, interfacesDir)
	case "sysconfig":
		return has(facts, networkScripts, wickedProgram) || ifcfgPlugin(facts)
	case "network-manager":
		return has(facts, managerProgram)
	case "networkd":
		return has(facts, networkdProgram, "/usr"+networkdProgram)
	}
	return false
}

// ifcfgPlugin says whether NetworkManager reads ifcfg files in the root.
func ifcfgPlugin(facts *plan.Facts) bool {
	for path := range facts.Files {
		if strings.HasSuffix(path, "/libnm-settings-plugin-ifcfg-rh.so") {
			return true
		}
	}
	return false
}

// sysconfigKind says whether the root is openSUSE's, and whether Red Hat's own
// scripts, not NetworkManager, read its ifcfg files.
func sysconfigKind(facts *plan.Facts) (suse, scripts bool) {
	if facts == nil {
		return false, false
	}
	suse = has(facts, wickedProgram) || strings.Contains(facts.OSRelease["ID"]+" "+facts.OSRelease["ID_LIKE"], "suse")
	return suse && !has(facts, networkScripts), has(facts, networkScripts)
}

// named finds a renderer by cloud-init's name or the daemon's.
func named(name string) (renderer, bool) {
	for _, re := range renderers() {
		if strings.EqualFold(name, re.name) || strings.EqualFold(name, re.daemon) || strings.EqualFold(name, strings.TrimPrefix(re.daemon, "systemd-")) {
			return re, true
		}
	}
	return renderer{}, false
}

// choose finds the renderer of the root: the one asked for by name, the first
// of the root's own list that it has, or the first in cloud-init's order.
func (r *reader) choose(facts *plan.Facts, choice string, priority []string, line int) (renderer, bool) {
	if choice != "" {
		re, ok := named(choice)
		if !ok {
			r.problem(0, "there is no renderer %q: it is one of netplan, networkd, network-manager, eni, sysconfig", choice)
		}
		return re, ok
	}
	if facts == nil {
		return renderer{}, false
	}
	if len(priority) == 0 {
		for _, re := range renderers() {
			priority = append(priority, re.name)
		}
	}
	for _, name := range priority {
		if re, ok := named(name); ok && available(re.name, facts) {
			return re, true
		}
	}
	// The root's list may have none of what it has.
	for _, re := range renderers() {
		if available(re.name, facts) {
			r.warn(line, "none of the root's system_info.network.renderers (%s) is installed; %s is taken", strings.Join(priority, ", "), re.daemon)
			return re, true
		}
	}
	r.warn(line, "the root has neither netplan, ifupdown, NetworkManager, systemd-networkd nor sysconfig's scripts to read it") // its own way may need none
	return renderer{}, false
}
