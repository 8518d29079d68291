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

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Bounds on what one ACK may ask for. A hostile server stays within them or is cut short.
const (
	maxServers = 6   // name servers; resolv.conf(5) uses three
	maxSearch  = 6   // search domains, as in resolv.conf(5)
	maxRoutes  = 64  // routes of option 121
	maxName    = 253 // bytes of a host name (RFC 1035)
	minMTU     = 576 // bytes every IPv4 host must take (RFC 791); less only hurts
)

// optionMSRoutes is Microsoft's older number for option 121, same content.
const optionMSRoutes = dhcpv4.GenericOptionCode(249)

// errBadLease marks an offer or ACK that no host could use.
var errBadLease = errors.New("unusable lease")

// leaseFromACK reads an ACK (or an OFFER, which has the same form). It is
// pure: what the link is called and when it happened is the caller's to add.
// Option 121 overrides option 3 (RFC 3442).
func leaseFromACK(ack *dhcpv4.DHCPv4) (Lease, error) {
	addr, ok := addr4(ack.YourIPAddr)
	if !ok || !addr.IsGlobalUnicast() && !addr.IsLinkLocalUnicast() {
		return Lease{}, fmt.Errorf("%w: address %v", errBadLease, ack.YourIPAddr)
	}
	mask := ack.SubnetMask()
	if mask == nil {
		mask = ack.YourIPAddr.DefaultMask() // RFC 950: the address's class
	}
	bits, size := mask.Size()
	if size != 32 || bits == 0 {
		return Lease{}, fmt.Errorf("%w: netmask %v", errBadLease, mask)
	}
	l := Lease{
		By:       ByDHCP4,
		Prefix:   netip.PrefixFrom(addr, bits),
		DNS:      addrs4(ack.DNS(), maxServers),
		Search:   searchDomains(ack),
		Hostname: hostName(ack.HostName()),
		MTU:      mtu(ack),
		Lifetime: lifetime(ack),
		Options:  make(map[uint8][]byte, len(ack.Options)),
	}
	for code, value := range ack.Options {
		l.Options[code] = value
	}
	l.ServerID, _ = addr4(ack.ServerIdentifier())
	l.Routes = routes4(ack)
	for _, r := range l.Routes {
		if r.Dst.Bits() == 0 {
			l.Gateway = r.Via
			break
		}
	}
	return l, nil
}

// routes4 gives the routes that an ACK asks for, those over the link itself
// first, because the gateways of the others may be found through them.
func routes4(ack *dhcpv4.DHCPv4) []Route {
	classless := ack.ClasslessStaticRoute()
	if classless == nil {
		var rs dhcpv4.Routes
		if rs.FromBytes(ack.GetOneOption(optionMSRoutes)) == nil {
			classless = rs
		}
	}
	if len(classless) == 0 {
		if gws := addrs4(ack.Router(), 1); len(gws) == 1 {
			return []Route{{Dst: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Via: gws[0]}}
		}
		return nil
	}
	var onLink, via []Route
	for _, r := range classless[:min(len(classless), maxRoutes)] {
		bits, _ := r.Dest.Mask.Size()
		dst, ok := netip.AddrFromSlice(r.Dest.IP)
		if !ok {
			continue
		}
		route := Route{Dst: netip.PrefixFrom(dst, bits).Masked()}
		if gw, ok := addr4(r.Router); ok && isUnicast(gw) {
			route.Via = gw
			via = append(via, route)
		} else if r.Router.IsUnspecified() {
			onLink = append(onLink, route)
		}
	}
	return append(onLink, via...)
}

func addr4(ip net.IP) (netip.Addr, bool) {
	a, ok := netip.AddrFromSlice(ip.To4())
	return a, ok && a.IsValid() && !a.IsUnspecified()
}

// isUnicast says whether a host can have the address: a gateway or a name server.
func isUnicast(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// addrs4 gives the first limit addresses that hosts can have, without repetition.
func addrs4(ips []net.IP, limit int) []netip.Addr {
	var out []netip.Addr
	for _, ip := range ips {
		a, ok := addr4(ip)
		if ok && isUnicast(a) && len(out) < limit && !slices.Contains(out, a) {
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

// hostName gives s if it is made of the characters of a host name, else "":
// what a server sends ends up in files whose lines it must not write.
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
