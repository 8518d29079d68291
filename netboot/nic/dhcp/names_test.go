package dhcp

import (
	"slices"
	"testing"

	"github.com/insomniacslk/dhcp/rfc1035label"
)

func TestNames(t *testing.T) {
	for given, want := range map[string][]string{
		"":                            nil,
		"\x03six\x07example\x00":      {"six.example"},
		"\x01a\x00\x01b\x00":          {"a", "b"},
		"\x01a\x01b":                  {"a.b"},
		"\x01b\x00\x01a\xc0\x00":      {"b", "a.b"},
		"\x01b\x00\x01a\xc0\x00\x01c": {"b", "a.b", "c"},
	} {
		if got, err := Names([]byte(given)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", given, got, err, want)
		}
	}
	for _, bad := range []string{"\x06split", "\xc0", "\xc0\x00", "\x01a\xc0\x00", "\xc0\x02\xc0\x00"} {
		if got, err := Names([]byte(bad)); err == nil {
			t.Errorf("%q is read as %q", bad, got)
		}
	}
}

// FuzzNames compares with the library, which reads the same, and refuses the same.
func FuzzNames(f *testing.F) {
	f.Add([]byte("\x03six\x07example\x00\x01a\xc0\x04\x01b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > MaxMessage {
			return
		}
		got, err := Names(data)
		theirs, theirErr := rfc1035label.FromBytes(data)
		if (err == nil) != (theirErr == nil) {
			t.Fatalf("%q, %v; the library: %v, %v", got, err, theirs, theirErr)
		}
		if err == nil && !slices.Equal(got, theirs.Labels) {
			t.Errorf("%q, the library reads %q", got, theirs.Labels)
		}
	})
}
