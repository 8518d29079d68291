package bake

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"path"

	"boothook/initramfs/archive"
)

// checkBinary makes sure that a program runs in the initrd: ELF, for the
// machine that the initrd's own programs are for, and with no interpreter
// that would have to be found there.
func checkBinary(data []byte, machine elf.Machine) error {
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
	if machine != elf.EM_NONE && f.Machine != machine {
		return fmt.Errorf("is for %v, but the initrd's programs are for %v", f.Machine, machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("not static: it asks for an interpreter (build with CGO_ENABLED=0)")
		}
	}
	return nil
}

// machineOf tells for what machine an initrd's programs are, by the first
// one that is found; EM_NONE if there is none.
func machineOf(t *archive.Tree) elf.Machine {
	for _, dir := range []string{"/", "/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/lib/systemd", "/bbin"} {
		for _, name := range t.List(dir) {
			n, _, err := t.Lookup(path.Join(dir, name))
			if err != nil || !n.IsRegular() || !bytes.HasPrefix(n.Head, []byte(elf.ELFMAG)) || len(n.Head) < 20 {
				continue
			}
			order := binary.ByteOrder(binary.LittleEndian)
			if elf.Data(n.Head[elf.EI_DATA]) == elf.ELFDATA2MSB {
				order = binary.BigEndian
			}
			return elf.Machine(order.Uint16(n.Head[18:]))
		}
	}
	return elf.EM_NONE
}
