package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

const (
	newcHeader  = 110 // bytes before the name
	newcTrailer = "TRAILER!!!"
)

// newcReader reads the entries of one stream of cpio archives in the "newc"
// format (magic 070701, and 070702 with checksums).
type newcReader struct {
	r     *bufio.Reader
	plain bool  // the stream is the initrd itself: other things may follow
	pos   int64 // offset in the stream
	end   int64 // of the last entry, with its padding
	left  int64 // bytes the stream may still yield

	current *Entry
	body    int64 // of the current entry, not yet read
	sum     uint32
}

func newNewcReader(r io.Reader, plain bool, limit int64) *newcReader {
	return &newcReader{r: bufio.NewReaderSize(r, 64<<10), plain: plain, left: limit}
}

// next skips what is left of the current entry and gives the next header.
// A trailer is given as an entry of that name, for hard links end with it.
// io.EOF means that the stream ended between two entries, or that a plain
// one goes on with something else.
func (n *newcReader) next() (*Entry, error) {
	if err := n.skipBody(); err != nil {
		return nil, err
	}
	if err := n.skipZeros(); err != nil {
		return nil, err
	}
	var head [newcHeader]byte
	if err := n.readFull(head[:]); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	e, nameSize, err := parseHeader(head[:])
	if err != nil {
		return nil, err
	}
	name := make([]byte, nameSize)
	if err := n.readFull(name); err != nil {
		return nil, fmt.Errorf("name: %w", err)
	}
	if name[nameSize-1] != 0 {
		return nil, malformed("name %.40q does not end in NUL", name)
	}
	e.Name = string(name[:bytes.IndexByte(name, 0)])
	if err := n.align(); err != nil {
		return nil, err
	}
	n.current, n.body, n.sum = e, e.Size, 0
	if e.kind() == TypeSymlink {
		return e, n.readTarget(e)
	}
	return e, nil
}

// parseHeader checks what the kernel does not and should: a digit that is
// none reads there as the end of the number.
func parseHeader(head []byte) (e *Entry, nameSize uint32, err error) {
	magic := string(head[:6])
	switch magic {
	case "070701", "070702":
	case "070707":
		return nil, 0, malformed("old cpio format (magic 070707); the kernel wants newc")
	default:
		return nil, 0, malformed("no cpio magic (% x)", head[:6])
	}
	var f [13]uint32
	for i := range f {
		field := head[6+8*i : 14+8*i]
		v, err := strconv.ParseUint(string(field), 16, 32)
		if err != nil {
			return nil, 0, malformed("header field %d is not a hexadecimal number: %q", i+1, field)
		}
		f[i] = uint32(v)
	}
	e = &Entry{
		Inode: f[0], Mode: f[1], UID: f[2], GID: f[3], Links: f[4], ModTime: f[5], Size: int64(f[6]),
		Major: f[7], Minor: f[8], checksum: f[12], checksums: magic == "070702",
	}
	nameSize = f[11]
	if nameSize == 0 || nameSize > MaxName {
		return nil, 0, malformed("name of %d bytes", nameSize)
	}
	return e, nameSize, nil
}

func (n *newcReader) readTarget(e *Entry) error {
	if e.Size == 0 || e.Size > MaxName {
		return malformed("%q: symbolic link of %d bytes", e.Name, e.Size)
	}
	target := make([]byte, e.Size)
	if _, err := io.ReadFull(n, target); err != nil {
		return fmt.Errorf("%q: %w", e.Name, err)
	}
	if i := bytes.IndexByte(target, 0); i >= 0 {
		target = target[:i]
	}
	e.Link = string(target)
	return nil
}

// Read reads the body of the current entry.
func (n *newcReader) Read(p []byte) (int, error) {
	if n.body == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > n.body {
		p = p[:n.body]
	}
	k, err := n.r.Read(p)
	n.took(k)
	n.body -= int64(k)
	if n.current.checksums {
		for _, b := range p[:k] {
			n.sum += uint32(b)
		}
	}
	if n.left < 0 {
		return k, ErrTooLarge
	}
	if err == io.EOF && n.body > 0 {
		return k, malformed("%q is cut off %d bytes before its end", n.current.Name, n.body)
	}
	if err == io.EOF {
		err = nil
	}
	return k, err
}

func (n *newcReader) skipBody() error {
	if n.current == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, n); err != nil {
		return err
	}
	if e := n.current; e.checksums && e.kind() == TypeRegular && e.Size > 0 && e.checksum != n.sum {
		return malformed("%q: checksum %08x, header says %08x", e.Name, n.sum, e.checksum)
	}
	n.current = nil
	err := n.align()
	n.end = n.pos
	return err
}

// align reads the padding up to a multiple of 4. A plain archive may end
// without it; in a compressed one the kernel calls that junk.
func (n *newcReader) align() error {
	var pad [3]byte
	err := n.readFull(pad[:-n.pos&3])
	if n.plain && errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// skipZeros reads up to the next header; io.EOF if there is none.
func (n *newcReader) skipZeros() error {
	for {
		b, err := n.r.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			if n.plain && b != '0' {
				return io.EOF
			}
			break
		}
		n.took(1)
		if n.left < 0 {
			return ErrTooLarge
		}
	}
	if err := n.r.UnreadByte(); err != nil {
		return err
	}
	if n.pos&3 != 0 {
		return malformed("an entry starts at %d, which is no multiple of 4", n.pos)
	}
	return nil
}

func (n *newcReader) readFull(p []byte) error {
	k, err := io.ReadFull(n.r, p)
	n.took(k)
	if n.left < 0 {
		return ErrTooLarge
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: cut off at byte %d: %w", ErrMalformed, n.pos, err)
	}
	return err
}

func (n *newcReader) took(k int) {
	n.pos += int64(k)
	n.left -= int64(k)
}
