//go:build net

package hooks

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"boothook/injector/state"
)

func TestMain(m *testing.M) {
	if IsInit(os.Args) {
		os.Exit(Init())
	}
	const own = "BOOTHOOK_TEST_OWN_RUN"
	if os.Getenv(own) == "" {
		os.Exit(inOwnRun(own))
	}
	os.Unsetenv(own)
	os.Exit(m.Run())
}

// inOwnRun runs this program again in a mount namespace with an empty /run, and
// returns its exit status. The tests ask what hooks leave in /run: what other
// tests and services of the machine have there must not answer.
func inOwnRun(mark string) int {
	cmd := exec.Command("/bin/sh", append([]string{"-c", `mount -t tmpfs tests /run && exec "$0" "$@"`}, os.Args...)...)
	cmd.Env = append(os.Environ(), mark+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(cmd.ProcessState.ExitCode(), 1)
	}
	return 0
}

// noneOf fails where one of the directories exists, and says what it holds.
func noneOf(t testing.TB, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if _, err := os.Lstat(dir); err == nil {
			names, err := os.ReadDir(dir)
			t.Errorf("left behind: %s with %v, %v", dir, names, err)
		}
	}
}

// newRoot makes a small real root: a static busybox and its applets.
func newRoot(t testing.TB) string {
	t.Helper()
	for _, dir := range memoryDirs() { // a test that was killed has left them
		_ = os.RemoveAll(dir)
	}
	root := t.TempDir()
	for _, dir := range []string{"bin", "proc", "sys", "dev", "run", "etc", "var/lib", "tmp", "root", "mnt"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	box, err := os.ReadFile("/usr/bin/busybox")
	if err != nil {
		t.Fatalf("busybox-static is needed: %v", err)
	}
	if err := os.WriteFile(filepath.Join(root, "bin/busybox"), box, 0o755); err != nil {
		t.Fatal(err)
	}
	applets, err := exec.Command("/usr/bin/busybox", "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range strings.Fields(string(applets)) {
		if a != "busybox" {
			os.Symlink("busybox", filepath.Join(root, "bin", a))
		}
	}
	return root
}

func boothook(name, body string) Hook { return Hook{Kind: Boothook, Name: name, Body: []byte(body)} }

// runHooks runs the hooks in root and gives results and output.
func runHooks(t *testing.T, c Config, hooks ...Hook) ([]Result, string) {
	t.Helper()
	var out bytes.Buffer
	c.Output = &out
	if c.InstanceID == "" {
		c.InstanceID = "i-test"
	}
	results := Run(context.Background(), c, hooks)
	for _, r := range results {
		t.Logf("%+v", r)
	}
	return results, out.String()
}

// want fails unless the output of hooks that succeeded holds each text.
func want(t *testing.T, results []Result, out string, texts ...string) {
	t.Helper()
	for _, r := range results {
		if !r.OK() {
			t.Errorf("%s: %+v", r.Name, r)
		}
	}
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("output lacks %q:\n%s", text, out)
		}
	}
}

