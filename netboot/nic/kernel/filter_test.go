package kernel

import (
	"encoding/binary"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// run runs a filter as the kernel does, and gives how many bytes of the packet
// it lets through.
func run(t *testing.T, filter []unix.SockFilter, packet []byte) int {
	t.Helper()
	var raw []bpf.RawInstruction
	for _, i := range filter {
		raw = append(raw, bpf.RawInstruction{Op: i.Code, Jt: i.Jt, Jf: i.Jf, K: i.K})
	}
	program, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("a filter with unknown instructions")
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(packet)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestUDPFilter(t *testing.T) {
	good := broadcast(dhcpv4.ServerPort, dhcpv4.ClientPort, []byte("hello"))
	with := func(change func(p []byte)) []byte { p := append([]byte(nil), good...); change(p); return p }
	options := append(append(with(func(p []byte) { p[0] = 4<<4 | 6; p[3] += 4 })[:ipHeader], 1, 1, 1, 1), good[ipHeader:]...)
	for _, tt := range []struct {
		name   string
		packet []byte
		want   bool
	}{
		{"to the port", good, true},
		{"behind options of IPv4", options, true},
		{"a first fragment", with(func(p []byte) { p[6] = 0x20 }), true},
		{"to another port", broadcast(dhcpv4.ClientPort, dhcpv4.ServerPort, []byte("hello")), false},
		{"TCP", with(func(p []byte) { p[9] = unix.IPPROTO_TCP }), false},
		{"a later fragment", with(func(p []byte) { p[7] = 1 }), false},
		{"half a header", good[:ipHeader], false},
		{"nothing", nil, false},
	} {
		if got := run(t, udpTo(dhcpv4.ClientPort), tt.packet) >= len(good); got != tt.want {
			t.Errorf("%s: let through %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestUdevFilter(t *testing.T) {
	msg := make([]byte, 100)
	binary.BigEndian.PutUint32(msg[24:], UdevNet)
	if run(t, ofNet(), msg) < len(msg) {
		t.Error("a message about a network link is not let through")
	}
	msg[24]++
	if run(t, ofNet(), msg) != 0 {
		t.Error("a message about another device is let through")
	}
}

// The filter's number is the hash of the name, as systemd computes it
// (MurmurHash2.c; here for the three bytes of "net").
func TestUdevNet(t *testing.T) {
	const m = 0x5bd1e995
	h := uint32(len("net")) ^ 't'<<16 ^ 'e'<<8 ^ 'n'
	h *= m
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	if h != UdevNet {
		t.Errorf("%#x, want %#x", uint32(UdevNet), h)
	}
}
