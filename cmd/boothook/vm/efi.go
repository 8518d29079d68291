package vm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// The EFI firmware as Debian's package ovmf has it: the program, and the
// variables of a machine that is new.
const (
	efiCode = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	efiVars = "/usr/share/OVMF/OVMF_VARS_4M.fd"
)

// MakeEFIVars makes the file in which the firmware of one machine keeps its
// variables, unless it is there already.
func MakeEFIVars(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fresh, err := os.ReadFile(efiVars)
	if err != nil {
		return fmt.Errorf("EFI firmware (Debian's package ovmf): %w", err)
	}
	return os.WriteFile(path, fresh, 0o600)
}

// efiArgs give a machine EFI firmware that keeps its variables in a file.
func efiArgs(vars string) []string {
	return []string{
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + efiCode,
		"-drive", "if=pflash,unit=1,format=raw,file=" + vars,
	}
}
