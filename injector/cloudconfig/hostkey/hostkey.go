// Package hostkey makes SSH host keys and writes them as OpenSSH's ssh-keygen
// does: the private key as "OPENSSH PRIVATE KEY" without a passphrase, the
// public key as one line. Randomness comes from the kernel, which is waited
// for until it is seeded; that is the only thing the package does besides
// computing.
package hostkey

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// rsaBits is ssh-keygen's own default.
const rsaBits = 3072

// maxPrivate bounds a private key's text in bytes.
const maxPrivate = 64 << 10

// magic begins the binary form of a private key (OpenSSH's PROTOCOL.key).
const magic = "openssh-key-v1\x00"

const (
	beginLine = "-----BEGIN OPENSSH PRIVATE KEY-----"
	endLine   = "-----END OPENSSH PRIVATE KEY-----"
)

// Generate makes a key of the kind "rsa", "ecdsa" (P-256) or "ed25519" and
// returns the content of its two files. The comment ends the public line and
// is kept in the private key; it must be one line.
func Generate(kind, comment string) (private, public []byte, err error) {
	name, pub, secret, err := generate(kind)
	if err != nil {
		return nil, nil, fmt.Errorf("make %s host key: %w", kind, err)
	}
	var check [4]byte
	rand.Read(check[:])
	inner := append(check[:], check[:]...)
	inner = appendString(inner, name)
	inner = append(inner, secret...)
	inner = appendString(inner, comment)
	for i := byte(1); len(inner)%8 != 0; i++ {
		inner = append(inner, i)
	}
	out := appendString([]byte(magic), "none")
	out = appendString(out, "none")
	out = appendString(out, "")
	out = binary.BigEndian.AppendUint32(out, 1)
	out = appendString(out, string(pub))
	out = appendString(out, string(inner))
	return armour(out), publicLine(name, pub, comment), nil
}

// generate returns OpenSSH's name of the kind, the public key's blob, and the
// fields that follow the name in the private key.
func generate(kind string) (name string, pub, secret []byte, err error) {
	switch kind {
	case "ed25519":
		name = "ssh-ed25519"
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			return "", nil, nil, err
		}
		pub = appendString(appendString(nil, name), string(public))
		secret = appendString(appendString(nil, string(public)), string(private))
	case "ecdsa":
		name = "ecdsa-sha2-nistp256"
		key, err := ecdh.P256().GenerateKey(rand.Reader)
		if err != nil {
			return "", nil, nil, err
		}
		point := appendString(appendString(nil, "nistp256"), string(key.PublicKey().Bytes()))
		pub = append(appendString(nil, name), point...)
		secret = appendInt(point, key.Bytes())
	case "rsa":
		name = "ssh-rsa"
		key, err := rsa.GenerateKey(rand.Reader, rsaBits)
		if err != nil {
			return "", nil, nil, err
		}
		n, e := key.N.Bytes(), big.NewInt(int64(key.E)).Bytes()
		pub = appendInt(appendInt(appendString(nil, name), e), n)
		for _, b := range [][]byte{n, e, key.D.Bytes(), key.Precomputed.Qinv.Bytes(), key.Primes[0].Bytes(), key.Primes[1].Bytes()} {
			secret = appendInt(secret, b)
		}
	default:
		return "", nil, nil, errors.New("no such kind; there are rsa, ecdsa and ed25519")
	}
	return name, pub, secret, nil
}

// errNotOpenSSH says that a private key is in a form that Public cannot read.
var errNotOpenSSH = errors.New("not an OpenSSH private key")

// Public returns the public line of a private key in OpenSSH's own form,
// whose public half is readable even when the key has a passphrase.
func Public(private []byte, comment string) ([]byte, error) {
	if len(private) > maxPrivate {
		return nil, errNotOpenSSH
	}
	_, rest, found := strings.Cut(string(private), beginLine)
	body, _, ended := strings.Cut(rest, endLine)
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(body), ""))
	if !found || !ended || err != nil || !strings.HasPrefix(string(data), magic) {
		return nil, errNotOpenSSH
	}
	data = data[len(magic):]
	for range 3 { // cipher, kdf, kdf options
		if _, data, err = cutString(data); err != nil {
			return nil, err
		}
	}
	if len(data) < 4 || binary.BigEndian.Uint32(data) != 1 {
		return nil, errNotOpenSSH
	}
	pub, _, err := cutString(data[4:])
	if err != nil {
		return nil, err
	}
	name, _, err := cutString(pub)
	if err != nil {
		return nil, err
	}
	return publicLine(string(name), pub, comment), nil
}

func publicLine(name string, pub []byte, comment string) []byte {
	line := name + " " + base64.StdEncoding.EncodeToString(pub)
	if comment != "" {
		line += " " + comment
	}
	return []byte(line + "\n")
}

// armour writes base64 in lines of 70, as ssh-keygen does.
func armour(data []byte) []byte {
	const width = 70
	text := base64.StdEncoding.EncodeToString(data)
	var out strings.Builder
	out.WriteString(beginLine + "\n")
	for len(text) > width {
		out.WriteString(text[:width] + "\n")
		text = text[width:]
	}
	out.WriteString(text + "\n" + endLine + "\n")
	return []byte(out.String())
}

// appendString appends an SSH string (RFC 4251, section 5).
func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// appendInt appends a positive number as an SSH mpint.
func appendInt(b, n []byte) []byte {
	for len(n) > 0 && n[0] == 0 {
		n = n[1:]
	}
	if len(n) > 0 && n[0]&0x80 != 0 {
		n = append([]byte{0}, n...)
	}
	return appendString(b, string(n))
}

func cutString(b []byte) (s, rest []byte, err error) {
	if len(b) < 4 || uint64(binary.BigEndian.Uint32(b)) > uint64(len(b)-4) {
		return nil, nil, errNotOpenSSH
	}
	n := binary.BigEndian.Uint32(b)
	return b[4 : 4+n], b[4+n:], nil
}
