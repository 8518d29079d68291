// Package bake puts the agent into an initrd that something else has made,
// by appending one segment to it, or builds a whole initramfs around it.
//
// In go an initrd and what is to be in it. Out comes the tail to append,
// byte for byte the same for the same input, and a Report of what was found
// and added. The result is read back by the kernel's own rules before it is
// returned: if the initrd's init would not come to run the agent, there is an
// error and no result. The initrd's own bytes are never changed.
package bake

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
	"unicode"

	"boothook/initramfs/archive"
	"boothook/initramfs/generators"
)

// The paths in a baked initrd, beside generators.Agent.
const (
	Cmdline = "/etc/boothook/cmdline" // kernel words that hold unless the real ones say otherwise
	CAs     = "/etc/boothook/ca.pem"
	Extra   = "/usr/lib/boothook/boothook-extra.gz" // packed, since most boots do not need it
	Seed    = "/etc/boothook/seed"                  // a NoCloud seed, as a directory
)

// SeedFiles lists the names that the files of a NoCloud seed can have.
func SeedFiles() []string { return []string{"meta-data", "user-data", "vendor-data", "network-config"} }

// The limits of what is baked in.
const (
	MaxAgent   = 64 << 20 // bytes of a binary
	MaxCAs     = 4 << 20  // bytes of certificates
	MaxCmdline = 4096     // bytes of kernel words
	MaxSeed    = 16 << 20 // bytes of one file of a seed
)

// Options say what is baked in.
type Options struct {
	Agent    []byte         // the static binary
	Extra    []byte         // boothook-extra; none if empty
	CAs      []byte         // certificates in PEM; none if empty
	Cmdline  string         // default kernel words
	Seed     []archive.File // the files of a seed, by their bare names
	Compress archive.Compression
	Replace  bool // drop what an earlier bake has added
	Version  string
	Now      time.Time // a file of the initrd that is newer has a wrong time

	// Modules is a folder like /lib/modules/VERSION, for the initrd's kernel;
	// none are added if it is empty. ModuleNames are those to be there;
	// DefaultModules if empty.
	Modules     string
	ModuleNames []string
}

// A Report says what was found and what was added.
type Report struct {
	Generator   string              `json:"generator"`
	Kernels     []string            `json:"kernels"`
	Segments    []archive.Segment   `json:"segments"` // of the initrd as it was
	Compression archive.Compression `json:"compression"`
	Added       int64               `json:"added"`   // bytes appended
	Files       []string            `json:"files"`   // in the appended segment
	Modules     []string            `json:"modules"` // names of the kernel modules among them
	Replaced    bool                `json:"replaced"`
	UKI         bool                `json:"uki"`     // the initrd is a section of a unified kernel image
	Signed      bool                `json:"signed"`  // which had a signature; it is gone
	Install     string              `json:"install"` // how to bake in for good, in one line
	Warnings    []string            `json:"warnings"`
}

// Bake returns what to append to the first base bytes of the initrd in r,
// which has size bytes; base is less only when an earlier bake is replaced.
func Bake(r io.ReaderAt, size int64, o Options) (tail []byte, base int64, rep Report, err error) {
	in, err := openUnbaked(r, size, o.Replace)
	if err != nil {
		return nil, 0, rep, err
	}
	files, err := in.files(o)
	if err != nil {
		return nil, 0, rep, err
	}
	rep = in.report(files, o)
	if tail, err = in.segment(files, rep.Compression); err != nil {
		return nil, 0, rep, err
	}
	rep.Added = int64(len(tail))
	rep.Replaced = in.Size < size
	return tail, in.Size, rep, in.verify(r, tail, o.Agent)
}

// openUnbaked opens an initrd as it was before an earlier bake, if that may
// be replaced.
func openUnbaked(r io.ReaderAt, size int64, replace bool) (*Initrd, error) {
	in, err := Open(r, size)
	if err != nil || in.Mark == nil {
		return in, err
	}
	if !replace {
		return nil, ErrBaked
	}
	if size, err = in.Original(); err != nil {
		return nil, err
	}
	return Open(r, size)
}

// files is what the new segment holds.
func (in *Initrd) files(o Options) ([]archive.File, error) {
	files, err := in.Generator.Calls(in.Tree)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in.Generator.Name(), err)
	}
	programs, err := in.programs(o)
	if err != nil {
		return nil, err
	}
	settings, err := in.settings(o)
	if err != nil {
		return nil, err
	}
	files = append(append(files, programs...), settings...)
	if o.Modules != "" {
		names := o.ModuleNames
		if len(names) == 0 {
			names = DefaultModules()
		}
		extra, err := in.moduleFiles(o.Modules, names)
		if err != nil {
			return nil, fmt.Errorf("modules: %w", err)
		}
		files = append(files, extra...)
	}
	return in.Tree.Overlay(files)
}

