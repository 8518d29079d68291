//go:build net

package nic

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netns"
)

// insideEnv marks the copy of the test binary that runs in its own namespaces.
const insideEnv = "BOOTHOOK_NIC_NETNS"

// inNetns reruns the calling test alone in a process with network and mount
// namespaces of its own and returns true there. In the first process it
// reports what the second one did and returns false.
func inNetns(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideEnv) != "" {
		sh(t, "mount --make-rprivate / && mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /run && ip link set lo up")
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=120s")
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	} else if testing.Verbose() {
		t.Logf("%s", out)
	}
	return false
}

// sh runs a shell script, which must succeed, and gives its output.
func sh(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// newPeer makes a veth pair: NAME here, dark, and its other end "p" in a
// namespace of its own called "peer-NAME" with the given address, up unless
// the address is "".
func newPeer(t *testing.T, name, mac, addr string) (ns string) {
	t.Helper()
	ns = "peer-" + name
	sh(t, fmt.Sprintf(`ip netns add %[1]s
		ip link add %[2]s address %[3]s type veth peer name p netns %[1]s
		ip netns exec %[1]s sysctl -q net.ipv6.conf.p.accept_dad=0
		ip -n %[1]s link set lo up`, ns, name, mac))
	if addr != "" {
		sh(t, fmt.Sprintf("ip -n %s addr add %s dev p; ip -n %s link set p up", ns, addr, ns))
	}
	return ns
}

// dnsmasq serves DHCP in a namespace until the test ends.
func dnsmasq(t *testing.T, ns string, args ...string) {
	t.Helper()
	dir := t.TempDir()
	if !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--port=") }) {
		args = append(args, "--port=0")
	}
	args = append([]string{"netns", "exec", ns, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
		"--no-hosts", "--log-dhcp", "--log-facility=-", "--pid-file", "--dhcp-authoritative", "--user=root",
		"--interface=p", "--bind-dynamic", "--leasefile-ro", "--dhcp-leasefile=" + filepath.Join(dir, "leases")}, args...)
	cmd := exec.Command("ip", args...)
	var log syncBuffer
	cmd.Stderr, cmd.Stdout = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("dnsmasq in %s:\n%s", ns, log.String())
		}
	})
	serves := func() bool {
		return strings.Contains(log.String(), "DHCP, ") || strings.Contains(log.String(), "router advertisement enabled")
	}
	for deadline := time.Now().Add(5 * time.Second); !serves(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("dnsmasq does not start:\n%s", log.String())
		}
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// fetch connects over the lease to a service in ns and gives what it says:
// the namespace's name.
func fetch(t *testing.T, ns string, l *Lease, addr string) string {
	t.Helper()
	_, port, _ := net.SplitHostPort(addr)
	var service net.Listener
	within(t, ns, func() (err error) {
		service, err = net.Listen("tcp", ":"+port)
		return err
	})
	defer service.Close()
	go func() {
		if conn, err := service.Accept(); err == nil {
			io.WriteString(conn, ns)
			conn.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := l.DialContext(ctx, "tcp", addr)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer conn.Close()
	said, err := io.ReadAll(conn)
	if err != nil {
		t.Error(err)
	}
	return string(said)
}

// within calls f in another namespace; the sockets that it opens stay there.
func within(t *testing.T, ns string, f func() error) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	there, err := netns.GetFromPath("/run/netns/" + ns)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		t.Fatal(err)
	}
	defer netns.Set(here)
	if err := f(); err != nil {
		t.Fatal(err)
	}
}

// state is what must be the same before Start and after Restore.
func state(t *testing.T) string {
	t.Helper()
	links := sh(t, "ip -d link; ip addr; ip route show table all; ip -6 route show table all; ip rule; ip -6 rule; sysctl -a 2>/dev/null | grep -E '^net.ipv[46].(conf|neigh)'")
	// A link that was up once keeps its queueing discipline, and counts.
	return strings.NewReplacer("qdisc noqueue", "qdisc noop").Replace(links)
}

// startReal starts a manager that logs to the test.
func startReal(t *testing.T, ctx context.Context, o Options) *Manager {
	t.Helper()
	began := time.Now()
	o.Virtual = true
	o.Log = func(s string) { t.Logf("%6d ms  %s", time.Since(began).Milliseconds(), s) }
	m, err := Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// stateRestored stops the manager and checks that nothing of it is left.
func stateRestored(t *testing.T, m *Manager, before string) {
	t.Helper()
	if err := m.Restore(); err != nil {
		t.Errorf("restore: %v", err)
	}
	if after := state(t); after != before {
		t.Errorf("not as found (-before +after):\n%s", cmp.Diff(strings.Split(before, "\n"), strings.Split(after, "\n")))
	}
}

func TestLeaseInNamespace(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ns := newPeer(t, "eth0", "02:00:00:00:00:01", "10.1.0.1/24")
	dnsmasq(t, ns, "--dhcp-range=10.1.0.50,10.1.0.50,1h", "--no-ping", "--dhcp-option=option:mtu,1400",
		"--dhcp-option=option:dns-server,10.1.0.1,10.1.0.2", "--domain=example.org", "--dhcp-option=245,168.63.129.16",
		"--dhcp-host=02:00:00:00:00:01,host7")
	before := state(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m := startReal(t, ctx, Options{DHCPOptions: []uint8{245}})
	l := next(t, m, 3*time.Second)
	if l.Prefix != netip.MustParsePrefix("10.1.0.50/24") || l.Gateway != netip.MustParseAddr("10.1.0.1") ||
		l.MTU != 1400 || len(l.DNS) != 2 || l.Hostname != "host7" || l.Lifetime != time.Hour || l.By != ByDHCP4 ||
		string(l.Options[245]) != "\xa8\x3f\x81\x10" || l.ServerID != netip.MustParseAddr("10.1.0.1") {
		t.Errorf("lease %+v", l)
	}
	if got, want := string(l.ResolvConf()), "search example.org\nnameserver 10.1.0.1\nnameserver 10.1.0.2\n"; got != want {
		t.Errorf("resolv.conf %q, want %q", got, want)
	}
	routes := sh(t, "ip route")
	for _, want := range []string{"default via 10.1.0.1 dev eth0 proto dhcp src 10.1.0.50", "mtu 1400"} {
		if !strings.Contains(routes, want) {
			t.Errorf("no %q in\n%s", want, routes)
		}
	}
	if got := fetch(t, ns, &l, "10.1.0.1:80"); got != ns {
		t.Errorf("fetched %q, want %q", got, ns)
	}
	cancel() // Restore works all the same
	stateRestored(t, m, before)
}
