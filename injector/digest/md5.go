package digest

import (
	"encoding/binary"
	"math/bits"
)

// md5Rounds are RFC 1321's T: 2³² times the sines of 1 to 64 radians, signs
// left aside.
var md5Rounds = [64]uint32{
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
	0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
	0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
	0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
	0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
}

// md5Turns are how far each of four steps turns, for each of four rounds.
var md5Turns = [4][4]int{{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}}

// MD5 gives the MD5 digest (RFC 1321), which is good for names and for nothing
// that somebody may want to forge.
func MD5(data []byte) (sum [16]byte) {
	h := [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}
	blocks(64, binary.LittleEndian, [][]byte{data}, func(b []byte) { md5Block(&h, b) })
	for i, v := range h {
		binary.LittleEndian.PutUint32(sum[4*i:], v)
	}
	return sum
}

// md5Block is RFC 1321 §3.4.
func md5Block(sum *[4]uint32, block []byte) {
	a, b, c, d := sum[0], sum[1], sum[2], sum[3]
	for i, t := range md5Rounds {
		var mixed uint32
		word := i
		switch round := i / 16; round {
		case 0:
			mixed = b&c | ^b&d
		case 1:
			mixed, word = b&d|c&^d, 5*i+1
		case 2:
			mixed, word = b^c^d, 3*i+5
		default:
			mixed, word = c^(b|^d), 7*i
		}
		x := binary.LittleEndian.Uint32(block[4*(word%16):])
		a, b, c, d = d, b+bits.RotateLeft32(a+mixed+t+x, md5Turns[i/16][i%4]), b, c
	}
	for i, v := range [4]uint32{a, b, c, d} {
		sum[i] += v
	}
}
