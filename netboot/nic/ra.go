package nic

import (
	"encoding/binary"
	"net/netip"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// raManaged is the flag that the kernel keeps of a router's advertisement that
// addresses come by DHCPv6 (linux/if_link.h via net/if_inet6.h, IF_RA_MANAGED).
const raManaged = 0x40

// The options of a router's advertisement that the kernel leaves to programs (RFC 8106).
const (
	optionRDNSS = 25
	optionDNSSL = 31
)

// An advertisement is what routers have advertised on a link, as far as the
// kernel has made routes and addresses of it.
type advertisement struct {
	prefix   netip.Prefix // of an address that is ready; invalid: none yet
	lifetime uint32       // of that address, in seconds
	gateway  netip.Addr   // invalid: no router yet, and nothing else counts
	managed  bool         // addresses are to be had by DHCPv6
}

// advertised asks the kernel what has been advertised on a link so far.
func (m *Manager) advertised(l *link) (a advertisement) {
	routes, err := m.routes(l.index)
	if err != nil {
		return a
	}
	if a.gateway = router6(routes); !a.gateway.IsValid() {
		return a
	}
	addrs, err := m.machine.netlink.Addrs(l.index, unix.AF_INET6)
	if err != nil {
		return a
	}
	if a.prefix, a.lifetime = globalAddr6(addrs); a.prefix.IsValid() {
		return a
	}
	flags, err := m.machine.netlink.Inet6Flags(l.index)
	a.managed = err == nil && flags&raManaged != 0
	return a
}

// router6 gives the router of the IPv6 default route; invalid: none.
func router6(routes []rtnl.Route) (router netip.Addr) {
	for _, r := range routes {
		if r.Via.Is6() && r.Dst.Bits() == 0 {
			router = r.Via
		}
	}
	return router
}

// globalAddr6 gives an IPv6 address that reaches beyond the link, and its
// lifetime in seconds; invalid: none is ready.
func globalAddr6(addrs []rtnl.Addr) (netip.Prefix, uint32) {
	for _, a := range addrs {
		if a.Prefix.Addr().IsGlobalUnicast() && usable(&a) {
			return a.Prefix, a.Valid
		}
	}
	return netip.Prefix{}, 0
}

// usable says whether an IPv6 address can be sent from.
func usable(a *rtnl.Addr) bool {
	return a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED|unix.IFA_F_DEPRECATED|unix.IFA_F_TEMPORARY) == 0
}

// namesOf reads the name servers and search domains among the options of a
// router's advertisement. Those whose lifetime is 0 are withdrawn, and left out.
func namesOf(options []byte) (dns []netip.Addr, search []string) {
	for len(options) >= 8 {
		size := 8 * int(options[1])
		if size == 0 || size > len(options) {
			break
		}
		body := options[8:size] // behind type, length, a reserved word and the lifetime
		if lifetime := binary.BigEndian.Uint32(options[4:]); lifetime > 0 {
			switch options[0] {
			case optionRDNSS:
				for ; len(body) >= 16; body = body[16:] {
					a, _ := netip.AddrFromSlice(body[:16])
					dns = append(dns, a)
				}
			case optionDNSSL:
				search = cleanSearch(domains(body))
			}
		}
		options = options[size:]
	}
	return dns, search
}

// domains reads domain names in the DNS's form, uncompressed, up to the padding.
func domains(b []byte) (names []string) {
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

// solicitation is the message that asks routers to advertise themselves at once:
// ICMPv6 type 133 with the option that tells our hardware address (RFC 4861 §4.1,
// §4.6.1).
func solicitation(hw []byte) []byte {
	return append([]byte{0: 133, 8: 1, 9: 1}, hw...)
}
