package nic

import (
	"os"
	"path/filepath"
	"strings"
)

// sysctls are what is changed about a link, by the name it has now, until
// Restore: no more is.
//
// Addresses are used without first asking for a second and more whether
// somebody else has them: in a machine that is just starting, on a network that
// gives out addresses nobody has. And who does not say where an address is, is
// asked again after 40 ms, not after a second, as long as something is to be
// sent there.
func sysctls(name string) [3]sysctl {
	at := func(path ...string) string { return filepath.Join("/proc/sys/net", path[0], path[1], name, path[2]) }
	return [...]sysctl{
		{at("ipv6", "conf", "accept_dad"), "0"},
		{at("ipv4", "neigh", "retrans_time_ms"), "40"},
		{at("ipv6", "neigh", "retrans_time_ms"), "40"},
	}
}

// A sysctl is the path of one, and the value that it gets.
type sysctl struct{ path, value string }

// readSysctl gives a sysctl's value, "" if there is none, as without IPv6.
func readSysctl(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func writeSysctl(path, value string) error {
	return os.WriteFile(path, []byte(value), 0)
}
