package agent

import (
	"encoding/base64"
	"errors"
	"testing"

	"boothook/netboot/platform"
)

// A network that has said no, before the block devices were there, does not
// keep what they and the firmware hold from counting.
func TestTakeAfterNo(t *testing.T) {
	no := errors.New("the service says no")
	for _, tt := range []struct {
		name string
		oem  []string
		want error
	}{
		{"a local source", []string{"boothook.meta-data=" + base64.StdEncoding.EncodeToString([]byte("instance-id: iid-1\n"))}, nil},
		{"none", nil, no},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &boot{env: Env{Sysfs: t.TempDir()}, evidence: platform.Evidence{OEM: tt.oem}}
			s := &search{got: make(chan obtained, 1), sought: true, budget: t.Context()}
			s.got <- obtained{err: no}
			a := b.take(t.TempDir(), s)
			if !errors.Is(a.err, tt.want) || (a.err == nil) != (a.prepared != nil) {
				t.Errorf("got %+v", a)
			}
		})
	}
}
