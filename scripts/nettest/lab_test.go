//go:build net

package nettest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"boothook/initramfs/report"
	"boothook/netboot/simulate"
	"boothook/scripts/programs"
)

const (
	// agentTimeout bounds one run of the agent, whatever its own budget.
	agentTimeout = 2 * time.Minute
	// serverTimeout is how long a DHCP server may take to start.
	serverTimeout = 20 * time.Second
)

// built are the programs of this run.
var built programs.Set

func TestMain(m *testing.M) { os.Exit(built.Main(m)) }

// A lab is a machine without a network, and the cloud around it: a namespace
// each, and a wire from the machine's eth0 to the cloud's s0.
type lab struct {
	t       *testing.T
	dir     string
	machine string // the machine's namespace
	cloud   string // the cloud's namespace
	wire    *wire
	second  *wire // of eth1, in the tests that have one
	asked   requests
	open    atomic.Bool // the service, where it is not from the beginning
	// within is what a program of the machine is started by, if anything.
	within []string
	// wireserver is where else the service listens, if anywhere.
	wireserver string
}

// newLab makes a lab. The cloud has 10.9.0.1, and no servers yet.
func newLab(t *testing.T) *lab {
	t.Helper()
	id := fmt.Sprintf("%06x", rand.Uint32()&0xffffff)
	l := &lab{t: t, dir: t.TempDir(), machine: "bhm" + id, cloud: "bhc" + id}
	for _, ns := range []string{l.machine, l.cloud} {
		command(t, "ip", "netns", "add", ns)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
		command(t, "ip", "-n", ns, "link", "set", "lo", "up")
	}
	// The cloud's own addresses are there from the first moment.
	command(t, "ip", "netns", "exec", l.cloud, "sysctl", "-q", "net.ipv6.conf.default.accept_dad=0")
	l.wire = newWire(t, l.machine, "eth0", l.cloud, "s0")
	l.address("10.9.0.1/24", "s0")
	return l
}

// address gives the cloud one more.
func (l *lab) address(addr, link string) {
	l.t.Helper()
	args := []string{"-n", l.cloud, "addr", "add", addr, "dev", link}
	if strings.Contains(addr, ":") {
		args = append(args, "nodad") // to be used at once
	}
	command(l.t, "ip", args...)
}

// requests are what services were asked.
type requests struct {
	mu  sync.Mutex
	all []simulate.Entry
}

func (r *requests) add(e simulate.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, e)
}

func (r *requests) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

// list gives the requests so far, each as "METHOD PATH", and the number of
// connections that carried them.
func (r *requests) list() (asked []string, connections int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[int]bool{}
	for _, e := range r.all {
		asked = append(asked, e.Method+" "+e.Path)
		seen[e.Conn] = true
	}
	return asked, len(seen)
}

// serve runs a service in the cloud until the test ends, and counts what it
// is asked.
func (l *lab) serve(addr string, s simulate.Server) {
	l.t.Helper()
	var ln net.Listener
	within(l.t, l.cloud, func() (err error) {
		ln, err = net.Listen("tcp", addr)
		return err
	})
	s.Log = l.asked.add
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	l.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Errorf("serve %s: %v", addr, err)
		}
	})
}

// handle is serve for a plain handler that behaves.
func (l *lab) handle(addr string, h http.Handler) {
	l.t.Helper()
	l.serve(addr, simulate.Server{Handler: h})
}

// daemon runs a program in the cloud until the test ends, and returns when it
// has printed ready.
func (l *lab) daemon(ready string, args ...string) {
	l.t.Helper()
	log, ended := l.start(l.cloud, ready, args...)
	select {
	case <-log.seen:
	case err := <-ended:
		l.t.Fatalf("%s ended: %v\n%s", args[0], err, log)
	case <-time.After(serverTimeout):
		l.t.Fatalf("%s is not up:\n%s", args[0], log)
	}
}

// watch runs a program in a namespace until the test ends, and closes seen when
// it has printed text.
func (l *lab) watch(ns, text string, args ...string) (seen <-chan bool) {
	l.t.Helper()
	log, _ := l.start(ns, text, args...)
	return log.seen
}

// start starts a program in a namespace, to run until the test ends.
func (l *lab) start(ns, ready string, args ...string) (log *watcher, ended <-chan error) {
	l.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", ns}, args...)...)
	log = &watcher{ready: []byte(ready), seen: make(chan bool)}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, end := make(chan error, 1), make(chan error, 1)
	go func() {
		// The signal comes when the thread ends that started the program, and
		// the threads that were in another namespace do end: see within. So
		// this one belongs to the program as long as that runs.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if started <- err; err == nil {
			end <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		cmd.Process.Kill()
		if l.t.Failed() {
			l.t.Logf("%s:\n%s", args[0], log)
		}
	})
	return log, end
}

// A watcher keeps what is written, and closes seen when ready is in it.
type watcher struct {
	ready []byte
	seen  chan bool

	mu   sync.Mutex
	text bytes.Buffer
	told bool
}

func (w *watcher) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	if !w.told && bytes.Contains(w.text.Bytes(), w.ready) {
		w.told = true
		close(w.seen)
	}
	return len(b), nil
}

