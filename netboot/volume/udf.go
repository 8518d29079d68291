package volume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// The descriptors of ECMA-167, of which OSTA's UDF 1.02 to 2.01 is a subset:
// what Windows and genisoimage write, and mkudffs for media that are not
// written to piece by piece.
const (
	tagAnchor    = 2
	tagPartition = 5
	tagLogical   = 6
	tagEnd       = 8
	tagFileSet   = 256
	tagName      = 257
	tagMore      = 258 // more allocation descriptors
	tagFile      = 261
	tagExtended  = 266

	udfAnchor   = 256 // the block that everything begins at
	udfTagSize  = 16
	maxSequence = 64 // descriptors of a volume
	maxExtents  = 4096
	maxMore     = 16

	udfDirectory = 4 // kinds of file
	udfFile      = 5
)

// A udf is a UDF file system with one partition.
type udf struct {
	r             io.ReaderAt
	block         int64 // bytes in one
	first, blocks int64 // the partition
	top           entry
}

// openUDF follows the way from the anchor to the root directory.
func openUDF(r io.ReaderAt) (*Volume, error) {
	if !hasUDF(r) {
		return nil, ErrUnknown
	}
	for _, size := range [...]int64{2048, 512} { // of discs, of disks
		u := &udf{r: r, block: size, blocks: 1 << 32}
		anchor, err := u.descriptor(udfAnchor, tagAnchor)
		if errors.Is(err, ErrCorrupt) {
			continue
		}
		if err != nil {
			return nil, err
		}
		label, err := u.mount(le32(anchor, 20), le32(anchor, 16))
		if err != nil {
			return nil, err
		}
		return &Volume{Type: "udf", Label: strings.TrimRight(label, " \x00"), FS: tree{u}}, nil
	}
	return nil, corrupt("no anchor")
}

// hasUDF looks for the descriptor that announces the others.
func hasUDF(r io.ReaderAt) bool {
	b := make([]byte, 6)
	for i := range maxDescriptors {
		if n, _ := r.ReadAt(b, int64(isoFirst+i)*isoSector); n < len(b) {
			return false
		}
		switch string(b[1:]) {
		case "NSR02", "NSR03":
			return true
		case "BEA01", "CD001", "CDW02":
		default:
			return false
		}
	}
	return false
}

func le16(b []byte, at int) uint16 { return binary.LittleEndian.Uint16(b[at:]) }
func le32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }

// mount reads the volume's descriptors and gives its label.
func (u *udf) mount(at, size uint32) (label string, err error) {
	var logical []byte
	partitions := map[uint16][]byte{}
	for i := range min(size/uint32(u.block), maxSequence) {
		b, err := readAt(u.r, (int64(at)+int64(i))*u.block, int(u.block))
		if err != nil {
			return "", err
		}
		id, ok := tagOf(b)
		if !ok || id == tagEnd {
			break
		}
		switch {
		case id == tagLogical && logical == nil:
			logical = b
		case id == tagPartition:
			partitions[le16(b, 22)] = b
		}
	}
	// One partition, mapped as it is (type 1).
	if logical == nil || int64(le32(logical, 212)) != u.block || le32(logical, 268) != 1 || logical[440] != 1 {
		return "", corrupt("a volume of an unknown kind")
	}
	p := partitions[le16(logical, 444)]
	if p == nil {
		return "", corrupt("no partition")
	}
	u.first, u.blocks = int64(le32(p, 188)), int64(le32(p, 192))
	set, err := u.descriptor(le32(logical, 252), tagFileSet)
	if err != nil {
		return "", err
	}
	u.top = entry{dir: true, at: le32(set, 404)}
	field := logical[84:212]
	return udfString(field[:min(field[127], 127)]), nil
}

// tagOf checks what every descriptor begins with.
func tagOf(b []byte) (id uint16, ok bool) {
	if len(b) < udfTagSize {
		return 0, false
	}
	var sum byte
	for i, c := range b[:udfTagSize] {
		if i != 4 {
			sum += c
		}
	}
	return le16(b, 0), sum == b[4]
}

// descriptor reads a block of the partition that holds one of these.
func (u *udf) descriptor(at uint32, ids ...uint16) ([]byte, error) {
	if int64(at) >= u.blocks {
		return nil, corrupt("block %d of %d", at, u.blocks)
	}
	b, err := readAt(u.r, (u.first+int64(at))*u.block, int(u.block))
	if err != nil {
		return nil, err
	}
	got, ok := tagOf(b)
	for _, id := range ids {
		if ok && got == id {
			return b, nil
		}
	}
	return nil, corrupt("no descriptor %d in block %d", ids[0], at)
}

