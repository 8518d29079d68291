package bake

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// File bakes the initrd in the file in, or in the UKI in it, and writes the
// result to the file out. Out gets its name only when it is complete and
// synced, and has the mode of in; in is never written to, and must not be out.
func File(in, out string, o Options) (Report, error) {
	i, err := openInput(in, out)
	if err != nil {
		return Report{}, err
	}
	defer i.file.Close()
	tail, base, rep, err := Bake(i.initrd, i.size, o)
	if err != nil {
		return rep, fmt.Errorf("bake %s: %w", in, err)
	}
	rep.UKI = i.uki != nil
	rep.Signed = rep.UKI && i.uki.signed
	return rep, i.write(out, base, tail)
}

// Undo writes to the file out what the plain initrd in the file in was before
// it was baked, byte for byte.
func Undo(in, out string) error {
	i, err := openInput(in, out)
	if err != nil {
		return err
	}
	defer i.file.Close()
	if i.uki != nil {
		return fmt.Errorf("undo %s: in a UKI other sections have moved; make it anew", in)
	}
	initrd, err := Open(i.initrd, i.size)
	if err != nil {
		return fmt.Errorf("undo %s: %w", in, err)
	}
	original, err := initrd.Original()
	if err != nil {
		return fmt.Errorf("undo %s: %w", in, err)
	}
	return i.write(out, original, nil)
}

// An input is a file with an initrd: the file itself, or a section of a UKI.
type input struct {
	file   *os.File
	uki    *uki // nil for a plain initrd
	initrd io.ReaderAt
	size   int64 // of the initrd
}

// openInput opens a file that must not be the one named out.
func openInput(name, out string) (_ *input, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	if there, err := os.Stat(out); err == nil && os.SameFile(info, there) {
		return nil, fmt.Errorf("%s is the input itself, which is never changed; write to another file", out)
	}
	i := &input{file: f, initrd: f, size: info.Size()}
	if i.uki, err = openUKI(f, info.Size()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if i.uki != nil {
		i.initrd, i.size = i.uki.section()
	}
	return i, nil
}

// write writes the first base bytes of the initrd, then the tail, to a file
// beside out, and renames it.
func (i *input) write(out string, base int64, tail []byte) (err error) {
	info, err := i.file.Stat()
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(out), "."+filepath.Base(out)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", out, err), os.Remove(tmp.Name()))
		}
		tmp.Close()
	}()
	if err := i.writeTo(tmp, base, tail); err != nil {
		return err
	}
	if err := tmp.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), out)
}

func (i *input) writeTo(w io.Writer, base int64, tail []byte) error {
	if i.uki != nil {
		return i.uki.write(w, base, tail)
	}
	if _, err := i.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.CopyN(w, i.file, base); err != nil { // in the kernel, from file to file
		return err
	}
	_, err := w.Write(tail)
	return err
}
