//go:build attack

package attack

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// races is how many applies the user races, and racers by how many threads.
	races  = 200
	racers = 2
	// links is how many hard links of each file the user has at the beginning of each.
	links = 8
)

// usersThings write into the user's own directory in every way: keys, files
// with an owner and without, appended to, in directories that there are and
// that there are not.
const usersThings = "#cloud-config\nusers:\n- {name: bob, ssh_authorized_keys: ['" + publicKey + "']}\n" + `write_files:
- {path: /home/bob/.profile, content: "written\n", append: true}
- {path: /home/bob/conf/settings, content: "written\n", owner: bob}
- {path: /home/bob/conf/a/b/deep, content: "written\n"}
- {path: /home/bob/conf/tail, content: "written\n", append: true, owner: "bob:bob"}
- {path: /tmp/shared, content: "written\n"}
- {path: /etc/motd, content: "written\n"}
`

// A racer is a user, who has no right but to what is the user's own, and who
// changes it all the time: directories, links and hard links in each other's
// place, and all that could lead to what is not the user's.
type racer struct {
	rand *rand.Rand
	root string
	// sees is called for what the user can read of others' in a place of the user's own.
	sees func(path string, content []byte)
}

// places are what the user fights for.
var places = []string{"home/bob/.ssh", "home/bob/.ssh/authorized_keys", "home/bob/.profile", "home/bob/conf", "home/bob/conf/settings",
	"home/bob/conf/a", "home/bob/conf/a/b", "home/bob/conf/a/b/deep", "home/bob/conf/tail", "tmp/shared", "tmp/spare"}

// step does one thing. What it may not do, or cannot, it does not.
func (r *racer) step() {
	at := filepath.Join(r.root, places[r.rand.IntN(len(places))])
	other := filepath.Join(r.root, places[r.rand.IntN(len(places))])
	targets := []string{"/etc", "/etc/shadow", "../../etc", "../../etc/shadow", "/etc/sudoers.d", "/root", "/outside", "../../../outside", filepath.Join(r.root, "etc/shadow"), other}
	switch r.rand.IntN(14) {
	case 0:
		_ = os.Symlink(targets[r.rand.IntN(len(targets))], at)
	case 1:
		_ = os.Mkdir(at, 0o755)
	case 2:
		_ = os.WriteFile(at, []byte("bob's\n"), 0o644)
	case 3:
		_ = unix.Renameat2(unix.AT_FDCWD, at, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE)
	case 4:
		_ = os.Rename(at, other)
	case 5:
		_ = os.Rename(filepath.Join(r.root, fmt.Sprintf("home/bob/links/shadow-%d", r.rand.IntN(links))), at)
	case 6:
		_ = os.Rename(filepath.Join(r.root, fmt.Sprintf("home/bob/links/readable-%d", r.rand.IntN(links))), at)
	case 7:
		_ = os.RemoveAll(at)
	case 8:
		_ = os.Chmod(at, 0o777)
	default: // all as an apply would wish it
		for _, path := range places {
			path = filepath.Join(r.root, path)
			if st, err := os.Lstat(path); err == nil && st.Mode().IsDir() == isDir(path) && st.Mode()&fs.ModeSymlink == 0 {
				continue
			}
			_ = os.RemoveAll(path)
			if isDir(path) {
				_ = os.Mkdir(path, 0o755)
			} else {
				_ = os.WriteFile(path, []byte("bob's\n"), 0o644)
			}
		}
	}
	if content, err := os.ReadFile(at); err == nil {
		r.sees(at, content)
	}
}

// isDir says of one of the places that it is meant for a directory.
func isDir(path string) bool {
	switch filepath.Base(path) {
	case ".ssh", "conf", "a", "b":
		return true
	}
	return false
}

// asUser runs f on a thread of the user's, until it returns.
func asUser(f func()) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the rights that it has given up
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
			done <- errno
			return
		}
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESGID, uid, uid, uid); errno != 0 {
			done <- errno
			return
		}
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, uid, uid, uid); errno != 0 {
			done <- errno
			return
		}
		f()
		done <- nil
	}()
	return <-done
}

