package bake

import (
	"debug/elf"
	_ "embed" // of the list below
	"fmt"
	"path"
	"strings"

	"boothook/initramfs/archive"
)

// rescueCommands are u-root's commands (github.com/u-root/u-root/cmds/core)
// that boothook-rescue is made of, one a line. The Makefile builds it by the
// same list.
//
//go:embed rescue.txt
var rescueCommands string

// rescueAt is the path of the program in the initramfs, under the name that u-root gives it.
const rescueAt = "/bbin/bb"

// rescueFiles are u-root's commands by their names, and its shell as /bin/sh,
// for boothook.onerror=shell. The program tells by its links which it is.
func rescueFiles(program []byte, machine elf.Machine) ([]archive.File, error) {
	if len(program) == 0 {
		return nil, nil
	}
	if len(program) > MaxRescue {
		return nil, fmt.Errorf("%w: a rescue program of %d bytes", archive.ErrTooLarge, len(program))
	}
	if err := checkBinary(program, machine); err != nil {
		return nil, fmt.Errorf("rescue: %w", err)
	}
	link := func(name, target string) archive.File {
		return archive.File{Name: name, Mode: archive.TypeSymlink | 0o777, Data: []byte(target)}
	}
	files := []archive.File{{Name: rescueAt, Mode: archive.TypeRegular | 0o755, Data: program}, link("/bin/sh", "gosh")}
	for _, name := range strings.Fields(rescueCommands) {
		files = append(files, link(path.Join("/bin", name), rescueAt))
	}
	return files, nil
}
