package volume

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// The numbers of Microsoft's "FAT File System Specification".
const (
	fatEntrySize = 32
	fatAttr      = 11 // where a directory entry keeps its attributes
	fatCase      = 12
	fatHigh      = 20
	fatLow       = 26
	fatSize      = 28
	attrVolume   = 0x08
	attrDir      = 0x10
	attrLong     = 0x0F
	fatDeleted   = 0xE5
	longLast     = 0x40 // marks the last part of a long name, which comes first
	maxLongParts = 20
	// maxChain bounds the clusters of one file: enough for maxFile in the
	// smallest clusters.
	maxChain = maxFile / 512
)

// A fat is a FAT12, FAT16 or FAT32 file system.
type fat struct {
	r       io.ReaderAt
	bits    int
	cluster int64 // bytes in a cluster
	tableAt int64 // the first FAT
	dataAt  int64 // cluster 2
	count   uint32
	// Before FAT32 the root directory has a place of its own.
	rootAt, rootSize int64
	top              entry
}

// openFAT reads the boot sector. What is not plausible as one is ErrUnknown:
// nothing else marks a FAT for certain.
func openFAT(r io.ReaderAt) (*Volume, error) {
	b := make([]byte, 512)
	if n, err := r.ReadAt(b, 0); n < len(b) {
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, ErrUnknown
	}
	f, ok := parseBPB(b)
	if !ok {
		return nil, ErrUnknown
	}
	f.r = r
	label, err := f.label()
	if err != nil {
		return nil, err
	}
	if label == "" {
		at := 43
		if f.bits == 32 {
			at = 71
		}
		label = strings.TrimRight(string(b[at:at+11]), " \x00")
	}
	if label == "NO NAME" {
		label = ""
	}
	return &Volume{Type: "vfat", Label: label, FS: tree{f}}, nil
}

// parseBPB understands the parameter block of a boot sector.
func parseBPB(b []byte) (*fat, bool) {
	u16 := func(at int) int64 { return int64(binary.LittleEndian.Uint16(b[at:])) }
	u32 := func(at int) int64 { return int64(binary.LittleEndian.Uint32(b[at:])) }
	sector, perCluster, reserved, fats := u16(11), int64(b[13]), u16(14), int64(b[16])
	total, tableSize, rootEntries := u16(19), u16(22), u16(17)
	if total == 0 {
		total = u32(32)
	}
	if tableSize == 0 {
		tableSize = u32(36)
	}
	jump := b[0] == 0xEB && b[2] == 0x90 || b[0] == 0xE9
	if !jump || b[510] != 0x55 || b[511] != 0xAA || sector < 512 || sector > 4096 || sector&(sector-1) != 0 ||
		perCluster == 0 || perCluster&(perCluster-1) != 0 || reserved == 0 || fats == 0 || tableSize == 0 {
		return nil, false
	}
	rootSize := (rootEntries*fatEntrySize + sector - 1) / sector * sector
	rootAt := (reserved + fats*tableSize) * sector
	clusters := (total*sector - rootAt - rootSize) / (sector * perCluster)
	if clusters < 1 || clusters > 0x0FFFFFF5 {
		return nil, false
	}
	f := &fat{bits: 16, cluster: sector * perCluster, tableAt: reserved * sector, dataAt: rootAt + rootSize,
		count: uint32(clusters), rootAt: rootAt, rootSize: rootSize, top: entry{dir: true}}
	switch { // the specification knows no other way to tell
	case clusters < 4085:
		f.bits = 12
	case clusters >= 65525:
		f.bits = 32
		f.top.at = uint32(u32(44))
	}
	if f.bits != 32 && rootEntries == 0 {
		return nil, false
	}
	return f, true
}

func (f *fat) root() entry           { return f.top }
func (f *fat) same(a, b string) bool { return strings.EqualFold(a, b) }

// read gives a file's content, following its chain as it goes.
func (f *fat) read(file entry) (io.Reader, error) {
	return &chain{f: f, next: file.at}, nil
}

// A chain reads the clusters of a file one after the other.
type chain struct {
	f    *fat
	next uint32
	seen int
	rest []byte
}

func (c *chain) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		if !c.f.isData(c.next) {
			return 0, io.EOF
		}
		if c.seen++; c.seen > maxChain {
			return 0, corrupt("a chain of more than %d clusters", maxChain)
		}
		var err error
		if c.rest, err = readAt(c.f.r, c.f.dataAt+int64(c.next-2)*c.f.cluster, int(c.f.cluster)); err != nil {
			return 0, err
		}
		if c.next, err = c.f.follow(c.next); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// isData reports whether a cluster number is one of a cluster, not an end mark.
func (f *fat) isData(n uint32) bool { return n >= 2 && n-2 < f.count }

