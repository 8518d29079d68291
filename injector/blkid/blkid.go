// Package blkid tells what is on a block device: which file system, or which
// part of something larger, with its UUID and label, and which partitions.
//
// In go anything that can be read at an offset. Out come the names by which
// root= and fstab(5) know a device, written as blkid(8) and the kernel write
// them. It only reads, at a few fixed places, follows nothing on the device
// further than a partition table, and checks every number against a bound.
package blkid

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The types that are no file systems, but parts of something that has to be
// assembled first.
const (
	LUKS = "crypto_LUKS"
	LVM  = "LVM2_member"
	RAID = "linux_raid_member"
)

// ErrUnknown marks a device on which no known superblock or partition table
// was found.
var ErrUnknown = errors.New("unknown content")

// A Super is what a superblock says of itself.
type Super struct {
	// Type is the name that mount(2) takes, or one of the constants above.
	Type string
	// UUID is in lower case with hyphens; a FAT's has two groups of four
	// digits, in upper case.
	UUID, Label string
}

// Part says that it is no file system, but a part of what something larger is
// assembled of.
func (s Super) Part() bool { return s.Type == LUKS || s.Type == LVM || s.Type == RAID }

// headSize is as far as the first superblocks reach: RAID 1.2's, at 4096.
const headSize = 4096 + 512

// btrfsAt is where btrfs begins, behind all others.
const btrfsAt = 64 << 10

// Probe reads the superblock of a device. A device that is shorter than a
// superblock's place has none there. Errors: ErrUnknown, and those of reading.
func Probe(r io.ReaderAt) (Super, error) {
	head := make([]byte, headSize)
	if err := readSome(r, head, 0); err != nil {
		return Super{}, err
	}
	if s := identify(head); s.Type != "" {
		return s, nil
	}
	late := head[:btrfsSize]
	if err := readSome(r, late, btrfsAt); err != nil {
		return Super{}, err
	}
	if string(late[64:72]) == "_BHRfS_M" {
		return Super{"btrfs", dashed(late[32:48]), text(late[299:555])}, nil
	}
	return Super{}, ErrUnknown
}

// btrfsSize is what is looked at of btrfs' superblock.
const btrfsSize = 555

// readSome fills b from r; what is behind the end reads as zeros.
func readSome(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	clear(b[n:])
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}

// identify knows superblocks by the kernel's fs/ext4/ext4.h,
// fs/xfs/libxfs/xfs_format.h, fs/squashfs/squashfs_fs.h, fs/erofs/erofs_fs.h,
// include/uapi/linux/msdos_fs.h and include/uapi/linux/raid/md_p.h; LUKS by
// its on-disk format, and LVM by lib/format_text/layout.h of LVM2. What is a
// part of something comes first: it may hold remains of a file system.
func identify(b []byte) Super {
	is := func(at int, magic string) bool { return string(b[at:at+len(magic)]) == magic }
	switch {
	case is(0, "LUKS\xba\xbe"):
		return Super{LUKS, text(b[168:208]), ""}
	case is(4096, "\xfc\x4e\x2b\xa9"):
		return Super{RAID, dashed(b[4096+16:]), text(b[4096+32 : 4096+64])}
	case is(0, "\xfc\x4e\x2b\xa9"):
		return Super{RAID, dashed(b[16:]), text(b[32:64])}
	case is(512, "LABELONE") && is(512+24, "LVM2 001"):
		return Super{LVM, "", ""}
	case is(1024+56, "\x53\xef"):
		return Super{"ext4", dashed(b[1024+104:]), text(b[1024+120 : 1024+136])}
	case is(0, "XFSB"):
		return Super{"xfs", dashed(b[32:]), text(b[108:120])}
	case is(1024, "\xe2\xe1\xf5\xe0"):
		return Super{"erofs", dashed(b[1024+48:]), text(b[1024+64 : 1024+80])}
	case is(0, "hsqs"):
		return Super{Type: "squashfs"}
	}
	return identifyFAT(b)
}

