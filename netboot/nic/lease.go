package nic

import (
	"bytes"
	"net"
	"net/netip"
	"time"
)

// How a lease came about.
const (
	ByDHCP4     = "dhcp4"      // a DHCPv4 server's ACK
	ByDHCP6     = "dhcp6"      // a DHCPv6 server's REPLY, beside a router's advertisement
	ByRA        = "ra"         // a router's advertisement alone (SLAAC)
	ByStatic    = "static"     // boothook.ip= or network-config=
	ByLinkLocal = "link-local" // an address that a link gives itself
	ByAdopted   = "adopted"    // another program's configuration, found on the link
)

// A Lease is what one NIC got for IPv4 or for IPv6: an address that is on the
// link, and its routes, name servers and lifetime. Routers and name servers are
// addresses that another host can have, and there is one route to each
// destination: the one that is in the kernel. A Lease is plain data without
// secrets.
type Lease struct {
	Index int              // the kernel's interface index, which never changes
	Name  string           // the interface's name when the lease came
	HW    net.HardwareAddr // its hardware address
	By    string           // ByDHCP4, ByStatic …

	Prefix  netip.Prefix // our address with the length of its subnet
	Gateway netip.Addr   // the router of the default route; invalid: there is none
	Routes  []Route      // every route beside the subnet's own, the default one included, at most maxRoutes

	DNS      []netip.Addr  // name servers, in the server's order, at most maxServers
	Search   []string      // search domains, at most maxSearch
	Hostname string        // option 12, reduced to the characters of a host name
	ServerID netip.Addr    // the DHCP server (option 54)
	MTU      int           // bytes; 0: the link's own. Put on routes, never on the link
	Lifetime time.Duration // 0: without end

	Adopted bool      // another program's: neither leased again nor flushed
	At      time.Time // when it became usable

	// Options holds the raw DHCPv4 options of the ACK by code, for sources
	// that read one of them. The map and its values are read-only.
	Options map[uint8][]byte
}

// A Route leads to Dst through the router Via, or over the link itself if Via is
// not valid.
type Route struct {
	Dst netip.Prefix
	Via netip.Addr
}

func (r Route) String() string {
	if !r.Via.IsValid() {
		return "route to " + r.Dst.String() + " on the link"
	}
	return "route to " + r.Dst.String() + " via " + r.Via.String()
}

// ResolvConf renders the lease's name servers and search domains as a
// resolv.conf(5); empty if there is no server.
func (l *Lease) ResolvConf() []byte {
	if len(l.DNS) == 0 {
		return nil
	}
	var b bytes.Buffer
	if len(l.Search) > 0 {
		b.WriteString("search")
		for _, s := range l.Search {
			b.WriteString(" " + s)
		}
		b.WriteByte('\n')
	}
	for _, a := range l.DNS {
		if a.IsLinkLocalUnicast() && a.Is6() { // without its link it cannot be reached
			a = a.WithZone(l.Name)
		}
		b.WriteString("nameserver " + a.String() + "\n")
	}
	return b.Bytes()
}
