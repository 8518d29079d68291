//go:build attack

package attack

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"boothook/initramfs/report"
)

// shortages is how often each file system is all but used up.
const shortages = 10

// A shortage is a file system on which something runs out. The quota is that of
// a btrfs, which binds root, too.
type shortage struct {
	name string
	// says is what the kernel says of it.
	says string
	// root gives a root that has not much left, from nothing (0) to what is
	// more than enough (1), and what gives it more.
	root func(t *testing.T, left float64) (dir string, relieve func())
}

func shortageKinds() []shortage {
	return []shortage{
		{"no space on ext4", "no space left on device", func(t *testing.T, left float64) (string, func()) {
			dir := ext4(t, "32M", "", "")
			return dir, useSpace(t, dir, int64(left*(4<<20)))
		}},
		{"no inodes on ext4", "no space left on device", func(t *testing.T, left float64) (string, func()) {
			dir := ext4(t, "32M", "-N 1024", "")
			return dir, useInodes(t, dir, int(left*800))
		}},
		{"no space on tmpfs", "no space left on device", func(t *testing.T, left float64) (string, func()) {
			dir := tmpfs(t, "size=32m")
			return dir, useSpace(t, dir, int64(left*(4<<20)))
		}},
		{"no inodes on tmpfs", "no space left on device", func(t *testing.T, left float64) (string, func()) {
			dir := tmpfs(t, "nr_inodes=1000")
			return dir, useInodes(t, dir, int(left*800))
		}},
		{"a quota on btrfs", "disk quota exceeded", func(t *testing.T, left float64) (string, func()) {
			dir := btrfs(t)
			run(t, "btrfs", "qgroup", "limit", fmt.Sprint(1<<20+int64(left*(4<<20))), dir)
			return dir, func() { run(t, "btrfs", "qgroup", "limit", "none", dir) }
		}},
	}
}

func tmpfs(t *testing.T, options string) (dir string) {
	dir = t.TempDir()
	run(t, "mount", "-t", "tmpfs", "-o", "mode=755,"+options, "none", dir)
	t.Cleanup(func() { run(t, "umount", dir) })
	fill(t, dir)
	return dir
}

