package nic

import (
	"net/netip"
	"slices"
)

// broadcast4 is the limited broadcast address (RFC 919).
var broadcast4 = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// isUnicast says whether an address is that of one host, this one included. An
// IPv4 address that is written as IPv6 (::ffff:0:0/96) is none that a packet has.
func isUnicast(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !a.Is4In6() && a != broadcast4
}

// isOtherHost says whether an address is that of a host other than this one,
// which has own: neither loopback, nor our own address, nor of "this network"
// (0.0.0.0/8, RFC 1122 §3.2.1.3), nor the first or last address of our IPv4
// subnet, which stand for the subnet itself and all its hosts.
func isOtherHost(a netip.Addr, own netip.Prefix) bool {
	if !isUnicast(a) || a.IsLoopback() || a.WithZone("") == own.Addr() {
		return false
	}
	if !a.Is4() {
		return true
	}
	if a.As4()[0] == 0 {
		return false
	}
	return !own.Contains(a) || own.Bits() > 30 || a != own.Masked().Addr() && a != lastAddr(own)
}

// lastAddr gives the last address of an IPv4 subnet.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(b)
}

// A filter keeps what a link with the address own can use of what a server or
// a Config says, and records the rest in words.
type filter struct {
	own     netip.Prefix
	ignored []string
}

// maxIgnored bounds what is recorded: a message has room for hundreds of routes.
const maxIgnored = 8

func (f *filter) ignore(what string) {
	switch n := len(f.ignored); {
	case n < maxIgnored:
		f.ignored = append(f.ignored, what)
	case n == maxIgnored:
		f.ignored = append(f.ignored, "and more")
	}
}

// servers keeps the first name servers that are other hosts, without repetition,
// maxServers at most.
func (f *filter) servers(list []netip.Addr) (kept []netip.Addr) {
	for _, a := range list {
		switch {
		case !isOtherHost(a, f.own):
			f.ignore("name server " + a.String() + ": not the address of another host")
		case slices.Contains(kept, a):
		case len(kept) == maxServers:
			f.ignore("name server " + a.String() + ": too many")
		default:
			kept = append(kept, a)
		}
	}
	return kept
}

// routes keeps the routes whose routers are other hosts, the first to each
// destination, maxRoutes at most: the kernel would put a second route in the
// place of the first. The subnet's own route is not among them; a second one to
// the subnet would take the others' routers out of reach.
func (f *filter) routes(list []Route) (kept []Route) {
	subnet := f.own.Masked()
	for _, r := range list {
		same := func(k Route) bool { return k.Dst == r.Dst }
		switch {
		case r.Via.IsValid() && !isOtherHost(r.Via, f.own):
			f.ignore(r.String() + ": not the address of another host")
		case slices.ContainsFunc(kept, same) && !slices.Contains(kept, r):
			f.ignore(r.String() + ": not the first to there")
		case slices.Contains(kept, r), r.Dst == subnet && !r.Via.IsValid():
		case r.Dst == subnet:
			f.ignore(r.String() + ": the subnet is on the link")
		case len(kept) == maxRoutes:
			f.ignore(r.String() + ": too many")
		default:
			kept = append(kept, r)
		}
	}
	return kept
}

// defaultDst is the destination of a default route through a router.
func defaultDst(via netip.Addr) netip.Prefix {
	if via.Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

// defaultGateway gives the router of the default route among routes; invalid: none.
func defaultGateway(routes []Route) netip.Addr {
	for _, r := range routes {
		if r.Dst.Bits() == 0 {
			return r.Via
		}
	}
	return netip.Addr{}
}
