package pid1

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"boothook/initramfs/klog"
	"boothook/injector/jobs"
	"boothook/injector/root"
)

func TestGuardedMakesAPanicAnError(t *testing.T) {
	err := guarded(func() error { panic("at the disco") })
	if err == nil || err.Error() != "panic: at the disco" {
		t.Errorf("error %v", err)
	}
	if err := guarded(func() error { return errNoRoot }); !errors.Is(err, errNoRoot) {
		t.Errorf("error %v", err)
	}
}

func TestIsInitOnlyAsPID1(t *testing.T) {
	if IsInit([]string{"/init"}) {
		t.Error("a test is no init")
	}
	if !IsModprobe([]string{"/sbin/modprobe", "-q"}) || IsModprobe([]string{"/init"}) || IsModprobe(nil) {
		t.Error("modprobe is known by its name")
	}
}

func TestFindInit(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"sbin", "bin", "usr/lib/systemd"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{"usr/lib/systemd/systemd": 0o755, "bin/sh": 0o755, "bin/text": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	r, err := root.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	find := func(word string) string {
		s := &system{log: klog.New(false, io.Discard)}
		s.options.Root.Init = word
		path, err := s.findInit(r)
		if err != nil {
			return err.Error()
		}
		return path
	}
	if got := find(""); got != "/bin/sh" {
		t.Errorf("without /sbin/init: %s", got)
	}
	// An absolute link means absolute in the root.
	if err := os.Symlink("/usr/lib/systemd/systemd", filepath.Join(dir, "sbin/init")); err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]string{"": "/sbin/init", "/bin/sh": "/bin/sh", "/bin/text": "/sbin/init", "/nowhere": "/sbin/init", "/usr": "/sbin/init"} {
		if got := find(word); got != want {
			t.Errorf("init=%s: %s, want %s", word, got, want)
		}
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, "sbin/init")), os.Remove(filepath.Join(dir, "bin/sh"))); err != nil {
		t.Fatal(err)
	}
	if got := find(""); got != errNoInit.Error() {
		t.Errorf("an empty root has %s", got)
	}
}

func TestHandover(t *testing.T) {
	fd, err := (&system{began: moment{1234567890, 42}}).handover()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	got := make([]byte, 100)
	n, err := unix.Read(fd, got)
	if want := "initrd-timestamp=1234567890 42\n\n"; err != nil || string(got[:n]) != want {
		t.Errorf("%q, %v; want %q", got[:n], err, want)
	}
}

// What is on another file system survives the emptying of the initramfs.
func TestEmptySparesDisks(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	if err := os.WriteFile(name, []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := empty(f); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(name)
	memory := fs.Type == unix.TMPFS_MAGIC
	if !memory && !bytes.Equal(got, []byte("kept")) || memory && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in memory: %v; %q, %v", memory, got, err)
	}
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "a/b/c"), 0o755), os.MkdirAll(outside, 0o755),
		os.WriteFile(filepath.Join(dir, "a/b/file"), nil, 0o644), os.WriteFile(filepath.Join(outside, "file"), nil, 0o644),
		os.Symlink(outside, filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	remove(f, st.Dev)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(outside, "file")); err != nil {
		t.Errorf("a link was followed: %v", err)
	}
}

// Only an upstart that knows the option is given it, and only where a job
// awaits the event: nothing would start otherwise.
func TestStartupEvent(t *testing.T) {
	for _, tt := range []struct {
		name, init string
		job        bool
		want       string
	}{
		{"upstart 1.12", "com.ubuntu.Upstart startup-event", true, "/sbin/init --startup-event=boothook-startup"},
		{"no job", "com.ubuntu.Upstart startup-event", false, "/sbin/init"},
		{"upstart 0.6", "com.ubuntu.Upstart", true, "/sbin/init"},
		{"sysvinit", "/etc/inittab startup-event", true, "/sbin/init"},
	} {
		dir := t.TempDir()
		err := errors.Join(os.Mkdir(filepath.Join(dir, "sbin"), 0o755), os.MkdirAll(filepath.Join(dir, "etc/init"), 0o755),
			os.WriteFile(filepath.Join(dir, "sbin/init"), []byte(tt.init), 0o755))
		if tt.job {
			err = errors.Join(err, os.WriteFile(filepath.Join(dir, jobs.StartupJob), nil, 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
		r, err := root.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		s := &system{log: klog.New(false, io.Discard)}
		argv, err := s.initArgs(r)
		r.Close()
		// What the test was called with is what the kernel would have given.
		if got := strings.Join(argv[:len(argv)-len(os.Args[1:])], " "); err != nil || got != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.name, got, err, tt.want)
		}
	}
}
