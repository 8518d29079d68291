package attack

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// MaxContent is how long the content of a mutated packet can be, in bytes: what
// fits into an Ethernet frame behind the headers of IPv6 and UDP.
const MaxContent = 1500 - 40 - 8

// A Shape says how a message is built of options, so that a mutation can lie
// about them: a fixed part, then options with a code and a length.
type Shape struct {
	// Fixed is the length of the fixed part, Code and Length are those of an
	// option's code and length. Length 0: the message has no options.
	Fixed, Code, Length int
	// Unit is how many bytes one of the length stands for. Whole means that
	// code and length themselves are counted.
	Unit  int
	Whole bool
	// Single are codes that stand alone, without a length.
	Single []uint
}

// The messages that machines without a network believe.
var (
	// DHCPv4 is RFC 2131, section 2, with the magic cookie, and RFC 2132.
	DHCPv4 = Shape{Fixed: 240, Code: 1, Length: 1, Unit: 1, Single: []uint{0, 255}}
	// DHCPv6 is RFC 8415, sections 8 and 21.1.
	DHCPv6 = Shape{Fixed: 4, Code: 2, Length: 2, Unit: 1}
	// RA is RFC 4861, sections 4.2 and 4.6.
	RA = Shape{Fixed: 16, Code: 1, Length: 1, Unit: 8, Whole: true}
	// DNS is RFC 1035, section 4.1: sections without lengths of their own.
	DNS = Shape{Fixed: 12}
)

// Mutate gives a message that differs from a real one in one to four ways. It
// is never longer than MaxContent.
func (s Shape) Mutate(r *rand.Rand, real []byte) []byte {
	b := bytes.Clone(real)
	for range 1 + r.IntN(4) {
		ways := []func(*rand.Rand, []byte) []byte{flip, overwrite, cut, s.repeat, s.fixed}
		if s.Length > 0 {
			ways = append(ways, s.lie, s.lie, s.doubled, s.without, s.flood, s.shuffle)
		} else {
			ways = append(ways, point, point)
		}
		b = ways[r.IntN(len(ways))](r, b)
	}
	return b[:min(len(b), MaxContent)]
}

// extreme are the numbers at which arithmetic goes wrong.
var extreme = []byte{0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xfe, 0xff}

// flip flips up to 32 bits.
func flip(r *rand.Rand, b []byte) []byte {
	for range 1 + r.IntN(32) {
		if len(b) > 0 {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
	}
	return b
}

// overwrite puts extreme numbers in the place of some bytes.
func overwrite(r *rand.Rand, b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	for i, n := r.IntN(len(b)), 1+r.IntN(8); n > 0 && i < len(b); i, n = i+1, n-1 {
		b[i] = extreme[r.IntN(len(extreme))]
	}
	return b
}

// cut ends the message early.
func cut(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b)+1)] }

// repeat sends a piece of the message again and again.
func (s Shape) repeat(r *rand.Rand, b []byte) []byte {
	if len(b) <= s.Fixed {
		return b
	}
	from := s.Fixed + r.IntN(len(b)-s.Fixed)
	piece := bytes.Clone(b[from : from+1+r.IntN(len(b)-from)])
	for range 1 + r.IntN(64) {
		b = append(b, piece...)
	}
	return b
}

// fixed puts extreme numbers into the fixed part, in which counts, types,
// addresses and lifetimes are.
func (s Shape) fixed(r *rand.Rand, b []byte) []byte {
	n := min(len(b), s.Fixed)
	return append(overwrite(r, b[:n:n]), b[n:]...)
}

// point makes a name lead back into the message, or into itself (RFC 1035,
// section 4.1.4).
func point(r *rand.Rand, b []byte) []byte {
	if len(b) < 14 {
		return b
	}
	at := 12 + r.IntN(len(b)-13)
	to := []int{at, at + 2, r.IntN(len(b)), 0x3fff, 12}[r.IntN(5)]
	binary.BigEndian.PutUint16(b[at:], 0xc000|uint16(to&0x3fff))
	return b
}

// options are the positions at which an option begins, as far as the message
// is well-formed, and after the last where it ends.
func (s Shape) options(b []byte) []int {
	if len(b) <= s.Fixed {
		return nil
	}
	at := []int{s.Fixed}
	for i := s.Fixed; i < len(b); {
		next := i + s.Code
		if !slices.Contains(s.Single, number(b[i:min(next, len(b))])) {
			if next += s.Length; next > len(b) {
				break
			}
			n := int(number(b[next-s.Length:next])) * s.Unit
			if s.Whole {
				n -= s.Code + s.Length
			}
			next += n
		}
		if next <= i || next > len(b) {
			break
		}
		i = next
		at = append(at, i)
	}
	return at
}

func number(b []byte) (n uint) {
	for _, c := range b {
		n = n<<8 | uint(c)
	}
	return n
}

// one draws an option, and says where it ends.
func (s Shape) one(r *rand.Rand, b []byte) (from, to int, ok bool) {
	at := s.options(b)
	if len(at) < 2 {
		return 0, 0, false
	}
	i := r.IntN(len(at) - 1)
	return at[i], at[i+1], true
}

// lie gives an option another length than it has.
func (s Shape) lie(r *rand.Rand, b []byte) []byte {
	from, to, ok := s.one(r, b)
	if !ok || to-from < s.Code+s.Length {
		return b
	}
	length := b[from+s.Code : from+s.Code+s.Length]
	switch r.IntN(3) {
	case 0:
		length[len(length)-1]++
	case 1:
		length[len(length)-1]--
	default:
		for i := range length {
			length[i] = extreme[r.IntN(len(extreme))]
		}
	}
	return b
}

// doubled has an option up to 64 times more, at another place.
func (s Shape) doubled(r *rand.Rand, b []byte) []byte {
	from, to, ok := s.one(r, b)
	if !ok {
		return b
	}
	at := s.options(b)
	return slices.Insert(b, at[r.IntN(len(at))], bytes.Repeat(b[from:to], 1+r.IntN(64))...)
}

// without lacks an option.
func (s Shape) without(r *rand.Rand, b []byte) []byte {
	from, to, ok := s.one(r, b)
	if !ok {
		return b
	}
	return slices.Delete(b, from, to)
}

// flood has options of every kind before its own, until the message is full:
// each with the code of another, or of none, and with any content.
func (s Shape) flood(r *rand.Rand, b []byte) []byte {
	if len(b) < s.Fixed {
		return b
	}
	var more []byte
	for len(b)+len(more) < MaxContent-64 {
		option := make([]byte, s.Code+s.Length, 64)
		option[s.Code-1] = byte(r.Uint32())
		content := make([]byte, r.IntN(5)*s.Unit)
		for i := range content {
			content[i] = byte(r.Uint32())
		}
		n := len(content)
		if s.Whole {
			n += len(option)
		}
		option[len(option)-1] = byte(n / s.Unit)
		more = append(append(more, option...), content...)
		if s.Whole { // filled up to the unit
			more = append(more, make([]byte, -len(more)&(s.Unit-1))...)
		}
	}
	return slices.Insert(b, s.Fixed, more...)
}

// shuffle has two options in each other's place.
func (s Shape) shuffle(r *rand.Rand, b []byte) []byte {
	at := s.options(b)
	if len(at) < 3 {
		return b
	}
	i := r.IntN(len(at) - 2)
	j := i + 1 + r.IntN(len(at)-2-i)
	return slices.Concat(b[:at[i]], b[at[j]:at[j+1]], b[at[i+1]:at[j]], b[at[i]:at[i+1]], b[at[j+1]:])
}
