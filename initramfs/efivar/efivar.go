// Package efivar keeps a few bytes in a variable of the machine's EFI
// firmware, where they outlast what is on its disks.
//
// In goes a name, out come the bytes or an error. A file system of the
// kernel's (efivarfs) has a file for each variable; it is mounted for nobody
// but the caller and gone with Close, wherever else it is mounted or not.
// Writing wears the firmware's memory, and some firmware is fragile: callers
// write only what changes, and only little. Nothing here touches a variable
// of another vendor's.
package efivar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// vendor is the GUID under which all variables here stand: boothook's own.
const vendor = "2679d91f-47a6-4fa4-b93c-4989cc06c34b"

// MaxData is the most that a variable may hold, in bytes.
const MaxData = 64

// attributes say that a variable outlasts a power cycle and is seen by boot
// loaders and by the running system (UEFI 2.10, §8.2: NON_VOLATILE,
// BOOTSERVICE_ACCESS, RUNTIME_ACCESS). They stand before its data in the file.
const attributes = 1 | 2 | 4

// immutable is the file attribute that efivarfs has on all variables but the
// standard ones, so that no rm -r makes a machine unbootable (linux/fs.h).
const immutable = 0x10

// Vars are boothook's own variables in the firmware.
type Vars struct{ dir int }

// Open mounts the variables. Where there is no EFI, or the kernel cannot
// change its variables, that is an error.
func Open() (*Vars, error) {
	fsfd, err := unix.Fsopen("efivarfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open efivarfs: %w", err)
	}
	defer unix.Close(fsfd)
	if err := unix.FsconfigCreate(fsfd); err != nil {
		return nil, fmt.Errorf("create efivarfs: %w", err)
	}
	dir, err := unix.Fsmount(fsfd, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("mount efivarfs: %w", err)
	}
	return &Vars{dir}, nil
}

// Close unmounts them.
func (v *Vars) Close() { unix.Close(v.dir) }

// Get gives what a variable holds. One that is not there gives
// fs.ErrNotExist.
func (v *Vars) Get(name string) ([]byte, error) {
	fd, err := v.open(name, unix.O_RDONLY)
	if err != nil {
		return nil, varError("read", name, err)
	}
	defer unix.Close(fd)
	var buf [4 + MaxData + 1]byte
	n, err := unix.Read(fd, buf[:]) // one variable comes in one read
	switch {
	case err != nil:
		return nil, varError("read", name, err)
	case n < 4 || n == len(buf):
		return nil, varError("read", name, errors.New("not of a size that was written here"))
	}
	return buf[4:n], nil
}

// Set makes a variable hold data, at most MaxData bytes; none removes it. A
// variable that is as it should be already is not written.
func (v *Vars) Set(name string, data []byte) error {
	if len(data) > MaxData {
		return varError("write", name, fs.ErrInvalid)
	}
	old, err := v.Get(name)
	there := !errors.Is(err, fs.ErrNotExist)
	if there == (len(data) > 0) && string(old) == string(data) {
		return nil
	}
	if there {
		if err := v.clearImmutable(name); err != nil {
			return varError("make changeable", name, err)
		}
	}
	if len(data) == 0 {
		if err := unix.Unlinkat(v.dir, file(name), 0); err != nil {
			return varError("remove", name, err)
		}
		return nil
	}
	fd, err := v.open(name, unix.O_WRONLY|unix.O_CREAT)
	if err != nil {
		return varError("write", name, err)
	}
	defer unix.Close(fd)
	// One write is one call of the firmware, which replaces all or nothing.
	whole := append(binary.LittleEndian.AppendUint32(nil, attributes), data...)
	if _, err := unix.Write(fd, whole); err != nil {
		return varError("write", name, err)
	}
	return nil
}

// clearImmutable lets a variable that is there be changed.
func (v *Vars) clearImmutable(name string) error {
	fd, err := v.open(name, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	flags, err := unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS)
	if err != nil || flags&immutable == 0 {
		return err
	}
	return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, flags&^immutable)
}

func (v *Vars) open(name string, flags int) (int, error) {
	return unix.Openat(v.dir, file(name), flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
}

// file is a variable's file: NAME-GUID.
func file(name string) string { return name + "-" + vendor }

func varError(op, name string, err error) error {
	return &fs.PathError{Op: op + " EFI variable", Path: name, Err: err}
}
