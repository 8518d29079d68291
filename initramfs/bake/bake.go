// Package bake puts the agent into an initrd that something else has made,
// by appending one segment to it.
//
// In go an initrd and what is to be in it. Out comes the tail to append,
// byte for byte the same for the same input, and a Report of what was found
// and added. The result is read back by the kernel's own rules before anybody
// sees it: if the initrd's init would not come to run the agent, there is an
// error and no result. The initrd's own bytes are never changed.
package bake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"boothook/initramfs/archive"
	"boothook/initramfs/generators"
)

// Where things lie in a baked initrd, beside generators.Agent.
const (
	Cmdline = "/etc/boothook/cmdline" // kernel words that hold unless the real ones say otherwise
	CAs     = "/etc/boothook/ca.pem"
	TLS     = "/usr/lib/boothook/boothook-tls"
	markAt  = "/usr/lib/boothook/baked.json"
)

// Limits of what is taken in.
const (
	MaxInitrd  = 2 << 30  // bytes of an initrd
	MaxAgent   = 64 << 20 // bytes of a binary
	MaxCmdline = 4096     // bytes of baked-in kernel words
	keepFiles  = 1 << 20  // bytes of the largest script or list that is read
)

// Errors that callers may want to tell apart.
var (
	ErrBaked    = errors.New("bake: boothook is in this initrd already")
	ErrNotBaked = errors.New("bake: boothook is not in this initrd")
)

// Options say what is baked in.
type Options struct {
	Agent    []byte // the static binary
	TLS      []byte // boothook-tls; none if empty
	CAs      []byte // certificates in PEM; none if empty
	Cmdline  string // default kernel words
	Compress archive.Compression
	Replace  bool // drop what an earlier bake has added
	Version  string
}

// A Mark is what a baked segment says of itself.
type Mark struct {
	Schema     int    `json:"schema"`
	Boothook   string `json:"boothook"`
	Generator  string `json:"generator"`
	InitrdSize int64  `json:"initrd_size"` // bytes before the segment and its padding
}

// An Initrd is what was found in one.
type Initrd struct {
	Size      int64
	Tree      *archive.Tree
	Segments  []archive.Segment
	Generator generators.Generator
	Kernels   []string // versions with a folder of modules
	Mark      *Mark    // of an earlier bake; nil if there was none
}

// A Report says what was found and what was added.
type Report struct {
	Generator   string              `json:"generator"`
	Kernels     []string            `json:"kernels"`
	Segments    []archive.Segment   `json:"segments"` // of the initrd as it was
	Compression archive.Compression `json:"compression"`
	Added       int64               `json:"added"` // bytes appended
	Files       []string            `json:"files"` // in the appended segment
	Replaced    bool                `json:"replaced"`
	Install     string              `json:"install"` // how to bake in for good, in one line
}

// Open reads the initrd of size bytes in r. With ErrUnknown of generators
// comes what else was found.
func Open(r io.ReaderAt, size int64) (*Initrd, error) {
	if size > MaxInitrd {
		return nil, fmt.Errorf("%w: an initrd of %d bytes", archive.ErrTooLarge, size)
	}
	t, segments, err := archive.Read(r, size, archive.KeepSmall(keepFiles))
	if err != nil {
		return nil, err
	}
	in := &Initrd{Size: size, Tree: t, Segments: segments}
	if len(segments) == 0 {
		return nil, fmt.Errorf("%w: no cpio archive in %d bytes", archive.ErrMalformed, size)
	}
	if in.Mark, err = readMark(t); err != nil {
		return nil, err
	}
	in.Kernels = t.List("/lib/modules")
	in.Generator, err = generators.Detect(in.Tree)
	return in, err
}

func readMark(t *archive.Tree) (*Mark, error) {
	data, err := t.ReadFile(markAt)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := &Mark{}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("read %s: %w", markAt, err)
	}
	if m.Schema != 1 {
		return nil, fmt.Errorf("read %s: schema %d, this version knows 1", markAt, m.Schema)
	}
	return m, nil
}

// Original gives the size that the initrd had before it was baked: what is
// behind it is boothook's segment. Error: ErrNotBaked.
func (in *Initrd) Original() (int64, error) {
	if in.Mark == nil {
		return 0, ErrNotBaked
	}
	last := in.Segments[len(in.Segments)-1]
	size := in.Mark.InitrdSize
	if node, _, err := in.Tree.Lookup(markAt); err != nil || node.Segment != last.Index {
		return 0, errors.New("something was appended after boothook's segment; make the initrd anew")
	}
	if size <= 0 || size > last.Offset || len(in.Segments) < 2 || end(in.Segments[len(in.Segments)-2]) > size {
		return 0, fmt.Errorf("%s says that the initrd had %d bytes, which cannot be", markAt, size)
	}
	return size, nil
}

func end(s archive.Segment) int64 { return s.Offset + s.Size }

