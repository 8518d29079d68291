//go:build boot

package boottest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boothook/initramfs/report"
)

// TestImageSources boots roots that say themselves where the machine's data
// are: a directory that stands for a config drive, a list that leaves the
// machine's own cloud out, one that names a single source which nothing else
// speaks for, and a server for the seed. The table is docs/image-sources.md.
func TestImageSources(t *testing.T) {
	k := findKernel(t, "bookworm")
	initrd := k.build(t)
	mux := http.NewServeMux()
	const user = "#cloud-config\nwrite_files: [{path: /etc/motd, content: hello}]\n"
	for path, text := range map[string]string{
		"/openstack/latest/meta_data.json": `{"uuid": "iid-service"}`, "/openstack/latest/user_data": user,
		"/seed/meta-data": "instance-id: iid-web\n", "/seed/user-data": user,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	host := strings.Replace(server.URL, "127.0.0.1", "10.0.2.2", 1) // as QEMU's network calls this machine

	nothing := []string{"-smbios", "type=0,vendor=SeaBIOS", "-smbios", "type=1,manufacturer=QEMU,serial=1,uuid=11111111-9099-7caf-fd21-012345abcdef"}
	online := slices.Concat(nothing, []string{"-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n"})
	const cfg = "etc/cloud/cloud.cfg.d/90.cfg"
	for _, tt := range []struct {
		name         string
		machine      []string
		files        map[string]string
		source, want string
	}{
		{"config drive", nothing, map[string]string{"var/lib/cloud/seed/config_drive/openstack/latest/meta_data.json": `{"uuid": "iid-drive"}`,
			"var/lib/cloud/seed/config_drive/openstack/latest/user_data": user}, "configdrive", "iid-drive"},
		{"a list without the cloud", nil, map[string]string{cfg: "datasource_list: [NoCloud, None]\ndatasource: {NoCloud: {meta-data: {instance-id: iid-cfg}, user-data: {write_files: [{path: /etc/motd, content: hello}]}}}\n"},
			"nocloud", "iid-cfg"},
		{"a single source", online, map[string]string{cfg: "datasource_list: [OpenStack, None]\ndatasource: {OpenStack: {metadata_urls: ['" + host + "']}}\n"}, "openstack", "iid-service"},
		{"a server", online, map[string]string{cfg: "datasource: {NoCloud: {seedfrom: '" + host + "/seed/'}}\n"}, "nocloud", "iid-web"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := k
			k.machine = tt.machine
			tree := lightTree(t)
			for name, text := range tt.files {
				path := filepath.Join(tree, name)
				check(t, os.MkdirAll(filepath.Dir(path), 0o755))
				check(t, os.WriteFile(path, []byte(text), 0o644))
			}
			disk := filepath.Join(t.TempDir(), "root.img")
			run(t, "mke2fs", "-q", "-t", "ext4", "-L", "light", "-d", tree, disk, "40M")
			console := k.lightBoot(t, initrd, disk, "512", "root=/dev/vda", "rw", "quiet")
			r := lightReport(t, console)
			if r.Result != report.Applied || r.Source != tt.source || r.InstanceID != tt.want || len(r.Steps) == 0 {
				t.Errorf("%s, source %q, instance %q, %d steps, problems %v\n%s", r.Result, r.Source, r.InstanceID, len(r.Steps), r.Problems, lastOf(console, 3000))
			}
			t.Logf("%s of %s, %v, problems %v", r.Result, r.Source, r.Evidence, r.Problems)
		})
	}
}
