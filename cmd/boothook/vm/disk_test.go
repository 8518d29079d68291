package vm

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// makeExt4 makes a small file system at an offset of an image, the way
// scripts/image does.
func makeExt4(t *testing.T, offset int64) string {
	t.Helper()
	dir, image := t.TempDir(), filepath.Join(t.TempDir(), "disk.img")
	for name, text := range map[string]string{"etc/hostname": "debian\n", `etc/a "b" c`: "quoted"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("mkfs.ext4", "-q", "-E", "offset="+strconv.FormatInt(offset, 10), "-d", dir, image, "8M")
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return image
}

func TestRootFS(t *testing.T) {
	for _, tt := range []struct {
		offset int64
		device string
	}{{0, "/dev/vda"}, {1 << 20, "/dev/vda1"}} {
		t.Run(tt.device, func(t *testing.T) {
			root, err := FindRoot(makeExt4(t, tt.offset))
			if err != nil {
				t.Fatal(err)
			}
			if root.Device() != tt.device {
				t.Errorf("device is %s, want %s", root.Device(), tt.device)
			}
			checkRead(t, root, "/etc/hostname", "debian\n")
			checkRead(t, root, `/etc/a "b" c`, "quoted")
			if got, err := root.ReadFile(t.Context(), "/etc/hostname", 3); err != nil || string(got) != "deb" {
				t.Errorf("ReadFile to a limit of 3 = %q, %v", got, err)
			}
			if _, err := root.ReadFile(t.Context(), "/etc/none", 10); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("ReadFile of what is not there: %v", err)
			}
			if err := root.WriteFile(t.Context(), "/home/a/.ssh/keys", []byte("key\n"), 0o600, 1000, 1001); err != nil {
				t.Fatal(err)
			}
			checkRead(t, root, "/home/a/.ssh/keys", "key\n")
			stat, _, err := root.debugfs(t.Context(), 1<<12, nil, "-R", "stat /home/a/.ssh/keys")
			for _, want := range []string{"Mode:  0600", "User:  1000", "Group:  1001", "Type: regular"} {
				if err != nil || !strings.Contains(string(stat), want) {
					t.Errorf("stat lacks %q: %s %v", want, stat, err)
				}
			}
		})
	}
}

func checkRead(t *testing.T, root RootFS, path, want string) {
	t.Helper()
	if got, err := root.ReadFile(t.Context(), path, 1<<10); err != nil || string(got) != want {
		t.Errorf("ReadFile(%s) = %q, %v, want %q", path, got, err, want)
	}
}

func TestFindRootNone(t *testing.T) {
	image := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(image, make([]byte, 4096), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := FindRoot(image); err == nil || !strings.Contains(err.Error(), "no ext file system") {
		t.Errorf("FindRoot of an empty disk: %v", err)
	}
}

func TestCopyDisk(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	want := make([]byte, 16<<20)
	copy(want[5<<20:], "in the midst of a hole")
	copy(want[len(want)-3:], "end")
	f, err := os.Create(from)
	if err != nil {
		t.Fatal(err)
	}
	_, err1 := f.WriteAt(want[5<<20:5<<20+100], 5<<20)
	_, err2 := f.WriteAt([]byte("end"), int64(len(want))-3)
	if err := errors.Join(err1, err2, f.Close(), CopyDisk(from, to)); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the copy differs (%v)", err)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(to, &st); err != nil || st.Blocks*512 > 1<<20 {
		t.Errorf("the copy takes %d bytes (%v): not sparse", st.Blocks*512, err)
	}
	if err := CopyDisk(filepath.Join(dir, "none"), to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("CopyDisk of nothing: %v", err)
	}
}
