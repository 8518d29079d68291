package archive

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/pierrec/lz4/v4"
)

// The legacy frame of LZ4 ("lz4 -l"), the only one that the kernel reads: a
// magic number, then blocks of at most 8 MiB, each after its compressed size.
const (
	lz4Magic = 0x184c2102
	lz4Block = 8 << 20
)

// lz4Reader decodes legacy LZ4 by the rules of lib/decompress_unlz4.c: it
// ends at the end of the file or at a size of zero, which is not consumed,
// and takes a second magic number for another frame. There is no other end
// mark: whatever follows without zeros before it is read as a block.
type lz4Reader struct {
	s     *source
	in    []byte
	block []byte
	out   []byte // of block, not yet read
}

func openLZ4(s *source) (io.Reader, error) {
	var magic [4]byte
	if _, err := io.ReadFull(s, magic[:]); err != nil || binary.LittleEndian.Uint32(magic[:]) != lz4Magic {
		return nil, malformed("no magic of LZ4's legacy format (lz4 -l)")
	}
	return &lz4Reader{s: s}, nil
}

func (l *lz4Reader) Read(p []byte) (int, error) {
	for len(l.out) == 0 {
		if err := l.decodeBlock(); err != nil {
			return 0, err
		}
	}
	n := copy(p, l.out)
	l.out = l.out[n:]
	return n, nil
}

func (l *lz4Reader) decodeBlock() error {
	head, err := l.s.buf.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(head) == 0 || len(head) == 4 && binary.LittleEndian.Uint32(head) == 0 {
		return io.EOF
	}
	if len(head) < 4 {
		return l.shortTail(head)
	}
	size := binary.LittleEndian.Uint32(head)
	if _, err := io.CopyN(io.Discard, l.s, 4); err != nil {
		return err
	}
	if size == lz4Magic {
		return nil
	}
	if int(size) > lz4.CompressBlockBound(lz4Block) {
		return malformed("LZ4 block of %d bytes (junk after the stream? it needs 4 zero bytes behind it)", size)
	}
	if l.block == nil {
		l.block = make([]byte, lz4Block)
		l.in = make([]byte, lz4.CompressBlockBound(lz4Block))
	}
	if _, err := io.ReadFull(l.s, l.in[:size]); err != nil {
		return malformed("LZ4 block of %d bytes is cut off", size)
	}
	n, err := lz4.UncompressBlock(l.in[:size], l.block)
	if err != nil {
		return malformed("LZ4 block: %v", err)
	}
	l.out = l.block[:n]
	return nil
}

// shortTail is what to do with one to three last bytes: zeros are padding.
func (l *lz4Reader) shortTail(tail []byte) error {
	for _, b := range tail {
		if b != 0 {
			return malformed("junk after the LZ4 stream")
		}
	}
	return io.EOF
}

func writeLZ4(w io.Writer, data []byte) error {
	out := binary.LittleEndian.AppendUint32(nil, lz4Magic)
	buf := make([]byte, lz4.CompressBlockBound(lz4Block))
	c := lz4.CompressorHC{Level: lz4.Level9}
	for len(data) > 0 {
		block := data[:min(len(data), lz4Block)]
		data = data[len(block):]
		n, err := c.CompressBlock(block, buf)
		if err != nil {
			return err
		}
		if n == 0 {
			return errors.New("a block does not shrink")
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(n))
		out = append(out, buf[:n]...)
	}
	_, err := w.Write(out)
	return err
}
