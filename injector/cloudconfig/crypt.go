package cloudconfig

import (
	"io"
	"slices"
	"strings"

	"boothook/injector/digest"
)

// cryptAlphabet is crypt(5)'s order of letters.
const cryptAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// maxPassword is the longest password, in bytes: libxcrypt's
// CRYPT_MAX_PASSPHRASE_SIZE without the final zero. What is longer is not
// taken at login either, and hashing it costs its length squared.
const maxPassword = 511

// saltLetters is the length of a salt; crypt(5) reads at most 16.
const saltLetters = 16

// crypt hashes a plain password for the shadow file; "" after a failure, and
// then the account stays without a password.
func (b *builder) crypt(at *Value, password string) string {
	if len(password) > maxPassword || strings.Contains(password, "\x00") {
		b.fail(at, "no password is set: it has %d bytes, and at most %d, none of them zero, are taken at login", len(password), maxPassword)
		return ""
	}
	salt := make([]byte, saltLetters)
	if b.Rand == nil {
		b.fail(at, "no password is set: there is no source of randomness")
		return ""
	}
	if _, err := io.ReadFull(b.Rand, salt); err != nil {
		b.fail(at, "no password is set: no salt: %v", err)
		return ""
	}
	for i := range salt {
		salt[i] = cryptAlphabet[salt[i]%64]
	}
	return sha512Crypt([]byte(password), salt)
}

// sha512Crypt is crypt(5)'s method "$6$" with its 5000 rounds, after the
// public specification "Unix crypt using SHA-256 and SHA-512" (U. Drepper).
func sha512Crypt(password, salt []byte) string {
	const rounds, size = 5000, 64
	sum := func(parts ...[]byte) []byte {
		d := digest.SHA512(parts...)
		return d[:]
	}
	stretch := func(block []byte, n int) []byte {
		return slices.Repeat(block, n/size+1)[:n]
	}
	alternate := sum(password, salt, password)
	first := slices.Concat(password, salt, stretch(alternate, len(password)))
	for n := len(password); n > 0; n >>= 1 {
		if n&1 != 0 {
			first = append(first, alternate...)
		} else {
			first = append(first, password...)
		}
	}
	last := sum(first)
	p := stretch(sum(slices.Repeat(password, len(password))), len(password))
	s := stretch(sum(slices.Repeat(salt, 16+int(last[0]))), len(salt))
	for i := range rounds {
		var in []byte
		if i%2 != 0 {
			in = append(in, p...)
		} else {
			in = append(in, last...)
		}
		if i%3 != 0 {
			in = append(in, s...)
		}
		if i%7 != 0 {
			in = append(in, p...)
		}
		if i%2 != 0 {
			in = append(in, last...)
		} else {
			in = append(in, p...)
		}
		last = sum(in)
	}
	return "$6$" + string(salt) + "$" + cryptEncode(last)
}

// cryptEncode writes the digest's bytes in crypt's own order, three at a
// time as four letters, least significant first.
func cryptEncode(d []byte) string {
	out := make([]byte, 0, 86)
	put := func(v uint32, letters int) {
		for range letters {
			out = append(out, cryptAlphabet[v&63])
			v >>= 6
		}
	}
	a, b, c := 0, 21, 42
	for range 21 {
		put(uint32(d[a])<<16|uint32(d[b])<<8|uint32(d[c]), 4)
		a, b, c = b+1, c+1, a+1
	}
	put(uint32(d[63]), 2)
	return string(out)
}
