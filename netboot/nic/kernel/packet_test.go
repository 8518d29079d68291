package kernel

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

func TestBroadcast(t *testing.T) {
	for _, content := range []string{"", "a", "hello", string(bytes.Repeat([]byte{0xff}, 1400))} {
		p := broadcast(dhcpv4.ClientPort, dhcpv4.ServerPort, []byte(content))
		if got, ok := udpContent(p); !ok || string(got) != content {
			t.Errorf("%q came back as %q, %v", content, got, ok)
		}
		if got, ok := udpContent(append(p, "padding"...)); !ok || string(got) != content {
			t.Errorf("%q with padding came back as %q, %v", content, got, ok)
		}
		// A sum that includes the right checksum is zero.
		if sum := checksum(p[:ipHeader], 0); sum != 0 {
			t.Errorf("%q: the header's checksum is off by %#x", content, sum)
		}
		pseudo := append([]byte{0, 0, 0, 0, 255, 255, 255, 255, 0, 17}, p[24:26]...)
		if sum := checksum(append(pseudo, p[ipHeader:]...), 0); sum != 0 {
			t.Errorf("%q: the checksum is off by %#x", content, sum)
		}
		if from, to := binary.BigEndian.Uint16(p[20:]), binary.BigEndian.Uint16(p[22:]); from != 68 || to != 67 {
			t.Errorf("from port %d to %d", from, to)
		}
	}
	if len(broadcast(1, 2, []byte("a"))) != 29 || checksum([]byte{0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7}, 0) != ^uint16(0xddf2) { // RFC 1071 §3
		t.Error("the checksum is not RFC 1071's")
	}
}

func TestUDPContent(t *testing.T) {
	good := broadcast(67, 68, []byte("hello"))
	with := func(change func(p []byte)) []byte { p := bytes.Clone(good); change(p); return p }
	for name, p := range map[string][]byte{
		"nothing":               nil,
		"half a header":         good[:10],
		"IPv6":                  with(func(p []byte) { p[0] = 6<<4 | 5 }),
		"a short header":        with(func(p []byte) { p[0] = 4<<4 | 4 }),
		"a long header":         with(func(p []byte) { p[0] = 4<<4 | 15 }),
		"cut off":               good[:len(good)-1],
		"too short for UDP":     with(func(p []byte) { binary.BigEndian.PutUint16(p[2:], ipHeader+udpHeader-1) }),
		"ends before it starts": with(func(p []byte) { binary.BigEndian.PutUint16(p[2:], 3) }),
	} {
		if got, ok := udpContent(p); ok {
			t.Errorf("%s: %q", name, got)
		}
	}
	options := append(append(with(func(p []byte) { p[0] = 4<<4 | 6; p[3] += 4 })[:ipHeader], 1, 1, 1, 1), good[ipHeader:]...)
	if got, ok := udpContent(options); !ok || string(got) != "hello" {
		t.Errorf("with options: %q, %v", got, ok)
	}
}

func FuzzUDPContent(f *testing.F) {
	f.Add(broadcast(67, 68, []byte("hello")))
	f.Fuzz(func(t *testing.T, packet []byte) {
		if got, ok := udpContent(packet); ok && len(got) > len(packet)-ipHeader-udpHeader {
			t.Errorf("%d bytes out of %d", len(got), len(packet))
		}
	})
}
