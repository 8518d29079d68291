package agent

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"boothook/initramfs/report"
	"boothook/netboot/nic"
)

// A root that relies on its cloud-init for the network gets it on the interface
// that led to the source, or on the first one that sysfs shows.
func TestFallbackNIC(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/meta-data", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("instance-id: i-web\n")) })
	mux.HandleFunc("/user-data", func(http.ResponseWriter, *http.Request) {})
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, tt := range []struct {
		name, words string
		want        string
	}{
		{"no network", "", "52:54:00:00:00:03"},
		{"a network", "ds=nocloud;s=" + server.URL + "/", "52:54:00:00:00:09"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, tt.words)
			link := filepath.Join(l.env.Sysfs, "class/net/ens3")
			for name, text := range map[string]string{"type": "1", "address": "52:54:00:00:00:03", "operstate": "down", "device/x": ""} {
				write(t, filepath.Join(link, name), text+"\n")
			}
			lease := loopback()
			lease.HW = net.HardwareAddr{0x52, 0x54, 0, 0, 0, 9}
			l.machine.nics = &fakeNICs{leases: []nic.Lease{lease}}
			if tt.words == "" {
				l.seed("")
			}
			write(t, filepath.Join(l.root, "usr/bin/cloud-init"), "")
			write(t, filepath.Join(l.root, "usr/sbin/netplan"), "")
			write(t, filepath.Join(l.root, "lib/systemd/systemd-resolved"), "")
			r := l.run()
			got := l.read(filepath.Join(l.root, "etc/netplan/50-cloud-init.yaml"))
			if r.Result != report.Applied || !strings.Contains(got, "macaddress: \""+tt.want+"\"") || len(problems(r, tt.want)) != 1 {
				t.Errorf("report %+v, file %q", r, got)
			}
		})
	}
}
