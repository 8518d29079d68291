package nic

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// adoptWait is how long after its address a default route may come before a
// foreign link is taken to have none. ipconfig and networkd set both at once.
const adoptWait = time.Second

// maxConf bounds a file that another stack left about its lease, in bytes.
const maxConf = 64 << 10

// foreignAddr gives the address that somebody else has put on the link, one
// that reaches further than the link: IPv4 before IPv6. An IPv6 address that the
// kernel made of a router's announcement is nobody's. On a link that we raised
// only IPv4 tells.
func foreignAddr(c *rtnl.Conn, l *link, family uint8) (netip.Prefix, bool) {
	addrs, err := c.Addrs(l.index, family)
	if err != nil {
		return netip.Prefix{}, false
	}
	var found netip.Prefix
	for _, a := range addrs {
		is4 := a.Prefix.Addr().Is4()
		byHand := a.Flags&(unix.IFA_F_PERMANENT|unix.IFA_F_NOPREFIXROUTE) != 0
		if a.Scope == unix.RT_SCOPE_LINK || !is4 && (!byHand || !usable(&a)) {
			continue
		}
		if is4 {
			return a.Prefix, true
		}
		found = a.Prefix
	}
	return found, found.IsValid()
}

// adopt describes a link that the initrd's own stack has configured. It waits
// a little for the default route, and changes nothing.
func adopt(ctx context.Context, c *rtnl.Conn, l *link, prefix netip.Prefix) Lease {
	lease := Lease{By: ByAdopted, Adopted: true, Prefix: prefix}
	bounded, cancel := context.WithTimeout(ctx, adoptWait)
	defer cancel()
	// A link without a default route is adopted all the same.
	_ = l.until(bounded, func(*rtnl.Link) bool {
		lease.Routes, lease.Gateway = foreignRoutes(c, l, prefix.Addr().Is4())
		return lease.Gateway.IsValid()
	})
	attrs, _ := l.now()
	conf := readConf("/run/net-" + attrs.Name + ".conf")
	lease.DNS, lease.Search, lease.Hostname = klibcConf(conf)
	for _, path := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/run/NetworkManager/resolv.conf"} {
		if len(lease.DNS) > 0 {
			break
		}
		lease.DNS, lease.Search = resolvConf(readConf(path))
	}
	return lease
}

// foreignRoutes reads the link's routes of one family, beside the subnets' own.
func foreignRoutes(c *rtnl.Conn, l *link, v4 bool) (routes []Route, gateway netip.Addr) {
	all, err := linkRoutes(c, l)
	if err != nil {
		return nil, netip.Addr{}
	}
	for _, r := range all {
		if !r.Via.IsValid() || r.Via.Is4() != v4 {
			continue
		}
		if r.Dst.Bits() == 0 && !gateway.IsValid() {
			gateway = r.Via
		}
		routes = append(routes, Route{Dst: r.Dst, Via: r.Via})
	}
	return routes, gateway
}

// readConf reads a file of another stack; what is not there, or too big to be
// one, says nothing.
func readConf(path string) []byte {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() > maxConf {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return data
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
