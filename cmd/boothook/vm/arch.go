package vm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// An Arch is the architecture of a machine, by Debian's name.
type Arch string

const (
	AMD64 Arch = "amd64"
	// ARM64 is emulated with EFI firmware always: nothing else tells the
	// kernel what the machine says of itself (SMBIOS).
	ARM64 Arch = "arm64"
)

// Console is the kernel's name of the machine's serial port.
func (a Arch) Console() string {
	if a == ARM64 {
		return "ttyAMA0"
	}
	return "ttyS0"
}

// qemu are the program and the options that choose the machine. A Cortex-A57
// has no pointer authentication, whose emulation doubles the time of a boot.
func (a Arch) qemu(accel Accel) []string {
	if a == ARM64 {
		return []string{"qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-accel", "tcg,thread=multi,tb-size=512"}
	}
	return append([]string{qemu, "-M", "q35"}, accel.args()...)
}

// firmware are EFI's program, and the variables of a machine that is new, as
// Debian's packages ovmf and qemu-efi-aarch64 have them.
func (a Arch) firmware() (code, vars string) {
	if a == ARM64 {
		return "/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"
	}
	return "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
}

// MakeEFIVars makes the file in which the firmware of one machine keeps its
// variables, unless it is there already.
func MakeEFIVars(path string, a Arch) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, vars := a.firmware()
	fresh, err := os.ReadFile(vars)
	if err != nil {
		return fmt.Errorf("EFI firmware (Debian's packages ovmf and qemu-efi-aarch64): %w", err)
	}
	return os.WriteFile(path, fresh, 0o600)
}

// efi are the options that give a machine EFI firmware that keeps its
// variables in a file.
func (a Arch) efi(vars string) []string {
	code, _ := a.firmware()
	return []string{
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + optionValue(code),
		"-drive", "if=pflash,unit=1,format=raw,file=" + optionValue(vars),
	}
}
