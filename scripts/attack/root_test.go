//go:build attack

package attack

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"boothook/scripts/programs"
)

// built are the programs of this run.
var built programs.Set

func TestMain(m *testing.M) { os.Exit(built.Main(m)) }

// What a root has in these tests: an account of a user with a home, and enough
// for the tool to know it as a root.
const (
	user      = "bob"
	uid       = 1000
	secret    = "root:$6$this.nobody.may.read:19000:0:99999:7:::\nbob:!:19000:0:99999:7:::\n"
	publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHlhdm93d2VkIHdpdGggbm8gcHJpdmF0ZSBrZXk attack"
)

// fill makes a root of a directory.
func fill(t testing.TB, dir string) {
	t.Helper()
	for path, text := range map[string]string{
		"etc/passwd":     "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n",
		"etc/group":      "root:x:0:\nbob:x:1000:\n",
		"etc/shadow":     secret,
		"etc/os-release": "ID=testroot\n",
		"etc/motd":       "old\n",
		"etc/hostname":   "old\n",
		"etc/hosts":      "127.0.0.1 localhost\n",
		// What makes it a root of systemd, and gives sudo's rules a place.
		"lib/systemd/systemd": "",
		"etc/sudoers":         "@includedir /etc/sudoers.d\n",
		"etc/sudoers.d/old":   "# old\n",
	} {
		write(t, filepath.Join(dir, path), text, 0o644)
	}
	must(t, os.Chmod(filepath.Join(dir, "etc/shadow"), 0o600))
	for path, mode := range map[string]fs.FileMode{"sbin": 0o755, "root": 0o700, "srv": 0o755, "tmp": 0o777 | os.ModeSticky, "home/bob": 0o755, "var/lib": 0o755} {
		must(t, os.MkdirAll(filepath.Join(dir, path), 0o755))
		must(t, os.Chmod(filepath.Join(dir, path), mode))
	}
	must(t, os.Symlink("../lib/systemd/systemd", filepath.Join(dir, "sbin/init")))
	must(t, os.Chown(filepath.Join(dir, "home/bob"), uid, uid))
}

func write(t testing.TB, path, text string, mode fs.FileMode) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), mode))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a command, which must succeed, and gives what it says.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// ext4 mounts a fresh ext4 of a size, made and mounted with more options, and
// fills it as a root. The image is in memory: a busy disk would take its time
// for every sync.
func ext4(t testing.TB, size, make, mount string) (dir string) {
	t.Helper()
	memory, err := os.MkdirTemp("/dev/shm", "boothook-attack-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(memory) })
	image := filepath.Join(memory, "image")
	run(t, "truncate", "-s", size, image)
	run(t, "mkfs.ext4", append([]string{"-q", "-F", "-m", "0", image}, strings.Fields(make)...)...)
	dir = filepath.Join(t.TempDir(), "root")
	must(t, os.Mkdir(dir, 0o755))
	run(t, "mount", "-o", "loop"+mount, image, dir)
	t.Cleanup(func() { run(t, "umount", dir) })
	fill(t, dir)
	return dir
}

// A tree is what a root holds: for each path the kind, mode, owner and content.
type tree map[string]string

// look lists a root. A file that comes or goes meanwhile is left out.
func look(t testing.TB, dir string) tree {
	t.Helper()
	all := tree{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return nil
		}
		content := ""
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			b, err := os.ReadFile(path)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			content = string(b)
		case unix.S_IFLNK:
			content, _ = os.Readlink(path)
		}
		all["/"+strings.TrimPrefix(strings.TrimPrefix(path, dir), "/")] = fmt.Sprintf("%o %d:%d %q", st.Mode, st.Uid, st.Gid, content)
		return nil
	})
	must(t, err)
	delete(all, "/lost+found")
	return all
}

// staged is how the names begin that an apply writes under before it renames.
const staged = ".boothook-"

// journal is where an apply notes what it is about to rename.
const journal = "/var/lib/boothook/journal"

// settled is the tree without what an apply has only prepared.
func (a tree) settled() tree {
	b := maps.Clone(a)
	maps.DeleteFunc(b, func(path, _ string) bool { return strings.Contains(path, "/"+staged) })
	return b
}

// differ names the first paths in which two trees differ.
func differ(a, b tree) (paths []string) {
	for path := range b {
		if a[path] != b[path] {
			paths = append(paths, fmt.Sprintf("%s: %.120s, and %.120s", path, a[path], b[path]))
		}
	}
	for path := range a {
		if _, there := b[path]; !there {
			paths = append(paths, fmt.Sprintf("%s: %.120s, and nothing", path, a[path]))
		}
	}
	return paths[:min(len(paths), 10)]
}

// apply is the command that applies user-data to a root.
func apply(t testing.TB, dir, userData string) *exec.Cmd {
	return exec.Command(built.Path(t, "boothook"), "apply", "--root", dir, "--instance-id", "i-attack", userData)
}
