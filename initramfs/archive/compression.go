package archive

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"fmt"
	"io"

	fastgzip "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// A Compression names how a segment is compressed.
type Compression string

// The compressions that the kernel knows. LZO and bzip2 are not written, and
// LZO is not read.
const (
	None  Compression = "none"
	Gzip  Compression = "gzip"
	Bzip2 Compression = "bzip2"
	LZMA  Compression = "lzma"
	XZ    Compression = "xz"
	LZO   Compression = "lzo"
	LZ4   Compression = "lz4"
	Zstd  Compression = "zstd"
)

// maxWindow is the largest window that the kernel's decoders accept
// (ZSTD_WINDOWSIZE_MAX in lib/decompress_unzstd.c), and so do ours.
const maxWindow = 128 << 20

// dictionary is the window of what we write: as large as an agent, and small
// enough for a kernel that has little memory.
const dictionary = 8 << 20

// A codec reads and writes one compression. The readers end with the first
// stream: the kernel starts anew after it.
type codec struct {
	name  Compression
	magic []byte // two bytes, as in the kernel's lib/decompress.c
	open  func(s *source) (io.Reader, error)
	write func(w io.Writer, data []byte) error // nil if it cannot be written
}

func codecs() []codec {
	return []codec{
		{Gzip, []byte{0x1f, 0x8b}, openGzip, writeGzip},
		{Bzip2, []byte("BZ"), openBzip2, nil},
		{LZMA, []byte{0x5d, 0x00}, openLZMA, writeLZMA},
		{XZ, []byte{0xfd, '7'}, openXZ, writeXZ},
		{LZO, []byte{0x89, 'L'}, nil, nil},
		{LZ4, []byte{0x02, 0x21}, openLZ4, writeLZ4},
		{Zstd, []byte{0x28, 0xb5}, openZstd, writeZstd},
	}
}

// sniff tells by the first bytes of a segment how it is compressed.
func sniff(head []byte) (codec, bool) {
	for _, c := range codecs() {
		if bytes.HasPrefix(head, c.magic) {
			return c, true
		}
	}
	return codec{}, false
}

// Writable lists the compressions that Compress can write.
func Writable() []Compression {
	all := []Compression{None}
	for _, c := range codecs() {
		if c.write != nil {
			all = append(all, c.name)
		}
	}
	return all
}

// Compress writes data to w. The same data give the same bytes.
func Compress(w io.Writer, c Compression, data []byte) error {
	if c == None {
		_, err := w.Write(data)
		return err
	}
	for _, known := range codecs() {
		if known.name == c && known.write != nil {
			if err := known.write(w, data); err != nil {
				return fmt.Errorf("compress with %s: %w", c, err)
			}
			return nil
		}
	}
	return fmt.Errorf("%w: compression %q cannot be written", ErrUnsupported, c)
}

func openGzip(s *source) (io.Reader, error) {
	r, err := gzip.NewReader(s)
	if err != nil {
		return nil, err
	}
	r.Multistream(false)
	return r, nil
}

// writeGzip takes the level before the last, which takes four times the time
// for a thousandth of the bytes.
func writeGzip(w io.Writer, data []byte) error {
	z, err := fastgzip.NewWriterLevel(w, 8)
	if err != nil {
		return err
	}
	return writeAll(z, data)
}

func openBzip2(s *source) (io.Reader, error) {
	if err := s.limit(bzip2End(s.rest())); err != nil {
		return nil, err
	}
	return bzip2.NewReader(s), nil
}

func openLZMA(s *source) (io.Reader, error) {
	return lzma.ReaderConfig{DictCap: maxWindow}.NewReader(s)
}

func writeLZMA(w io.Writer, data []byte) error {
	z, err := lzma.WriterConfig{DictCap: dictionary}.NewWriter(w)
	if err != nil {
		return err
	}
	return writeAll(z, data)
}

func openXZ(s *source) (io.Reader, error) {
	if err := s.limit(xzEnd(s.rest())); err != nil {
		return nil, err
	}
	return xz.ReaderConfig{SingleStream: true}.NewReader(s)
}

// writeXZ takes the only check that the kernel's decoder knows.
func writeXZ(w io.Writer, data []byte) error {
	z, err := xz.WriterConfig{CheckSum: xz.CRC32, DictCap: dictionary}.NewWriter(w)
	if err != nil {
		return err
	}
	return writeAll(z, data)
}

func openZstd(s *source) (io.Reader, error) {
	if err := s.limit(zstdEnd(s.rest())); err != nil {
		return nil, err
	}
	d, err := zstd.NewReader(s, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	return d, nil
}

// writeZstd takes the library's third of four levels: the last takes four
// times the time, most of that of a bake, for 6 % fewer bytes. A checksum would
// take the kernel a tenth of its time: it looks at that last, when all files are
// there, and does no more than to say that it was wrong.
func writeZstd(w io.Writer, data []byte) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(2), zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(dictionary), zstd.WithEncoderCRC(false))
	if err != nil {
		return err
	}
	return writeAll(z, data)
}

func writeAll(z io.WriteCloser, data []byte) error {
	if _, err := z.Write(data); err != nil {
		return err
	}
	return z.Close()
}
