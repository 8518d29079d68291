//go:build net

package guestinfo

import (
	"errors"
	"testing"
)

// TestOpen touches the real port of this machine, which root may: it must come
// back with an answer, whoever the hypervisor is.
func TestOpen(t *testing.T) {
	h, err := Open()
	if errors.Is(err, ErrAbsent) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if _, err := h.Get("boothook.absent"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}