func TestWorld(t *testing.T) {
	root := newRoot(t)
	init, err := os.ReadFile("/proc/1/stat") // the link "exe" may be out of reach where tests run
	if err != nil {
		t.Fatal(err)
	}
	results, out := runHooks(t, Config{Root: root, InstanceID: "i-a/b"},
		boothook("one", `#!/bin/sh
echo "env: $(env | grep -v -E '^(PWD|SHLVL|OLDPWD)=' | sort | tr '\n' ';')"
echo "cwd=$(pwd) umask=$(umask) uid=$(id -u)"
echo "pid1=$(cut -d' ' -f1-10 /proc/1/stat)"
echo "self=$(cat /proc/$$/comm) exe=$(readlink /proc/$$/exe)"
echo "stdin=$(readlink /proc/self/fd/0)"
[ -c /dev/null ] && [ -d /sys/kernel ] && echo mounted
mount -t tmpfs tmpfs /mnt && touch /mnt/kept
echo for-good > /etc/written
`),
		boothook("dir/two", "#!/bin/sh\n[ -e /mnt/kept ] && echo 'the mount is there'\n"),
		Hook{Kind: Bootcmd, Name: "bootcmd", Body: []byte("#!/bin/sh\necho bootcmd of $INSTANCE_ID\n")},
	)
	want(t, results, out,
		"env: HOME=/root;INSTANCE_ID=i-a/b;PATH=/run/boothook/hooks/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin;TERM=linux;",
		"cwd=/ umask=0022 uid=0", "pid1="+strings.Join(strings.Fields(string(init))[:10], " "), "self=one exe=/bin/busybox", "stdin=/dev/null",
		"\nmounted\n", "the mount is there", "bootcmd of i-a/b",
		"== boothook one ==", "== boothook dir/two: exit status 0 after",
	)
	if i, j := strings.Index(out, "boothook one"), strings.Index(out, "boothook dir/two"); i > j {
		t.Error("hooks ran out of order")
	}
	for _, path := range []string{"boothooks/one", "boothooks/dir_two"} {
		fi, err := os.Lstat(filepath.Join(root, "var/lib/cloud/instances/i-a_b", path))
		if err != nil || fi.Mode() != 0o700 {
			t.Errorf("%s: %v, %v", path, fi, err)
		}
	}
	if link, _ := os.Readlink(filepath.Join(root, state.InstanceLink)); link != state.InstanceDir("i-a_b") {
		t.Errorf("instance link is %q", link)
	}
	if _, err := os.Stat(filepath.Join(root, "etc/written")); err != nil {
		t.Error("what the hook wrote is gone")
	}
	noneOf(t, memoryDirs()...)
	for _, dir := range []string{"proc", "sys", "dev", "run", "mnt"} {
		if names, _ := os.ReadDir(filepath.Join(root, dir)); len(names) > 0 {
			t.Errorf("left behind in %s: %v", dir, names)
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	if strings.Contains(string(mounts), root) {
		t.Errorf("left mounted:\n%s", mounts)
	}
}

func TestUnchangedFileStays(t *testing.T) {
	root := newRoot(t)
	path := filepath.Join(root, "var/lib/cloud/instances/i-test/boothooks/h")
	var before os.FileInfo
	for i, body := range []string{"#!/bin/sh\n:\n", "#!/bin/sh\n:\n", "#!/bin/sh\n#\n"} {
		results, out := runHooks(t, Config{Root: root}, boothook("h", body))
		want(t, results, out)
		now, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if same := before != nil && os.SameFile(before, now); same != (i == 1) {
			t.Errorf("run %d: same file: %v", i, same)
		}
		before = now
	}
}

func TestCloudInitPer(t *testing.T) {
	root := newRoot(t)
	hook := boothook("per", `#!/bin/sh
cloud-init-per always a-b-c echo always
cloud-init-per instance a-b echo "instance $INSTANCE_ID"
cloud-init-per once only sh -c 'echo once; exit 3' || echo "status $?"
cloud-init-per sometimes x echo never || echo refused
cloud-init-per once a/b echo never || echo refused too
`)
	count := func(id, text string, n int) {
		t.Helper()
		results, out := runHooks(t, Config{Root: root, InstanceID: id}, hook)
		want(t, results, out, "always\n", "refused\n", "refused too\n")
		if got := strings.Count(out, text); got != n {
			t.Errorf("%s: %q %d times, want %d:\n%s", id, text, got, n, out)
		}
	}
	count("i-1", "instance i-1\nonce\nstatus 3\n", 1)
	count("i-1", "instance i-1\n", 0)
	count("i-2", "instance i-2\n", 1)
	count("i-2", "once\n", 0)
	for _, sem := range []string{"sem/bootper.a_b_c.always", "sem/bootper.only.once", "instances/i-1/sem/bootper.a_b.instance", "instances/i-2/sem/bootper.a_b.instance"} {
		body, err := os.ReadFile(filepath.Join(root, "var/lib/cloud", sem))
		if err != nil {
			t.Error(err)
		}
		if status, _, ok := strings.Cut(string(body), "\t"); !ok || (status == "3") != strings.Contains(sem, "only") {
			t.Errorf("%s holds %q", sem, body)
		}
	}
}

func TestFailures(t *testing.T) {
	root := newRoot(t)
	results, out := runHooks(t, Config{Root: root},
		boothook("status", "#!/bin/sh\nexit 7\n"),
		boothook("signal", "#!/bin/sh\nkill -TERM $$\n"),
		boothook("plain", "echo hello\n"),
		boothook("prefix", "#Cloud-Boothook\n#!/bin/sh\n"),
		boothook("missing", "#!/usr/bin/nothing -x\n"),
		boothook("crlf", "#!/bin/sh\r\n"),
		boothook("..", "#!/bin/sh\n"),
		boothook("elf", "\x7fELF but not really"),
		boothook("last", "#!/bin/sh\necho still here\n"),
	)
	for i, wanted := range []string{
		"status: boothook failed with exit status 7",
		"signal: boothook was ended by a signal: terminated",
		`plain: boothook failed: no "#!" line: its first line has to be one, such as "#!/bin/sh"`,
		`prefix: boothook failed: no "#!" line: #cloud-boothook is taken off only in lower case and at the very beginning`,
		`missing: boothook failed: interpreter "/usr/bin/nothing": not in the root`,
		`crlf: boothook failed: no "#!" line that could be used: it ends in CR LF`,
		`..: boothook failed: state: unusable file name: nothing usable in ".."`,
		"elf: boothook failed: execute /var/lib/cloud/instances/i-test/boothooks/elf: the kernel knows no such kind of program: fork/exec /var/lib/cloud/instances/i-test/boothooks/elf: exec format error",
	} {
		ps := results[i].Problems()
		if len(ps) != 1 || ps[0].String() != wanted {
			t.Errorf("got %v\nwant %s", ps, wanted)
		}
	}
	want(t, results[8:], out, "still here")
}

func TestTimeout(t *testing.T) {
	root := newRoot(t)
	begin := time.Now()
	results, _ := runHooks(t, Config{Root: root, Timeout: time.Second},
		boothook("hang", "#!/bin/sh\ntrap '' TERM INT HUP\n(setsid sh -c 'trap \"\" TERM; sleep 1000') &\nsleep 1000\n"),
		boothook("next", "#!/bin/sh\nps | grep -c '[s]leep 1000'\n"),
	)
	if r := results[0]; !r.TimedOut || r.Duration < time.Second || r.Signal != "killed" {
		t.Errorf("%+v", r)
	}
	if r := results[1]; r.Status != 1 {
		t.Errorf("the first hook's children live: %+v", r)
	}
	if took := time.Since(begin); took > 60*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestLeftovers(t *testing.T) {
	root := newRoot(t)
	results, out := runHooks(t, Config{Root: root},
		boothook("tail", "#!/bin/sh\n(sleep 0.1; echo the tail of it) &\n"),
		boothook("daemon", "#!/bin/sh\n(setsid sleep 4321 >/dev/null 2>&1 &)\n(printf '\\033' > /proc/self/comm; mkfifo /tmp/f; read x < /tmp/f) &\n"),
		boothook("check", "#!/bin/sh\npgrep sleep || echo killed\n"),
		boothook("killer", "#!/bin/sh\nkill -9 -1\nkill -9 1\necho survived\n"),
		boothook("last", "#!/bin/sh\necho the last\n"),
	)
	want(t, results, out, "the tail of it", "\nkilled\n", "survived", "the last")
	if got := fmt.Sprint(results[1].Left); got != "[sleep ?]" {
		t.Errorf("left: %s", got)
	}
	if len(results[1].Notes) != 0 {
		t.Errorf("notes: %v", results[1].Notes)
	}
	if len(results[0].Left) != 0 {
		t.Errorf("left: %v", results[0].Left)
	}
	if err := exec.Command("pgrep", "-f", "sleep 4321").Run(); err == nil {
		t.Error("a daemon is still running")
	}
}

func TestOutputBound(t *testing.T) {
	root := newRoot(t)
	results, out := runHooks(t, Config{Root: root},
		boothook("loud", "#!/bin/sh\nhead -c 5000000 /dev/zero | tr '\\0' x\necho; echo the end\n"),
		boothook("next", "#!/bin/sh\necho heard\n"),
	)
	want(t, results, out, "== 3951433 bytes more were dropped ==", "heard")
	if r := results[0]; r.Output != 5000009 || r.Dropped != 5000009-MaxOutput {
		t.Errorf("%+v", r)
	}
	if strings.Contains(out, "the end") {
		t.Error("nothing was dropped")
	}
}

// TestTaskLimit spawns a little more than may be, one after the other: where
// this fails, the fork bomb below must not be tried.
func TestTaskLimit(t *testing.T) {
	root := newRoot(t)
	results, out := runHooks(t, Config{Root: root, Timeout: time.Minute},
		boothook("many", "#!/bin/sh\ni=0\nwhile [ $i -lt 2200 ]; do sleep 30 & i=$((i+1)); done\n"),
	)
	if r := results[0]; r.OK() || len(r.Left) != maxLeft+1 || !strings.Contains(out, "fork") {
		t.Fatalf("%+v\n%s", r, out)
	}
	if groups, _ := filepath.Glob("/sys/fs/cgroup/*/" + cgroupName); len(groups) > 0 {
		t.Errorf("left behind: %v", groups)
	}
}

func TestForkBomb(t *testing.T) {
	root := newRoot(t)
	results, out := runHooks(t, Config{Root: root, Timeout: time.Second},
		// The hook itself needs no process after its first: none may be left to have.
		boothook("bomb", "#!/bin/sh\nbomb() { bomb & bomb & }\nbomb 2>/dev/null &\nexec sleep 100\n"),
		boothook("next", "#!/bin/sh\necho alive\n"),
	)
	want(t, results[1:], out, "alive")
	if !results[0].TimedOut {
		t.Errorf("%+v", results[0])
	}
}

func TestResolvConf(t *testing.T) {
	const file = "etc/resolv.conf"
	for name, prepare := range map[string]func(t *testing.T, root string) error{
		"file": func(t *testing.T, root string) error {
			return os.WriteFile(filepath.Join(root, file), []byte("nameserver 9.9.9.9\n"), 0o644)
		},
		"link": func(t *testing.T, root string) error {
			os.WriteFile(filepath.Join(root, "etc/other"), []byte("nameserver 9.9.9.9\n"), 0o644)
			return os.Symlink("other", filepath.Join(root, file))
		},
		"dangling": func(t *testing.T, root string) error {
			return os.Symlink("/run/systemd/nowhere/stub-resolv.conf", filepath.Join(root, file))
		},
		"absent": func(t *testing.T, root string) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			root := newRoot(t)
			if err := prepare(t, root); err != nil {
				t.Fatal(err)
			}
			before := list(t, filepath.Join(root, "etc"))
			results, out := runHooks(t, Config{Root: root, ResolvConf: []byte("nameserver 10.1.2.3\n")},
				boothook("look", "#!/bin/sh\ncat /etc/resolv.conf\necho 'nameserver 1.1.1.1' > /etc/resolv.conf || echo read-only\n"),
			)
			want(t, results, out, "nameserver 10.1.2.3\n")
			if after := list(t, filepath.Join(root, "etc")); after != before {
				t.Errorf("before:\n%safter:\n%s", before, after)
			}
			if _, err := os.Lstat("/run/systemd/nowhere"); err == nil {
				t.Error("left behind in /run")
			}
		})
	}
}

// list describes the files of a directory: names, kinds, inodes, times of
// change, targets and contents.
func list(t *testing.T, dir string) string {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range names {
		path := filepath.Join(dir, name.Name())
		fi, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		st := fi.Sys().(*syscall.Stat_t)
		target, _ := os.Readlink(path)
		body, _ := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %v inode %d changed %v %q %q\n", name.Name(), fi.Mode(), st.Ino, st.Ctim, target, body)
	}
	return b.String()
}

// BenchmarkRun is what one hook that does nothing costs in all.
func BenchmarkRun(b *testing.B) {
	root := newRoot(b)
	for b.Loop() {
		results := Run(context.Background(), Config{Root: root, InstanceID: "i"}, []Hook{boothook("h", "#!/bin/true\n")})
		if !results[0].OK() {
			b.Fatal(results)
		}
	}
}
