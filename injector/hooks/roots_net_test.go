//go:build net

package hooks

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"boothook/injector/userdata"
)

// inNamespace runs do on a thread with a mount namespace of its own, as the
// hooks' caller has one; thread and namespace end with it.
func inNamespace(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			t.Errorf("unshare: %v", err)
			return
		}
		mount(t, "", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		do()
	}()
	<-done
}

func mount(t *testing.T, source, target, kind string, flags uintptr, data string) {
	t.Helper()
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		t.Errorf("mount %s: %v", target, err)
		runtime.Goexit()
	}
}

// TestNoexec is an initrd whose /run is mounted as initramfs-tools mounts it,
// with a root whose /var allows no programs either.
func TestNoexec(t *testing.T) {
	root := newRoot(t)
	inNamespace(t, func() {
		const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
		mount(t, "tmpfs", "/run", "tmpfs", flags, "mode=0755")
		mount(t, "tmpfs", filepath.Join(root, "var"), "tmpfs", flags, "mode=0755")
		results, out := runHooks(t, Config{Root: root},
			boothook("per", "#!/bin/sh -e\ncloud-init-per once x echo ran with $-\ncp /bin/busybox /run/echo; /run/echo no || echo noexec\necho kept > /run/kept\n"),
		)
		want(t, results, out, "ran with e", "noexec")
		if body, _ := os.ReadFile("/run/kept"); string(body) != "kept\n" {
			t.Error("what the hook wrote to /run did not come out")
		}
		if _, err := os.Stat(filepath.Join(root, "var/lib/cloud/instances/i-test/boothooks/per")); err != nil {
			t.Error(err) // the namespace of the caller's thread was not used
		}
	})
}

