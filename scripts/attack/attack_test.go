package attack

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
)

// frames are real ones, as they came out of dnsmasq.
var frames = map[Kind]string{
	KindDHCPv4: "8637edc4307a7ee8bc42ab61080045c00148f2df0000401171970a0900010a09005c004300440134a36f020106004b759b9100000000000000000a09005c0a090001000000008637edc4307a" + strings.Repeat("00", 202) + "6382536335010236040a090001330400000e103a04000007083b0400000c4e0104ffffff001c040a0900ff03040a09000106040a090001ff0000000000000000",
	KindDHCPv6: "a2ffc29364be462213d5ed9c86dd6c0e3dbc007e1140fe80000000000000442213fffed5ed9cfe80000000000000a0ffc2fffe9364be02230222007e934207663a120001000a00030001a2ffc29364be0002000a00030001462213d5ed9c000e000000030028c29364be0000070800000c4e00050018fd00000900000000000000000000014a00000e1000000e10000d000900007375636365737300070001ff00170010fd000009000000000000000000000001",
	KindRA:     "333300000001ce0433bba1d286dd6c09db3b00583afffe80000000000000cc0433fffebba1d2ff0200000000000000000000000000018600c80340c0000c0000000000000000030440c000000e1000000e1000000000fd00000900000000000000000000000005010000000005dc0101ce0433bba1d21903000000000e10fe80000000000000cc0433fffebba1d2",
	KindDNS:    "1e1dceca7a8da648534dc1aa86dd60031b5700421140fe80000000000000a44853fffe4dc1aafe800000000000001c1dcefffeca7a8d003595a000429b5d0769858000010001000000000473656564076578616d706c6500001c0001c00c001c0001000000000010fd000009000000000000000000000001",
}

// TestFrameKeepsWhole: the headers around the frame's own message come out as
// they were, checksums included.
func TestFrameKeepsWhole(t *testing.T) {
	for kind, text := range frames {
		frame, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(kind, err)
		}
		f, ok := ParseFrame(frame)
		if !ok || f.Kind != kind {
			t.Fatalf("%s: parsed as %q, %v", kind, f.Kind, ok)
		}
		if got := f.with(frame[f.content:]); !bytes.Equal(got, frame) {
			t.Errorf("%s:\n got %x\nwant %x", kind, got, frame)
		}
	}
}

// TestParseFrameRefuses: what is no server's message is left alone.
func TestParseFrameRefuses(t *testing.T) {
	offer, err := hex.DecodeString(frames[KindDHCPv4])
	if err != nil {
		t.Fatal(err)
	}
	arp := bytes.Clone(offer)
	arp[13] = 6
	client := bytes.Clone(offer)
	client[35] = 68
	for what, frame := range map[string][]byte{"nothing": nil, "an ARP": arp, "a client's": client, "a piece": offer[:30]} {
		if f, ok := ParseFrame(frame); ok {
			t.Errorf("%s is taken for %s", what, f.Kind)
		}
	}
}

// TestMutate: the same seed gives the same messages, each is another than the
// real one with few exceptions, none is too long, and among them are ones with
// more, fewer and wrong options.
func TestMutate(t *testing.T) {
	option := func(b ...byte) []byte { return b }
	for name, c := range map[string]struct {
		shape   Shape
		options [][]byte
	}{
		"DHCPv4": {DHCPv4, [][]byte{option(53, 1, 2), option(0), option(54, 4, 10, 0, 0, 1), option(255)}},
		"DHCPv6": {DHCPv6, [][]byte{option(0, 1, 0, 2, 1, 2), option(0, 2, 0, 0)}},
		"RA":     {RA, [][]byte{option(1, 1, 0, 0, 0, 0, 0, 0), option(5, 1, 0, 0, 0, 0, 5, 220)}},
		"DNS":    {DNS, [][]byte{option(4, 's', 'e', 'e', 'd', 0, 0, 1, 0, 1)}},
	} {
		real := bytes.Join(append([][]byte{make([]byte, c.shape.Fixed)}, c.options...), nil)
		if at := c.shape.options(real); c.shape.Length > 0 && len(at) != len(c.options)+1 {
			t.Errorf("%s: options at %v", name, at)
		}
		one, two := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(1, 2))
		same, longer, shorter := 0, 0, 0
		for range 2000 {
			b := c.shape.Mutate(one, real)
			if !bytes.Equal(b, c.shape.Mutate(two, real)) {
				t.Fatalf("%s: the seed gives another message", name)
			}
			switch {
			case len(b) > MaxContent:
				t.Fatalf("%s: %d bytes", name, len(b))
			case bytes.Equal(b, real):
				same++
			case len(b) > len(real):
				longer++
			case len(b) < len(real):
				shorter++
			}
		}
		if same > 200 || longer < 200 || shorter < 200 {
			t.Errorf("%s: of 2000, %d are the real one, %d longer, %d shorter", name, same, longer, shorter)
		}
	}
}

// TestRandFollowsSeed: the seed decides what a test draws.
func TestRandFollowsSeed(t *testing.T) {
	draw := func(seed string) uint64 {
		t.Setenv(seedWord, seed)
		return Rand(t).Uint64()
	}
	if a, b, c := draw("7"), draw("7"), draw("8"); a != b || a == c {
		t.Errorf("drawn: %d, %d, %d", a, b, c)
	}
}
