package modules

import (
	"context"
	"testing"
	"time"
)

// TestWatchLooksWithoutColdplug: what no coldplug announces is looked at when
// the time for that is over.
func TestWatchLooksWithoutColdplug(t *testing.T) {
	l, k := newLoader(t, Policy{})
	k.device("virtio", "virtio0", "virtio:d00000001v00001AF4")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	insert := l.insert
	l.insert = func(file, params string) error {
		if Name(file) == "virtio_net" {
			cancel()
		}
		return insert(file, params)
	}
	_ = l.Watch(ctx, Network, 50*time.Millisecond) // ctx's end
	if !l.tried("virtio_net") {
		t.Error("virtio_net was not loaded within a minute")
	}
}
