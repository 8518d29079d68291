// Package root is the real root as a contained file system: what boothook
// reads of it, how it is made writable, and how a plan is written to it so
// that a power cut leaves every file either old or new.
//
// In go a directory and a plan.Plan, out come plan.Facts and a Result. Every
// path means a place inside the root: the kernel resolves it with openat2(2)
// and RESOLVE_IN_ROOT, so that an absolute link means absolute in the root
// and ".." ends at its top. Nothing here ever touches the process's own "/",
// talks to a network, runs a program or decides what ought to be written.
package root

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// The bounds of what is read from a root, which may be hostile.
const (
	// MaxFile is the largest file that is read, compared or appended to.
	MaxFile = 64 << 20
	// maxDir is how many entries of one directory are listed.
	maxDir = 1 << 16
	// maxLinks is how many symbolic links one path may go through (kernel: 40).
	maxLinks = 40
	// maxRaces is how often a lookup is begun anew when renames race with it.
	maxRaces = 64
)

// The errors that callers tell apart.
var (
	// ErrReadOnly says that a file system cannot be written, nor made so.
	ErrReadOnly = errors.New("file system is read-only")
	// ErrTooBig says that a file or directory exceeds its bound.
	ErrTooBig = errors.New("larger than boothook reads")
	// ErrNotRegular says that something else stands where a file is read.
	ErrNotRegular = errors.New("not a regular file")
	// ErrBusy says that another boothook works on the same root.
	ErrBusy = errors.New("another boothook is at work on this root")
	// ErrHalfway says that the plan is journalled and its writing was begun
	// but not finished: Recover finishes it at the next boot.
	ErrHalfway = errors.New("begun but not finished; the next boot goes on")
)

// resolve is how every path is looked up.
const resolve = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// A Root is an open root directory. Its methods may be used from one
// goroutine at a time.
type Root struct {
	dir string // as it was given: for messages and for Path
	fd  int    // O_PATH, what every lookup starts from
	sys syscalls
	// mounts is nil unless the root was opened by WithWritable.
	mounts   *mounts
	labeller *labeller
}

// Open opens the directory dir as a root. It needs Linux 5.6 for openat2(2).
func Open(dir string) (*Root, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open root %s: %w", dir, err)
	}
	r := &Root{dir: dir, fd: fd, sys: kernel{}}
	probe, err := r.open("/", unix.O_PATH, 0)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("open root %s: openat2, which needs Linux 5.6: %w", dir, err)
	}
	unix.Close(probe)
	return r, nil
}

// Close gives the root's descriptor back.
func (r *Root) Close() error { return unix.Close(r.fd) }

// ReadOnly says whether the root is on a file system mounted read-only.
func (r *Root) ReadOnly() bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(r.fd, &fs) == nil && fs.Flags&unix.ST_RDONLY != 0
}

// Path is the directory that was opened. It is for programs that are told of
// the root (chroot, mount); to reach files in the root, use the methods.
func (r *Root) Path() string { return r.dir }

// open looks path up inside the root. More holds further RESOLVE_ flags.
func (r *Root) open(path string, flags int, more uint64) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: resolve | more}
	if path == "" {
		path = "/"
	}
	for range maxRaces {
		fd, err := unix.Openat2(r.fd, path, &how)
		if err != unix.EAGAIN && err != unix.EINTR {
			return fd, err
		}
	}
	return -1, unix.EAGAIN
}

// reopen opens for reading what fd, an O_PATH descriptor, stands for. Going
// through it rather than through the name means that what is opened is what
// was looked at, and that no FIFO or device is ever opened by mistake.
func reopen(fd, flags int) (int, error) {
	return unix.Open("/proc/self/fd/"+strconv.Itoa(fd), flags|unix.O_CLOEXEC, 0)
}

// An Info describes a file of the root.
type Info struct {
	Name     string
	Mode     fs.FileMode
	Size     int64
	UID, GID int
	// MTime is the time of the last change, in seconds since 1970.
	MTime int64
	// Dev and Ino tell files apart.
	Dev, Ino uint64
}

func info(name string, st *unix.Stat_t) Info {
	mode := fs.FileMode(st.Mode & 0o777)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	}
	for bit, m := range map[uint32]fs.FileMode{
		unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky} {
		if st.Mode&bit != 0 {
			mode |= m
		}
	}
	return Info{Name: path.Base(name), Mode: mode, Size: st.Size, UID: int(st.Uid), GID: int(st.Gid),
		MTime: st.Mtim.Sec, Dev: st.Dev, Ino: st.Ino}
}

// Stat describes what path leads to; Lstat does not follow a last link.
func (r *Root) Stat(path string) (Info, error)  { return r.stat("stat", path, 0) }
func (r *Root) Lstat(path string) (Info, error) { return r.stat("lstat", path, unix.O_NOFOLLOW) }

func (r *Root) stat(op, path string, flags int) (Info, error) {
	fd, err := r.open(path, unix.O_PATH|flags, 0)
	if err != nil {
		return Info{}, pathError(op, path, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Info{}, pathError(op, path, err)
	}
	return info(path, &st), nil
}

// Exists says whether path leads to anything.
func (r *Root) Exists(path string) bool {
	_, err := r.Stat(path)
	return err == nil
}

// ReadFile reads a regular file of at most MaxFile bytes.
func (r *Root) ReadFile(path string) ([]byte, error) { return r.ReadFileMax(path, MaxFile) }

// ReadFileMax is ReadFile with a bound of the caller's.
func (r *Root) ReadFileMax(path string, limit int64) ([]byte, error) {
	fd, err := r.open(path, unix.O_PATH, 0)
	if err != nil {
		return nil, pathError("read", path, err)
	}
	defer unix.Close(fd)
	body, err := readFD(fd, limit)
	if err != nil {
		return nil, pathError("read", path, err)
	}
	return body, nil
}

// readFD reads what fd, an O_PATH descriptor, stands for.
func readFD(fd int, limit int64) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, ErrNotRegular
	}
	if st.Size > limit {
		return nil, ErrTooBig
	}
	in, err := reopen(fd, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(in), "")
	defer f.Close()
	body := make([]byte, 0, st.Size+1) // a byte more, to see the end at once
	for {
		n, err := f.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if int64(len(body)) > limit {
			return nil, ErrTooBig
		}
		if err == io.EOF {
			return body, nil
		}
		if err != nil {
			return nil, err
		}
		if len(body) == cap(body) {
			body = slices.Grow(body, 4096)
		}
	}
}

// ReadLink returns where the symbolic link path points, as it is stored.
func (r *Root) ReadLink(path string) (string, error) {
	fd, err := r.open(path, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", pathError("readlink", path, err)
	}
	defer unix.Close(fd)
	target, err := readlinkAt(fd, "")
	if err != nil {
		return "", pathError("readlink", path, err)
	}
	return target, nil
}

func readlinkAt(dir int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// ReadDir lists the names in a directory in order.
func (r *Root) ReadDir(path string) ([]string, error) {
	fd, err := r.open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, pathError("list", path, err)
	}
	names, err := namesOf(fd)
	if err != nil {
		return nil, pathError("list", path, err)
	}
	return names, nil
}

// namesOf lists the directory open at fd, and closes it.
func namesOf(fd int) ([]string, error) {
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	names, err := f.Readdirnames(maxDir + 1)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if len(names) > maxDir {
		return nil, ErrTooBig
	}
	slices.Sort(names)
	return names, nil
}

func pathError(op, path string, err error) error {
	return &fs.PathError{Op: op, Path: path, Err: err}
}
