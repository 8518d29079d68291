//go:build net || powercut

package root

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// run runs a program and gives what it printed.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// attach makes an image with a file system, puts it on a loop device and
// gives the device.
func attach(t testing.TB, size string, mkfs ...string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	run(t, "truncate", "-s", size, image)
	run(t, mkfs[0], append(mkfs[1:], image)...)
	dev := run(t, "losetup", "--find", "--show", image)
	t.Cleanup(func() { run(t, "losetup", "--detach", dev) })
	return dev
}

// mounted mounts a device on a new directory.
func mounted(t testing.TB, dev string, options string) string {
	t.Helper()
	dir := t.TempDir()
	run(t, "mount", "-o", options, dev, dir)
	t.Cleanup(func() { run(t, "umount", dir) })
	return dir
}

// fill gives a mounted file system the files of newRoot.
func fill(t testing.TB, dir string) {
	t.Helper()
	run(t, "cp", "-a", newRoot(t).dir+"/.", dir)
}
