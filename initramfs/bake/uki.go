package bake

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
)

// Offsets in a PE file (Microsoft's PE format specification). The optional
// header's fields used here lie at the same place in PE32 and PE32+.
const (
	peOffsetAt        = 0x3c // of the address of the PE signature
	peHeaderSize      = 4 + 20
	peSymbols         = 4 + 8 // in the header: where the symbols are, and how many
	peSizeOfInitData  = 8     // these in the optional header
	peSizeOfImage     = 56
	peCheckSum        = 64
	peSectionSize     = 40
	peSectionVSize    = 8 // these in a section's header
	peSectionVAddress = 12
	peSectionRawSize  = 16
	peSectionRaw      = 20
	pageSize          = 4096    // where ukify puts sections, whatever the stub's alignment
	maxPEHeaders      = 1 << 20 // bytes before the first section
	maxPEAlign        = 1 << 24 // of sections in memory
	maxPEFileAlign    = 1 << 16 // and in the file
)

// A uki is a unified kernel image: a PE program of systemd's stub, with the
// kernel and the initrd in sections of it. The stub finds them by name, so
// that sections behind the initrd may move.
type uki struct {
	r       io.ReaderAt
	size    int64
	file    *pe.File
	initrd  int // index of its section
	headers []byte
	table   int    // offset of the section table
	align   uint32 // of sections in memory
	falign  uint32 // and in the file
	signed  bool
}

// openUKI reads the headers of a PE file; nil if r is none.
func openUKI(r io.ReaderAt, size int64) (*uki, error) {
	var head [64]byte
	if _, err := r.ReadAt(head[:], 0); err != nil || !bytes.HasPrefix(head[:], []byte("MZ")) {
		return nil, nil
	}
	f, err := pe.NewFile(io.NewSectionReader(r, 0, size))
	if err != nil {
		return nil, fmt.Errorf("read a PE file: %w", err)
	}
	u := &uki{r: r, size: size, file: f}
	u.initrd = slices.IndexFunc(f.Sections, func(s *pe.Section) bool { return s.Name == ".initrd" })
	if u.initrd < 0 {
		return nil, errors.New("a PE file without an .initrd section: neither a UKI nor an add-on with an initrd")
	}
	var sizeOfHeaders, certificates uint32
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader64:
		u.align, u.falign, sizeOfHeaders = h.SectionAlignment, h.FileAlignment, h.SizeOfHeaders
		certificates = h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_SECURITY].VirtualAddress
	case *pe.OptionalHeader32:
		u.align, u.falign, sizeOfHeaders = h.SectionAlignment, h.FileAlignment, h.SizeOfHeaders
		certificates = h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_SECURITY].VirtualAddress
	default:
		return nil, errors.New("a PE file without an optional header")
	}
	u.signed = certificates != 0
	return u, u.readHeaders(head[:], sizeOfHeaders)
}

func (u *uki) readHeaders(head []byte, size uint32) error {
	start := binary.LittleEndian.Uint32(head[peOffsetAt:])
	u.table = int(start) + peHeaderSize + int(u.file.SizeOfOptionalHeader)
	if size > maxPEHeaders || int(size) < u.table+peSectionSize*len(u.file.Sections) {
		return errors.New("a PE file whose headers do not fit")
	}
	if bits.OnesCount32(u.align) != 1 || u.align > maxPEAlign || bits.OnesCount32(u.falign) != 1 || u.falign > maxPEFileAlign {
		return fmt.Errorf("a PE file with sections at multiples of %d, and of %d in the file", u.align, u.falign)
	}
	u.headers = make([]byte, size)
	if _, err := u.r.ReadAt(u.headers, 0); err != nil {
		return fmt.Errorf("read the PE headers: %w", err)
	}
	in := u.file.Sections[u.initrd]
	for _, s := range u.file.Sections {
		if end := int64(s.Offset) + int64(s.Size); end > u.size {
			return fmt.Errorf("section %s ends at %d of %d bytes", s.Name, end, u.size)
		}
		if s.VirtualAddress > in.VirtualAddress != (s.Offset > in.Offset) && s != in && s.Size > 0 {
			return fmt.Errorf("section %s is not in the order of addresses", s.Name)
		}
	}
	if !u.signed && u.file.PointerToSymbolTable == 0 && u.end() < u.size {
		return fmt.Errorf("%d bytes of something unknown behind the sections", u.size-u.end())
	}
	return nil
}

