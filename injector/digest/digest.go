// Package digest computes the three digests that a root's files need: MD5 and
// SHA-256 for names and fingerprints, SHA-512 for crypt(5)'s method 6.
//
// In go bytes, out comes their digest. It is here because the standard
// library's, a validated cryptographic module, brings AES, HMAC and a random
// number generator along: 160 KB of the agent. The tests hold it against those.
// Nothing here keeps a secret, signs or verifies.
package digest

import "encoding/binary"

// blocks gives the parts, joined and padded, to each in blocks of size bytes:
// a one bit, zeros, and the length in bits in the last eighth of a block (RFC
// 1321 §3.1, RFC 6234 §4).
func blocks(size int, order binary.ByteOrder, parts [][]byte, each func(block []byte)) {
	var rest []byte
	total := 0
	for _, p := range parts {
		total += len(p)
		rest = append(rest, p...)
		for ; len(rest) >= size; rest = rest[size:] {
			each(rest[:size])
		}
	}
	rest = append(rest, 0x80)
	for len(rest)%size != size-size/8 {
		rest = append(rest, 0)
	}
	rest = append(rest, make([]byte, size/8)...)
	order.PutUint64(rest[len(rest)-8:], uint64(total)*8)
	for ; len(rest) > 0; rest = rest[size:] {
		each(rest[:size])
	}
}
