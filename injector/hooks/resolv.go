package hooks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// resolvPath is where the C library looks.
const resolvPath = "/etc/resolv.conf"

// A resolv is a resolv.conf that is bound over the root's. Its methods do
// nothing on nil.
type resolv struct {
	made os.FileInfo // the empty file made to bind over, nil for none
	// dir is where it was made, held open: a hook may mount over the path.
	dir *os.File
}

// bindResolv writes content to file and binds that over /etc/resolv.conf,
// which may be a file, a link to one, a link to nowhere (systemd-resolved's
// stub, before it runs) or nothing. A link is covered itself, not what it
// points to, so that nothing has to be made at its other end. Only where
// there is nothing an empty file is made, and taken away by unbind. No
// content changes nothing.
func bindResolv(file string, content []byte) (*resolv, error) {
	if len(content) == 0 {
		return nil, nil
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		return nil, fmt.Errorf("write resolv.conf: %w", err)
	}
	r := &resolv{}
	fd, err := unix.Open(resolvPath, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if fd, err = unix.Open(resolvPath, unix.O_RDONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644); err == nil {
			if r.made, err = os.Lstat(resolvPath); err == nil {
				r.dir, err = os.Open(filepath.Dir(resolvPath))
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", resolvPath, err)
	}
	defer unix.Close(fd)
	// The target is named by descriptor: a path would be followed.
	if err := unix.Mount(file, fmt.Sprintf("/proc/self/fd/%d", fd), "", unix.MS_BIND, ""); err != nil {
		r.unbind()
		return nil, fmt.Errorf("bind %s: %w", resolvPath, err)
	}
	return r, nil
}

// unbind takes the file away that bindResolv made, if it is still that one.
func (r *resolv) unbind() {
	if r == nil || r.dir == nil || r.dir.Chdir() != nil {
		return
	}
	name := filepath.Base(resolvPath) // from the directory that is held
	unix.Unmount(name, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	now, err := os.Lstat(name)
	if err == nil && os.SameFile(now, r.made) && now.Size() == 0 {
		os.Remove(name)
	}
	r.dir.Close()
}
