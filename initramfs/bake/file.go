package bake

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// File bakes the initrd in the file in and writes the result to the file out.
// Out gets its name only when it is complete and synced, and has the mode of
// in; in is never written to, and must not be out.
func File(in, out string, o Options) (Report, error) {
	f, size, err := openInput(in)
	if err != nil {
		return Report{}, err
	}
	defer f.Close()
	if err := notSame(f, out); err != nil {
		return Report{}, err
	}
	tail, base, rep, err := Bake(f, size, o)
	if err != nil {
		return rep, fmt.Errorf("bake %s: %w", in, err)
	}
	return rep, writeFile(f, base, tail, out)
}

// Undo writes to the file out what the initrd in the file in was before it
// was baked, byte for byte.
func Undo(in, out string) error {
	f, size, err := openInput(in)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := notSame(f, out); err != nil {
		return err
	}
	initrd, err := Open(f, size)
	if err != nil {
		return fmt.Errorf("undo %s: %w", in, err)
	}
	original, err := initrd.Original()
	if err != nil {
		return fmt.Errorf("undo %s: %w", in, err)
	}
	return writeFile(f, original, nil, out)
}

func openInput(name string) (*os.File, int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func notSame(in *os.File, out string) error {
	a, err := in.Stat()
	if err != nil {
		return err
	}
	if b, err := os.Stat(out); err == nil && os.SameFile(a, b) {
		return fmt.Errorf("%s is the input itself, which is never changed; write to another file", out)
	}
	return nil
}

// writeFile writes the first base bytes of in, then the tail, to a file
// beside out, and renames it.
func writeFile(in *os.File, base int64, tail []byte, out string) (err error) {
	info, err := in.Stat()
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
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.CopyN(tmp, in, base); err != nil {
		return err
	}
	if _, err := tmp.Write(tail); err != nil {
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
