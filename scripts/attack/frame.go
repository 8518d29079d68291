package attack

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"golang.org/x/sys/unix"
)

// The lengths of the headers of Ethernet, IPv6 (RFC 8200) and UDP (RFC 768).
const (
	etherHeader = 14
	ipv6Header  = 40
	udpHeader   = 8
)

// A Kind is what a frame carries to a machine.
type Kind string

const (
	KindDHCPv4 Kind = "DHCPv4"
	KindDHCPv6 Kind = "DHCPv6"
	KindRA     Kind = "RA"
	KindDNS    Kind = "DNS"
)

// shapes are the messages' own.
var shapes = map[Kind]Shape{KindDHCPv4: DHCPv4, KindDHCPv6: DHCPv6, KindRA: RA, KindDNS: DNS}

// A Frame is a server's message to a machine, with the headers around it.
type Frame struct {
	Kind    Kind
	bytes   []byte
	network int // where the header of IP begins
	content int // where the message begins
}

// ParseFrame finds a server's message in an Ethernet frame. The frame is
// neither kept nor changed.
func ParseFrame(frame []byte) (Frame, bool) {
	f := Frame{bytes: frame, network: etherHeader}
	if len(frame) < etherHeader+20 {
		return f, false
	}
	var protocol byte
	transport := 0
	switch binary.BigEndian.Uint16(frame[12:]) {
	case unix.ETH_P_IP:
		protocol, transport = frame[etherHeader+9], etherHeader+int(frame[etherHeader]&15)*4
	case unix.ETH_P_IPV6:
		if len(frame) < etherHeader+ipv6Header {
			return f, false
		}
		protocol, transport = frame[etherHeader+6], etherHeader+ipv6Header
	}
	if len(frame) < transport+udpHeader {
		return f, false
	}
	switch protocol {
	case unix.IPPROTO_ICMPV6:
		const advertisement = 134
		f.Kind, f.content = KindRA, transport
		return f, frame[transport] == advertisement
	case unix.IPPROTO_UDP:
		f.content = transport + udpHeader
		switch binary.BigEndian.Uint16(frame[transport:]) {
		case 67:
			f.Kind = KindDHCPv4
		case 547:
			f.Kind = KindDHCPv6
		case 53:
			f.Kind = KindDNS
		}
		return f, f.Kind != ""
	}
	return f, false
}

// Mutate makes another frame of it. Most have a mutated message in headers
// that are right, so that it gets as far as the real one; one in eight has
// wrong headers.
func (f Frame) Mutate(r *rand.Rand) []byte {
	real := f.bytes[f.content:]
	if r.IntN(8) == 0 {
		b := slices.Clone(f.bytes)
		headers := b[f.network:f.content]
		for range 1 + r.IntN(4) {
			headers[r.IntN(len(headers))] = byte(r.Uint32())
		}
		return b[:f.content+r.IntN(len(real)+1)]
	}
	return f.with(shapes[f.Kind].Mutate(r, real))
}

// with has the headers of the frame around another message.
func (f Frame) with(content []byte) []byte {
	if f.Kind == KindRA && len(content) > 0 {
		content = append([]byte{f.bytes[f.content]}, content[1:]...) // another type is no advertisement
	}
	b := slices.Concat(f.bytes[:f.content], content)
	ip := b[f.network:]
	var pseudo uint32 // the sum of the header that checksums count beside their own (RFC 8200, 8.1)
	var transport []byte
	if binary.BigEndian.Uint16(b[12:]) == unix.ETH_P_IP {
		n := int(ip[0]&15) * 4
		transport = ip[n:]
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		binary.BigEndian.PutUint16(ip[10:], 0)
		binary.BigEndian.PutUint16(ip[10:], ^fold(sum(ip[:n])))
		pseudo = sum(ip[12:20]) + uint32(ip[9])
	} else {
		transport = ip[ipv6Header:]
		binary.BigEndian.PutUint16(ip[4:], uint16(len(transport)))
		pseudo = sum(ip[8:40]) + uint32(ip[6])
	}
	at := 2 // of the checksum: in ICMPv6
	if f.Kind != KindRA {
		binary.BigEndian.PutUint16(transport[4:], uint16(len(transport)))
		at = 6
	}
	if len(transport) < at+2 {
		return b
	}
	binary.BigEndian.PutUint16(transport[at:], 0)
	check := ^fold(pseudo + uint32(len(transport)) + sum(transport))
	if check == 0 {
		check = 0xffff // 0 is none, in UDP
	}
	binary.BigEndian.PutUint16(transport[at:], check)
	return b
}

// sum adds up 16-bit words (RFC 1071); fold makes one of the result.
func sum(b []byte) (n uint32) {
	for ; len(b) > 1; b = b[2:] {
		n += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) > 0 {
		n += uint32(b[0]) << 8
	}
	return n
}

func fold(n uint32) uint16 {
	for n > 0xffff {
		n = n>>16 + n&0xffff
	}
	return uint16(n)
}
