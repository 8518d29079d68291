// Package archive reads and writes initrds: the chain of cpio archives, each
// plain or compressed on its own, that a boot loader hands to the kernel.
//
// In go the bytes of an initrd. Out come its segments, its entries in order,
// and a Tree: the file system that the kernel would make of them. The rules
// are the kernel's own (init/initramfs.c and lib/decompress_*.c), because
// what the kernel silently ignores or replaces is what breaks a boot: a
// directory entry over a symbolic link empties what the link stood for, a
// segment at an odd offset is not seen, junk ends the unpacking. Where the
// kernel would go on with half an archive, this package gives an error.
//
// It never writes to a file system, runs no program, and never holds an
// unpacked archive in memory: bodies are streamed, and a Tree keeps only
// those asked for. Entries are written by cavaliergopher/cpio. They are read
// by a reader of our own: the kernel's rules for padding, hard links and
// names need header fields and offsets that the library does not give.
package archive

import (
	"errors"
	"fmt"
)

// The limits of what is read. What exceeds one is refused with ErrTooLarge;
// MaxKept only bounds memory, and what exceeds it is ErrNotKept.
const (
	MaxSegments = 64       // cpio segments in one initrd
	MaxEntries  = 1 << 20  // entries in one initrd
	MaxUnpacked = 4 << 30  // bytes of one initrd, unpacked
	MaxName     = 4096     // bytes of a name or a link's target: the kernel's PATH_MAX
	MaxDepth    = 128      // components of a path
	MaxKept     = 64 << 20 // bytes of bodies that a Tree keeps
)

// The errors that callers may want to tell apart.
var (
	// ErrMalformed marks what the kernel would refuse, or misread.
	ErrMalformed = errors.New("archive: malformed")
	// ErrTooLarge marks what exceeds a limit of this package.
	ErrTooLarge = errors.New("archive: too large")
	// ErrUnsupported marks a compression, or a form of one, that is not read
	// or written here.
	ErrUnsupported = errors.New("archive: unsupported")
	// ErrNotKept marks a file whose contents a Tree does not hold.
	ErrNotKept = errors.New("archive: contents not kept")
	// ErrLoop marks a chain of more than 40 symbolic links.
	ErrLoop = errors.New("archive: too many symbolic links")
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// The type bits of a mode, as in stat(2) and in cpio headers.
const (
	TypeMask    = 0o170000
	TypeRegular = 0o100000
	TypeDir     = 0o040000
	TypeSymlink = 0o120000
	TypeChar    = 0o020000
	TypeBlock   = 0o060000
	TypeFifo    = 0o010000
	TypeSocket  = 0o140000
)

// A Segment is one cpio archive of an initrd, or one compressed stream of
// archives.
type Segment struct {
	Index       int         `json:"index"`
	Offset      int64       `json:"offset"` // of its first byte in the initrd
	Size        int64       `json:"size"`   // bytes in the initrd, without padding
	Compression Compression `json:"compression"`
	Entries     int         `json:"entries"`
	Unpacked    int64       `json:"unpacked"` // bytes of cpio
}

// An Entry is the header of one cpio entry.
type Entry struct {
	Name      string // as written, up to the first NUL
	Mode      uint32 // type and permissions, as in stat(2)
	UID, GID  uint32
	Links     uint32
	Inode     uint32
	ModTime   uint32 // seconds since 1970
	Major     uint32 // of the device that held the inode; with it, names a hard link
	Minor     uint32
	Size      int64
	Link      string // target of a symbolic link
	Segment   int
	checksum  uint32
	checksums bool
}

func (e *Entry) kind() uint32 { return e.Mode & TypeMask }
