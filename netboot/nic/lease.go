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
	ByDHCP6     = "dhcp6"      // a DHCPv6 server's REPLY, beside a router's announcement
	ByRA        = "ra"         // a router's announcement alone (SLAAC)
	ByStatic    = "static"     // boothook.ip= or a configuration like it
	ByLinkLocal = "link-local" // nobody: an address that every link can have
	ByAdopted   = "adopted"    // the initrd's own stack had configured the link
)

// A Lease is what one NIC got for IPv4 or for IPv6: an address that works, and
// what belongs to it.
// It is plain data; nothing in it is ever a secret.
type Lease struct {
	Index int              // the kernel's interface index, which never changes
	Name  string           // the interface's name when the lease came
	HW    net.HardwareAddr // its hardware address
	By    string           // one of the above

	Prefix  netip.Prefix // our address with the length of its subnet
	Gateway netip.Addr   // the default gateway; invalid where there is none
	Routes  []Route      // every route beside the subnet's own, the default one included

	DNS      []netip.Addr  // name servers, in the server's order, at most maxServers
	Search   []string      // search domains, at most maxSearch
	Hostname string        // option 12, reduced to the characters of a host name
	ServerID netip.Addr    // the DHCP server (option 54)
	MTU      int           // bytes; 0: the link's own. Put on routes, never on the link
	Lifetime time.Duration // 0: without end

	Adopted bool      // not ours: neither leased again nor flushed
	At      time.Time // when it was usable

	// Options holds the raw DHCPv4 options of the ACK by code, for sources
	// that read one of them. The map and its values are read-only.
	Options map[uint8][]byte
}

// A Route leads to Dst through Via, or directly over the link if Via is not valid.
type Route struct {
	Dst netip.Prefix
	Via netip.Addr
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
		b.WriteString("nameserver " + a.String() + "\n")
	}
	return b.Bytes()
}
