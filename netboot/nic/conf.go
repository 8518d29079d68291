package nic

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
)

// foreignNames reads what other programs have left about a link's name servers,
// search domains and host name: klibc's ipconfig about the link itself, and
// whoever manages a resolv.conf.
func (f files) foreignNames(link string) (dns []netip.Addr, search []string, hostname string) {
	dns, search, hostname = klibcConf(f.read("/run/net-" + link + ".conf"))
	for _, path := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/run/NetworkManager/resolv.conf"} {
		if len(dns) > 0 {
			break
		}
		dns, search = resolvConf(f.read(path))
	}
	return dns, search, hostname
}

// klibcConf reads the shell assignments that klibc's ipconfig leaves in
// /run/net-DEVICE.conf; 0.0.0.0 stands for none.
func klibcConf(data []byte) (dns []netip.Addr, search []string, hostname string) {
	for line := range bytes.Lines(data) {
		key, value, _ := strings.Cut(strings.TrimSpace(string(line)), "=")
		value = strings.Trim(value, `'"`)
		switch key {
		case "IPV4DNS0", "IPV4DNS1":
			dns = addServer(dns, value)
		case "DOMAINSEARCH":
			if value != "" {
				search = strings.Fields(value)
			}
		case "DNSDOMAIN":
			if len(search) == 0 && value != "" {
				search = []string{value}
			}
		case "HOSTNAME":
			hostname = hostName(value)
		}
	}
	return dns, cleanSearch(search), hostname
}

// resolvConf reads a resolv.conf(5).
func resolvConf(data []byte) (dns []netip.Addr, search []string) {
	for line := range bytes.Lines(data) {
		f := strings.Fields(string(line))
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "nameserver":
			dns = addServer(dns, f[1])
		case "search", "domain":
			search = f[1:]
		}
	}
	return dns, cleanSearch(search)
}

// addServer adds a name server, up to the bound. It may be this machine: the
// initrd can have a resolver of its own.
func addServer(dns []netip.Addr, s string) []netip.Addr {
	a, err := netip.ParseAddr(s)
	if err != nil || !isUnicast(a) || len(dns) == maxServers || slices.Contains(dns, a) {
		return dns
	}
	return append(dns, a)
}

// cleanSearch keeps what are names, up to the bound.
func cleanSearch(names []string) []string {
	var out []string
	for _, n := range names {
		if n = hostName(n); n != "" && len(out) < maxSearch && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}
