package hooks

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"boothook/injector/state"
)

// cloudInitPer is the helper that hooks know from cloud-init.
//
//go:embed cloud-init-per.sh
var cloudInitPer []byte

// memorySize bounds the tmpfs that holds what runs from memory.
const memorySize = "size=64m,mode=0755"

// maxMemories is how often that tmpfs is mounted anew after a hook has taken
// it away.
const maxMemories = 64

const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// memoryDirs are where that tmpfs may be mounted, the first that can be had:
// old roots have no /run. A tmpfs of our own, because an initrd's /run is
// mounted noexec, and what is in PATH has to be executable.
func memoryDirs() []string { return []string{"/run/boothook/hooks", "/dev/.boothook-hooks"} }

// A sandbox is the root as the hooks see it; the process is chrooted into it.
type sandbox struct {
	instance string   // the instance's directory
	id       string   // INSTANCE_ID
	memory   string   // where the tmpfs is mounted
	mounted  []memory // the tmpfs, and those that took its place
	notes    []string // what could not be had
	resolv   *resolv
	limit    *limit
	// null and proc are held open: a hook may take /dev and /proc away from
	// those after it.
	null, proc *os.File
}

// A memory is a tmpfs that is mounted, and the directory that it is mounted
// in, held open: a hook may mount something over either, or unmount them.
type memory struct {
	parent, top *os.File
	name        string
	// made says that the parent, too, was made for it.
	made bool
}

// enter makes the hooks' sandbox and moves the process into it. Everything is
// mounted after the chroot, so that no link of the root can lead a mount
// outside; the initrd's directories are held as descriptors meanwhile.
func enter(req request) (*sandbox, error) {
	id, err := state.SafeID(req.InstanceID)
	if err != nil {
		return nil, err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("make mounts private: %w", err)
	}
	outer := map[string]int{}
	for _, dir := range []string{"/sys", "/dev", "/run", "/proc/1"} {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC|unix.O_DIRECTORY, 0)
		if err == nil {
			outer[dir] = fd
			defer unix.Close(fd)
		}
	}
	if err := unix.Chroot(req.Root); err != nil {
		return nil, fmt.Errorf("chroot %s: %w", req.Root, err)
	}
	if err := unix.Chdir("/"); err != nil {
		return nil, fmt.Errorf("chdir %s: %w", req.Root, err)
	}
	unix.Umask(0o022)
	s := &sandbox{instance: state.InstanceDir(id), id: req.InstanceID}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("proc", "/proc", "proc", flags, ""); err != nil {
		return nil, fmt.Errorf("mount /proc in the root: %w", err)
	}
	if s.proc, err = os.Open("/proc"); err != nil {
		return nil, fmt.Errorf("open /proc: %w", err)
	}
	for _, dir := range []string{"/sys", "/dev", "/run"} {
		s.bind(outer, dir)
	}
	if err := s.mountMemory(); err != nil {
		return nil, err
	}
	s.limit = newLimit(s.memory + "/cgroup")
	s.resolv, err = bindResolv(s.memory+"/resolv.conf", req.ResolvConf)
	if err != nil {
		s.note("with the root's own resolv.conf: %v", err)
	}
	if s.null, err = os.Open(os.DevNull); err != nil {
		s.note("with standard input closed: %v", err)
	}
	s.bind(outer, "/proc/1") // last: /proc/self/fd of this process is behind it
	if err := s.becomeInstance(); err != nil {
		s.note("without its place in the root: %v", err)
	}
	return s, nil
}

func (s *sandbox) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// bind puts a directory of the initrd over the root's of the same name.
func (s *sandbox) bind(outer map[string]int, dir string) {
	fd, ok := outer[dir]
	if !ok {
		s.note("without %s: the initrd has none", dir)
		return
	}
	if err := bindFD(fd, dir); err != nil {
		s.note("without %s: %v", dir, err)
	}
}

// bindFD binds what fd holds over path.
func bindFD(fd int, path string) error {
	return unix.Mount("/proc/self/fd/"+strconv.Itoa(fd), path, "", unix.MS_BIND|unix.MS_REC, "")
}

// keepMemory mounts another tmpfs where a hook has covered the one that there
// is, or taken it away.
func (s *sandbox) keepMemory() error {
	now, err := os.Stat(s.memory)
	if err == nil {
		var held os.FileInfo
		if held, err = s.mounted[len(s.mounted)-1].top.Stat(); err == nil && os.SameFile(now, held) {
			return nil
		}
	}
	if len(s.mounted) == maxMemories {
		return fmt.Errorf("%s has been covered %d times", s.memory, maxMemories)
	}
	return s.mountMemory()
}

// mountMemory mounts the tmpfs and puts cloud-init-per into it.
func (s *sandbox) mountMemory() error {
	var err error
	for _, dir := range memoryDirs() {
		if err = s.mountMemoryOn(dir); err == nil {
			s.memory = dir
			break
		}
	}
	if err != nil {
		return fmt.Errorf("mount tmpfs for the hooks: %w", err)
	}
	bin := s.memory + "/bin"
	if err := os.Mkdir(bin, 0o755); err != nil {
		return fmt.Errorf("put cloud-init-per into PATH: %w", err)
	}
	if err := os.WriteFile(bin+"/cloud-init-per", cloudInitPer, 0o755); err != nil {
		return fmt.Errorf("put cloud-init-per into PATH: %w", err)
	}
	return nil
}

func (s *sandbox) mountMemoryOn(dir string) error {
	_, err := os.Lstat(filepath.Dir(dir))
	made := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return err
	}
	m := memory{parent: parent, name: filepath.Base(dir), made: made}
	if err = unix.Mount("boothook", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, memorySize); err == nil {
		m.top, err = os.Open(dir)
	}
	if err != nil {
		m.unmount()
		return err
	}
	s.mounted = append(s.mounted, m)
	return nil
}

// unmount takes the tmpfs and its directory away. A path from an open
// directory leads below whatever is mounted over it.
func (m memory) unmount() {
	if m.top != nil {
		m.top.Close()
	}
	if m.parent.Chdir() == nil {
		unix.Unmount(m.name, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		unix.Rmdir(m.name)
		if m.made && unix.Chdir("..") == nil {
			unix.Rmdir(filepath.Base(m.parent.Name()))
		}
	}
	m.parent.Close()
}

// becomeInstance makes the instance's directories and points the "instance"
// link to them, as hooks and cloud-init-per expect it. The root's identity
// (data/instance-id) is the plan's to change, when all has gone well.
func (s *sandbox) becomeInstance() error {
	for _, dir := range []string{"/boothooks", "/sem"} {
		if err := os.MkdirAll(s.instance+dir, 0o755); err != nil {
			return err
		}
	}
	if target, err := os.Readlink(state.InstanceLink); err == nil && target == s.instance {
		return nil
	}
	tmp := state.InstanceLink + ".boothook"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(s.instance, tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, state.InstanceLink); err != nil {
		os.Remove(tmp)
		return err
	}
	return nil
}

// environment is what a hook finds in its environment.
func (s *sandbox) environment() []string {
	return []string{
		"PATH=" + s.memory + "/bin:" + systemPath,
		"HOME=/root",
		"TERM=linux",
		"INSTANCE_ID=" + s.id,
	}
}

// leave takes away what would outlast the namespace.
func (s *sandbox) leave() {
	s.resolv.unbind()
	s.limit.remove()
	for i := len(s.mounted) - 1; i >= 0; i-- {
		s.mounted[i].unmount()
	}
	unix.Chdir("/")
}
