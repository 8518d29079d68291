package nic

import (
	"fmt"
	"net/netip"

	"boothook/netboot/nic/dhcp"
)

// leaseFromReply reads what a DHCPv6 ADVERTISE or REPLY gives, and says what of
// it is ignored. DHCPv6 has no prefix lengths and no routes: routers announce
// those.
func leaseFromReply(m *dhcp.Message6) (l Lease, ignored []string, err error) {
	g, err := m.Grant()
	if err != nil {
		return Lease{}, nil, fmt.Errorf("%w: %w", errBadLease, err)
	}
	if g.Addr.Is4In6() || !g.Addr.IsGlobalUnicast() || g.Valid == 0 {
		return Lease{}, nil, fmt.Errorf("%w: address %v for %d s", errBadLease, g.Addr, g.Valid)
	}
	l = Lease{By: ByDHCP6, Prefix: netip.PrefixFrom(g.Addr, 128), Lifetime: seconds(g.Valid)}
	f := filter{own: l.Prefix}
	l.DNS = f.servers(g.DNS)
	l.Search = cleanSearch(g.Search)
	return l, f.ignored, nil
}
