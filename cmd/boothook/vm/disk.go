package vm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// CopyDisk makes a sparse copy of a raw disk image, for a guest to write to.
// Either the whole copy is at "to" afterwards or nothing.
func CopyDisk(from, to string) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.CreateTemp(filepath.Dir(to), ".disk")
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, dst.Close()); err == nil {
			err = os.Rename(dst.Name(), to)
		}
		if err != nil {
			err = fmt.Errorf("copy disk %s: %w", from, errors.Join(err, os.Remove(dst.Name())))
		}
	}()
	size, err := src.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if err := dst.Truncate(size); err != nil {
		return err
	}
	return copyData(dst, src, size)
}

// copyData copies what is not a hole (lseek(2), SEEK_DATA).
func copyData(dst, src *os.File, size int64) error {
	for at := int64(0); at < size; {
		start, err := unix.Seek(int(src.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // holes up to the end
		}
		if err != nil {
			return err
		}
		end, err := unix.Seek(int(src.Fd()), start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := src.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if _, err := dst.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(dst, src, end-start); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// A RootFS is an ext2, ext3 or ext4 file system in a raw disk image, looked
// into from outside while no guest runs.
type RootFS struct {
	image  string
	offset int64
	device string
}

// The places looked at for a root: the whole disk, then the first partition
// where partitioning tools begin, 1 MiB in (Debian's cloud images put their
// small boot partitions after number 1).
var rootOffsets = []struct {
	offset int64
	device string
}{{0, "/dev/vda"}, {1 << 20, "/dev/vda1"}, {128 << 20, "/dev/vda1"}}

// FindRoot finds the root file system of an image by ext's superblock magic.
func FindRoot(image string) (RootFS, error) {
	f, err := os.Open(image)
	if err != nil {
		return RootFS{}, err
	}
	defer f.Close()
	const superblock, magicAt, magic = 1024, 56, 0xef53
	for _, o := range rootOffsets {
		var b [2]byte
		if _, err := f.ReadAt(b[:], o.offset+superblock+magicAt); err == nil && binary.LittleEndian.Uint16(b[:]) == magic {
			return RootFS{image, o.offset, o.device}, nil
		}
	}
	return RootFS{}, fmt.Errorf("find root in %s: no ext file system on the disk or its first partition (it must be a raw image)", image)
}

// Device is the root's name in a guest that has the image as virtio disk.
func (r RootFS) Device() string { return r.device }

// ReadFile returns a file of the root, at most limit bytes of it. A path that
// is not there gives fs.ErrNotExist.
func (r RootFS) ReadFile(ctx context.Context, path string, limit int64) ([]byte, error) {
	out, complaint, err := r.debugfs(ctx, limit, nil, "-R", "cat "+quote(path))
	if err != nil {
		return nil, err
	}
	if strings.Contains(complaint, "File not found") {
		return nil, &fs.PathError{Op: "read", Path: r.image + ":" + path, Err: fs.ErrNotExist}
	}
	return out, nil
}

// debugfs runs debugfs(8) on the root. It exits 0 whatever a command did, so
// callers must look at the complaint.
func (r RootFS) debugfs(ctx context.Context, limit int64, stdin io.Reader, args ...string) (out []byte, complaint string, err error) {
	image := r.image
	if r.offset > 0 {
		image = fmt.Sprintf("%s?offset=%d", r.image, r.offset)
	}
	cmd := exec.CommandContext(ctx, "debugfs", append(args, image)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = stdin, &stderr
	cmd.Stdout = &limited{to: &stdout, left: limit}
	// Debian keeps it in /usr/sbin, which an ordinary PATH does not have.
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "DEBUGFS_PAGER=__none__")
	if err := cmd.Run(); err != nil {
		return nil, "", fmt.Errorf("debugfs %s: %w: %s", r.image, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), stderr.String(), nil
}

// limited drops what goes beyond a bound.
type limited struct {
	to   io.Writer
	left int64
}

func (l *limited) Write(b []byte) (int, error) {
	n := min(int64(len(b)), l.left)
	l.left -= n
	if _, err := l.to.Write(b[:n]); err != nil {
		return 0, err
	}
	return len(b), nil
}

// quote makes one word of a path for debugfs's command parser, which knows
// double quotes and doubles them to escape.
func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// WriteFile puts a new file into the root, its missing directories included,
// all owned by uid and gid; directories get mode 0755.
func (r RootFS) WriteFile(ctx context.Context, path string, data []byte, mode fs.FileMode, uid, gid int) error {
	tmp, err := os.CreateTemp("", "boothook-file")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(data); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	var script strings.Builder
	own := func(path string, mode uint32) {
		for _, f := range []struct {
			name  string
			value uint32
		}{{"mode", mode}, {"uid", uint32(uid)}, {"gid", uint32(gid)}} {
			fmt.Fprintf(&script, "set_inode_field %s %s 0%o\n", quote(path), f.name, f.value)
		}
	}
	for _, dir := range missingDirs(ctx, r, path) {
		fmt.Fprintf(&script, "mkdir %s\n", quote(dir))
		own(dir, unix.S_IFDIR|0o755)
	}
	fmt.Fprintf(&script, "write %s %s\n", quote(tmp.Name()), quote(path))
	own(path, unix.S_IFREG|uint32(mode.Perm()))
	if _, _, err := r.debugfs(ctx, 0, strings.NewReader(script.String()), "-w", "-f", "-"); err != nil {
		return err
	}
	if back, err := r.ReadFile(ctx, path, int64(len(data))+1); err != nil || !bytes.Equal(back, data) {
		return fmt.Errorf("write %s in %s: it does not read back: %w", path, r.image, err)
	}
	return nil
}

// missingDirs are the directories above path that the root does not have.
func missingDirs(ctx context.Context, r RootFS, path string) []string {
	var missing []string
	for dir := filepath.Dir(path); dir != "/"; dir = filepath.Dir(dir) {
		if _, complaint, err := r.debugfs(ctx, 0, nil, "-R", "stat "+quote(dir)); err != nil || !strings.Contains(complaint, "File not found") {
			break
		}
		missing = append([]string{dir}, missing...)
	}
	return missing
}
