package nic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"boothook/netboot/nic/dhcp"
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
func leaseFromACK(ack *dhcp.Message4) (l Lease, ignored []string, err error) {
	addr := ack.Your
	if !addr.IsGlobalUnicast() && !addr.IsLinkLocalUnicast() || addr.As4()[0] == 0 {
		return Lease{}, nil, fmt.Errorf("%w: address %v", errBadLease, addr)
	}
	mask := net.IPMask(ack.Options[dhcp.OptionMask])
	if len(mask) != net.IPv4len {
		mask = net.IP(addr.AsSlice()).DefaultMask() // RFC 950: the address's class
	}
	bits, size := mask.Size()
	if size != 32 || bits == 0 {
		return Lease{}, nil, fmt.Errorf("%w: netmask %v", errBadLease, mask)
	}
	l = Lease{
		By:       ByDHCP4,
		Prefix:   netip.PrefixFrom(addr, bits),
		Search:   searchDomains(ack.Options),
		Hostname: hostName(string(ack.Options[dhcp.OptionHostname])),
		MTU:      mtu(ack.Options),
		Lifetime: lifetime(ack.Options),
		Options:  ack.Options,
	}
	f := filter{own: l.Prefix}
	if server := ack.Server(); server.IsValid() && isOtherHost(server, l.Prefix) {
		l.ServerID = server
	}
	l.DNS = f.servers(ack.Options.Addrs(dhcp.OptionDNS))
	l.Routes = routes4(ack.Options, &f)
	l.Gateway = defaultGateway(l.Routes)
	return l, f.ignored, nil
}

// routes4 gives the routes that an ACK asks for, those over the link itself
// first, because the routers of the others may be found through them.
func routes4(o dhcp.Options4, f *filter) []Route {
	routes, err := classlessRoutes(o[dhcp.OptionRoutes])
	if len(routes) == 0 || err != nil {
		if routes, err = classlessRoutes(o[dhcp.OptionMSRoutes]); err != nil {
			routes = nil
		}
	}
	if len(routes) == 0 {
		// Of several routers the first that can be one.
		for _, via := range o.Addrs(dhcp.OptionRouter) {
			if isOtherHost(via, f.own) {
				routes = append(routes, Route{Dst: defaultDst(via), Via: via})
				break
			}
			f.ignore("router " + via.String() + ": not the address of another host")
		}
	}
	routes = f.routes(routes)
	return onLinkFirst(routes)
}

// classlessRoutes reads option 121: the destination's length, as many of its
// bytes as that says, and the router, which is 0.0.0.0 over the link (RFC 3442).
func classlessRoutes(b []byte) (routes []Route, err error) {
	for len(b) > 0 {
		bits := int(b[0])
		size := 1 + (bits+7)/8
		if bits > 32 || len(b) < size+4 {
			return nil, errors.New("malformed routes")
		}
		var dst [4]byte
		copy(dst[:], b[1:size])
		r := Route{Dst: netip.PrefixFrom(netip.AddrFrom4(dst), bits).Masked()}
		if via := netip.AddrFrom4([4]byte(b[size:])); !via.IsUnspecified() {
			r.Via = via
		}
		routes, b = append(routes, r), b[size+4:]
	}
	return routes, nil
}

// onLinkFirst puts routes over the link itself before those over routers, and
// keeps the order otherwise.
func onLinkFirst(routes []Route) []Route {
	var direct, via []Route
	for _, r := range routes {
		if r.Via.IsValid() {
			via = append(via, r)
		} else {
			direct = append(direct, r)
		}
	}
	return append(direct, via...)
}

// searchDomains takes option 119 and, failing that, option 15, in which some
// servers put several names.
func searchDomains(o dhcp.Options4) []string {
	names, err := dhcp.Names(o[dhcp.OptionSearch])
	if len(names) == 0 || err != nil {
		names = strings.Fields(strings.Trim(string(o[dhcp.OptionDomain]), "\x00"))
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
func mtu(o dhcp.Options4) int {
	v := o[dhcp.OptionMTU]
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
func lifetime(o dhcp.Options4) time.Duration {
	v := o[dhcp.OptionLeaseTime]
	if len(v) != 4 {
		return 0
	}
	secs := binary.BigEndian.Uint32(v)
	if secs == 1<<32-1 {
		return 0
	}
	return time.Duration(secs) * time.Second
}
