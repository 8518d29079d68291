package nic

import (
	"encoding/binary"
	"net/netip"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// raManaged is the flag that the kernel keeps of a router's announcement that
// addresses come by DHCPv6 (linux/if_link.h via net/if_inet6.h, IF_RA_MANAGED).
const raManaged = 0x40

// The options of a router's announcement that the kernel leaves to us (RFC 8106).
const (
	optionRDNSS = 25
	optionDNSSL = 31
)

// An announced is what a router has announced on a link, as far as it is in
// the kernel: the kernel sends the solicitations and makes the addresses.
type announced struct {
	prefix   netip.Prefix // of an address that is ready; invalid: none yet
	lifetime uint32       // of that address, in seconds
	gateway  netip.Addr
	managed  bool // addresses are to be had by DHCPv6
}

// routerState reads what has been announced so far.
func routerState(c *rtnl.Conn, l *link) (a announced) {
	routes, err := linkRoutes(c, l)
	if err != nil {
		return a
	}
	for _, r := range routes {
		if r.Via.Is6() && r.Dst.Bits() == 0 {
			a.gateway = r.Via
		}
	}
	if !a.gateway.IsValid() {
		return a
	}
	addrs, err := c.Addrs(l.index, unix.AF_INET6)
	if err != nil {
		return a
	}
	for _, addr := range addrs {
		if addr.Prefix.Addr().IsGlobalUnicast() && usable(&addr) {
			a.prefix, a.lifetime = addr.Prefix, addr.Valid
			return a
		}
	}
	flags, err := c.Inet6Flags(l.index)
	a.managed = err == nil && flags&raManaged != 0
	return a
}

// usable says whether an IPv6 address can be sent from.
func usable(a *rtnl.Addr) bool {
	return a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED|unix.IFA_F_DEPRECATED|unix.IFA_F_TEMPORARY) == 0
}

// userOptions reads an RTM_NEWNDUSEROPT message (linux/rtnetlink.h, struct
// nduseroptmsg): the link, and the name servers and search domains in it.
func userOptions(data []byte) (index int, dns []netip.Addr, search []string) {
	const header = 16
	if len(data) < header || data[0] != unix.AF_INET6 {
		return 0, nil, nil
	}
	index = int(int32(binary.NativeEndian.Uint32(data[4:])))
	opts := data[header:]
	opts = opts[:min(len(opts), int(binary.NativeEndian.Uint16(data[2:])))]
	for len(opts) >= 8 {
		size := 8 * int(opts[1])
		if size == 0 || size > len(opts) {
			break
		}
		body := opts[8:size] // behind type, length, a reserved word and the lifetime
		if lifetime := binary.BigEndian.Uint32(opts[4:]); lifetime > 0 {
			switch opts[0] {
			case optionRDNSS:
				for ; len(body) >= 16; body = body[16:] {
					a, _ := netip.AddrFromSlice(body[:16])
					dns = addServer(dns, a.String())
				}
			case optionDNSSL:
				search = cleanSearch(labels(body))
			}
		}
		opts = opts[size:]
	}
	return index, dns, search
}

// labels reads domain names in the DNS's form, uncompressed, up to the padding.
func labels(b []byte) (names []string) {
	name := ""
	for len(b) > 0 && len(names) < maxSearch {
		n := int(b[0])
		if n == 0 {
			if name == "" { // padding
				break
			}
			names, name, b = append(names, name), "", b[1:]
			continue
		}
		if n > 63 || 1+n > len(b) {
			break
		}
		if name != "" {
			name += "."
		}
		name += string(b[1 : 1+n])
		b = b[1+n:]
	}
	return names
}
