package rtnl

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// OperUp is the Link.Oper of a link that carries traffic (RFC 2863; linux/if.h,
// IF_OPER_UP).
const OperUp = 6

// A Link is a network interface as the kernel described it at one time. It is
// not changed once it has been decoded, and may be shared.
type Link struct {
	// Family is AF_UNSPEC for the link itself. What IPv6 (AF_INET6) or a
	// bridge (AF_BRIDGE) says of a link has the index and little else.
	Family     uint8
	Index      int
	Name       string
	AltNames   []string // what else it is called (Linux 5.5 on)
	Type       uint16   // of its frames: ARPHRD_ETHER …
	Kind       string   // "veth", "bridge" …; "" for most hardware
	Flags      uint32   // IFF_UP, IFF_LOWER_UP …
	Oper       uint8    // OperUp, or why not
	MTU        int
	Lower      int              // the index of the link that a VLAN's frames travel over; 0: none
	Master     int              // the index of the bridge or bond it belongs to; 0: none
	Addr       net.HardwareAddr // nil: none
	PermAddr   net.HardwareAddr // the one from the factory; nil: unknown
	ParentDev  string           // the device on a bus, by name (Linux 5.14 on)
	Inet6Flags uint32           // with AF_INET6: IF_RA_MANAGED … (net/if_inet6.h)
}

// parseLink reads the data of an RTM_NEWLINK or RTM_DELLINK message (struct
// ifinfomsg and IFLA_ attributes, linux/if_link.h).
func parseLink(data []byte) (*Link, error) {
	if len(data) < unix.SizeofIfInfomsg {
		return nil, fmt.Errorf("read link: %w", errShort)
	}
	l := &Link{
		Family: data[0],
		Type:   binary.NativeEndian.Uint16(data[2:]),
		Index:  int(int32(binary.NativeEndian.Uint32(data[4:]))),
		Flags:  binary.NativeEndian.Uint32(data[8:]),
	}
	attributes(data[unix.SizeofIfInfomsg:], l.attribute)
	return l, nil
}

// attribute takes one IFLA_ attribute in.
func (l *Link) attribute(kind uint16, v []byte) {
	switch kind {
	case unix.IFLA_IFNAME:
		l.Name = text(v)
	case unix.IFLA_ADDRESS:
		l.Addr = bytes.Clone(v)
	case unix.IFLA_PERM_ADDRESS:
		l.PermAddr = bytes.Clone(v)
	case unix.IFLA_MTU:
		l.MTU = int(number(v))
	case unix.IFLA_LINK:
		l.Lower = int(number(v))
	case unix.IFLA_MASTER:
		l.Master = int(number(v))
	case unix.IFLA_OPERSTATE:
		if len(v) > 0 {
			l.Oper = v[0]
		}
	case unix.IFLA_PARENT_DEV_NAME:
		l.ParentDev = text(v)
	case unix.IFLA_PROP_LIST:
		attributes(v, func(kind uint16, v []byte) {
			if kind == unix.IFLA_ALT_IFNAME {
				l.AltNames = append(l.AltNames, text(v))
			}
		})
	case unix.IFLA_LINKINFO:
		attributes(v, func(kind uint16, v []byte) {
			if kind == unix.IFLA_INFO_KIND {
				l.Kind = text(v)
			}
		})
	case unix.IFLA_PROTINFO:
		if l.Family == unix.AF_INET6 {
			attributes(v, func(kind uint16, v []byte) {
				if kind == unix.IFLA_INET6_FLAGS {
					l.Inet6Flags = number(v)
				}
			})
		}
	}
}

// linkBody is a request about a link: flags, as far as mask says that they are
// meant, and attributes.
func linkBody(family uint8, index int, flags, mask uint32, attrs []byte) []byte {
	b := make([]byte, unix.SizeofIfInfomsg, unix.SizeofIfInfomsg+len(attrs))
	b[0] = family
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	binary.NativeEndian.PutUint32(b[8:], flags)
	binary.NativeEndian.PutUint32(b[12:], mask)
	return append(b, attrs...)
}

// vlanBody is a request for a VLAN.
func vlanBody(over int, name string, tag uint16) []byte {
	data := appendAttr(nil, unix.IFLA_VLAN_ID, binary.NativeEndian.AppendUint16(nil, tag))
	info := appendAttr(nil, unix.IFLA_INFO_KIND, []byte("vlan"))
	info = appendAttr(info, unix.IFLA_INFO_DATA, data)
	attrs := appendAttr32(nil, unix.IFLA_LINK, uint32(over))
	attrs = appendAttr(attrs, unix.IFLA_IFNAME, append([]byte(name), 0))
	return linkBody(unix.AF_UNSPEC, 0, 0, 0, appendAttr(attrs, unix.IFLA_LINKINFO, info))
}

// text is a string without the NUL that ends it.
func text(v []byte) string {
	s, _, _ := bytes.Cut(v, []byte{0})
	return string(s)
}
