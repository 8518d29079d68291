package nic

import (
	"os"
	"path/filepath"
	"strings"
)

// noDAD is the value of accept_dad that uses an address without first asking
// for a second and more whether somebody else has it. In a machine that is
// just starting on a network that gives out addresses nobody has.
const noDAD = "0"

// acceptDAD is the sysctl of one link, by the name it has now. It is the only
// one that is ever changed, and restored.
func acceptDAD(name string) string {
	return filepath.Join("/proc/sys/net/ipv6/conf", name, "accept_dad")
}

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