func (in *Initrd) programs(o Options) ([]archive.File, error) {
	return programs(generators.Agent, machineOf(in.Tree), o)
}

// programs are the agent, at the given place, and what it runs.
func programs(agentAt string, machine elf.Machine, o Options) ([]archive.File, error) {
	if err := checkBinary(o.Agent, machine); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	const mode = archive.TypeRegular | 0o755
	files := []archive.File{{Name: agentAt, Mode: mode, Data: o.Agent}}
	if len(o.Extra) > 0 {
		if err := checkBinary(o.Extra, machine); err != nil {
			return nil, fmt.Errorf("boothook-extra: %w", err)
		}
		var packed bytes.Buffer
		if err := archive.Compress(&packed, archive.Gzip, o.Extra); err != nil {
			return nil, fmt.Errorf("boothook-extra: %w", err)
		}
		files = append(files, archive.File{Name: Extra, Mode: archive.TypeRegular | 0o644, Data: packed.Bytes()})
	}
	return files, nil
}

func (in *Initrd) settings(o Options) ([]archive.File, error) {
	m := Mark{Schema: 1, Boothook: o.Version, Generator: in.Generator.Name(), InitrdSize: in.Size}
	if in.Tree.Newest <= o.Now.Unix() {
		m.NotBefore = in.Tree.Newest
	}
	return settings(m, o)
}

// settings are the files that the agent reads.
func settings(m Mark, o Options) ([]archive.File, error) {
	mark, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	const mode = archive.TypeRegular | 0o644
	files := []archive.File{{Name: generators.MarkAt, Mode: mode, Data: append(mark, '\n')}}
	if len(o.CAs) > MaxCAs {
		return nil, fmt.Errorf("%w: certificates of %d bytes", archive.ErrTooLarge, len(o.CAs))
	}
	if len(o.CAs) > 0 {
		files = append(files, archive.File{Name: CAs, Mode: mode, Data: o.CAs})
	}
	if i := strings.IndexFunc(o.Cmdline, unicode.IsControl); i >= 0 {
		return nil, fmt.Errorf("kernel words with a control character at byte %d", i)
	}
	if len(o.Cmdline) > MaxCmdline {
		return nil, fmt.Errorf("%w: kernel words of %d bytes", archive.ErrTooLarge, len(o.Cmdline))
	}
	if o.Cmdline != "" {
		files = append(files, archive.File{Name: Cmdline, Mode: mode, Data: []byte(o.Cmdline + "\n")})
	}
	for _, f := range o.Seed {
		if len(f.Data) > MaxSeed {
			return nil, fmt.Errorf("%w: %s of the seed has %d bytes", archive.ErrTooLarge, f.Name, len(f.Data))
		}
		// It may hold secrets.
		files = append(files, archive.File{Name: Seed + "/" + f.Name, Mode: archive.TypeRegular | 0o600, Data: f.Data})
	}
	return files, nil
}

func (in *Initrd) report(files []archive.File, o Options) Report {
	rep := Report{
		Generator:   in.Generator.Name(),
		Kernels:     in.Kernels,
		Segments:    in.Segments,
		Compression: o.Compress,
		Install:     in.Generator.Install(),
		Modules:     []string{},
		Warnings:    []string{},
	}
	if rep.Compression == "" {
		rep.Compression = in.compression()
	}
	for _, f := range files {
		rep.Files = append(rep.Files, f.Name)
		if name, ok := strings.CutSuffix(path.Base(f.Name), ".ko"); ok {
			rep.Modules = append(rep.Modules, name)
		}
	}
	for _, version := range in.Kernels {
		if o.Modules == "" && in.lacksNetwork(version) {
			rep.Warnings = append(rep.Warnings, fmt.Sprintf("no usual network card has its driver among the modules for %s; add them with --modules /lib/modules/%[1]s", version))
		}
	}
	return rep
}

// compression picks one that the initrd's kernel surely has, since the initrd
// boots: zstd if it is used, else that of the last segment, or none. It does
// not take xz or lzma: to unpack an agent so compressed takes a processor longer
// than to read the bytes that are saved, unless the disk is slower than 35 MB/s.
func (in *Initrd) compression() archive.Compression {
	picked := archive.None
	for _, s := range in.Segments {
		switch s.Compression {
		case archive.Zstd:
			return archive.Zstd
		case archive.Gzip, archive.LZ4:
			picked = s.Compression
		default:
			picked = archive.None
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
