package root

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// WriteFile gives path, a file directly in a directory that is there or can
// be made, the content body: beside the target, then renamed, with owner root
// and no sync. It is for boothook's own records; what user-data asks for goes
// through Apply.
func (r *Root) WriteFile(name string, body []byte, mode uint32) error {
	dir := path.Dir(path.Clean("/" + name))
	if err := r.makeDirs(dir); err != nil {
		return err
	}
	fd, err := r.open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return pathError("write", name, err)
	}
	defer unix.Close(fd)
	s := newStager(r, Options{})
	want := state{kind: regular, mode: mode, body: body}
	want.uid, want.gid = unix.Geteuid(), unix.Getegid()
	temp := tempName(dir, path.Base(name))
	if err := r.sys.Unlink(fd, temp, 0); err != nil && err != unix.ENOENT {
		temp = randomName() // whatever that is, it is nobody's record
	}
	err = s.makeFile(fd, temp, want, nil)
	if err == nil {
		err = ignorePermission(r.label(r.sys, fd, temp, path.Clean("/"+name), 0, attrOf(fd, path.Base(name), labelAttr)))
	}
	if err != nil {
		r.sys.Unlink(fd, temp, 0)
		return pathError("write", name, err)
	}
	if err := r.sys.Rename(fd, temp, path.Base(name)); err != nil {
		r.sys.Unlink(fd, temp, 0)
		return pathError("write", name, err)
	}
	return nil
}

// makeDirs makes a directory and its parents, 0755.
func (r *Root) makeDirs(dir string) error {
	at := ""
	for _, name := range components(dir) {
		parent := at
		at += "/" + name
		fd, err := r.open(at, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err == nil {
			unix.Close(fd)
			continue
		}
		if err != unix.ENOENT {
			return pathError("make directory", at, err)
		}
		if err := r.makeDir(parent, name); err != nil {
			return pathError("make directory", at, err)
		}
	}
	return nil
}

func (r *Root) makeDir(parent, name string) error {
	fd, err := r.open(parent, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := r.sys.Mkdir(fd, name); err != nil {
		return err
	}
	dir, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	// A set-group-id directory gives what is made in it its own group.
	if err := r.sys.Chown(dir, unix.Geteuid(), unix.Getegid()); err != nil {
		return err
	}
	if err := r.sys.Chmod(dir, 0o755); err != nil {
		return err
	}
	return ignorePermission(r.label(r.sys, fd, name, parent+"/"+name, fs.ModeDir, ""))
}

// ignorePermission lets pass that labels cannot be set without privileges.
func ignorePermission(err error) error {
	if errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}

// removeDirs takes back directories that were made, outermost first, as far as
// they are empty.
func (r *Root) removeDirs(made []string) {
	for i := len(made) - 1; i >= 0; i-- {
		parent, name := path.Split(made[i])
		fd, err := r.open(strings.TrimSuffix(parent, "/"), unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return
		}
		r.sys.Unlink(fd, name, unix.AT_REMOVEDIR)
		unix.Close(fd)
	}
}
