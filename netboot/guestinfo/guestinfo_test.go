package guestinfo

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// A hypervisor plays VMware's end of the port by the same rules, and refuses
// what breaks them.
type hypervisor struct {
	values map[string]string
	// disturb is asked before each exchange; its status is answered instead.
	disturb func(kind uint32) (status uint32, yes bool)

	open          bool
	left          int
	request, sent []byte
	calls         int
}

func (v *hypervisor) call(r *registers) {
	v.calls++
	if r.ax != magic || r.dx&0xffff != portNumber {
		r.ax = 0xffffffff
		return
	}
	if r.cx == commandVersion {
		r.ax, r.bx = 6, magic
		return
	}
	kind := r.cx >> 16
	if v.disturb != nil {
		if status, yes := v.disturb(kind); yes {
			r.cx = status << 16
			return
		}
	}
	if kind != typeOpen && (r.dx>>16 != 5 || r.si != 0xaaaa || r.di != 0xbbbb || !v.open) {
		r.cx = 0
		return
	}
	r.cx = statusSuccess << 16
	switch kind {
	case typeOpen:
		if r.bx != rpci|cookieFlag || v.open {
			r.cx = 0
			return
		}
		v.open, v.request = true, nil
		r.dx, r.si, r.di = 5<<16, 0xaaaa, 0xbbbb
	case typeSendSize:
		v.left = int(r.bx)
	case typeSend:
		word := binary.LittleEndian.AppendUint32(nil, r.bx)
		n := min(4, v.left)
		v.request, v.left = append(v.request, word[:n]...), v.left-n
		if v.left == 0 {
			v.sent = []byte(v.answer(string(v.request)))
		}
	case typeReceiveSize:
		r.cx, r.bx, r.dx = (statusSuccess|statusReceive)<<16, uint32(len(v.sent)), typeSendSize<<16
	case typeReceive:
		var word [4]byte
		v.sent = v.sent[copy(word[:], v.sent):]
		r.bx, r.dx = binary.LittleEndian.Uint32(word[:]), typeSend<<16
	case typeReceived:
		if len(v.sent) > 0 {
			r.cx = 0
		}
	case typeClose:
		v.open = false
	}
}

func (v *hypervisor) answer(request string) string {
	if name, ok := strings.CutPrefix(request, "info-get guestinfo."); ok {
		if value, ok := v.values[name]; ok {
			return "1 " + value
		}
		return "0 No value found"
	}
	if rest, ok := strings.CutPrefix(request, "info-set guestinfo."); ok {
		name, value, _ := strings.Cut(rest, " ")
		if name == "readonly" {
			return "0 Permission denied"
		}
		v.values[name] = value
		return "1 "
	}
	return "0 Unknown command"
}

func (v *hypervisor) host() *Host { return &Host{call: v.call, done: func() {}} }

func TestGetAndSet(t *testing.T) {
	long := strings.Repeat("0123456789", 10_001)
	v := &hypervisor{values: map[string]string{"metadata": "instance-id: x", "userdata": long, "empty": ""}}
	h := v.host()
	if !h.present() {
		t.Fatal("the hypervisor is not recognised")
	}
	for name, want := range v.values {
		got, err := h.Get(name)
		if want == "" {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
			continue
		}
		if err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if _, err := h.Get("absent"); !errors.Is(err, ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
	if err := h.Set("userdata", "---"); err != nil || v.values["userdata"] != "---" {
		t.Errorf("set: %v, %q", err, v.values["userdata"])
	}
	if err := h.Set("readonly", "x"); !errors.Is(err, ErrProtocol) {
		t.Errorf("readonly: %v", err)
	}
	if v.open {
		t.Error("a channel is left open")
	}
}

// TestDisturbed breaks off at each kind of exchange, once and for ever.
func TestDisturbed(t *testing.T) {
	for kind := uint32(typeOpen); kind <= typeReceived; kind++ {
		v := &hypervisor{values: map[string]string{"metadata": "abcdefgh"}}
		once := true
		v.disturb = func(k uint32) (uint32, bool) {
			if k == kind && k != typeOpen && once {
				once = false
				return statusCheckpoint, true
			}
			return 0, false
		}
		if got, err := v.host().Get("metadata"); err != nil || string(got) != "abcdefgh" {
			t.Errorf("moved once at %d: %q, %v", kind, got, err)
		}
		for _, status := range []uint32{statusCheckpoint, 0} {
			v.disturb = func(k uint32) (uint32, bool) { return status, k == kind }
			v.calls = 0
			if _, err := v.host().Get("metadata"); !errors.Is(err, ErrProtocol) {
				t.Errorf("status %d at %d for ever: %v", status, kind, err)
			}
			if v.calls > 200 {
				t.Errorf("status %d at %d for ever: %d calls", status, kind, v.calls)
			}
		}
	}
}

// TestTooLarge has a hypervisor that promises more than any value may have.
func TestTooLarge(t *testing.T) {
	v := &hypervisor{values: map[string]string{"metadata": "x"}}
	h := &Host{done: func() {}, call: func(r *registers) {
		kind := r.cx >> 16
		v.call(r)
		if kind == typeReceiveSize {
			r.bx = 0xfffffff0
		}
	}}
	if _, err := h.Get("metadata"); !errors.Is(err, ErrProtocol) {
		t.Error(err)
	}
}
