package dhcp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"time"
)

// ClientPort6 and serverPort6 are DHCPv6's ports (RFC 8415 §7.2).
const (
	ClientPort6 = 546
	serverPort6 = 547
)

// Types of messages (RFC 8415 §7.3).
const (
	solicit6   uint8 = 1
	advertise6 uint8 = 2
	request6   uint8 = 3
	reply6     uint8 = 7
	release6   uint8 = 8
)

// Codes of options (RFC 8415 §21, RFC 3646).
const (
	clientID6    uint16 = 1
	serverID6    uint16 = 2
	iaNA6        uint16 = 3 // an identity association of non-temporary addresses
	iaAddress6   uint16 = 5
	requested6   uint16 = 6
	elapsed6     uint16 = 8
	status6      uint16 = 13
	rapidCommit6 uint16 = 14
	dns6         uint16 = 23
	search6      uint16 = 24
)

var errMalformed = errors.New("malformed message")

// A Message6 is a DHCPv6 message between a client and a server (RFC 8415 §8).
type Message6 struct {
	kind    uint8
	id      [3]byte // of the transaction
	options options6
}

// newMessage6 makes a message. Its transaction id need only be unlikely, so that
// it does not wait for the kernel's random numbers.
func newMessage6(kind uint8) *Message6 {
	id := rand.Uint32()
	return &Message6{kind: kind, id: [3]byte{byte(id >> 16), byte(id >> 8), byte(id)}}
}

// ReadMessage6 reads a message whose options are whole. What is in them is
// looked at only where it is needed. The message has its own copy of data.
func ReadMessage6(data []byte) (*Message6, error) {
	if len(data) < 4 {
		return nil, errMalformed
	}
	m := &Message6{kind: data[0], id: [3]byte(data[1:]), options: bytes.Clone(data[4:])}
	if !m.options.whole() {
		return nil, errMalformed
	}
	return m, nil
}

func (m *Message6) bytes() []byte {
	return slices.Concat([]byte{m.kind}, m.id[:], m.options)
}

// setElapsed changes the option of the time spent so far, which the protocol
// counts in hundredths of a second, up to 655 s.
func (m *Message6) setElapsed(d time.Duration) {
	hundredths := min(d, 10*time.Minute).Round(10*time.Millisecond) / (10 * time.Millisecond)
	binary.BigEndian.PutUint16(m.options.get(elapsed6), uint16(hundredths))
}

// A Grant6 is what an ADVERTISE or a REPLY grants.
type Grant6 struct {
	Addr   netip.Addr
	Valid  uint32 // seconds; all ones are for ever (RFC 8415 §7.7)
	DNS    []netip.Addr
	Search []string
}

// Grant reads what a message grants. It gives an error where that is no address,
// with the server's status if that is the reason.
func (m *Message6) Grant() (Grant6, error) {
	if err := m.options.refusal(); err != nil {
		return Grant6{}, err
	}
	var in options6
	if ia := m.options.get(iaNA6); len(ia) >= 12 { // behind IAID, T1 and T2
		in = ia[12:]
	}
	if !in.whole() {
		return Grant6{}, errMalformed
	}
	if err := in.refusal(); err != nil {
		return Grant6{}, err
	}
	given := in.get(iaAddress6)
	if len(given) < 24 {
		return Grant6{}, errors.New("no address")
	}
	g := Grant6{Addr: netip.AddrFrom16([16]byte(given)), Valid: binary.BigEndian.Uint32(given[20:])}
	for servers := m.options.get(dns6); len(servers) >= 16; servers = servers[16:] {
		g.DNS = append(g.DNS, netip.AddrFrom16([16]byte(servers)))
	}
	g.Search, _ = Names(m.options.get(search6)) // what cannot be read is no reason to refuse the address
	return g, nil
}

// options6 are options as they are sent: code, length, value.
type options6 []byte

// all gives the options up to the first that is cut off.
func (o options6) all() iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(o) >= 4 {
			size := 4 + int(binary.BigEndian.Uint16(o[2:]))
			if size > len(o) || !yield(binary.BigEndian.Uint16(o), o[4:size:size]) {
				return
			}
			o = o[size:]
		}
	}
}

// whole says whether no option is cut off.
func (o options6) whole() bool {
	size := 0
	for _, value := range o.all() {
		size += 4 + len(value)
	}
	return size == len(o)
}

// get gives the value of the first option with a code; nil: there is none.
func (o options6) get(code uint16) []byte {
	for c, value := range o.all() {
		if c == code {
			return value
		}
	}
	return nil
}

func (o *options6) add(code uint16, value ...byte) {
	*o = binary.BigEndian.AppendUint16(*o, code)
	*o = binary.BigEndian.AppendUint16(*o, uint16(len(value)))
	*o = append(*o, value...)
}

// refusal gives an error if a server's status among the options is no success.
func (o options6) refusal() error {
	status := o.get(status6)
	if status == nil {
		return nil
	}
	if len(status) < 2 {
		return errMalformed
	}
	switch code := binary.BigEndian.Uint16(status); code { // RFC 8415 §21.13
	case 0:
		return nil
	case 1:
		return errors.New("status UnspecFail")
	case 2:
		return errors.New("status NoAddrsAvail")
	case 3:
		return errors.New("status NoBinding")
	case 4:
		return errors.New("status NotOnLink")
	case 5:
		return errors.New("status UseMulticast")
	default:
		return fmt.Errorf("status %d", code)
	}
}

// duid is the client's identifier: DUID-LL with the hardware address (RFC 8415
// §11.4), which is read as Ethernet's.
func duid(hw net.HardwareAddr) []byte { return append([]byte{0, 3, 0, 1}, hw...) }
