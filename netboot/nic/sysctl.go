package nic

import (
	"errors"
	"strconv"
	"time"
)

// sysctls are the three settings of a link that are changed until Restore.
//
// Duplicate address detection is off (accept_dad): an address is used without a
// wait of more than a second for another host that has it, which on a network
// that gives addresses out there is none of. And neighbours that do not answer
// are asked again before a second has passed (retrans_time_ms), as long as
// something is to be sent to them.
type sysctls [3]string

// sysctlPaths gives the files of a link's settings, by the name that it has now.
func sysctlPaths(link string) sysctls {
	at := func(family, group, setting string) string {
		return "/proc/sys/net/" + family + "/" + group + "/" + link + "/" + setting
	}
	return sysctls{
		at("ipv6", "conf", "accept_dad"),
		at("ipv4", "neigh", "retrans_time_ms"),
		at("ipv6", "neigh", "retrans_time_ms"),
	}
}

// quick gives the values that are set with a pace. A switch that guards against
// floods cuts off ports with more than 15 ARP packets a second: at DefaultPace
// there are 8.
func quick(pace time.Duration) sysctls {
	ask := strconv.FormatInt(max(CloudPace, pace/4).Milliseconds(), 10)
	return sysctls{"0", ask, ask}
}

// sysctls reads a link's settings; "" for those that are not there.
func (f files) sysctls(link string) (values sysctls) {
	for i, path := range sysctlPaths(link) {
		values[i] = f.sysctl(path)
	}
	return values
}

// setSysctls sets a link's settings, as far as the link had them before and
// still has them.
func (f files) setSysctls(link string, before, values sysctls) error {
	var errs []error
	for i, path := range sysctlPaths(link) {
		if now := f.sysctl(path); before[i] != "" && now != "" && now != values[i] {
			errs = append(errs, f.setSysctl(path, values[i]))
		}
	}
	return errors.Join(errs...)
}