// identifyFAT wants all that FAT's boot sectors have in common, because their
// magic is nothing but text.
func identifyFAT(b []byte) Super {
	at := 0
	switch {
	case b[510] != 0x55 || b[511] != 0xaa:
	case string(b[82:87]) == "FAT32":
		at = 67
	case string(b[54:58]) == "FAT1":
		at = 39
	}
	if at == 0 {
		return Super{}
	}
	label := strings.TrimRight(string(b[at+4:at+15]), " \x00")
	if label == "NO NAME" {
		label = ""
	}
	return Super{"vfat", fmt.Sprintf("%02X%02X-%02X%02X", b[at+3], b[at+2], b[at+1], b[at]), label}
}

// A Partition is what a table says of one.
type Partition struct {
	// Number counts from 1, as in vda1. Logical partitions of an MBR, 5 and
	// above, are not read.
	Number int
	// UUID is the kernel's PARTUUID: of a GPT in lower case with hyphens, of
	// an MBR the disk's signature and the number, as 12ab34cd-01.
	UUID string
	// Label is the name in a GPT.
	Label string
}

// maxPartitions bounds the entries of a GPT; Linux knows 256 at most.
const maxPartitions = 256

// Partitions reads a disk's table, GPT or else MBR. sector is the size of its
// logical blocks in bytes. The backup GPT at a disk's end is not looked for.
// Errors: ErrUnknown, and those of reading.
func Partitions(r io.ReaderAt, sector int64) ([]Partition, error) {
	if sector < 512 || sector > 4096 {
		return nil, ErrUnknown
	}
	b := make([]byte, 512)
	if err := readSome(r, b, sector); err != nil {
		return nil, err
	}
	if string(b[:8]) == "EFI PART" {
		return gpt(r, sector, b)
	}
	if err := readSome(r, b, 0); err != nil {
		return nil, err
	}
	return mbr(b)
}

// gpt reads the entries that a header (UEFI specification, 5.3) describes.
func gpt(r io.ReaderAt, sector int64, header []byte) ([]Partition, error) {
	at := int64(binary.LittleEndian.Uint64(header[72:]))
	count := binary.LittleEndian.Uint32(header[80:])
	size := binary.LittleEndian.Uint32(header[84:])
	if size < 128 || size > 4096 || at < 2 || at > 1<<40 {
		return nil, ErrUnknown
	}
	var found []Partition
	entry := make([]byte, 128)
	for i := range min(int(count), maxPartitions) {
		if err := readSome(r, entry, at*sector+int64(i)*int64(size)); err != nil {
			return nil, err
		}
		if bytes.Equal(entry[:16], make([]byte, 16)) {
			continue
		}
		found = append(found, Partition{i + 1, guid(entry[16:32]), utf16(entry[56:128])})
	}
	return found, nil
}

// mbr reads the four entries of a master boot record.
func mbr(b []byte) ([]Partition, error) {
	signature := binary.LittleEndian.Uint32(b[440:])
	if b[510] != 0x55 || b[511] != 0xaa || signature == 0 {
		return nil, ErrUnknown
	}
	var found []Partition
	for i := range 4 {
		if b[446+16*i+4] != 0 {
			found = append(found, Partition{Number: i + 1, UUID: fmt.Sprintf("%08x-%02x", signature, i+1)})
		}
	}
	return found, nil
}

// dashed writes the first 16 bytes of b as a UUID.
func dashed(b []byte) string {
	h := hex.EncodeToString(b[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// guid writes 16 bytes whose first three numbers are little-endian.
func guid(b []byte) string {
	return dashed([]byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]})
}

// utf16 decodes a name up to its first NUL. Surrogates, which nobody types
// into root=, come out as U+FFFD.
func utf16(b []byte) string {
	var name []rune
	for ; len(b) >= 2; b = b[2:] {
		c := rune(binary.LittleEndian.Uint16(b))
		if c == 0 {
			break
		}
		name = append(name, c)
	}
	return string(name)
}

func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}
