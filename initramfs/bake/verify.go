package bake

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"path"

	"boothook/initramfs/archive"
	"boothook/initramfs/generators"
)

// verify reads the result as the kernel will, on from where the tree of the
// initrd ends. The tree holds the new segment then.
func (in *Initrd) verify(r io.ReaderAt, tail []byte, agent []byte) error {
	whole := joined{r, in.Size, bytes.NewReader(tail)}
	keep := func(name string, size int64, head []byte) bool {
		return path.Base(name) == path.Base(generators.Agent) || keepTexts(name, size, head)
	}
	segments, err := archive.ReadOn(in.Tree, in.Segments, whole, in.Size+int64(len(tail)), keep)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if len(segments) != len(in.Segments)+1 {
		return fmt.Errorf("verify: the kernel would find %d segments, not %d", len(segments), len(in.Segments)+1)
	}
	if err := in.reachable(); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	got, err := in.Tree.ReadFile(generators.Agent)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if !bytes.Equal(got, agent) {
		return fmt.Errorf("verify: %s is not what was baked in", generators.Agent)
	}
	return nil
}

// reachable says what keeps the agent in the tree from being called.
func (in *Initrd) reachable() error {
	n, at, err := in.Tree.Lookup(generators.Agent)
	switch {
	case err != nil:
		return err
	case !n.IsRegular() || n.Mode&0o111 == 0:
		return fmt.Errorf("%s is not an executable file", at)
	case !bytes.HasPrefix(n.Head, []byte(elf.ELFMAG)):
		return fmt.Errorf("%s is not an ELF program", at)
	}
	return in.Generator.Check(in.Tree)
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