// udfString understands OSTA's compressed Unicode: a byte says how wide the
// characters are.
func udfString(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if b[0] == 16 {
		return utf16String(b[1:], binary.BigEndian)
	}
	var s strings.Builder
	for _, c := range b[1:] {
		s.WriteRune(rune(c))
	}
	return s.String()
}

// A node is a file entry: what a file is, and where its content is.
type node struct {
	kind byte
	size uint64
	// where has the content itself, or the descriptors of its extents, of 8
	// or 16 bytes.
	where    []byte
	embedded bool
	step     int
}

func (u *udf) node(at uint32) (*node, error) {
	b, err := u.descriptor(at, tagFile, tagExtended)
	if err != nil {
		return nil, err
	}
	lengths := 168
	if le16(b, 0) == tagExtended {
		lengths = 208
	}
	from := uint64(lengths) + 8 + uint64(le32(b, lengths))
	to := from + uint64(le32(b, lengths+4))
	n := &node{kind: b[27], size: binary.LittleEndian.Uint64(b[56:])}
	if to > uint64(len(b)) || n.size > 1<<62 {
		return nil, corrupt("a file entry of %d bytes", to)
	}
	n.where = b[from:to]
	switch b[34] & 7 {
	case 0:
		n.step = 8
	case 1:
		n.step = 16
	case 3:
		n.embedded = true
	default:
		return nil, corrupt("extents of kind %d", b[34]&7)
	}
	return n, nil
}

// content gives a file's bytes, and perhaps more, or fewer.
func (u *udf) content(n *node) (io.Reader, error) {
	if n.embedded {
		return bytes.NewReader(n.where), nil
	}
	var parts []io.Reader
	more := 0
	for where := n.where; len(where) >= n.step; {
		size, at := le32(where, 0), le32(where, 4)
		if n.step == 16 && le16(where, 8) != 0 {
			return nil, corrupt("an extent in another partition")
		}
		where = where[n.step:]
		kind, size := size>>30, size&(1<<30-1)
		if size == 0 {
			break
		}
		if len(parts) == maxExtents || int64(at) > u.blocks {
			return nil, corrupt("more than %d extents, or one behind the end", maxExtents)
		}
		switch kind {
		case 0:
			parts = append(parts, io.NewSectionReader(u.r, (u.first+int64(at))*u.block, int64(size)))
		case 3:
			b, err := u.descriptor(at, tagMore)
			if more++; err != nil || more > maxMore {
				return nil, corrupt("extents continued more than %d times, or nowhere", maxMore)
			}
			where = b[24:min(24+uint64(le32(b, 20)), uint64(len(b)))]
		default: // a hole
			parts = append(parts, io.LimitReader(zeros{}, int64(size)))
		}
	}
	return io.MultiReader(parts...), nil
}

// zeros is what has never been written.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func (u *udf) root() entry { return u.top }

func (u *udf) same(a, b string) bool { return a == b }

func (u *udf) read(file entry) (io.Reader, error) {
	n, err := u.node(file.at)
	if err != nil {
		return nil, err
	}
	return u.content(n)
}

// list reads a directory. What is neither file nor directory is left out.
func (u *udf) list(dir entry) ([]entry, error) {
	n, err := u.node(dir.at)
	if err != nil {
		return nil, err
	}
	if n.kind != udfDirectory || n.size > maxDirectory {
		return nil, corrupt("a directory of kind %d and %d bytes", n.kind, n.size)
	}
	r, err := u.content(n)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(&exact{r, int64(n.size)})
	if err != nil {
		return nil, err
	}
	var entries []entry
	for len(b) > 0 {
		if id, ok := tagOf(b); !ok || id != tagName || len(b) < 38 {
			return nil, corrupt("a directory entry of kind %d", id)
		}
		name := 38 + int(le16(b, 36))
		end := name + int(b[19])
		if end > len(b) {
			return nil, corrupt("a directory entry of %d bytes", end)
		}
		e := entry{name: udfString(b[name:end]), at: le32(b, 24), dir: b[18]&2 != 0}
		wanted := b[18]&(4|8) == 0 && usable(e.name) // neither deleted nor the parent
		b = b[min((end+3)&^3, len(b)):]
		if !wanted {
			continue
		}
		if len(entries) == maxEntries {
			return nil, corrupt("a directory of more than %d entries", maxEntries)
		}
		if !e.dir {
			n, err := u.node(e.at)
			if err != nil {
				return nil, err
			}
			if n.kind != udfFile {
				continue
			}
			e.size = int64(n.size)
		}
		entries = append(entries, e)
	}
	return entries, nil
}
