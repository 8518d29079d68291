package root

import "golang.org/x/sys/unix"

// syscalls are the calls that change the root, apart from mounting. They are
// an interface so that tests can make each of them fail, or be the last one
// before the power goes.
type syscalls interface {
	// Create makes a new regular file, 0600, and opens it for writing.
	Create(dir int, name string) (int, error)
	Write(fd int, b []byte) (int, error)
	// Allocate makes a file that long and reserves its blocks.
	Allocate(fd int, size int64) error
	Chown(fd, uid, gid int) error
	Chmod(fd int, mode uint32) error
	// Mkdir makes a directory, 0700.
	Mkdir(dir int, name string) error
	Symlink(target string, dir int, name string) error
	Lchown(dir int, name string, uid, gid int) error
	// Attr gives name an extended attribute; a link itself, not its target.
	Attr(dir int, name, attribute, value string) error
	// Rename gives old, in the same directory, the name new.
	Rename(dir int, old, new string) error
	// Unlink removes a name; flags is 0 or AT_REMOVEDIR.
	Unlink(dir int, name string, flags int) error
	Syncfs(fd int) error
	Close(fd int) error
}

// kernel is the real thing.
type kernel struct{}

func (kernel) Create(dir int, name string) (int, error) {
	return unix.Openat(dir, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
}
func (kernel) Write(fd int, b []byte) (int, error)          { return unix.Write(fd, b) }
func (kernel) Allocate(fd int, size int64) error            { return unix.Fallocate(fd, 0, 0, size) }
func (kernel) Chown(fd, uid, gid int) error                 { return unix.Fchown(fd, uid, gid) }
func (kernel) Chmod(fd int, mode uint32) error              { return unix.Fchmod(fd, mode) }
func (kernel) Mkdir(dir int, name string) error             { return unix.Mkdirat(dir, name, 0o700) }
func (kernel) Symlink(target string, d int, n string) error { return unix.Symlinkat(target, d, n) }
func (kernel) Rename(dir int, old, new string) error        { return unix.Renameat(dir, old, dir, new) }
func (kernel) Unlink(dir int, name string, flags int) error {
	return unix.Unlinkat(dir, name, flags)
}
func (kernel) Lchown(dir int, name string, uid, gid int) error {
	return unix.Fchownat(dir, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
}
func (kernel) Attr(dir int, name, attribute, value string) error {
	return unix.Lsetxattr(fdPath(dir)+"/"+name, attribute, []byte(value), 0)
}
func (kernel) Syncfs(fd int) error { return unix.Syncfs(fd) }
func (kernel) Close(fd int) error  { return unix.Close(fd) }
