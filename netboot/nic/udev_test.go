package nic

import "testing"

func TestProcessedLink(t *testing.T) {
	for _, tt := range []struct {
		properties string
		index      int
		ok         bool
	}{
		{"ACTION=add\x00SUBSYSTEM=net\x00INTERFACE=eth0\x00IFINDEX=7\x00", 7, true},
		{"ACTION=move\x00SUBSYSTEM=net\x00IFINDEX=2\x00", 2, true},
		{"ACTION=remove\x00SUBSYSTEM=net\x00IFINDEX=2\x00", 0, false},
		{"ACTION=add\x00SUBSYSTEM=block\x00IFINDEX=2\x00", 2, false},
		{"ACTION=add\x00SUBSYSTEM=net\x00", 0, false},
	} {
		index, ok := processedLink(udevMessage(tt.properties))
		if index != tt.index || ok != tt.ok {
			t.Errorf("%q: %d, %v; want %d, %v", tt.properties, index, ok, tt.index, tt.ok)
		}
	}
}

func FuzzProcessedLink(f *testing.F) {
	f.Add(udevMessage("ACTION=add\x00SUBSYSTEM=net\x00IFINDEX=7\x00"))
	f.Add([]byte("add@/devices/x\x00ACTION=add\x00SUBSYSTEM=net\x00IFINDEX=7\x00"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if index, ok := processedLink(msg); ok && index <= 0 {
			t.Errorf("index %d", index)
		}
	})
}
