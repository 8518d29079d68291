package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// A source is the initrd from one offset on, and counts what is read of it.
// It gives single bytes, so that a decoder takes none too many.
type source struct {
	r    io.ReaderAt
	base int64 // offset of the stream in the initrd
	size int64 // of the initrd
	buf  *bufio.Reader
	n    int64 // bytes read
}

func newSource(r io.ReaderAt, base, size int64) *source {
	s := &source{r: r, base: base, size: size}
	s.buf = bufio.NewReaderSize(s.rest(), 64<<10)
	return s
}

// rest is the initrd from the start of the stream.
func (s *source) rest() *io.SectionReader {
	return io.NewSectionReader(s.r, s.base, s.size-s.base)
}

// limit ends the source n bytes after its start; a decoder that reads on
// finds the end of the file there.
func (s *source) limit(n int64, err error) error {
	if err != nil {
		return err
	}
	s.buf.Reset(io.NewSectionReader(s.r, s.base, n))
	return nil
}

func (s *source) Read(p []byte) (int, error) {
	k, err := s.buf.Read(p)
	s.n += int64(k)
	return k, err
}

func (s *source) ReadByte() (byte, error) {
	b, err := s.buf.ReadByte()
	if err == nil {
		s.n++
	}
	return b, err
}

// zstdEnd walks the blocks of the zstd frame at the start of r (RFC 8878 §3.1)
// and returns its length. The kernel decodes one frame and looks for a new
// segment behind it.
func zstdEnd(r *io.SectionReader) (int64, error) {
	var head [18]byte
	if n, err := r.ReadAt(head[:], 0); n < 6 {
		return 0, malformed("zstd frame header: %v", err)
	}
	if binary.LittleEndian.Uint32(head[:]) != 0xfd2fb528 {
		return 0, malformed("no zstd magic (% x)", head[:4])
	}
	desc := head[4]
	pos := int64(5)
	single := desc&0x20 != 0
	if !single {
		pos++ // window descriptor
	}
	pos += int64([]int{0, 1, 2, 4}[desc&3]) // dictionary id
	if size := desc >> 6; size > 0 || single {
		pos += int64([]int{1, 2, 4, 8}[size]) // content size
	}
	for {
		var b [4]byte
		if _, err := r.ReadAt(b[:3], pos); err != nil {
			return 0, malformed("zstd frame is cut off at byte %d", pos)
		}
		block := binary.LittleEndian.Uint32(b[:])
		pos += 3
		switch block >> 1 & 3 {
		case 1:
			pos++ // one byte, repeated
		case 3:
			return 0, malformed("reserved zstd block type at byte %d", pos-3)
		default:
			pos += int64(block >> 3)
		}
		if block&1 != 0 {
			break
		}
	}
	if desc&4 != 0 {
		pos += 4 // checksum
	}
	if pos > r.Size() {
		return 0, malformed("zstd frame is cut off: %d of %d bytes", r.Size(), pos)
	}
	return pos, nil
}

// xzEnd finds the footer of the xz stream at the start of r (xz file format
// 1.2.1 §2.1) and returns the stream's length: a stream's size is a multiple
// of four, its footer repeats the header's flags and has a CRC32.
func xzEnd(r *io.SectionReader) (int64, error) {
	const headerSize, footerSize = 12, 12
	var head [headerSize]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return 0, malformed("xz stream header is cut off")
	}
	flags := head[6:8]
	if !bytes.Equal(head[:6], []byte("\xfd7zXZ\x00")) || crc32.ChecksumIEEE(flags) != binary.LittleEndian.Uint32(head[8:]) {
		return 0, malformed("no xz stream header")
	}
	if check := flags[1]; check > 1 {
		return 0, fmt.Errorf("%w: xz with check %d; the kernel knows only CRC32 (xz --check=crc32)", ErrUnsupported, check)
	}
	if err := checkXZBlock(r, headerSize); err != nil {
		return 0, err
	}
	in := bufio.NewReaderSize(io.NewSectionReader(r, headerSize, r.Size()-headerSize), 64<<10)
	for pos := int64(headerSize); ; pos += 4 {
		f, err := in.Peek(footerSize)
		if err != nil {
			return 0, malformed("xz stream is cut off")
		}
		if f[10] == 'Y' && f[11] == 'Z' && bytes.Equal(f[8:10], flags) &&
			crc32.ChecksumIEEE(f[4:10]) == binary.LittleEndian.Uint32(f) {
			return pos + footerSize, nil
		}
		if _, err := in.Discard(4); err != nil {
			return 0, malformed("xz stream is cut off")
		}
	}
}

// checkXZBlock reads the header of the first block (§3.1), after which an
// encoder models the others: one filter, LZMA2, with a dictionary that is not
// larger than what this package would hold in memory.
func checkXZBlock(r *io.SectionReader, at int64) error {
	var head [64]byte
	n, err := r.ReadAt(head[:], at)
	if n < 16 {
		return malformed("xz block header: %v", err)
	}
	if head[0] == 0 {
		return nil // the index: an empty stream
	}
	if filters := head[1]&3 + 1; filters != 1 {
		return fmt.Errorf("%w: xz with %d filters, such as --x86", ErrUnsupported, filters)
	}
	rest := head[2:]
	for _, sized := range []byte{0x40, 0x80} { // compressed and uncompressed size
		if head[1]&sized != 0 {
			_, k := binary.Uvarint(rest)
			if k <= 0 {
				return malformed("xz block header")
			}
			rest = rest[k:]
		}
	}
	const lzma2, sizeOfProperties = 0x21, 1
	if len(rest) < 3 || rest[0] != lzma2 || rest[1] != sizeOfProperties {
		return fmt.Errorf("%w: xz with a filter that is not LZMA2", ErrUnsupported)
	}
	if bits := rest[2]; bits > 40 || uint64(2|bits&1)<<(bits/2+11) > maxWindow {
		return fmt.Errorf("%w: xz with a dictionary of more than %d bytes", ErrTooLarge, maxWindow)
	}
	return nil
}

// bzip2End finds the end-of-stream mark of the bzip2 stream at the start of
// r, which may start at any bit and is followed by a CRC of 32 bits.
func bzip2End(r *io.SectionReader) (int64, error) {
	const mark, mask = 0x177245385090, 1<<48 - 1
	in := bufio.NewReaderSize(r, 64<<10)
	var window uint64
	for pos := int64(1); ; pos++ {
		b, err := in.ReadByte()
		if err != nil {
			return 0, malformed("bzip2 stream is cut off")
		}
		window = window<<8 | uint64(b)
		for shift := range 8 {
			if window>>shift&mask == mark {
				bits := pos*8 - int64(shift) + 32
				return (bits + 7) / 8, nil
			}
		}
	}
}
