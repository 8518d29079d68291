package bake

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boothook/initramfs/archive"

	"github.com/google/go-cmp/cmp"
)

// moduleDir is a /lib/modules/VERSION with virtio_net needing net_failover,
// which needs failover, and gve needing nothing.
func moduleDir(t *testing.T, version string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), version)
	for name, data := range map[string]string{
		"kernel/net/core/failover.ko":    "FAILOVER",
		"kernel/drivers/net_failover.ko": "NETFAILOVER",
		"kernel/drivers/virtio_net.ko":   "VIRTIONET",
		"kernel/drivers/gve.ko":          "GVE",
		"kernel/drivers/other.ko":        "OTHER",
		"modules.dep": "kernel/net/core/failover.ko:\nkernel/drivers/net_failover.ko: kernel/net/core/failover.ko\n" +
			"kernel/drivers/virtio_net.ko: kernel/drivers/net_failover.ko kernel/net/core/failover.ko\nkernel/drivers/gve.ko:\nkernel/drivers/other.ko:\n",
		"modules.alias":   "alias virtio:d00000001v* virtio_net\nalias pci:v00001AE0* gve\nalias pci:other other\n",
		"modules.softdep": "",
		"modules.builtin": "kernel/fs/isofs/isofs.ko\n",
	} {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const version = "6.1.0-1-amd64"

// The initrd has failover, compressed; virtio_net and its way to it are
// missing, and so is gve.
func TestModulesAreMerged(t *testing.T) {
	in := initrd(t, archive.Zstd,
		file("/usr/lib/modules/"+version+"/modules.alias", 0o644, "alias old thing\n"),
		file("/usr/lib/modules/"+version+"/kernel/net/core/failover.ko.xz", 0o644, "x"))
	out, rep, err := bake(t, in, Options{Agent: agent, Modules: moduleDir(t, version)})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"gve", "net_failover", "virtio_net"}
	if !slices.Equal(rep.Modules, want) {
		t.Errorf("added %v, want %v", rep.Modules, want)
	}
	tree, _, err := archive.Read(bytes.NewReader(out), int64(len(out)), keepTexts)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"modules.dep": "kernel/drivers/net_failover.ko: kernel/net/core/failover.ko.xz\n" +
			"kernel/drivers/virtio_net.ko: kernel/drivers/net_failover.ko kernel/net/core/failover.ko.xz\nkernel/drivers/gve.ko:\n",
		"modules.alias":                "alias old thing\nalias virtio:d00000001v* virtio_net\nalias pci:v00001AE0* gve\n",
		"modules.builtin":              "kernel/fs/isofs/isofs.ko\n",
		"kernel/drivers/virtio_net.ko": "VIRTIONET",
	} {
		got, err := tree.ReadFile("/lib/modules/" + version + "/" + name)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if tree.Has("/lib/modules/" + version + "/kernel/drivers/other.ko") {
		t.Error("a module that nobody asked for")
	}
}

func TestModulesChosen(t *testing.T) {
	_, rep, err := bake(t, initrd(t, archive.Zstd), Options{Agent: agent, Modules: moduleDir(t, version), ModuleNames: []string{"other"}})
	if err != nil || !slices.Equal(rep.Modules, []string{"other"}) {
		t.Errorf("%v, %v", rep.Modules, err)
	}
	if _, _, err := bake(t, initrd(t, archive.Zstd), Options{Agent: agent, Modules: moduleDir(t, "5.0")}); err == nil || !strings.Contains(err.Error(), "modules of 5.0 do not fit") {
		t.Errorf("modules of another kernel: %v", err)
	}
}

// An initrd without any network driver is baked, with a warning; one driver,
// or one that is built in, is enough.
func TestWarningOfNoNetwork(t *testing.T) {
	dir := "/usr/lib/modules/" + version
	for _, tt := range []struct {
		more archive.File
		want int
	}{
		{file(dir+"/kernel/ext4.ko", 0o644, ""), 1},
		{file(dir+"/kernel/virtio-net.ko.zst", 0o644, ""), 0},
		{file(dir+"/modules.builtin", 0o644, "kernel/drivers/net/xen-netfront.ko\n"), 0},
	} {
		_, rep, err := bake(t, initrd(t, archive.Zstd, tt.more), Options{Agent: agent})
		if err != nil || len(rep.Warnings) != tt.want {
			t.Errorf("%s: %v, %v", tt.more.Name, rep.Warnings, err)
		}
	}
}
