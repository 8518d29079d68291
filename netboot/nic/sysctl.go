package nic

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// sysctls are what is changed about a link, by the name it has now, until
// Restore: no more is.
//
// Addresses are used without first asking for a second and more whether
// somebody else has them: in a machine that is just starting, on a network that
// gives out addresses nobody has. And who does not say where an address is, is
// asked again sooner than after a second, as long as something is to be sent there.
func sysctls(name string) [3]string {
	at := func(path ...string) string { return filepath.Join("/proc/sys/net", path[0], path[1], name, path[2]) }
	return [...]string{
		at("ipv6", "conf", "accept_dad"),
		at("ipv4", "neigh", "retrans_time_ms"),
		at("ipv6", "neigh", "retrans_time_ms"),
	}
}

// quick gives the values that sysctls get with a pace. A switch that guards
// against floods cuts off ports with more than 15 ARP packets a second: a
// physical network has 8.
func quick(pace time.Duration) [3]string {
	ask := strconv.FormatInt(max(CloudPace, pace/4).Milliseconds(), 10)
	return [...]string{"0", ask, ask}
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
