package dhcp

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"time"
)

// ClientPort4 and ServerPort4 are DHCPv4's ports (RFC 2131 §4.1).
const (
	ClientPort4 = 68
	ServerPort4 = 67
)

// Values of a message's first byte (RFC 2131 §2).
const (
	bootRequest uint8 = 1
	bootReply   uint8 = 2
)

// Types of messages (RFC 2132 §9.6).
const (
	discover4 uint8 = 1
	offer4    uint8 = 2
	request4  uint8 = 3
	ack4      uint8 = 5
	nak4      uint8 = 6
)

// Codes of options (RFC 2132; 80: RFC 4039, 119: RFC 3397, 121: RFC 3442).
const (
	OptionMask      uint8 = 1
	OptionRouter    uint8 = 3
	OptionDNS       uint8 = 6
	OptionHostname  uint8 = 12
	OptionDomain    uint8 = 15
	OptionMTU       uint8 = 26
	requestedIP4    uint8 = 50
	OptionLeaseTime uint8 = 51
	messageType4    uint8 = 53
	OptionServer    uint8 = 54
	requested4      uint8 = 55
	maxSize4        uint8 = 57
	rapidCommit4    uint8 = 80
	OptionSearch    uint8 = 119
	OptionRoutes    uint8 = 121
	OptionMSRoutes  uint8 = 249 // Microsoft's older number for option 121, with the same content

	pad4 uint8 = 0
	end4 uint8 = 255
)

const (
	header4  = 240 // bytes up to the options, the cookie included
	minSize4 = 300 // bytes; BOOTP's, which some relays still want (RFC 1542 §2.1)
	cookie4  = "\x63\x82\x53\x63"
)

// Options4 are a message's options by code. Several options of one code are one
// value (RFC 3396); that of an option without content is nil.
type Options4 map[uint8][]byte

// Has says whether there is an option, with or without content.
func (o Options4) Has(code uint8) bool {
	_, ok := o[code]
	return ok
}

// Addrs reads an option that is a list of addresses; one with a rest is none.
func (o Options4) Addrs(code uint8) []netip.Addr {
	value := o[code]
	if len(value)%4 != 0 {
		return nil
	}
	var list []netip.Addr
	for ; len(value) > 0; value = value[4:] {
		list = append(list, netip.AddrFrom4([4]byte(value)))
	}
	return list
}

// A Message4 is a DHCPv4 message between a client and a server (RFC 2131 §2),
// without what neither the client nor its caller looks at.
type Message4 struct {
	op      uint8
	id      [4]byte // of the transaction
	secs    uint16  // since the client began
	flags   uint16
	client  netip.Addr // which the client already has
	Your    netip.Addr // which the server gives
	hw      net.HardwareAddr
	Options Options4
}

// newMessage4 makes a message of a client. Its transaction id need only be
// unlikely (RFC 2131 §2), so that it comes from math/rand, which the kernel seeded
// when the process was executed. Most libraries ask getrandom(2) and wait as long
// as the kernel's random numbers are not good yet: on a machine without RDRAND or
// virtio-rng that is most of a minute of the boot.
func (c *Client4) newMessage4(kind uint8) *Message4 {
	m := &Message4{op: bootRequest, hw: c.HW, client: netip.IPv4Unspecified(), Your: netip.IPv4Unspecified(), Options: Options4{
		messageType4: {kind},
		maxSize4:     binary.BigEndian.AppendUint16(nil, MaxMessage),
		// RFC 3442 wants the routes before the router.
		requested4: {OptionRoutes, OptionMask, OptionRouter, OptionDomain, OptionDNS,
			OptionHostname, OptionMTU, OptionSearch, OptionMSRoutes},
	}}
	for _, code := range c.Request {
		if !slices.Contains(m.Options[requested4], code) {
			m.Options[requested4] = append(m.Options[requested4], code)
		}
	}
	binary.BigEndian.PutUint32(m.id[:], rand.Uint32())
	return m
}

// newRequest4 asks for what was offered, in the SELECTING state (RFC 2131
// §4.3.2): under the offer's transaction, naming the server and the address.
func (c *Client4) newRequest4(offer *Message4) *Message4 {
	m := c.newMessage4(request4)
	m.id, m.flags = offer.id, offer.flags
	m.Options[requestedIP4] = offer.Your.AsSlice()
	m.Options[OptionServer] = offer.Options[OptionServer]
	return m
}

// ReadMessage4 reads a message whose options are whole and come to their end.
// The message has its own copy of data. Options in the fields of the server's
// and the file's name (option 52) are left there: no server needs that room for
// what is requested here.
func ReadMessage4(data []byte) (*Message4, error) {
	if len(data) < header4 || string(data[header4-len(cookie4):header4]) != cookie4 {
		return nil, errMalformed
	}
	data = bytes.Clone(data)
	m := &Message4{
		op: data[0], id: [4]byte(data[4:]), secs: binary.BigEndian.Uint16(data[8:]), flags: binary.BigEndian.Uint16(data[10:]),
		client: netip.AddrFrom4([4]byte(data[12:])), Your: netip.AddrFrom4([4]byte(data[16:])),
		hw: data[28 : 28+min(data[2], 16)], Options: Options4{},
	}
	for rest := data[header4:]; len(rest) > 0; {
		code := rest[0]
		switch {
		case code == pad4:
			rest = rest[1:]
			continue
		case code == end4:
			return m, nil
		case len(rest) < 2 || len(rest) < 2+int(rest[1]):
			return nil, errMalformed
		}
		size := 2 + int(rest[1])
		m.Options[code] = append(m.Options[code], rest[2:size]...)
		rest = rest[size:]
	}
	return nil, errMalformed
}

func (m *Message4) bytes() []byte {
	b := make([]byte, header4, minSize4)
	b[0], b[1], b[2] = m.op, 1, byte(len(m.hw)) // 1: Ethernet
	copy(b[4:], m.id[:])
	binary.BigEndian.PutUint16(b[8:], m.secs)
	binary.BigEndian.PutUint16(b[10:], m.flags)
	copy(b[12:], m.client.AsSlice())
	copy(b[16:], m.Your.AsSlice())
	copy(b[28:44], m.hw)
	copy(b[header4-len(cookie4):], cookie4)
	for code := pad4 + 1; code < end4; code++ {
		if value, ok := m.Options[code]; ok { // none that a client sends is longer than 255 bytes
			b = append(append(b, code, byte(len(value))), value...)
		}
	}
	b = append(b, end4)
	return append(b, make([]byte, max(0, minSize4-len(b)))...)
}

// kind is the message's type; 0: it has none.
func (m *Message4) kind() uint8 {
	if v := m.Options[messageType4]; len(v) == 1 {
		return v[0]
	}
	return 0
}

// Server is the address of the server that speaks; it is not valid if the message
// does not tell.
func (m *Message4) Server() netip.Addr {
	if list := m.Options.Addrs(OptionServer); len(list) == 1 {
		return list[0]
	}
	return netip.Addr{}
}

// seconds is the time spent so far, for the "secs" field: relays and second
// servers answer only clients that have waited.
func (c *Client4) seconds() uint16 {
	return uint16(min(time.Since(c.start)/time.Second, 1<<16-1))
}
