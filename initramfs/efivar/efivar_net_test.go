//go:build net

package efivar

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The firmware's part is played by a directory whose files are immutable, as
// efivarfs makes them; that takes root. The firmware itself is met in the boot
// tests.
func vars(t *testing.T) (*Vars, string) {
	t.Helper()
	dir := t.TempDir()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	v := &Vars{fd}
	t.Cleanup(v.Close)
	return v, filepath.Join(dir, "Test-2679d91f-47a6-4fa4-b93c-4989cc06c34b")
}

// freeze makes a file immutable, until the test ends.
func freeze(t *testing.T, path string) {
	t.Helper()
	set := func(flag int) error {
		f, err := os.Open(path)
		if err != nil {
			return nil // removed by the test
		}
		defer f.Close()
		flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
		if err != nil {
			return err
		}
		return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags&^immutable|flag)
	}
	if err := set(immutable); err != nil {
		t.Fatalf("make %s immutable: %v", path, err)
	}
	t.Cleanup(func() { set(0) })
}

func TestSet(t *testing.T) {
	v, path := vars(t)
	if _, err := v.Get("Test"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get of nothing: %v", err)
	}
	if err := v.Set("Test", nil); err != nil {
		t.Errorf("remove nothing: %v", err)
	}
	for _, data := range []string{"first", "other", strings.Repeat("x", MaxData)} {
		if err := v.Set("Test", []byte(data)); err != nil {
			t.Fatalf("Set(%q): %v", data, err)
		}
		if got, err := v.Get("Test"); string(got) != data || err != nil {
			t.Errorf("Get = %q, %v; want %q", got, err, data)
		}
		if whole, _ := os.ReadFile(path); string(whole) != "\x07\x00\x00\x00"+data {
			t.Errorf("the file holds %q", whole)
		}
		freeze(t, path)
	}
	if err := v.Set("Test", []byte(strings.Repeat("x", MaxData+1))); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("too much: %v", err)
	}
	if err := v.Set("Test", nil); err != nil {
		t.Errorf("remove: %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after removal: %v", err)
	}
}

// What is as it should be is not written: the firmware's memory wears.
func TestSetTheSame(t *testing.T) {
	v, path := vars(t)
	if err := v.Set("Test", []byte("data")); err != nil {
		t.Fatal(err)
	}
	freeze(t, path)
	was := changed(t, path)
	if err := v.Set("Test", []byte("data")); err != nil {
		t.Error(err)
	}
	if now := changed(t, path); now != was {
		t.Errorf("changed at %v, was %v", now, was)
	}
}

func changed(t *testing.T, path string) syscall.Timespec {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ctim
}

// A variable that somebody else wrote in an odd size is not ours to believe,
// and can be written over.
func TestOddSizes(t *testing.T) {
	for _, body := range []string{"", "abc", strings.Repeat("x", 4+MaxData+1), strings.Repeat("x", 5000)} {
		v, path := vars(t)
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := v.Get("Test"); err == nil {
			t.Errorf("%d bytes: %q", len(body), got)
		}
		if err := v.Set("Test", nil); err != nil {
			t.Errorf("%d bytes: remove: %v", len(body), err)
		}
	}
}

// This machine may have EFI or not: opening says so, and never more.
func TestOpen(t *testing.T) {
	v, err := Open()
	if _, stat := os.Stat("/sys/firmware/efi"); stat != nil && err == nil {
		t.Error("opened, on a machine without EFI")
	}
	if err == nil {
		v.Close()
	}
}
