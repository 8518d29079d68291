//go:build net

package nettest

import (
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

// A network whose only way out is a proxy that wants to know who asks: without
// proxy= the machine cannot even resolve a name there. The metadata service is
// asked directly all the same.
func TestProxy(t *testing.T) {
	for _, tt := range []struct {
		name, words string
		want        report.Result
	}{
		{"http", "proxy=http://user:word@10.9.0.1:3128 boothook.url=http://seed.example/user-data", report.Applied},
		{"https", "proxy=user:word@10.9.0.1:3128 boothook.url=https://seed.example/user-data", report.Applied},
		{"wrong password", "proxy=user:guess@10.9.0.1:3128 boothook.url=http://seed.example/user-data boothook.timeout=1s", report.Failed},
		{"without", "boothook.url=http://seed.example/user-data boothook.timeout=1s", report.Failed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			l.dnsmasq("--port=0")
			l.address("169.254.169.254/32", "lo")
			l.address("10.77.0.1/32", "lo")
			l.handle("169.254.169.254:80", simulate.EC2{Machine: simulate.Machine{InstanceID: ec2ID, Hostname: "name"}})
			l.handle("10.77.0.1:80", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, userData) }))
			l.serveTLS("10.77.0.1:443", "seed.example", time.Now())
			l.tinyproxy("10.77.0.1 seed.example")
			b := l.boot(agentBinary(t), l.firmware(dmi("product_uuid", ec2UUID)), tt.words)
			if b.Result != tt.want {
				t.Errorf("result %s\n%s", b.Result, b.log)
			}
			if got := b.file("var/lib/cloud/instances/" + ec2ID + "/user-data.txt"); (got == userData) != (tt.want == report.Applied) {
				t.Errorf("user-data is %q", got)
			}
		})
	}
}

// tinyproxy runs a proxy at 10.9.0.1:3128 for one user; the hosts are in the
// form of hosts(5), and it alone knows them.
func (l *lab) tinyproxy(hosts string) {
	l.t.Helper()
	conf, names := filepath.Join(l.dir, "tinyproxy.conf"), filepath.Join(l.dir, "hosts")
	l.write(conf, "Listen 10.9.0.1\nPort 3128\nTimeout 30\nMaxClients 10\nBasicAuth user word\nConnectPort 443\nLogLevel Info\n")
	l.write(names, hosts+"\n")
	// "ip netns exec" has made a mount namespace.
	l.daemon("Accepting connections", "sh", "-c", `mount --bind "$1" /etc/hosts && exec tinyproxy -d -c "$2"`, "sh", names, conf)
}
