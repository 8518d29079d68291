//go:build boot

package archive

import (
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// treeInit prints what the kernel has unpacked, before anything is mounted.
const treeInit = `#!/bin/busybox sh
b=/bin/busybox
$b find / -xdev | while read -r f; do
	if [ -h "$f" ]; then echo "TREE $f -> $($b readlink "$f")"
	elif [ -d "$f" ]; then echo "TREE $f/"
	elif [ -f "$f" ]; then echo "TREE $f $($b md5sum <"$f" | $b cut -c1-8) $($b stat -c %a "$f")"
	else echo "TREE $f special"
	fi
done
echo TREE-END
exec $b poweroff -f
`

// What the kernel makes of overlapping segments is what a Tree says.
func TestKernelAgrees(t *testing.T) {
	out, err := exec.Command("../../scripts/image").Output()
	if err != nil {
		t.Fatal(err)
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	const f = TypeRegular | 0o644
	program := func(name string, data []byte) File {
		return File{Name: name, Mode: TypeRegular | 0o755, Data: data}
	}
	initrd := chain(
		cpioOf(t, dir("/bin"), program("/bin/busybox", busybox), program("/init", []byte(treeInit)),
			dir("/usr"), dir("/usr/lib"), link("/lib", "usr/lib"), reg("/lib/a", "1"), link("/lib64", "/usr/lib"),
			dir("/full"), reg("/full/x", "x"), dir("/empty"), reg("/file", "long contents"), link("/tofile", "file"),
			link("/loop1", "loop2"), link("/loop2", "loop1"), link("/up", "../../.."), dir("/deep"), dir("/deep/er")),
		compressed(t, Zstd, slices.Concat(
			raw(
				rawEntry{name: "hard1", ino: 7, links: 2, mode: f, body: "hard"},
				rawEntry{name: "hard2", ino: 7, links: 2, mode: f},
				rawEntry{name: "late1", ino: 8, links: 2, mode: f},
				rawEntry{name: "late2", ino: 8, links: 2, mode: f, body: "later"},
				rawEntry{name: newcTrailer},
				rawEntry{name: "other", ino: 7, links: 2, mode: f, body: "other"},
				rawEntry{name: "nul\x00\x00\x00", ino: 9, links: 1, mode: f, body: "padded name"},
				rawEntry{name: "./deep//er/./z", ino: 10, links: 1, mode: f, body: "odd name"},
				rawEntry{name: "/abs", ino: 11, links: 1, mode: f, body: "absolute"},
				rawEntry{name: "withbody", ino: 12, links: 2, mode: TypeDir | 0o755, body: "skipped"},
				rawEntry{name: "no/such/dir", ino: 13, links: 1, mode: f, body: "lost"},
				rawEntry{name: newcTrailer}),
			cpioOf(t, reg("/hard2", "written through one name")))),
		compressed(t, LZ4, cpioOf(t, dir("/lib64"), reg("/lib64/new", "in the new directory"), reg("/lib/b", "through the link"),
			reg("/full", "not over a full directory"), reg("/empty", "over an empty one"), link("/full", "nor a link"),
			reg("/file", "short"), reg("/tofile", "not through the link"), reg("/loop1/x", "lost"), reg("/up/z", "at the root"))),
		compressed(t, XZ, cpioOf(t, dir("/file"), link("/deep", "usr"))),
	)
	name := filepath.Join(t.TempDir(), "initrd")
	if err := os.WriteFile(name, initrd, 0o644); err != nil {
		t.Fatal(err)
	}
	tree, segments, err := Read(bytes.NewReader(initrd), int64(len(initrd)), KeepSmall(8<<20))
	if err != nil || len(segments) != 4 {
		t.Fatalf("%d segments, %v", len(segments), err)
	}
	want := treeLines(t, tree)
	got := kernelLines(t, filepath.Join(strings.TrimSpace(string(out)), "vmlinuz"), name)
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("the kernel (-) and the tree (+):\n%s", diff)
	}
}

func treeLines(t *testing.T, tree *Tree) []string {
	t.Helper()
	lines := []string{"TREE //"}
	var walk func(dir string)
	walk = func(dir string) {
		for _, base := range tree.List(dir) {
			name := dir + base
			n, _, err := tree.Lstat(name)
			switch {
			case err != nil:
				t.Fatal(err)
			case n.IsSymlink():
				lines = append(lines, fmt.Sprintf("TREE %s -> %s", name, n.Link))
			case n.IsDir():
				lines = append(lines, fmt.Sprintf("TREE %s/", name))
				walk(name + "/")
			case n.IsRegular():
				lines = append(lines, fmt.Sprintf("TREE %s %.4x %o", name, md5.Sum(n.Data), n.Mode&0o7777))
			default:
				lines = append(lines, fmt.Sprintf("TREE %s special", name))
			}
		}
	}
	walk("/")
	slices.Sort(lines)
	return lines
}

func kernelLines(t *testing.T, kernel, initrd string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	qemu := exec.CommandContext(ctx, "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
		"-M", "q35", "-accel", "tcg", "-cpu", "Nehalem", "-m", "256M", "-serial", "stdio", "-no-reboot",
		"-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet mitigations=off panic=-1")
	t.Log(qemu.String())
	out, err := qemu.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "TREE-END") {
		t.Fatalf("qemu: %v\n%s", err, out)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "TREE ") {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines
}
