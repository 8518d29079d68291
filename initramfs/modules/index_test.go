package modules

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tree is a small /lib/modules/VERSION as depmod writes it.
var tree = map[string]string{
	"modules.dep": `kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/net/core/failover.ko:
kernel/drivers/net/net_failover.ko: kernel/net/core/failover.ko
kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko kernel/net/core/failover.ko kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/fs/btrfs/btrfs.ko.xz: kernel/lib/raid6-pq.ko.xz
kernel/lib/raid6-pq.ko.xz:
kernel/arch/x86/crypto/crc32c-intel.ko:
kernel/a.ko:
kernel/b.ko: kernel/gone.ko
kernel/loop1.ko:
kernel/loop2.ko:
`,
	"modules.softdep": `# Soft dependencies extracted from modules themselves.
softdep btrfs pre: crc32c blake2b-256
softdep virtio_net post: a
softdep loop1 pre: loop2
softdep loop2 pre: loop1
`,
	"modules.alias": `alias crc32c crc32c_intel
alias pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci
alias virtio:d00000001v* virtio_net
alias virtio:d00000001v* a
alias dmi*:bvnSome Vendor:* a
`,
	"modules.builtin": `kernel/fs/ext4/ext4.ko
kernel/crypto/blake2b-256.ko
`,
}

// writeTree writes files below a new directory.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func index(t *testing.T, files map[string]string) *Index {
	t.Helper()
	x, err := ReadIndex(writeTree(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestClosure(t *testing.T) {
	x := index(t, tree)
	for _, tt := range []struct {
		names []string
		want  string
		err   error
	}{
		{[]string{"virtio_ring"}, "virtio_ring", nil},
		{[]string{"virtio-pci"}, "virtio_ring virtio virtio_pci", nil},
		{[]string{"virtio_net"}, "virtio_ring virtio failover net_failover virtio_net a", nil},
		{[]string{"virtio_pci", "virtio_net"}, "virtio_ring virtio virtio_pci failover net_failover virtio_net a", nil},
		{[]string{"btrfs"}, "crc32c_intel raid6_pq btrfs", nil},
		{[]string{"crc32c"}, "crc32c_intel", nil},
		{[]string{"ext4"}, "", nil},
		{[]string{"loop1"}, "loop2 loop1", nil},
		{[]string{"b"}, "", ErrUnknown},
		{[]string{"nonesuch", "a"}, "a", ErrUnknown},
	} {
		got, err := x.Closure(tt.names...)
		if s := strings.Join(got, " "); s != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("Closure(%v) = %q, %v; want %q, %v", tt.names, s, err, tt.want, tt.err)
		}
	}
}

func TestMatch(t *testing.T) {
	x := index(t, tree)
	for modalias, want := range map[string][]string{
		"pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00": {"virtio_pci"},
		"virtio:d00000001v00001AF4":                             {"virtio_net", "a"},
		"dmi:x:bvnSome Vendor:y":                                {"a"},
		"virtio:d00000002v00001AF4":                             nil,
	} {
		if diff := cmp.Diff(want, x.Match(modalias)); diff != "" {
			t.Errorf("Match(%q) (-want +got):\n%s", modalias, diff)
		}
	}
}

func TestReadIndexWithout(t *testing.T) {
	x, err := ReadIndex(filepath.Join(t.TempDir(), "none"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Closure("a"); !errors.Is(err, ErrUnknown) {
		t.Errorf("Closure = %v, want %v", err, ErrUnknown)
	}
}

func TestReadIndexNamesTheLine(t *testing.T) {
	for file, text := range map[string]string{
		"modules.dep":     "kernel/a.ko:\nkernel/b.ko\n",
		"modules.softdep": "# comment\nsoft a pre: b\n",
		"modules.alias":   "alias a b\nalias a\n",
	} {
		_, err := ReadIndex(writeTree(t, map[string]string{file: text}))
		if err == nil || !strings.Contains(err.Error(), file+":2: ") {
			t.Errorf("%s: error %v, want one about line 2", file, err)
		}
	}
	if _, err := ReadIndex(writeTree(t, map[string]string{"modules.dep": "../../etc/passwd.ko:\n"})); err == nil {
		t.Error("a path out of the directory is accepted")
	}
}

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"*", "", true}, {"**", "a/b", true}, {"a", "b", false}, {"?", "", false},
		{"pci:v00008086d*sv*", "pci:v00008086d00001000sv00", true},
		{"a*b*c", "aXbXbXc", true}, {"a*b*c", "aXbXbX", false},
		{"[0-9a]x", "5x", true}, {"[!0-9]x", "5x", false}, {"[]]", "]", true}, {"[", "[", false}, {"[a-", "a", false},
		{"usb:v1d*dc*[0-4]", "usb:v1d2dc3", true},
	} {
		if got := glob(tt.pattern, tt.s); got != tt.want {
			t.Errorf("glob(%q, %q) = %v, want %v", tt.pattern, tt.s, got, tt.want)
		}
	}
}

// FuzzGlob holds glob against path.Match where both mean the same.
func FuzzGlob(f *testing.F) {
	f.Add("a*[b-d]?e", "axxcye")
	f.Add("*a*a*a*a*b", "aaaaaaaaaaaaaaaaaa")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		for _, c := range []byte(pattern + s) {
			if c == '/' || c == '\\' || c == '!' || c == '^' || c == ']' || c >= 0x80 {
				return
			}
		}
		want, err := path.Match(pattern, s)
		if err != nil {
			return
		}
		if got := glob(pattern, s); got != want {
			t.Errorf("glob(%q, %q) = %v, path.Match says %v", pattern, s, got, want)
		}
	})
}

func FuzzIndex(f *testing.F) {
	f.Add(tree["modules.dep"], tree["modules.softdep"], tree["modules.alias"], tree["modules.builtin"])
	f.Fuzz(func(t *testing.T, dep, softdep, alias, builtin string) {
		x := newIndex("/")
		for i, text := range []string{dep, softdep, alias, builtin} {
			if err := x.parse(text, indexFiles[i].line); err != nil {
				return
			}
		}
		for name := range x.path {
			order, err := x.Closure(name)
			if err == nil && !x.builtin[name] && !slices.Contains(order, name) {
				t.Errorf("closure of %q is %q", name, order)
			}
		}
	})
}
