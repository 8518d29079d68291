//go:build net

package pid1

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"boothook/initramfs/klog"
)

// asInit says that this process is the init of a namespace, in which
// TestSwitchRoot goes on.
const asInit = "BOOTHOOK_TEST_INIT"

// TestSwitchRoot pivots for real: in namespaces of its own, from a tmpfs like
// an initramfs into another file system.
func TestSwitchRoot(t *testing.T) {
	if dir := os.Getenv(asInit); dir != "" {
		if err := pivotIn(dir); err != nil {
			fmt.Println("pivot:", err)
		}
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestSwitchRoot$", "-test.v")
	cmd.Env = append(os.Environ(), asInit+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		"left: signal: killed <nil>\n",          // what the initramfs has left running
		"storage: <nil>\n",                      // but not what serves the root
		"root: dev proc real run\n",             // the new root, which has no /sys
		"proc 1: true",                          // moved along, of this namespace
		"run: initramfs\n",                      // what was written there before
		"old: \n",                               // emptied
		"outside: kept\n",                       // but not what was mounted there
		"sysroot again: nothing is mounted on ", // nothing to pivot into now
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

// pivotIn makes dir an initramfs, pivots, and prints what there is.
func pivotIn(dir string) error {
	left, storage := exec.Command("sleep", "600"), exec.Command("sleep", "600")
	storage.Args[0] = "@storage"
	if err := errors.Join(left.Start(), storage.Start()); err != nil {
		return err
	}
	outside := filepath.Join(dir, "outside")
	first := filepath.Join(dir, "initramfs")
	if err := errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		os.Mkdir(outside, 0o755), os.Mkdir(first, 0o755), os.WriteFile(filepath.Join(outside, "file"), []byte("kept"), 0o644),
		unix.Mount("tmpfs", first, "tmpfs", 0, ""),
		os.MkdirAll(first+"/sysroot", 0o755), os.MkdirAll(first+"/lib/modules", 0o755), os.MkdirAll(first+"/outside", 0o755),
		os.WriteFile(first+"/lib/modules/file", nil, 0o644),
		unix.Mount(outside, first+"/outside", "", unix.MS_BIND, ""),
		unix.Mount("tmpfs", first+"/sysroot", "tmpfs", 0, ""),
		os.MkdirAll(first+"/sysroot/real", 0o755), os.MkdirAll(first+"/sysroot/proc", 0o755),
		os.MkdirAll(first+"/sysroot/dev", 0o755), os.MkdirAll(first+"/sysroot/run", 0o755),
	); err != nil {
		return err
	}
	kept, err := os.Open(outside)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Chdir(first), unix.Mount(".", "/", "", unix.MS_MOVE, ""), unix.Chroot("."), mountBase(),
		os.WriteFile("/run/initramfs", nil, 0o644)); err != nil {
		return err
	}
	(&system{log: klog.New(false, os.Stdout)}).endOthers()
	state, err := left.Process.Wait()
	fmt.Println("left:", state, err)
	fmt.Println("storage:", unix.Kill(storage.Process.Pid, 0))
	if err := storage.Process.Kill(); err != nil {
		return err
	}
	old, err := os.Open("/")
	if err != nil {
		return err
	}
	if err := switchRoot(); err != nil {
		return err
	}
	fmt.Println("root:", list("/"))
	self, err := os.Readlink("/proc/self")
	fmt.Println("proc 1:", self == "1", err)
	fmt.Println("run:", list("/run"))
	names, _ := old.Readdirnames(-1)
	fmt.Println("old:", strings.Join(except(names, "outside", "sysroot", "proc", "sys", "dev", "run"), " "))
	fd, err := unix.Openat(int(kept.Fd()), "file", unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	text := make([]byte, 10)
	n, _ := unix.Read(fd, text)
	fmt.Println("outside:", string(text[:n]))
	if err := os.Mkdir(target, 0o755); err != nil {
		return err
	}
	fmt.Println("sysroot again:", switchRoot())
	return nil
}

func list(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// except leaves out what is or was a mount point.
func except(names []string, points ...string) []string {
	var out []string
	for _, n := range names {
		if !strings.Contains(" "+strings.Join(points, " ")+" ", " "+n+" ") {
			out = append(out, n)
		}
	}
	return out
}
