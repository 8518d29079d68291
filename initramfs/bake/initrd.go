package bake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"boothook/initramfs/archive"
	"boothook/initramfs/generators"
)

// The limits of what is read of an initrd.
const (
	MaxInitrd = 2 << 30  // its bytes
	maxFile   = 1 << 20  // bytes of the largest script or list
	maxIndex  = 16 << 20 // bytes of the largest of depmod's files
)

// The errors that callers may want to tell apart.
var (
	ErrBaked    = errors.New("bake: boothook is in this initrd already")
	ErrNotBaked = errors.New("bake: boothook is not in this initrd")
)

// A Mark is what a baked segment says of itself.
type Mark struct {
	Schema     int    `json:"schema"`
	Boothook   string `json:"boothook"`
	Generator  string `json:"generator"`
	InitrdSize int64  `json:"initrd_size"` // bytes before the segment and its padding
	// NotBefore is a time, in seconds since 1970, that has surely passed when
	// the initrd boots: that of its newest file. It helps a machine without a
	// clock to check certificates. 0 if it is not known.
	NotBefore int64 `json:"not_before"`
}

// An Initrd is what Open has found in an initrd.
type Initrd struct {
	Size      int64
	Tree      *archive.Tree
	Segments  []archive.Segment
	Generator generators.Generator
	Kernels   []string // versions with a folder of modules
	Mark      *Mark    // of an earlier bake; nil if there was none
}

// Open reads the initrd of size bytes in r. If no generator is known to have
// made it, the error is generators.ErrUnknown, and the rest of what was found
// is returned with it.
func Open(r io.ReaderAt, size int64) (*Initrd, error) {
	if size > MaxInitrd {
		return nil, fmt.Errorf("%w: an initrd of %d bytes", archive.ErrTooLarge, size)
	}
	t, segments, err := archive.Read(r, size, keepTexts)
	if err != nil {
		return nil, err
	}
	in := &Initrd{Size: size, Tree: t, Segments: segments, Kernels: []string{}}
	if len(segments) == 0 {
		return nil, fmt.Errorf("%w: no cpio archive in %d bytes", archive.ErrMalformed, size)
	}
	if in.Mark, err = readMark(t); err != nil {
		return nil, err
	}
	for _, name := range t.List("/lib/modules") {
		if n, _, err := t.Lookup("/lib/modules/" + name); err == nil && n.IsDir() {
			in.Kernels = append(in.Kernels, name)
		}
	}
	in.Generator, err = generators.Detect(t)
	return in, err
}

// keepTexts keeps scripts, lists, and depmod's files, but no programs,
// libraries or modules, of which an initrd can hold a gigabyte.
func keepTexts(name string, size int64, head []byte) bool {
	if bytes.IndexByte(head, 0) >= 0 {
		return false
	}
	return size <= maxFile || size <= maxIndex && strings.HasPrefix(path.Base(name), "modules.")
}

func readMark(t *archive.Tree) (*Mark, error) {
	data, err := t.ReadFile(generators.MarkAt)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := &Mark{}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("read %s: %w", generators.MarkAt, err)
	}
	if m.Schema != 1 {
		return nil, fmt.Errorf("read %s: schema %d, this version knows 1", generators.MarkAt, m.Schema)
	}
	return m, nil
}

// Original gives the size that the initrd had before it was baked: what is
// behind it is boothook's segment. Error: ErrNotBaked.
func (in *Initrd) Original() (int64, error) {
	if in.Mark == nil {
		return 0, ErrNotBaked
	}
	if in.Mark.Generator == generators.Installed {
		return 0, errors.New("the installed boothook package put the agent into it; remove that, and make the initrd anew")
	}
	last := in.Segments[len(in.Segments)-1]
	if node, _, err := in.Tree.Lookup(generators.MarkAt); err != nil || node.Segment != last.Index {
		return 0, errors.New("something was appended after boothook's segment; make the initrd anew")
	}
	size := in.Mark.InitrdSize
	if size <= 0 || size > last.Offset || len(in.Segments) < 2 || end(in.Segments[len(in.Segments)-2]) > size {
		return 0, fmt.Errorf("%s says that the initrd had %d bytes, which cannot be", generators.MarkAt, size)
	}
	return size, nil
}

func end(s archive.Segment) int64 { return s.Offset + s.Size }
