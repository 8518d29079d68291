package rtnl

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// volatile are flags of a route that tell the carrier's state, not the route's
// own; the kernel refuses them in a request.
const volatile = unix.RTNH_F_LINKDOWN | unix.RTNH_F_DEAD

// A Route is a route out of one link.
type Route struct {
	Index    int          // of the link; 0: none, or several (multipath)
	Dst      netip.Prefix // of 0 bits: the default route
	Via      netip.Addr   // invalid: Dst is on the link
	Src      netip.Addr   // the address that packets get; invalid: the kernel chooses
	Table    uint32       // RT_TABLE_MAIN …
	Metric   uint32
	MTU      uint32 // 0: the link's
	Flags    uint32 // RTNH_F_ONLINK …
	Protocol uint8  // who set it: RTPROT_KERNEL, RTPROT_DHCP …
	Scope    uint8  // RT_SCOPE_UNIVERSE, RT_SCOPE_LINK …
	Type     uint8  // RTN_UNICAST …

	// said is the kernel's own description, which has more than the fields
	// above. It is sent back as it is. nil for a route that is to be made.
	said []byte
}

// parseRoute reads the data of an RTM_NEWROUTE message (struct rtmsg and RTA_
// attributes, linux/rtnetlink.h).
func parseRoute(data []byte) (Route, error) {
	if len(data) < unix.SizeofRtMsg {
		return Route{}, fmt.Errorf("read route: %w", errShort)
	}
	dst := netip.IPv4Unspecified()
	switch data[0] {
	case unix.AF_INET:
	case unix.AF_INET6:
		dst = netip.IPv6Unspecified()
	default: // MPLS, multicast
		return Route{}, fmt.Errorf("read route: %w", errFamily)
	}
	said := append([]byte(nil), data...)
	flags := binary.NativeEndian.Uint32(data[8:]) &^ volatile
	binary.NativeEndian.PutUint32(said[8:], flags)
	r := Route{
		Table: uint32(data[4]), Protocol: data[5], Scope: data[6], Type: data[7],
		Flags: flags, said: said,
	}
	attributes(data[unix.SizeofRtMsg:], func(kind uint16, v []byte) {
		switch kind {
		case unix.RTA_DST:
			dst = address(data[0], v)
		case unix.RTA_GATEWAY:
			r.Via = address(data[0], v)
		case unix.RTA_PREFSRC:
			r.Src = address(data[0], v)
		case unix.RTA_OIF:
			r.Index = int(int32(number(v)))
		case unix.RTA_PRIORITY:
			r.Metric = number(v)
		case unix.RTA_TABLE: // the struct has room for the first 255
			r.Table = number(v)
		case unix.RTA_METRICS:
			attributes(v, func(kind uint16, v []byte) {
				if kind == unix.RTAX_MTU {
					r.MTU = number(v)
				}
			})
		}
	})
	if r.Dst = netip.PrefixFrom(dst, int(data[1])); !r.Dst.IsValid() {
		return Route{}, fmt.Errorf("read route: %w", errShort)
	}
	return r, nil
}

// Same says whether both are one route, whatever its MTU is now.
func (r *Route) Same(o *Route) bool {
	return r.Index == o.Index && r.Dst == o.Dst && r.Via == o.Via && r.Src == o.Src && r.Table == o.Table &&
		r.Metric == o.Metric && r.Flags == o.Flags && r.Protocol == o.Protocol && r.Scope == o.Scope && r.Type == o.Type
}

// body is the route as a request.
func (r *Route) body() []byte {
	if r.said != nil {
		return r.said
	}
	b := make([]byte, unix.SizeofRtMsg, 96)
	b[0], b[1] = familyOf(r.Dst.Addr()), uint8(r.Dst.Bits())
	b[4], b[5], b[6], b[7] = unix.RT_TABLE_COMPAT, r.Protocol, r.Scope, r.Type // the table is an attribute
	binary.NativeEndian.PutUint32(b[8:], r.Flags)
	if r.Dst.Bits() > 0 {
		b = appendAttr(b, unix.RTA_DST, r.Dst.Addr().AsSlice())
	}
	if r.Via.IsValid() {
		b = appendAttr(b, unix.RTA_GATEWAY, r.Via.AsSlice())
	}
	if r.Src.IsValid() {
		b = appendAttr(b, unix.RTA_PREFSRC, r.Src.AsSlice())
	}
	b = appendAttr32(b, unix.RTA_OIF, uint32(r.Index))
	b = appendAttr32(b, unix.RTA_PRIORITY, r.Metric)
	b = appendAttr32(b, unix.RTA_TABLE, r.Table)
	if r.MTU != 0 {
		b = appendAttr(b, unix.RTA_METRICS|unix.NLA_F_NESTED, appendAttr32(nil, unix.RTAX_MTU, r.MTU))
	}
	return b
}
