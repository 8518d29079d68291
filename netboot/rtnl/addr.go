package rtnl

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// An Addr is an address of a link.
type Addr struct {
	Index  int
	Prefix netip.Prefix
	Flags  uint32 // IFA_F_PERMANENT, IFA_F_TENTATIVE …
	Scope  uint8  // RT_SCOPE_UNIVERSE, RT_SCOPE_LINK …
	// Valid is how long the address lasts, in seconds; 0 and all ones: for ever.
	Valid uint32

	// said is the kernel's own description, which has more than the fields
	// above: labels, peers. It is sent back as it is. nil for an address
	// that is to be made.
	said []byte
}

// parseAddr reads the data of an RTM_NEWADDR message (struct ifaddrmsg and
// IFA_ attributes, linux/if_addr.h).
func parseAddr(data []byte) (Addr, error) {
	if len(data) < unix.SizeofIfAddrmsg {
		return Addr{}, fmt.Errorf("read address: %w", errShort)
	}
	a := Addr{
		Index: addrIndex(data),
		Flags: uint32(data[2]),
		Scope: data[3],
		said:  append([]byte(nil), data...),
	}
	var ip, local netip.Addr
	attributes(data[unix.SizeofIfAddrmsg:], func(kind uint16, v []byte) {
		switch kind {
		case unix.IFA_ADDRESS: // the other end's, if it has one
			ip = address(data[0], v)
		case unix.IFA_LOCAL:
			local = address(data[0], v)
		case unix.IFA_FLAGS: // all of them; the struct has room for eight
			a.Flags = number(v)
		case unix.IFA_CACHEINFO:
			if len(v) >= unix.SizeofIfaCacheinfo {
				a.Valid = number(v[4:])
			}
		}
	})
	if local.IsValid() {
		ip = local
	}
	if a.Prefix = netip.PrefixFrom(ip, int(data[1])); !a.Prefix.IsValid() {
		return Addr{}, fmt.Errorf("read address: %w", errShort)
	}
	return a, nil
}

// addrIndex gives the link that an address is one of; data holds the whole struct.
func addrIndex(data []byte) int { return int(int32(binary.NativeEndian.Uint32(data[4:]))) }

// body is the address as a request.
func (a *Addr) body() []byte {
	if a.said != nil {
		return a.said
	}
	ip := a.Prefix.Addr()
	b := make([]byte, unix.SizeofIfAddrmsg, 64)
	b[0], b[1], b[2], b[3] = familyOf(ip), uint8(a.Prefix.Bits()), uint8(a.Flags), a.Scope
	binary.NativeEndian.PutUint32(b[4:], uint32(a.Index))
	b = appendAttr(b, unix.IFA_LOCAL, ip.AsSlice())
	b = appendAttr(b, unix.IFA_ADDRESS, ip.AsSlice())
	b = appendAttr32(b, unix.IFA_FLAGS, a.Flags)
	if a.Valid != 0 {
		info := make([]byte, unix.SizeofIfaCacheinfo)
		binary.NativeEndian.PutUint32(info, a.Valid)
		binary.NativeEndian.PutUint32(info[4:], a.Valid)
		b = appendAttr(b, unix.IFA_CACHEINFO, info)
	}
	if ip.Is4() && a.Prefix.Bits() < 31 { // the kernel does not work it out
		b = appendAttr(b, unix.IFA_BROADCAST, broadcast(a.Prefix))
	}
	return b
}

// broadcast is the last address of an IPv4 prefix.
func broadcast(p netip.Prefix) []byte {
	ip := p.Addr().As4()
	last := binary.BigEndian.Uint32(ip[:]) | ^uint32(0)>>p.Bits()
	return binary.BigEndian.AppendUint32(nil, last)
}

// address reads an address of a family; of another length it is none.
func address(family uint8, v []byte) netip.Addr {
	ip, ok := netip.AddrFromSlice(v)
	if !ok || family != familyOf(ip) {
		return netip.Addr{}
	}
	return ip
}

func familyOf(ip netip.Addr) uint8 {
	if ip.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
