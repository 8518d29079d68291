package blkid

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// put writes texts at places of an otherwise empty device.
func put(size int, at map[int]string) []byte {
	b := make([]byte, size)
	for i, s := range at {
		copy(b[i:], s)
	}
	return b
}

// raw is a UUID's bytes.
func raw(uuid string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(uuid, "-", ""))
	if err != nil {
		panic(err)
	}
	return string(b)
}

const id = "01234567-89ab-4cde-8f01-23456789abcd"

func TestProbe(t *testing.T) {
	const size = 128 << 10
	for name, tt := range map[string]struct {
		device []byte
		want   Super
	}{
		"ext":      {put(size, map[int]string{1024 + 56: "\x53\xef", 1024 + 104: raw(id), 1024 + 120: "root"}), Super{"ext4", id, "root"}},
		"full":     {put(size, map[int]string{1024 + 56: "\x53\xef", 1024 + 104: raw(id), 1024 + 120: "sixteen-letters!x"}), Super{"ext4", id, "sixteen-letters!"}},
		"xfs":      {put(size, map[int]string{0: "XFSB", 32: raw(id), 108: "data"}), Super{"xfs", id, "data"}},
		"btrfs":    {put(size, map[int]string{btrfsAt + 64: "_BHRfS_M", btrfsAt + 32: raw(id), btrfsAt + 299: "butter"}), Super{"btrfs", id, "butter"}},
		"erofs":    {put(size, map[int]string{1024: "\xe2\xe1\xf5\xe0", 1024 + 48: raw(id), 1024 + 64: "ero"}), Super{"erofs", id, "ero"}},
		"squashfs": {put(4096, map[int]string{0: "hsqs"}), Super{"squashfs", "", ""}},
		"fat32":    {put(size, map[int]string{82: "FAT32   ", 67: "\x78\x56\x34\x12", 71: "EFI        ", 510: "\x55\xaa"}), Super{"vfat", "1234-5678", "EFI"}},
		"fat16":    {put(size, map[int]string{54: "FAT16   ", 39: "\xcd\xab\x00\x0f", 43: "NO NAME    ", 510: "\x55\xaa"}), Super{"vfat", "0F00-ABCD", ""}},
		"luks":     {put(size, map[int]string{0: "LUKS\xba\xbe\x00\x02", 168: id}), Super{LUKS, id, ""}},
		"lvm":      {put(size, map[int]string{512: "LABELONE", 512 + 24: "LVM2 001"}), Super{LVM, "", ""}},
		// What is left of an ext4 in a member of a RAID is not the root.
		"raid": {put(size, map[int]string{4096: "\xfc\x4e\x2b\xa9", 4096 + 16: raw(id), 4096 + 32: "host:0", 1024 + 56: "\x53\xef"}), Super{RAID, id, "host:0"}},
	} {
		got, err := Probe(bytes.NewReader(tt.device))
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, tt.want)
		}
	}
	for name, device := range map[string][]byte{
		"empty": nil, "short": make([]byte, 100), "zeros": make([]byte, size),
		"text with a boot sector's mark": put(size, map[int]string{82: "FAT", 510: "\x55\xaa"}),
		"FAT without its mark":           put(size, map[int]string{82: "FAT32"}),
	} {
		if got, err := Probe(bytes.NewReader(device)); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// gptDisk is a disk with two partitions, the second of them number 4.
func gptDisk(sector int) []byte {
	b := make([]byte, 64*sector)
	header := b[sector:]
	copy(header, "EFI PART")
	binary.LittleEndian.PutUint64(header[72:], 2)
	binary.LittleEndian.PutUint32(header[80:], 128)
	binary.LittleEndian.PutUint32(header[84:], 128)
	for i, name := range map[int]string{0: "EFI", 3: "the root"} {
		e := b[2*sector+128*i:]
		e[0] = 1 // a type
		copy(e[16:], raw("67452301-ab89-de4c-8f01-23456789abcd"))
		for j, c := range name {
			e[56+2*j] = byte(c)
		}
	}
	return b
}

func TestPartitions(t *testing.T) {
	mbr := put(512, map[int]string{440: "\xcd\xab\x34\x12", 446 + 4: "\x83", 446 + 32 + 4: "\x82", 510: "\x55\xaa"})
	for name, tt := range map[string]struct {
		device []byte
		sector int64
		want   []Partition
	}{
		"gpt":             {gptDisk(512), 512, []Partition{{1, id, "EFI"}, {4, id, "the root"}}},
		"gpt, 4k sectors": {gptDisk(4096), 4096, []Partition{{1, id, "EFI"}, {4, id, "the root"}}},
		"mbr":             {mbr, 512, []Partition{{1, "1234abcd-01", ""}, {3, "1234abcd-03", ""}}},
	} {
		got, err := Partitions(bytes.NewReader(tt.device), tt.sector)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	far := gptDisk(512)
	binary.LittleEndian.PutUint64(far[512+72:], 1<<60)
	small := gptDisk(512)
	binary.LittleEndian.PutUint32(small[512+84:], 8)
	for name, device := range map[string][]byte{"empty": nil, "zeros": make([]byte, 2048), "far entries": far, "small entries": small} {
		if got, err := Partitions(bytes.NewReader(device), 512); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := Partitions(bytes.NewReader(mbr), 0); !errors.Is(err, ErrUnknown) {
		t.Errorf("sectors of no size: %v", err)
	}
}

// FuzzProbe: no device makes it panic, and labels fit into what they are in.
func FuzzProbe(f *testing.F) {
	f.Add(gptDisk(512))
	f.Add(put(4096, map[int]string{0: "hsqs"}))
	f.Add(put(8192, map[int]string{1024 + 56: "\x53\xef", 1024 + 104: raw(id), 1024 + 120: "root"}))
	f.Add(put(512, map[int]string{440: "\xcd\xab\x34\x12", 446 + 4: "\x83", 510: "\x55\xaa"}))
	f.Fuzz(func(t *testing.T, device []byte) {
		s, err := Probe(bytes.NewReader(device))
		if (err == nil) == (s.Type == "") || len(s.Label) > 256 {
			t.Errorf("%+v, %v", s, err)
		}
		for _, sector := range []int64{512, 4096} {
			table, err := Partitions(bytes.NewReader(device), sector)
			if err != nil && table != nil || len(table) > maxPartitions {
				t.Errorf("%d partitions, %v", len(table), err)
			}
		}
	})
}