// Bake returns what to append to the first base bytes of the initrd in r,
// which has size bytes; base is less only when an earlier bake is replaced.
func Bake(r io.ReaderAt, size int64, o Options) (tail []byte, base int64, rep Report, err error) {
	in, err := Open(r, size)
	if err != nil {
		return nil, 0, rep, err
	}
	if in.Mark != nil {
		if !o.Replace {
			return nil, 0, rep, ErrBaked
		}
		if size, err = in.Original(); err != nil {
			return nil, 0, rep, err
		}
		if in, err = Open(r, size); err != nil {
			return nil, 0, rep, err
		}
		rep.Replaced = true
	}
	files, err := in.files(o)
	if err != nil {
		return nil, 0, rep, err
	}
	rep.Compression = o.Compress
	if o.Compress == "" {
		rep.Compression = in.compression()
	}
	if tail, err = in.segment(files, rep.Compression); err != nil {
		return nil, 0, rep, err
	}
	rep.Generator, rep.Install = in.Generator.Name(), in.Generator.Install()
	rep.Kernels, rep.Segments, rep.Added = in.Kernels, in.Segments, int64(len(tail))
	for _, f := range files {
		rep.Files = append(rep.Files, f.Name)
	}
	return tail, size, rep, in.verify(r, tail, o.Agent)
}

// files is what the new segment holds.
func (in *Initrd) files(o Options) ([]archive.File, error) {
	machine := machineOf(in.Tree)
	if err := checkBinary(o.Agent, machine); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	calls, err := in.Generator.Calls(in.Tree)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in.Generator.Name(), err)
	}
	m, err := json.Marshal(Mark{Schema: 1, Boothook: o.Version, Generator: in.Generator.Name(), InitrdSize: in.Size})
	if err != nil {
		return nil, err
	}
	const program, plain = archive.TypeRegular | 0o755, archive.TypeRegular | 0o644
	files := append(calls,
		archive.File{Name: generators.Agent, Mode: program, Data: o.Agent},
		archive.File{Name: markAt, Mode: plain, Data: append(m, '\n')})
	if len(o.TLS) > 0 {
		if err := checkBinary(o.TLS, machine); err != nil {
			return nil, fmt.Errorf("boothook-tls: %w", err)
		}
		files = append(files, archive.File{Name: TLS, Mode: program, Data: o.TLS})
	}
	if len(o.CAs) > 0 {
		files = append(files, archive.File{Name: CAs, Mode: plain, Data: o.CAs})
	}
	if o.Cmdline != "" {
		if len(o.Cmdline) > MaxCmdline {
			return nil, fmt.Errorf("%w: kernel words of %d bytes", archive.ErrTooLarge, len(o.Cmdline))
		}
		files = append(files, archive.File{Name: Cmdline, Mode: plain, Data: []byte(o.Cmdline + "\n")})
	}
	return in.Tree.Overlay(files)
}

// compression picks one that the initrd's kernel surely has: that of the
// last segment, since the initrd boots, or none.
func (in *Initrd) compression() archive.Compression {
	picked := archive.None
	for _, s := range in.Segments {
		for _, c := range archive.Writable() {
			if s.Compression == c {
				picked = c
			}
		}
		if s.Compression == archive.Zstd {
			return archive.Zstd
		}
	}
	return picked
}

// segment is the padding and the archive. The kernel finds an uncompressed
// archive only at a multiple of 4, and takes what follows LZ4 for more of it
// unless there is a word of zeros between.
func (in *Initrd) segment(files []archive.File, c archive.Compression) ([]byte, error) {
	var plain bytes.Buffer
	if err := archive.Write(&plain, files); err != nil {
		return nil, err
	}
	pad := -in.Size & 3
	if in.Segments[len(in.Segments)-1].Compression != archive.None {
		pad += 4
	}
	out := bytes.NewBuffer(make([]byte, pad))
	if err := archive.Compress(out, c, plain.Bytes()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// verify reads the result as the kernel will.
func (in *Initrd) verify(r io.ReaderAt, tail []byte, agent []byte) error {
	whole := joined{r, in.Size, bytes.NewReader(tail)}
	out := &Initrd{Generator: in.Generator}
	var err error
	if out.Tree, out.Segments, err = archive.Read(whole, in.Size+int64(len(tail)), keepAgent); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if len(out.Segments) != len(in.Segments)+1 {
		return fmt.Errorf("verify: the kernel would find %d segments, not %d", len(out.Segments), len(in.Segments)+1)
	}
	if got, err := out.Tree.ReadFile(generators.Agent); err != nil || !bytes.Equal(got, agent) {
		return fmt.Errorf("verify: %s is not the agent: %v", generators.Agent, err)
	}
	if err := out.reachable(); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}

func keepAgent(name string, size int64) bool {
	return size <= keepFiles || path.Base(name) == path.Base(generators.Agent)
}

// joined is an initrd with its tail.
type joined struct {
	head io.ReaderAt
	size int64
	tail io.ReaderAt
}

func (j joined) ReadAt(p []byte, off int64) (n int, err error) {
	if off < j.size {
		n, err = j.head.ReadAt(p[:min(int64(len(p)), j.size-off)], off)
		if n == len(p) || err != nil && err != io.EOF {
			return n, err
		}
		if off+int64(n) < j.size {
			return n, io.ErrUnexpectedEOF
		}
	}
	m, err := j.tail.ReadAt(p[n:], off+int64(n)-j.size)
	return n + m, err
}
