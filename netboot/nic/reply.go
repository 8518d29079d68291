package nic

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// leaseFromReply reads what a DHCPv6 ADVERTISE or REPLY gives, and says what of
// it is ignored. DHCPv6 has no prefix lengths and no routes: routers announce
// those.
func leaseFromReply(m *dhcpv6.Message) (l Lease, ignored []string, err error) {
	ia := m.Options.OneIANA()
	if ia == nil {
		return Lease{}, nil, fmt.Errorf("%w: no address", errBadLease)
	}
	for _, status := range []*dhcpv6.OptStatusCode{m.Options.Status(), ia.Options.Status()} {
		if status != nil && status.StatusCode != iana.StatusSuccess {
			return Lease{}, nil, fmt.Errorf("%w: status %v", errBadLease, status.StatusCode)
		}
	}
	given := ia.Options.OneAddress()
	if given == nil {
		return Lease{}, nil, fmt.Errorf("%w: no address", errBadLease)
	}
	addr, ok := netip.AddrFromSlice(given.IPv6Addr)
	if !ok || !addr.Is6() || addr.Is4In6() || !addr.IsGlobalUnicast() || given.ValidLifetime <= 0 {
		return Lease{}, nil, fmt.Errorf("%w: address %v for %v", errBadLease, given.IPv6Addr, given.ValidLifetime)
	}
	l = Lease{By: ByDHCP6, Prefix: netip.PrefixFrom(addr, 128), Lifetime: given.ValidLifetime}
	if given.ValidLifetime >= (1<<32-1)*time.Second {
		l.Lifetime = 0 // infinity, RFC 8415 §7.7
	}
	var servers []netip.Addr
	for _, ip := range m.Options.DNS() {
		if a, ok := netip.AddrFromSlice(ip); ok {
			servers = append(servers, a)
		}
	}
	f := filter{own: l.Prefix}
	l.DNS = f.servers(servers)
	if labels := m.Options.DomainSearchList(); labels != nil {
		l.Search = cleanSearch(labels.Labels)
	}
	return l, f.ignored, nil
}