// btrfs gives a root that is a subvolume whose use of space is counted.
func btrfs(t *testing.T) (dir string) {
	memory, err := os.MkdirTemp("/dev/shm", "boothook-attack-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(memory) })
	image, top := filepath.Join(memory, "image"), t.TempDir()
	run(t, "truncate", "-s", "256M", image)
	run(t, "mkfs.btrfs", "-q", image)
	run(t, "mount", "-o", "loop", image, top)
	t.Cleanup(func() { run(t, "umount", top) })
	dir = filepath.Join(top, "root")
	run(t, "btrfs", "subvolume", "create", dir)
	run(t, "btrfs", "quota", "enable", top)
	fill(t, dir)
	run(t, "sync", "-f", top)
	return dir
}

// useSpace fills a file system but for some bytes.
func useSpace(t *testing.T, dir string, left int64) (relieve func()) {
	t.Helper()
	path := filepath.Join(dir, "srv/used")
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	block := make([]byte, 4096)
	var n int64
	for err == nil {
		var w int
		w, err = f.Write(block)
		n += int64(w)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	must(t, f.Truncate(max(0, n-left)))
	return func() { must(t, os.Remove(path)) }
}

// useInodes makes files until there can be none, and takes some away.
func useInodes(t *testing.T, dir string, left int) (relieve func()) {
	t.Helper()
	path := filepath.Join(dir, "srv/used")
	must(t, os.Mkdir(path, 0o755))
	n := 0
	for ; ; n++ {
		err := os.WriteFile(fmt.Sprintf("%s/%d", path, n), nil, 0o644)
		if errors.Is(err, unix.ENOSPC) {
			break
		}
		must(t, err)
	}
	for i := max(0, n-left); i < n; i++ {
		must(t, os.Remove(fmt.Sprintf("%s/%d", path, i)))
	}
	return func() { must(t, os.RemoveAll(path)) }
}

// TestShortages applies to roots that are almost full, by the tool and by the
// agent of a boot. Either all is done, or nothing is, and what is said names a
// file and what has run out; when there is room again all is done. The agent
// ends by itself, so that the boot goes on.
func TestShortages(t *testing.T) {
	r := Rand(t)
	userData := filepath.Join(t.TempDir(), "user-data")
	write(t, userData, manyThings(), 0o644)
	for _, s := range shortageKinds() {
		outcomes := map[string]int{}
		for n := range shortages {
			name := fmt.Sprintf("%s %d", s.name, n)
			t.Run(name, func(t *testing.T) {
				room := 0.0 // for the first of each program
				if n > 1 {
					room = r.Float64()
				}
				dir, relieve := s.root(t, room)
				program := "tool"
				applied := func() string { out, _ := apply(t, dir, userData).CombinedOutput(); return string(out) }
				if n%2 == 1 {
					program = "agent"
					applied = func() string { return agentApply(t, dir, userData) }
				}
				before := look(t, dir)
				said := applied()
				left := look(t, dir)
				_, done := left["/etc/many-149"]
				switch {
				case done:
					outcomes[program+": fits"]++
				case !saysWhat(said, s.says):
					t.Errorf("%s: it does not say what has run out and where:\n%s", program, said)
				default:
					outcomes[program+": refused"]++
					delete(left, "/var/lib/boothook") // made for a journal that there never was
					delete(left, "/var/lib/boothook/report.json")
					if d := differ(before, left); len(d) > 0 {
						t.Errorf("%s: nothing should have changed: %v\n%s", program, d, said)
					}
				}
				relieve()
				again := applied()
				for path := range look(t, dir) {
					if strings.Contains(path, "/"+staged) || path == journal {
						t.Errorf("%s: left over: %s", program, path)
					}
				}
				if _, err := os.Stat(filepath.Join(dir, "etc/many-149")); err != nil {
					t.Errorf("%s: with room again: %v\n%s", program, err, again)
				}
			})
		}
		t.Logf("attack: %s: %v; refused is nothing changed, the file and the cause named, and done when there was room", s.name, outcomes)
		if outcomes["tool: refused"] == 0 || outcomes["agent: refused"] == 0 {
			t.Errorf("%s: never refused: %v", s.name, outcomes)
		}
	}
}

// saysWhat says whether a text names a path and beside it what has run out.
func saysWhat(text, cause string) bool {
	return regexp.MustCompile(`/\S+: ` + cause).MatchString(text)
}

// agentApply runs the agent without any network, on a machine whose firmware
// has the data (QEMU's fw_cfg). It gives the problems that the report has.
func agentApply(t *testing.T, dir, userData string) string {
	t.Helper()
	boot := t.TempDir()
	text, err := os.ReadFile(userData)
	must(t, err)
	const given = "sys/firmware/qemu_fw_cfg/by_name/opt/boothook"
	for name, text := range map[string]string{"meta-data": "instance-id: i-attack\n", "user-data": string(text)} {
		write(t, filepath.Join(boot, given, name, "raw"), text, 0o644)
		write(t, filepath.Join(boot, given, name, "size"), fmt.Sprintln(len(text)), 0o644)
	}
	cmd := exec.Command("unshare", "--net", built.Path(t, "boothook-agent"), "run", "--root", dir, "--run", filepath.Join(boot, "run"), "--sys", filepath.Join(boot, "sys"), "--cmdline", "")
	out, _ := cmd.CombinedOutput() // what became of it is in the report
	encoded, err := os.ReadFile(filepath.Join(boot, "run/report.json"))
	if err != nil {
		t.Fatalf("no report: %v\n%s", err, out)
	}
	told, err := report.Decode(encoded)
	must(t, err)
	var problems strings.Builder
	for _, p := range told.Problems {
		fmt.Fprintln(&problems, p)
	}
	return fmt.Sprintf("%s\n%s%s", told.Result, &problems, out)
}