// TestRaces has a user race the apply in the user's own directory. Nothing
// outside of it is changed but what was asked for, by whatever name it is
// reached; nothing that the user may not read comes to where the user can; and
// each apply ends by itself.
func TestRaces(t *testing.T) {
	r := Rand(t)
	built.Path(t, "boothook")
	// On a file system of its own, and reachable for the user.
	dir := ext4(t, "64M", "", "")
	for up := dir; up != "/tmp" && up != "/"; up = filepath.Dir(up) {
		must(t, os.Chmod(up, 0o755))
	}
	write(t, filepath.Join(dir, "root/readable"), "root's own, of mode 0644\n", 0o644)
	outside := filepath.Join(t.TempDir(), "outside")
	must(t, os.Mkdir(outside, 0o777))
	must(t, os.Chmod(outside, 0o777))
	userData := filepath.Join(t.TempDir(), "user-data")
	write(t, userData, usersThings, 0o644)
	guarded := guard(t, dir)
	steps, kills, won, disclosed := 0, 0, 0, ""
	outcomes := map[string]int{}
	var longest time.Duration
	for n := range races {
		hardLinks(t, dir)
		write(t, filepath.Join(dir, "etc/motd"), "old\n", 0o644)
		var mu sync.Mutex
		var all sync.WaitGroup
		stop := make(chan bool)
		for range racers {
			mine := rand.New(rand.NewPCG(r.Uint64(), r.Uint64()))
			all.Go(func() {
				err := asUser(func() {
					one := racer{rand: mine, root: dir, sees: func(path string, content []byte) {
						if bytes.Contains(content, []byte("this.nobody.may.read")) {
							mu.Lock()
							disclosed = path
							mu.Unlock()
						}
					}}
					for count := 0; ; count++ {
						select {
						case <-stop:
							mu.Lock()
							steps += count
							mu.Unlock()
							return
						default:
							one.step()
						}
					}
				})
				if err != nil {
					t.Errorf("become the user: %v", err)
				}
			})
		}
		begun := time.Now()
		again := func() *exec.Cmd { // each race is another instance's
			cmd := apply(t, dir, userData)
			cmd.Args = append(cmd.Args[:len(cmd.Args)-1], "--instance-id", fmt.Sprintf("i-%d", n), userData)
			return cmd
		}
		// One in four is killed, and the next finishes what it has begun.
		if r.IntN(4) == 0 {
			killed := again()
			must(t, killed.Start())
			time.Sleep(time.Duration(r.Int64N(int64(50 * time.Millisecond))))
			must(t, killed.Process.Kill())
			_ = killed.Wait() // it may have ended before
			kills++
		}
		out, err := runBounded(again())
		longest = max(longest, time.Since(begun))
		close(stop)
		all.Wait()
		outcome := "all done"
		if motd, readErr := os.ReadFile(filepath.Join(dir, "etc/motd")); readErr != nil || string(motd) != "written\n" {
			t.Fatalf("race %d: the user has lost what is not the user's: %q\n%v\n%s", n, motd, err, out)
		} else if err != nil {
			outcome = "refused in part"
		}
		outcomes[outcome]++
		won += bytes.Count(out, []byte("written    file /home/bob/"))
		if disclosed != "" {
			t.Fatalf("race %d: %s discloses what the user may not read\n%s", n, disclosed, out)
		}
		if d := guarded(); d != "" {
			t.Fatalf("race %d: %s\n%s", n, d, out)
		}
		if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
			t.Fatalf("race %d: outside of the root: %v, %v", n, entries, err)
		}
	}
	t.Logf("attack: %d applies, %d killed and again, raced by %d steps of the user: %v, %d files written there, the longest %v; nothing written outside, nothing disclosed",
		races, kills, steps, outcomes, won, longest.Round(time.Millisecond))
	if steps < races || outcomes["refused in part"] == 0 || won == 0 {
		t.Errorf("%d steps, outcomes %v", steps, outcomes)
	}
}

// runBounded runs a program, for which no race may be a reason to go on for long.
func runBounded(cmd *exec.Cmd) ([]byte, error) {
	timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	return cmd.CombinedOutput()
}

// hardLinks gives the user hard links of what the user may not write. A kernel
// lets users make such links themselves only without fs.protected_hardlinks,
// which is the whole machine's.
func hardLinks(t *testing.T, dir string) {
	t.Helper()
	at := filepath.Join(dir, "home/bob/links")
	must(t, os.MkdirAll(at, 0o755))
	must(t, os.Chown(at, uid, uid))
	for i := range links {
		for name, of := range map[string]string{"shadow": "etc/shadow", "readable": "root/readable"} {
			path := fmt.Sprintf("%s/%s-%d", at, name, i)
			if err := os.Link(filepath.Join(dir, of), path); err != nil && !os.IsExist(err) {
				t.Fatal(err)
			}
		}
	}
}

// guard notes what the user has no right to, and gives what says how that has
// changed since; "" for not at all.
func guard(t *testing.T, dir string) (changed func() string) {
	t.Helper()
	state := func() tree {
		all := tree{}
		for _, path := range []string{"etc/shadow", "etc/group", "etc/hosts", "etc/sudoers", "etc/sudoers.d/old", "root/readable"} {
			var st unix.Stat_t
			must(t, unix.Lstat(filepath.Join(dir, path), &st))
			content, err := os.ReadFile(filepath.Join(dir, path))
			must(t, err)
			all[path] = fmt.Sprintf("%d %o %d:%d %q", st.Ino, st.Mode, st.Uid, st.Gid, content)
		}
		for _, path := range []string{"etc/sudoers.d", "root"} {
			entries, err := os.ReadDir(filepath.Join(dir, path))
			must(t, err)
			all[path] = fmt.Sprint(entries)
		}
		for path := range look(t, filepath.Join(dir, "etc")) { // nothing new there but what was asked for
			all["etc"+path] += "there"
		}
		return all
	}
	before := state()
	return func() string {
		now := state()
		for _, asked := range []string{"etc/motd", "etc/systemd", "etc/shadow-", "etc/passwd-", "etc/group-"} {
			for path := range now {
				if _, old := before[path]; !old && (path == asked || strings.HasPrefix(path, asked+"/")) {
					delete(now, path)
				}
			}
		}
		return strings.Join(differ(before, now), "; ")
	}
}