// follow gives the number of the next cluster.
func (f *fat) follow(n uint32) (uint32, error) {
	b, err := readAt(f.r, f.tableAt+int64(n)*int64(f.bits)/8, max(2, f.bits/8))
	if err != nil {
		return 0, err
	}
	switch f.bits {
	case 32:
		return binary.LittleEndian.Uint32(b) & 0x0FFFFFFF, nil
	case 16:
		return uint32(binary.LittleEndian.Uint16(b)), nil
	}
	v := uint32(binary.LittleEndian.Uint16(b))
	if n&1 == 1 {
		return v >> 4, nil
	}
	return v & 0xFFF, nil
}

// content reads a directory's bytes.
func (f *fat) content(dir entry) ([]byte, error) {
	var r io.Reader = &chain{f: f, next: dir.at}
	if dir == f.top && f.bits != 32 {
		r = io.NewSectionReader(f.r, f.rootAt, f.rootSize)
	}
	b, err := io.ReadAll(io.LimitReader(r, maxDirectory+1))
	if len(b) > maxDirectory {
		return nil, corrupt("a directory of more than %d bytes", maxDirectory)
	}
	return b, err
}

// label finds the root directory's entry for the volume.
func (f *fat) label() (string, error) {
	b, err := f.content(f.top)
	if err != nil {
		return "", err
	}
	for ; len(b) >= fatEntrySize && b[0] != 0; b = b[fatEntrySize:] {
		if b[0] != fatDeleted && b[fatAttr]&0x3F != attrLong && b[fatAttr]&attrVolume != 0 {
			return strings.TrimRight(string(b[:11]), " \x00"), nil
		}
	}
	return "", nil
}

func (f *fat) list(dir entry) ([]entry, error) {
	b, err := f.content(dir)
	if err != nil {
		return nil, err
	}
	var (
		entries []entry
		long    longName
	)
	for ; len(b) >= fatEntrySize && b[0] != 0; b = b[fatEntrySize:] {
		raw := b[:fatEntrySize]
		attr := raw[fatAttr] & 0x3F
		if raw[0] == fatDeleted || attr != attrLong && attr&attrVolume != 0 {
			long = longName{}
			continue
		}
		if attr == attrLong {
			long.add(raw)
			continue
		}
		e := entry{
			name: shortName(raw),
			dir:  attr&attrDir != 0,
			size: int64(binary.LittleEndian.Uint32(raw[fatSize:])),
			at:   uint32(binary.LittleEndian.Uint16(raw[fatLow:])),
		}
		if f.bits == 32 {
			e.at |= uint32(binary.LittleEndian.Uint16(raw[fatHigh:])) << 16
		}
		if name, ok := long.of(raw); ok {
			e.name = name
		}
		long = longName{}
		if !usable(e.name) {
			continue
		}
		if entries = append(entries, e); len(entries) > maxEntries {
			return nil, corrupt("a directory of more than %d entries", maxEntries)
		}
	}
	return entries, nil
}

// shortName puts name and extension together, in the case that Windows NT
// notes for them.
func shortName(raw []byte) string {
	name := strings.TrimRight(string(raw[:8]), " ")
	ext := strings.TrimRight(string(raw[8:11]), " ")
	if strings.HasPrefix(name, "\x05") {
		name = "\xE5" + name[1:]
	}
	if raw[fatCase]&0x08 != 0 {
		name = strings.ToLower(name)
	}
	if raw[fatCase]&0x10 != 0 {
		ext = strings.ToLower(ext)
	}
	if ext != "" {
		name += "." + ext
	}
	return strings.ToValidUTF8(name, "_")
}

// A longName collects the parts of a long name, which stand before the entry
// they belong to, the last part first.
type longName struct {
	name string
	sum  byte
	left int // parts still to come; the name is whole at 0
}

// add takes the next part. A part out of order makes the
// name invalid.
func (l *longName) add(raw []byte) {
	n := int(raw[0] &^ longLast)
	if raw[0]&longLast != 0 {
		*l = longName{sum: raw[13], left: n}
	}
	if n == 0 || n > maxLongParts || n != l.left || l.sum != raw[13] {
		*l = longName{}
		return
	}
	units := append(append(append([]byte{}, raw[1:11]...), raw[14:26]...), raw[28:32]...)
	part, _, _ := strings.Cut(utf16String(units, binary.LittleEndian), "\x00")
	l.name = part + l.name
	l.left--
}

// of gives the name if it is whole and belongs to this entry.
func (l *longName) of(raw []byte) (string, bool) {
	var sum byte
	for _, c := range raw[:11] {
		sum = sum>>1 | sum<<7
		sum += c
	}
	return l.name, l.name != "" && l.left == 0 && l.sum == sum
}
