//go:build net

package nettest

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

// patience is far less than the budget, and much for what takes a moment.
const patience = 5 * time.Second

// On a network with both families EC2 is asked over both, and whichever
// answers first is right, whatever becomes of the other.
func TestBothFamilies(t *testing.T) {
	for _, tt := range []struct {
		name, listen string
		is6          bool
	}{
		{"IPv4 alone answers", "169.254.169.254:80", false},
		{"IPv6 alone answers", "[fd00:ec2::254]:80", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			l.ipv6()
			l.address("169.254.169.254/32", "lo")
			l.dnsmasq("--enable-ra", "--dhcp-range=fd00:9::,ra-only", "--ra-param=s0,4")
			l.handle(tt.listen, simulate.EC2{Machine: simulate.Machine{InstanceID: ec2ID, Hostname: "name", UserData: []byte(userData)}})
			b := l.boot(agentBinary(t), l.firmware(dmi("product_uuid", ec2UUID)), "boothook.timeout=10s")
			if b.Result != report.Applied || b.took > patience {
				t.Errorf("result %s after %v\n%s", b.Result, b.took, b.log)
			}
			found := false
			for _, n := range b.Network {
				p, err := netip.ParsePrefix(n.Address)
				found = found || err == nil && p.Addr().Is6() == tt.is6
			}
			if !found {
				t.Errorf("network %v", b.Network)
			}
		})
	}
}

// isRA says that a frame is a router's advertisement (RFC 4861, 4.2).
func isRA(frame []byte) bool {
	return len(frame) > 54 && binary.BigEndian.Uint16(frame[12:]) == unix.ETH_P_IPV6 && frame[14+6] == unix.IPPROTO_ICMPV6 && frame[54] == 134
}

// A router that speaks late gives the NIC that led to the data another address
// while the report is written and the platform told: by then nobody waits for
// addresses any more, and whoever notes this one does it beside all that. "make
// race" runs this with an agent that finds its own data races.
func TestLateAddress(t *testing.T) {
	// grace is what whoever notes the address is given for it. A busy machine
	// may take longer than any that is chosen here.
	for grace := 100 * time.Millisecond; ; grace *= 2 {
		b := lateAddress(t, grace)
		if b.Result != report.Applied || len(b.Failures()) > 0 {
			t.Fatalf("result %s, problems %v\n%s", b.Result, b.Problems, b.log)
		}
		if slices.ContainsFunc(b.Network, func(n report.NIC) bool { return strings.HasPrefix(n.Address, "fd00:9:") }) {
			return
		}
		if grace > patience {
			t.Fatalf("nobody noted the second address: %v\n%s", b.Network, b.log)
		}
	}
}

// lateAddress is a boot on Azure whose router speaks when the plan is applied.
// The user-data are long, and so is the digest that the report has of them. The
// platform does not take the report of being ready before the NIC has the
// address.
func lateAddress(t *testing.T, grace time.Duration) boot {
	t.Helper()
	l := newLab(t)
	azureNetwork(l)
	l.ipv6()
	l.daemon("started", "dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file=/dev/null", "--interface=s0", "--port=0",
		"--enable-ra", "--dhcp-range=fd00:9::,ra-only", "--ra-param=s0,4", "--user=root", "--pid-file", "--leasefile-ro")
	l.address("169.254.169.254/32", "lo")
	speak := l.holdBack(isRA)
	leased := l.watch(l.machine, "fd00:9:", "ip", "monitor", "address")
	service := simulate.Azure{Machine: simulate.Machine{InstanceID: uuid, Hostname: "name", PublicKeys: []string{key},
		UserData: []byte(userData + strings.Repeat("# and on it goes\n", 1<<17))}}
	l.handle("169.254.169.254:80", service)
	l.handle(l.wireserver, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.RawQuery, "comp=goalstate") {
			select {
			case <-leased:
				time.Sleep(grace)
			case <-r.Context().Done():
			}
		}
		service.ServeHTTP(w, r)
	}))
	go func() {
		l.awaitApplied()
		speak()
	}()
	return l.boot(agentBinary(t), l.firmware(dmi("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77")), "boothook.timeout=30s")
}

// holdBack loses the frames of a kind, but for the first to the machine: that
// waits until it is let go.
func (l *lab) holdBack(kind func(frame []byte) bool) (letGo func()) {
	held := make(chan []byte, 1)
	l.wire.set(func(w *wire) {
		w.lost = func(frame []byte) bool {
			if !kind(frame) {
				return false
			}
			select {
			case held <- bytes.Clone(frame):
			default:
			}
			return true
		}
	})
	return func() {
		select {
		case frame := <-held:
			l.wire.near.Write(frame) // a NIC that is down takes none
		case <-l.t.Context().Done():
		}
	}
}

// awaitApplied returns when a plan has been applied to a root of this lab: its
// journal was there, and is gone.
func (l *lab) awaitApplied() {
	journal := filepath.Join(l.dir, "root*/var/lib/boothook/journal")
	for seen := false; l.t.Context().Err() == nil; time.Sleep(time.Millisecond) {
		found, _ := filepath.Glob(journal) // the pattern is a good one
		if seen && len(found) == 0 {
			return
		}
		seen = seen || len(found) > 0
	}
}