func (w *watcher) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// dnsmasq serves 10.9.0.50 to 99; more options are dnsmasq's own.
func (l *lab) dnsmasq(more ...string) {
	l.t.Helper()
	l.dnsmasqWith(append([]string{"--dhcp-range=10.9.0.50,10.9.0.99,255.255.255.0,1h"}, more...)...)
}

// dnsmasqWith serves what the options say. It does not ping an address before
// it offers it, as no cloud does.
func (l *lab) dnsmasqWith(options ...string) {
	l.t.Helper()
	l.daemon("started", append([]string{"dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file=/dev/null",
		"--interface=s0", "--bind-dynamic", "--no-ping", "--no-hosts", "--no-resolv", "--user=root", "--pid-file",
		"--dhcp-authoritative", "--leasefile-ro", "--dhcp-leasefile=" + filepath.Join(l.dir, "leases"), "--log-dhcp"}, options...)...)
}

// firmware makes a sysfs in which firmware says so.
func (l *lab) firmware(dmi map[string]string) (sysfs string) {
	l.t.Helper()
	sysfs = filepath.Join(l.dir, "sys")
	for name, value := range dmi {
		l.write(filepath.Join(sysfs, "class/dmi/id", name), value+"\n")
	}
	return sysfs
}

// root makes a root that has no programs, for user-data without hooks.
func (l *lab) root() string {
	l.t.Helper()
	root, err := os.MkdirTemp(l.dir, "root")
	if err != nil {
		l.t.Fatal(err)
	}
	for path, text := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
		// Reads network-config where a cloud has one.
		"lib/systemd/systemd-networkd": "",
		"etc/group":                    "root:x:0:\n",
		"etc/shadow":                   "root:*:19000:0:99999:7:::\n",
		"etc/os-release":               "ID=testroot\n",
		"lib/systemd/systemd":          "",
		"root/.profile":                "",
	} {
		l.write(filepath.Join(root, path), text)
	}
	if err := os.MkdirAll(filepath.Join(root, "sbin"), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Symlink("../lib/systemd/systemd", filepath.Join(root, "sbin/init")); err != nil {
		l.t.Fatal(err)
	}
	return root
}

func (l *lab) write(path, text string) {
	l.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

// A usage is what one run of a program took.
type usage struct {
	took, cpu time.Duration
	peak      int64 // the most memory of a process, in bytes
}

// run runs a program on the machine until it ends by itself.
func (l *lab) run(args ...string) (out string, u usage) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), agentTimeout)
	defer cancel()
	// Busybox is a small parent: the kernel counts to a program's memory what
	// the one had that started it.
	peak := filepath.Join(l.dir, "peak")
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", l.machine,
		"busybox", "time", "-f", "%M", "-o", peak}, append(l.within, args...)...)...)
	start := time.Now()
	text, _ := cmd.CombinedOutput() // how it went is for the caller to see
	u.took = time.Since(start)
	if ctx.Err() != nil {
		l.t.Fatalf("%s did not end:\n%s", args[0], text)
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	said, err := os.ReadFile(peak)
	if err != nil {
		l.t.Fatalf("%v\n%s", err, text)
	}
	lines := strings.Split(strings.TrimSpace(string(said)), "\n") // the first may be about the exit status
	kib, err := strconv.ParseInt(lines[len(lines)-1], 10, 64)
	if err != nil {
		l.t.Fatalf("peak: %q", said)
	}
	// Busybox takes the kernel's KiB for pages, and makes KiB of them.
	u.peak = kib << 10 / (int64(os.Getpagesize()) >> 10)
	return string(text), u
}

// A boot is what came of one run of the agent.
type boot struct {
	*report.Report
	usage
	root, log string
}

// boot runs the agent's whole cycle on a fresh root.
func (l *lab) boot(agent, sysfs, words string) boot {
	l.t.Helper()
	b := boot{root: l.root()}
	run := filepath.Join(l.dir, "run")
	b.log, b.usage = l.run(agent, "run", "--root", b.root, "--run", run, "--sys", sysfs, "--cmdline", words+" boothook.log=debug")
	text, err := os.ReadFile(filepath.Join(run, "report.json"))
	if err != nil {
		l.t.Fatalf("no report: %v\n%s", err, b.log)
	}
	if b.Report, err = report.Decode(text); err != nil {
		l.t.Fatal(err)
	}
	return b
}

// at is when the boot reached a stage, by the beginning of its name; in
// seconds since the kernel started.
func (b boot) at(stage string) (time.Duration, bool) {
	for _, m := range b.Timeline {
		if strings.HasPrefix(m.Stage, stage) {
			return time.Duration(m.Seconds * float64(time.Second)), true
		}
	}
	return 0, false
}

// file gives what stands in the root, "" for nothing.
func (b boot) file(path string) string {
	text, err := os.ReadFile(filepath.Join(b.root, path))
	if err != nil {
		return ""
	}
	return string(text)
}

// command runs a command, which must succeed, and gives its standard output.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, &complaints)
	}
	return string(out)
}

// agentBinary is the agent as it is shipped.
func agentBinary(t *testing.T) string {
	t.Helper()
	return built.Path(t, "boothook-agent")
}
