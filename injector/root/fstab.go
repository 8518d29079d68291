package root

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// An fstabEntry is one line of fstab(5).
type fstabEntry struct {
	spec, point, fstype string
	options             []string
	// looking says that nothing is going to be written.
	looking bool
}

func (e *fstabEntry) has(option string) bool { return slices.Contains(e.options, option) }

func parseFstab(text string) []fstabEntry {
	var list []fstabEntry
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 || strings.HasPrefix(f[0], "#") {
			continue
		}
		e := fstabEntry{spec: unescape(f[0]), point: unescape(f[1]), fstype: f[2]}
		if len(f) > 3 {
			e.options = strings.Split(unescape(f[3]), ",")
		}
		list = append(list, e)
	}
	return list
}

// MountFor makes sure that the paths, and what lies below them, are where the
// booted system will see them: the file systems that the root's fstab has on
// the way are mounted, and those that are read-only are remounted. What
// cannot be mounted is remembered, and steps that fall there are dropped by
// Apply. Unless the root is being booted (MountOptions.Run), it does nothing:
// on another machine the devices that fstab names are other devices.
func (r *Root) MountFor(paths []string) error {
	if r.mounts == nil || !r.mounts.booting {
		return nil
	}
	entries := parseFstab(string(r.fact("/etc/fstab")))
	sort.SliceStable(entries, func(i, j int) bool { return len(entries[i].point) < len(entries[j].point) })
	for _, e := range entries {
		if !strings.HasPrefix(e.point, "/") || path.Clean(e.point) == "/" || e.has("noauto") {
			continue
		}
		if err := r.mountEntry(e, paths); err != nil {
			return err
		}
	}
	return r.makeWritable(paths)
}

// mountEntry mounts e if a path falls under it and nothing is mounted there.
func (r *Root) mountEntry(e fstabEntry, paths []string) error {
	t := newTree(r) // anew each time, as a mount changes what links there are
	defer t.close()
	n, err := t.walk(e.point, true)
	if err != nil || n.mount || n.was.kind != folder {
		return nil
	}
	point := n.path()
	if r.mounts.failed[point] != nil || !t.anyUnder(paths, point) {
		return nil
	}
	fd, err := r.openPlace(point, unix.O_PATH|unix.O_DIRECTORY)
	if gone(err) {
		return nil // since it was looked at: there is nothing to mount on
	}
	if err != nil {
		return pathError("mount", point, err)
	}
	defer unix.Close(fd)
	err = errMemory
	if e.fstype != "tmpfs" {
		e.looking = r.mounts.looking
		err = e.mount(fdPath(fd))
	}
	if err != nil {
		// As text: an errno would end the whole apply, see composer.
		r.mounts.failed[point] = fmt.Errorf("fstab has %s on %s, which cannot be mounted: %v", e.spec, point, err)
		return nil
	}
	r.mounts.points = append(r.mounts.points, point)
	return nil
}

// anyUnder says whether one of the paths leads to point or below it.
func (t *tree) anyUnder(paths []string, point string) bool {
	return slices.ContainsFunc(paths, func(p string) bool {
		n, err := t.walk(p, true)
		return err == nil && under(n.path(), point)
	})
}

func under(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// makeWritable remounts what is mounted read-only on the way to the paths.
// What stays read-only is found out by Apply, target by target.
func (r *Root) makeWritable(paths []string) error {
	t := newTree(r)
	defer t.close()
	seen := map[*node]bool{}
	for _, p := range paths {
		n, err := t.walk(p, true)
		if err != nil {
			continue
		}
		for n.was.kind != folder {
			n = n.parent
		}
		if seen[n] {
			continue
		}
		seen[n] = true
		if err := t.enter(n); gone(err) {
			continue // since it was looked at; Apply will see that, too
		} else if err != nil {
			return pathError("look into", n.path(), err)
		}
		if err := r.mounts.writable(t.fd); err != nil && !errors.Is(err, ErrReadOnly) {
			return pathError("look into", n.path(), err)
		}
	}
	return nil
}

// What is not mounted: errOtherKind marks file systems whose content is not on
// a disk of ours, errMemory those that begin empty when the system starts.
var (
	errOtherKind = errors.New("boothook mounts file systems on block devices only")
	errMemory    = errors.New("it is made empty when the system starts")
)

// mount mounts e on point, writable even if fstab has it read-only, unless
// this is only a look.
func (e fstabEntry) mount(point string) error {
	device, err := e.spec, error(nil)
	if e.fstype != "tmpfs" {
		device, err = findDevice(e.spec)
	}
	if err != nil {
		return err
	}
	var flags uintptr
	var data []string
	for _, o := range e.options {
		switch f := MountFlag(o); {
		case f != 0:
			flags |= f
		case forMount8(o):
		default:
			data = append(data, o)
		}
	}
	flags &^= unix.MS_RDONLY
	if e.looking {
		flags |= unix.MS_RDONLY
	}
	types := []string{e.fstype}
	if e.fstype == "auto" {
		types = []string{"ext4", "xfs", "btrfs", "vfat"}
	}
	for _, fstype := range types {
		err = unix.Mount(device, point, fstype, flags, strings.Join(data, ","))
		if err == nil {
			return nil
		}
	}
	return os.NewSyscallError("mount", err)
}

// forMount8 says whether an option is for mount(8) or systemd, not the kernel.
func forMount8(o string) bool {
	name, _, _ := strings.Cut(o, "=")
	switch name {
	case "defaults", "auto", "noauto", "nofail", "_netdev", "comment", "rw", "suid", "dev", "exec", "async",
		"atime", "diratime", "user", "users", "nouser", "owner", "group", "usrquota", "grpquota", "quota", "noquota", "":
		return true
	}
	return strings.HasPrefix(o, "x-") || strings.HasPrefix(o, "X-")
}
