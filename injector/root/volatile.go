package root

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// volatileDirs are what is laid over in a root that can never be written. The
// rest of it, and of a verified /usr above all, stays as its maker signed it.
func volatileDirs() []string {
	return []string{"/etc", "/home", "/opt", "/root", "/srv", "/usr/local", "/var"}
}

// gptTypes are the partition types that systemd-gpt-auto-generator(8) mounts
// without being told (UAPI.2, Discoverable Partitions).
func gptTypes() map[string]string {
	return map[string]string{
		"/home": "933ac7e1-2eb4-4f13-b844-0e14e2aef915",
		"/srv":  "3b8f8425-20e0-4f3b-907f-1a25a76f98e8",
		"/var":  "4d21b016-b534-45c2-a9fb-5c16e091fd2d",
	}
}

// An overlay is a writable, volatile place over one directory of the root.
type overlay struct {
	// dir is the directory inside the root, upper what holds its changes.
	dir, upper string
	// made says that it was mounted now, and not by an earlier run.
	made bool
}

// Volatile lists the directories of the root that only seem to be written:
// the root cannot be, so that everything is gone with the next boot.
func (r *Root) Volatile() []string {
	if r.mounts == nil {
		return nil
	}
	var dirs []string
	for _, o := range r.mounts.volatile {
		dirs = append(dirs, o.dir)
	}
	return dirs
}

// lay mounts an overlay over each of volatileDirs. It does so in the caller's
// mount namespace, for the overlays are to stay: whoever moves the root to be
// "/" moves them along. A directory that the booted system puts a file system
// of its own on is left alone, because systemd takes what is mounted there
// already for that. A tmpfs is what fstab asks for, so it gets that.
func (o *MountOptions) lay(dir string) (list []overlay, failed map[string]error, err error) {
	r, err := Open(dir)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	failed = map[string]error{}
	entries := parseFstab(string(r.fact("/etc/fstab")))
	for _, d := range volatileDirs() {
		var line *fstabEntry
		for i := range entries {
			if e := &entries[i]; path.Clean(e.point) == d && !e.has("noauto") {
				line = e
			}
		}
		if line != nil && line.fstype != "tmpfs" {
			continue // MountFor's
		}
		if line == nil {
			if why := r.mountedLater(d); why != "" {
				failed[d] = fmt.Errorf("%s: %w, and %s", d, ErrReadOnly, why)
				continue
			}
		}
		over, err := r.layOne(d, line, o)
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("volatile %s: %w", d, err), clearAway(r.dir, list))
		}
		if over.dir != "" {
			list = append(list, over)
		}
	}
	return list, failed, nil
}

// mountedLater says what else than fstab puts a file system on d.
func (r *Root) mountedLater(d string) string {
	unit := strings.ReplaceAll(d[1:], "/", "-") + ".mount"
	for _, dir := range []string{"/etc", "/usr/lib", "/lib"} {
		if at := dir + "/systemd/system/" + unit; r.Exists(at) {
			return at + " mounts something there"
		}
	}
	if partition := gptTypes()[d]; partition != "" {
		known, _ := filepath.Glob("/run/udev/data/b*") // the pattern is well formed
		for _, k := range known {
			if text, err := os.ReadFile(k); err == nil && strings.Contains(string(text), "E:ID_PART_ENTRY_TYPE="+partition) {
				return "systemd finds a partition for it"
			}
		}
	}
	return ""
}

// layOne mounts one overlay, or the tmpfs that fstab has there. A directory
// that is absent, a link, or writable gives no overlay.
func (r *Root) layOne(d string, tmpfs *fstabEntry, o *MountOptions) (overlay, error) {
	fd, err := r.openPlace(d, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return overlay{}, nil
	}
	defer unix.Close(fd)
	var fs unix.Statfs_t
	var st unix.Stat_t
	if err := errors.Join(unix.Fstatfs(fd, &fs), unix.Fstat(fd, &st)); err != nil {
		return overlay{}, err
	}
	over := overlay{dir: d, upper: filepath.Join(o.Volatile, d, "upper")}
	if fs.Flags&unix.ST_RDONLY == 0 {
		if _, err := os.Stat(over.upper); err != nil {
			over.dir = "" // somebody else made it writable
		}
		return over, nil
	}
	over.made = true
	if tmpfs != nil {
		over.upper = r.dir + d
		return over, tmpfs.mount(fdPath(fd))
	}
	// The overlay's own directory looks as its upper one does.
	for _, p := range []string{filepath.Dir(over.upper), over.upper, filepath.Join(filepath.Dir(over.upper), "work")} {
		if err := os.MkdirAll(p, 0o700); err != nil {
			return over, err
		}
	}
	err = errors.Join(os.Chown(over.upper, int(st.Uid), int(st.Gid)), unix.Chmod(over.upper, st.Mode&0o7777))
	if label := attrOf(fd, ".", labelAttr); err == nil && label != "" {
		err = unix.Lsetxattr(over.upper, labelAttr, []byte(label), 0)
	}
	if err != nil {
		return over, err
	}
	return over, mountOverlay(fdPath(fd), over.upper, o.Load)
}

// mountOverlay lays upper over the directory at point; its work directory is
// beside upper. Where the kernel has no overlays, load may get them.
func mountOverlay(point, upper string, load func(module string) error) error {
	quote := strings.NewReplacer(`\`, `\\`, ",", `\,`, ":", `\:`)
	data := "lowerdir=" + point + ",upperdir=" + quote.Replace(upper) + ",workdir=" + quote.Replace(filepath.Dir(upper)+"/work")
	err := unix.Mount("overlay", point, "overlay", 0, data)
	if err == unix.ENODEV && load != nil {
		if err := load("overlay"); err != nil {
			return err
		}
		err = unix.Mount("overlay", point, "overlay", 0, data)
	}
	return os.NewSyscallError("mount overlay", err)
}

// clearAway takes those overlays away again that nothing was written to.
func clearAway(dir string, list []overlay) error {
	var errs []error
	for _, o := range list {
		if left, err := os.ReadDir(o.upper); !o.made || err != nil || len(left) > 0 {
			continue
		}
		err := unix.Unmount(dir+o.dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err == nil && o.upper != dir+o.dir {
			err = unix.Rmdir(o.upper) // it is what tells ours from others'
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Persistence says what is unusual about how long lasts what is written to the
// root, for the report; empty for a file system on a disk.
func (r *Root) Persistence() string {
	mi, err := mountOf(r.fd)
	if err != nil {
		return ""
	}
	if dirs := r.Volatile(); len(dirs) > 0 {
		return fmt.Sprintf("volatile: the root (%s) cannot be written; what is new in %s lies in memory and is applied again at each boot",
			mi.fstype, strings.Join(dirs, ", "))
	}
	switch mi.fstype {
	case "overlay":
		upper := "none"
		for _, o := range mi.super {
			if dir, ok := strings.CutPrefix(o, "upperdir="); ok {
				upper = dir
			}
		}
		return "the root is an overlay: what is written goes to its upper layer (" + upper + ") and lasts as long as that does"
	case "nfs", "nfs4", "cifs", "smb3", "ceph", "9p":
		return "the root is on a server (" + mi.fstype + "): what is written lasts if the server keeps it, and several machines must not share it"
	}
	return ""
}
