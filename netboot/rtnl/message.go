package rtnl

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// headerSize is the length of struct nlmsghdr: length, type, flags, sequence
// number, port.
const headerSize = 16

// attrHeader is the length of struct rtattr: its length and its kind.
const attrHeader = 4

// kindMask takes the flags off an attribute's kind (NLA_TYPE_MASK).
const kindMask = 0x3fff

// errShort says that a message ends before what it must have, errFamily that
// it is about neither IPv4 nor IPv6.
var (
	errShort  = errors.New("message too short")
	errFamily = errors.New("neither IPv4 nor IPv6")
)

// A message is one message of the kernel, without its header.
type message struct {
	kind  uint16 // RTM_NEWLINK, RTM_DELADDR …
	data  []byte // the family's struct and the attributes; valid until the next one is read
	flags uint16
	seq   uint32
}

// messages splits what one read gave; a message that is cut off is dropped.
func messages(data []byte) (list []message) {
	for len(data) >= headerSize {
		size := int(binary.NativeEndian.Uint32(data))
		if size < headerSize || size > len(data) {
			break
		}
		list = append(list, message{
			kind:  binary.NativeEndian.Uint16(data[4:]),
			flags: binary.NativeEndian.Uint16(data[6:]),
			seq:   binary.NativeEndian.Uint32(data[8:]),
			data:  data[headerSize:size],
		})
		data = data[min(align(size), len(data)):]
	}
	return list
}

// request puts a header before a body.
func request(kind, flags uint16, seq uint32, body []byte) []byte {
	m := make([]byte, headerSize, headerSize+len(body))
	binary.NativeEndian.PutUint32(m, uint32(headerSize+len(body)))
	binary.NativeEndian.PutUint16(m[4:], kind)
	binary.NativeEndian.PutUint16(m[6:], flags|unix.NLM_F_REQUEST)
	binary.NativeEndian.PutUint32(m[8:], seq)
	return append(m, body...)
}

// attributes calls each for every attribute in data, its flags taken off.
func attributes(data []byte, each func(kind uint16, value []byte)) {
	for len(data) >= attrHeader {
		size := int(binary.NativeEndian.Uint16(data))
		if size < attrHeader || size > len(data) {
			return
		}
		each(binary.NativeEndian.Uint16(data[2:])&kindMask, data[attrHeader:size])
		data = data[min(align(size), len(data)):]
	}
}

// appendAttr appends an attribute and its padding.
func appendAttr(b []byte, kind uint16, value []byte) []byte {
	size := attrHeader + len(value)
	b = binary.NativeEndian.AppendUint16(b, uint16(size))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, align(size)-size)...)
}

// appendAttr32 appends an attribute that is a number.
func appendAttr32(b []byte, kind uint16, value uint32) []byte {
	return appendAttr(b, kind, binary.NativeEndian.AppendUint32(nil, value))
}

// number reads an attribute's 32 bits, 0 if it has none.
func number(value []byte) uint32 {
	if len(value) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(value)
}

// align rounds up to the 4 bytes that messages and attributes are padded to.
func align(n int) int { return (n + 3) &^ 3 }
