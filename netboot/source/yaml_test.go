package source

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Metadata is YAML 1.1 as cloud-init reads it, but an identity stays as it is
// written.
func TestYAML(t *testing.T) {
	got, err := parseYAML("meta-data", []byte(`
instance-id: 1e3
local-hostname: 2026-01-02
dsmode: 'yes'
dhcp4: yes
launch: 010
mac: 52:54:00:12:34:56
none: ~
keys: &keys [a, b]
more: {keys: *keys}
`))
	keys := []any{"a", "b"}
	want := object{
		"instance-id": "1e3", "local-hostname": "2026-01-02", "dsmode": "yes", "dhcp4": true, "launch": int64(8),
		"mac": "52:54:00:12:34:56", "none": nil, "keys": keys, "more": map[string]any{"keys": keys},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for _, body := range []string{"a: [\n", "- a\n", "a: b\n---\nc: d\n", "a: \x00\n"} {
		if _, err := parseYAML("meta-data", []byte(body)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", body, err)
		}
	}
}
