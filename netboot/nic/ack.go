package nic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"boothook/netboot/nic/dhcp"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Bounds on what one message may ask for; what goes beyond them is ignored.
const (
	maxServers = 6   // name servers; resolv.conf(5) uses three
	maxSearch  = 6   // search domains, as in resolv.conf(5)
	maxRoutes  = 64  // routes of option 121
	maxName    = 253 // bytes of a host name (RFC 1035)
	minMTU     = 576 // bytes every IPv4 host must take (RFC 791); a smaller one is ignored
)

// errBadLease marks an offer or ACK that no host could use.
var errBadLease = errors.New("unusable lease")

// leaseFromACK reads an ACK (or an OFFER, which has the same form), and says
// what of it is ignored. It is pure: the link's name and the time are the
// caller's to add. Option 121 overrides option 3 (RFC 3442).
func leaseFromACK(ack *dhcpv4.DHCPv4) (l Lease, ignored []string, err error) {
	addr, ok := netip.AddrFromSlice(ack.YourIPAddr.To4())
	if !ok || !addr.IsGlobalUnicast() && !addr.IsLinkLocalUnicast() || addr.As4()[0] == 0 {
		return Lease{}, nil, fmt.Errorf("%w: address %v", errBadLease, ack.YourIPAddr)
	}
	mask := ack.SubnetMask()
	if mask == nil {
		mask = ack.YourIPAddr.DefaultMask() // RFC 950: the address's class
	}
	bits, size := mask.Size()
	if size != 32 || bits == 0 {
		return Lease{}, nil, fmt.Errorf("%w: netmask %v", errBadLease, mask)
	}
	l = Lease{
		By:       ByDHCP4,
		Prefix:   netip.PrefixFrom(addr, bits),
		Search:   searchDomains(ack),
		Hostname: hostName(ack.HostName()),
		MTU:      mtu(ack),
		Lifetime: lifetime(ack),
		Options:  make(map[uint8][]byte, len(ack.Options)),
	}
	for code, value := range ack.Options {
		l.Options[code] = value
	}
	f := filter{own: l.Prefix}
	if server := addrs4(ack.ServerIdentifier()); len(server) == 1 && isOtherHost(server[0], l.Prefix) {
		l.ServerID = server[0]
	}
	l.DNS = f.servers(addrs4(ack.DNS()...))
	l.Routes = routes4(ack, &f)
	l.Gateway = defaultGateway(l.Routes)
	return l, f.ignored, nil
}

// routes4 gives the routes that an ACK asks for, those over the link itself
// first, because the routers of the others may be found through them.
func routes4(ack *dhcpv4.DHCPv4, f *filter) []Route {
	classless := ack.ClasslessStaticRoute()
	if classless == nil {
		var rs dhcpv4.Routes
		if rs.FromBytes(ack.GetOneOption(dhcp.OptionMSRoutes)) == nil {
			classless = rs
		}
	}
	var routes []Route
	for _, r := range classless {
		bits, _ := r.Dest.Mask.Size()
		dst, ok := netip.AddrFromSlice(r.Dest.IP)
		if !ok {
			continue
		}
		route := Route{Dst: netip.PrefixFrom(dst, bits).Masked()}
		if via := addrs4(r.Router); len(via) == 1 && !via[0].IsUnspecified() { // 0.0.0.0: over the link
			route.Via = via[0]
		}
		routes = append(routes, route)
	}
	if len(routes) == 0 {
		// Of several routers the first that can be one.
		for _, via := range addrs4(ack.Router()...) {
			if isOtherHost(via, f.own) {
				routes = append(routes, Route{Dst: defaultDst(via), Via: via})
				break
			}
			f.ignore("router " + via.String() + ": not the address of another host")
		}
	}
	routes = f.routes(routes)
	slices.SortStableFunc(routes, func(a, b Route) int {
		switch {
		case a.Via.IsValid() == b.Via.IsValid():
			return 0
		case b.Via.IsValid():
			return -1
		}
		return 1
	})
	return routes
}

// addrs4 gives addresses as package netip has them.
func addrs4(ips ...net.IP) []netip.Addr {
	var out []netip.Addr
	for _, ip := range ips {
		if a, ok := netip.AddrFromSlice(ip.To4()); ok {
			out = append(out, a)
		}
	}
	return out
}

// searchDomains takes option 119 and, failing that, option 15, in which some
// servers put several names.
func searchDomains(ack *dhcpv4.DHCPv4) []string {
	var names []string
	if labels := ack.DomainSearch(); labels != nil {
		names = labels.Labels
	}
	if len(names) == 0 {
		names = strings.Fields(strings.Trim(ack.DomainName(), "\x00"))
	}
	return cleanSearch(names)
}

// hostName gives s if it is made of the characters of a host name, else "": it
// is written into files, to which a server must not add lines of its own.
func hostName(s string) string {
	s = strings.TrimRight(strings.TrimRight(s, "\x00"), ".")
	if len(s) > maxName {
		return ""
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return ""
		}
	}
	return s
}

// mtu reads option 26; 0 stands for none or nonsense.
func mtu(ack *dhcpv4.DHCPv4) int {
	v := ack.GetOneOption(dhcpv4.OptionInterfaceMTU)
	if len(v) != 2 {
		return 0
	}
	if n := int(binary.BigEndian.Uint16(v)); n >= minMTU {
		return n
	}
	return 0
}

// lifetime reads option 51; the protocol's infinity (all ones) and a missing
// option are both 0, which means without end.
func lifetime(ack *dhcpv4.DHCPv4) time.Duration {
	v := ack.GetOneOption(dhcpv4.OptionIPAddressLeaseTime)
	if len(v) != 4 {
		return 0
	}
	secs := binary.BigEndian.Uint32(v)
	if secs == 1<<32-1 {
		return 0
	}
	return time.Duration(secs) * time.Second
}