// end is where the sections end in the file.
func (u *uki) end() (end int64) {
	for _, s := range u.file.Sections {
		end = max(end, int64(s.Offset)+int64(s.Size))
	}
	return end
}

// section gives the bytes of the initrd. Its size in memory is the true one,
// that in the file is rounded up.
func (u *uki) section() (io.ReaderAt, int64) {
	s := u.file.Sections[u.initrd]
	size := int64(min(s.VirtualSize, s.Size))
	return io.NewSectionReader(u.r, int64(s.Offset), size), size
}

// write writes the image with the first base bytes of its initrd and the tail
// as the new initrd. Left out is what lies behind the sections: a signature,
// which would not hold, and symbols, which objcopy leaves and nobody reads.
func (u *uki) write(w io.Writer, base int64, tail []byte) error {
	in := u.file.Sections[u.initrd]
	size := base + int64(len(tail))
	if size > MaxInitrd {
		return fmt.Errorf("the initrd would have %d bytes", size)
	}
	rawSize := roundUp(uint32(size), u.falign)
	rawGrows := int64(rawSize) - int64(in.Size)
	vGrows := int64(0) // what is behind moves by whole pages, away from the initrd only
	if size > int64(in.VirtualSize) {
		vGrows = int64(roundUp(uint32(size)-in.VirtualSize, max(u.align, pageSize)))
	}
	behind, end := int64(in.Offset)+int64(in.Size), u.end()
	for _, part := range []io.Reader{
		bytes.NewReader(u.grown(uint32(size), rawSize, rawGrows, vGrows)),
		io.NewSectionReader(u.r, int64(len(u.headers)), int64(in.Offset)-int64(len(u.headers))),
		io.NewSectionReader(u.r, int64(in.Offset), base),
		bytes.NewReader(tail),
		bytes.NewReader(make([]byte, int64(rawSize)-size)),
		io.NewSectionReader(u.r, behind, end-behind),
	} {
		if _, err := io.Copy(w, part); err != nil {
			return err
		}
	}
	return nil
}

// grown is the headers with the initrd's new size, and what is behind it
// moved.
func (u *uki) grown(size, rawSize uint32, rawGrows, vGrows int64) []byte {
	out := slices.Clone(u.headers)
	le := binary.LittleEndian
	add := func(at int, n int64) { le.PutUint32(out[at:], uint32(int64(le.Uint32(out[at:]))+n)) }
	in := u.file.Sections[u.initrd]
	for i, s := range u.file.Sections {
		at := u.table + i*peSectionSize
		switch {
		case i == u.initrd:
			le.PutUint32(out[at+peSectionVSize:], size)
			le.PutUint32(out[at+peSectionRawSize:], rawSize)
		case s.VirtualAddress > in.VirtualAddress:
			add(at+peSectionVAddress, vGrows)
			if s.Size > 0 {
				add(at+peSectionRaw, rawGrows)
			}
		}
	}
	optional := u.table - int(u.file.SizeOfOptionalHeader)
	add(optional+peSizeOfInitData, rawGrows)
	add(optional+peSizeOfImage, vGrows)
	le.PutUint32(out[optional+peCheckSum:], 0) // zero is "not computed"; firmware does not look
	clear(out[optional-peHeaderSize+peSymbols:][:8])
	directory := optional + 96 // of PE32
	if _, ok := u.file.OptionalHeader.(*pe.OptionalHeader64); ok {
		directory = optional + 112
	}
	if at := directory + 8*pe.IMAGE_DIRECTORY_ENTRY_SECURITY; u.signed {
		clear(out[at : at+8])
	}
	return out
}

func roundUp(n, to uint32) uint32 { return (n + to - 1) / to * to }