// TestUnwritable are roots that are read-only or full: hooks run all the same.
func TestUnwritable(t *testing.T) {
	hook := boothook("h", "#!/bin/sh\necho ran from $0\n")
	t.Run("read-only", func(t *testing.T) {
		root := newRoot(t)
		inNamespace(t, func() {
			mount(t, root, root, "", unix.MS_BIND, "")
			mount(t, "", root, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
			results, out := runHooks(t, Config{Root: root, ResolvConf: []byte("#")}, hook)
			want(t, results, out, "ran from /run/boothook/hooks/hook")
			if notes := strings.Join(results[0].Notes, "\n"); strings.Count(notes, "read-only") != 2 || !strings.Contains(notes, "from memory") {
				t.Errorf("notes: %s", notes)
			}
		})
	})
	t.Run("full", func(t *testing.T) {
		root := newRoot(t)
		inNamespace(t, func() {
			mount(t, "tmpfs", filepath.Join(root, "var"), "tmpfs", 0, "size=64k")
			fill := boothook("fill", "#!/bin/sh\ncat /dev/zero > /var/full\n")
			results, out := runHooks(t, Config{Root: root}, fill, hook)
			want(t, results[1:], out, "ran from /run/boothook/hooks/hook")
			if notes := strings.Join(results[1].Notes, "\n"); !strings.Contains(notes, "no space left on device") {
				t.Errorf("notes: %s", notes)
			}
		})
	})
}

// TestOldRoot has no /run, as roots before 2011, and /etc and /var are links
// that lead out of it unless they are followed inside.
func TestOldRoot(t *testing.T) {
	root := newRoot(t)
	outside := t.TempDir()
	for _, step := range []error{
		os.Remove(filepath.Join(root, "run")),
		os.Remove(filepath.Join(root, "var/lib")),
		os.MkdirAll(filepath.Join(root, outside), 0o755),
		os.Symlink(outside, filepath.Join(root, "var/lib")),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	results, out := runHooks(t, Config{Root: root, ResolvConf: []byte("nameserver 10.1.2.3\n")},
		boothook("h", "#!/bin/sh\ncloud-init-per instance x echo ran\ncat /etc/resolv.conf\n"))
	want(t, results, out, "ran", "nameserver 10.1.2.3")
	if notes := strings.Join(results[0].Notes, "\n"); notes != "without /run: no such file or directory" {
		t.Errorf("notes: %s", notes)
	}
	if names, _ := os.ReadDir(outside); len(names) > 0 {
		t.Errorf("written outside of the root: %v", names)
	}
	if _, err := os.Stat(filepath.Join(root, outside, "cloud/instances/i-test/sem/bootper.x.instance")); err != nil {
		t.Error(err)
	}
	noneOf(t, memoryDirs()...)
}

// TestMounts: what hooks mount, unmount and move stays among them, /run and
// /dev included, even where those are shared mounts.
func TestMounts(t *testing.T) {
	root := newRoot(t)
	if err := os.WriteFile(filepath.Join(root, "etc/resolv.conf"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	inNamespace(t, func() {
		mount(t, "tmpfs", "/run", "tmpfs", 0, "mode=0755")
		mount(t, "", "/", "", unix.MS_REC|unix.MS_SHARED, "")
		before, _ := os.ReadFile("/proc/thread-self/mountinfo")
		results, out := runHooks(t, Config{Root: root, ResolvConf: []byte("#")},
			boothook("mounts", `#!/bin/sh
mkdir /run/there && mount -t tmpfs tmpfs /run/there && mount --bind /bin /etc && mount -t tmpfs tmpfs /dev
umount -l /proc /sys; umount -l /run/boothook/hooks
exit 0
`),
			boothook("next", "#!/bin/sh\ngrep -c busybox /etc/busybox && echo ran\n"),
		)
		want(t, results, out, "ran")
		after, _ := os.ReadFile("/proc/thread-self/mountinfo")
		if !bytes.Equal(before, after) {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
	})
	if names, _ := os.ReadDir(filepath.Join(root, "etc")); len(names) != 1 {
		t.Errorf("left behind in /etc: %v", names)
	}
}

func TestNoRoot(t *testing.T) {
	results, _ := runHooks(t, Config{Root: "/nowhere/at/all"}, boothook("a", "#!/bin/sh\n"), boothook("b", "#!/bin/sh\n"))
	for _, r := range results {
		if r.Error != "did not run: set up hooks: chroot /nowhere/at/all: no such file or directory" {
			t.Errorf("%s: %s", r.Name, r.Error)
		}
	}
	results, _ = runHooks(t, Config{Root: t.TempDir()}, boothook("a", "#!/bin/sh\n"))
	if got := results[0].Error; got != "did not run: set up hooks: mount /proc in the root: no such file or directory" {
		t.Error(got)
	}
}

// TestTooManyHooks: what is beyond the bound is named, not forgotten.
func TestTooManyHooks(t *testing.T) {
	hooks := make([]Hook, MaxHooks+2)
	for i := range hooks {
		hooks[i] = boothook("h", "")
	}
	results := Run(context.Background(), Config{Root: newRoot(t), InstanceID: "i"}, hooks)
	if len(results) != len(hooks) {
		t.Fatalf("%d results", len(results))
	}
	if got := results[MaxHooks].Error; got != "did not run: at most 1024 hooks do" {
		t.Error(got)
	}
}

// TestCancel: a caller that gives up has everything back at once.
func TestCancel(t *testing.T) {
	root := newRoot(t)
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	results := Run(ctx, Config{Root: root, InstanceID: "i-test"}, []Hook{
		boothook("quick", "#!/bin/sh\n"),
		boothook("slow", "#!/bin/sh\nsleep 100\n"),
		boothook("never", "#!/bin/sh\n"),
	})
	if !results[0].OK() || results[1].OK() || !strings.Contains(results[2].Error, context.DeadlineExceeded.Error()) {
		t.Errorf("%+v", results)
	}
	if took := time.Since(begin); took > 60*time.Second {
		t.Errorf("took %v", took)
	}
	noneOf(t, memoryDirs()...)
}

// A trap calls do once, when text is first written to it.
type trap struct {
	text string
	do   func()
	got  bytes.Buffer
}

func (w *trap) Write(b []byte) (int, error) {
	w.got.Write(b)
	if w.do != nil && strings.Contains(w.got.String(), w.text) {
		w.do()
		w.do = nil
	}
	return len(b), nil
}

// TestInitKilled: a hook that takes the hook init with it costs only itself.
func TestInitKilled(t *testing.T) {
	out := &trap{text: "\nready\n", do: func() {
		dirs, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range dirs {
			if name, _ := os.ReadFile(dir + "/cmdline"); string(name) == initName+"\x00" && parent(dir) == os.Getpid() {
				p, _ := os.FindProcess(pid(dir))
				p.Signal(syscall.SIGKILL)
			}
		}
	}}
	results := Run(context.Background(), Config{Root: newRoot(t), InstanceID: "i-test", Output: out}, []Hook{
		boothook("first", "#!/bin/sh\n"),
		boothook("fatal", "#!/bin/sh\necho ready; sleep 100\n"),
		boothook("last", "#!/bin/sh\necho alive\n"),
	})
	if !results[0].OK() || results[1].Error != "ended with its hook init: signal: killed" || !results[2].OK() {
		t.Errorf("%+v", results)
	}
	if !strings.Contains(out.got.String(), "\nalive\n") {
		t.Error(out.got.String())
	}
}

// TestReboot: reboot(2) of a hook ends the hooks' namespace, not the machine.
func TestReboot(t *testing.T) {
	results, out := runHooks(t, Config{Root: newRoot(t)},
		boothook("reboot", "#!/bin/sh\nreboot -f\nsleep 100\n"),
		boothook("halt", "#!/bin/sh\npoweroff -f\nsleep 100\n"),
		boothook("last", "#!/bin/sh\necho alive\n"),
	)
	want(t, results[2:], out, "alive")
	for i, what := range []string{"a reboot", "the machine to be halted"} {
		if got := results[i].Error; got != "ended with its hook init: it asked for "+what+", which hooks cannot have" {
			t.Error(got)
		}
	}
}

func pid(procDir string) int {
	n := 0
	for _, c := range filepath.Base(procDir) {
		n = n*10 + int(c-'0')
	}
	return n
}

func parent(procDir string) int {
	stat, _ := os.ReadFile(procDir + "/stat")
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	return pid(fields[1])
}

// pythonRoot is the machine's own /usr, which has a python3, in a new root.
func pythonRoot(t *testing.T) string {
	root := newRoot(t)
	os.RemoveAll(filepath.Join(root, "bin"))
	for _, dir := range []string{"bin", "lib", "lib64"} {
		os.Symlink("usr/"+dir, filepath.Join(root, dir))
	}
	os.Mkdir(filepath.Join(root, "usr"), 0o755)
	mount(t, "/usr", filepath.Join(root, "usr"), "", unix.MS_BIND|unix.MS_REC, "")
	return root
}

func TestPartHandlers(t *testing.T) {
	handler := `#part-handler
from cloudinit.settings import PER_ALWAYS
handler_version = 2
frequency = PER_ALWAYS
def list_types():
    return ["text/go-cubs-go", "application/binary"]
def handle_part(data, ctype, filename, payload, frequency):
    print("v2", data.get_instance_id(), ctype, filename, repr(payload), frequency, flush=True)
`
	once := "def list_types(): return ['text/once', 'text/x-shellscript']\n" +
		"def handle_part(data, ctype, filename, payload): print('v1', ctype, filename, payload)\n"
	bad := "def list_types(): return ['text/bad']\nhandler_version = 3\nfrequency = 'always'\n" +
		"def handle_part(data, ctype, filename, payload, frequency, headers):\n" +
		"  if ctype == '__begin__': return\n  raise Exception('no ' + headers.get('Content-Type', '-'))\n"
	parts := []userdata.Part{
		{Index: 1, Type: "text/go-cubs-go", Name: "early", Body: []byte("too early")},
		{Index: 2, Type: userdata.TypePartHandler, Name: "part-002", Origin: "user-data", Body: []byte(handler)},
		{Index: 3, Type: userdata.TypePartHandler, Name: "part-003", Body: []byte(once)},
		{Index: 4, Type: "text/go-cubs-go", Name: "cubs", Body: []byte("caf\xe9")},
		{Index: 5, Type: "application/binary", Name: "bin", Body: []byte{0, 0xff}},
		{Index: 6, Type: userdata.TypeScript, Name: "script", Body: []byte("#!/bin/sh\n")},
		{Index: 7, Type: userdata.TypePartHandler, Name: "broken", Body: []byte("this is no python")},
		{Index: 8, Type: userdata.TypePartHandler, Name: "bad", Body: []byte(bad)},
		{Index: 9, Type: "text/bad", Name: "b", Body: []byte("x")},
		{Index: 10, Type: userdata.TypeCloudConfig, Name: "ours", Body: []byte("x")},
	}
	inNamespace(t, func() {
		root := pythonRoot(t)
		for _, newPass := range []bool{true, false} {
			h, ok := FromPartHandlers(parts, newPass)
			if !ok {
				t.Fatal("no hook")
			}
			results, out := runHooks(t, Config{Root: root}, h)
			r := results[0]
			if r.Status != 1 || r.Error != "" {
				t.Errorf("%+v\n%s", r, out)
			}
			wanted := []string{
				"v2 i-test __begin__ None None " + h.Frequency, `v2 i-test text/go-cubs-go cubs 'caf\udce9' ` + h.Frequency,
				`v2 i-test application/binary bin b'\x00\xff' ` + h.Frequency, "v2 i-test __end__ None None " + h.Frequency,
				"cannot load /var/lib/cloud/instances/i-test/handlers/part-handler-002.py", "Exception: no text/bad",
			}
			if newPass {
				wanted = append(wanted, "v1 text/x-shellscript script #!/bin/sh", "v1 __end__ None None")
			} else if strings.Contains(out, "v1") {
				t.Errorf("a handler for once was called again:\n%s", out)
			}
			for _, w := range wanted {
				if !strings.Contains(out, w) {
					t.Errorf("output lacks %q:\n%s", w, out)
				}
			}
			if len(r.Taken) != 4 || r.Taken[0] != 4 || r.Taken[3] != 9 {
				t.Errorf("taken: %v", r.Taken)
			}
		}
		fi, err := os.Stat(filepath.Join(root, "var/lib/cloud/instances/i-test/handlers/part-handler-001.py"))
		if err != nil || fi.Mode() != 0o600 {
			t.Error(fi, err)
		}
	})
}

func TestNoPython(t *testing.T) {
	h, _ := FromPartHandlers([]userdata.Part{{Index: 1, Type: userdata.TypePartHandler, Origin: "user-data"}}, true)
	results, _ := runHooks(t, Config{Root: newRoot(t)}, h)
	if results[0].Error != ErrNoPython.Error() {
		t.Errorf("%+v", results[0])
	}
}

// TestByHand: nobody starts the hook init by accident.
func TestByHand(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.StartProcess("/proc/self/exe", []string{initName}, &os.ProcAttr{Files: []*os.File{nil, nil, w}})
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	said, _ := io.ReadAll(r)
	state, err := p.Wait()
	if err != nil || state.ExitCode() != 2 || !bytes.Contains(said, []byte("not for use by hand")) {
		t.Error(errors.Join(err), state, string(said))
	}
}
