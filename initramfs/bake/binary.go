package bake

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"

	"boothook/initramfs/archive"
)

// checkBinary makes sure that a program runs in any initrd: Linux, ELF, and
// with no interpreter and no library to be found there.
func checkBinary(data []byte) error {
	if len(data) > MaxAgent {
		return fmt.Errorf("%w: %d bytes", archive.ErrTooLarge, len(data))
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("not an ELF program: %w", err)
	}
	defer f.Close()
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return fmt.Errorf("not a program but %v", f.Type)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("not static: it asks for an interpreter (build with CGO_ENABLED=0)")
		}
	}
	return nil
}
