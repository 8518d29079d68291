package digest

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"testing"
)

// compare holds all three against the standard library's.
func compare(t *testing.T, data []byte, cut int) {
	t.Helper()
	if got, want := MD5(data), md5.Sum(data); got != want {
		t.Fatalf("MD5 of %d bytes: %x, want %x", len(data), got, want)
	}
	if got, want := SHA256(data[:cut], data[cut:]), sha256.Sum256(data); got != want {
		t.Fatalf("SHA256 of %d+%d bytes: %x, want %x", cut, len(data)-cut, got, want)
	}
	if got, want := SHA512(data[:cut], nil, data[cut:]), sha512.Sum512(data); got != want {
		t.Fatalf("SHA512 of %d+%d bytes: %x, want %x", cut, len(data)-cut, got, want)
	}
}

// Every length around the ends of blocks, where padding goes wrong.
func TestAgainstTheStandardLibrary(t *testing.T) {
	data := make([]byte, 600)
	for i := range data {
		data[i] = byte(i * i)
	}
	before := bytes.Clone(data)
	for n := range len(data) + 1 {
		compare(t, data[:n:n], n/3)
		compare(t, data[:n], n) // with room behind that is not ours
	}
	if !bytes.Equal(data, before) {
		t.Error("the input was changed")
	}
}

func FuzzDigests(f *testing.F) {
	f.Add([]byte("abc"), uint(1))
	f.Fuzz(func(t *testing.T, data []byte, cut uint) { compare(t, data, int(cut%uint(len(data)+1))) })
}

func BenchmarkSHA512(b *testing.B) {
	data := make([]byte, 1<<10)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		SHA512(data)
	}
}
