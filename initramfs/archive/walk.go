package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A Visit is called for every entry, in order. Body reads the contents of a
// regular file; what it leaves is skipped. A trailer comes as an entry too.
type Visit func(e *Entry, body io.Reader) error

// Walk reads the initrd of size bytes in r and calls visit for every entry.
// It returns the segments, in order, also those before an error.
func Walk(r io.ReaderAt, size int64, visit Visit) ([]Segment, error) {
	w := walker{r: r, size: size, visit: visit}
	err := w.walk(0)
	return w.segments, err
}

type walker struct {
	r        io.ReaderAt
	size     int64
	visit    Visit
	segments []Segment
	entries  int
	unpacked int64
}

// walk reads the segments from byte pos on.
func (w *walker) walk(pos int64) error {
	for {
		var err error
		if pos, err = w.skipZeros(pos); err != nil || pos == w.size {
			return err
		}
		if len(w.segments) == MaxSegments {
			return fmt.Errorf("%w: more than %d segments", ErrTooLarge, MaxSegments)
		}
		seg, err := w.segment(pos)
		if err != nil {
			return fmt.Errorf("segment %d at byte %d: %w", len(w.segments), pos, err)
		}
		w.segments = append(w.segments, seg)
		pos = seg.Offset + seg.Size
	}
}

func (w *walker) segment(pos int64) (Segment, error) {
	seg := Segment{Index: len(w.segments), Offset: pos, Compression: None}
	var head [6]byte
	if n, err := w.r.ReadAt(head[:], pos); err != nil && err != io.EOF || n < 2 {
		return seg, malformed("%d bytes of junk at the end", n)
	}
	s := newSource(w.r, pos, w.size)
	if head[0] == '0' {
		if pos&3 != 0 {
			return seg, malformed("an uncompressed archive must start at a multiple of 4; the kernel does not see this one")
		}
		err := w.entriesOf(&seg, s)
		seg.Size = seg.Unpacked
		return seg, err
	}
	c, ok := sniff(head[:])
	if !ok {
		return seg, malformed("neither cpio nor a known compression (% x)", head)
	}
	seg.Compression = c.name
	if c.open == nil {
		return seg, fmt.Errorf("%w: %s cannot be read", ErrUnsupported, c.name)
	}
	body, err := c.open(s)
	if err == nil {
		err = w.entriesOf(&seg, body)
	}
	if closer, ok := body.(interface{ Close() }); ok {
		closer.Close() // a zstd decoder holds goroutines
	}
	seg.Size = s.n
	if err != nil {
		return seg, fmt.Errorf("%s: %w", c.name, err)
	}
	return seg, nil
}

// entriesOf visits the entries of one stream. An uncompressed segment ends
// with its trailer, a compressed one with its stream.
func (w *walker) entriesOf(seg *Segment, stream io.Reader) error {
	n := newNewcReader(stream, seg.Compression == None, MaxUnpacked-w.unpacked)
	for {
		e, err := n.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", seg.Entries, err)
		}
		e.Segment = seg.Index
		if err := w.visit(e, n); err != nil {
			return err
		}
		if e.Name == newcTrailer {
			if !n.plain {
				continue
			}
			if err := n.skipBody(); err != nil {
				return err
			}
			break
		}
		seg.Entries++
		if w.entries++; w.entries > MaxEntries {
			return fmt.Errorf("%w: more than %d entries", ErrTooLarge, MaxEntries)
		}
	}
	seg.Unpacked = n.end
	w.unpacked += n.pos
	return nil
}

// skipZeros returns the offset of the first byte that is not zero, or size.
func (w *walker) skipZeros(pos int64) (int64, error) {
	buf := make([]byte, 4096)
	for pos < w.size {
		n, err := w.r.ReadAt(buf[:min(int64(len(buf)), w.size-pos)], pos)
		if n == 0 {
			return pos, fmt.Errorf("read at byte %d: %w", pos, err)
		}
		rest := bytes.TrimLeft(buf[:n], "\x00")
		pos += int64(n - len(rest))
		if len(rest) > 0 {
			break
		}
	}
	return pos, nil
}
