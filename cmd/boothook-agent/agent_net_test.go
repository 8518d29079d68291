//go:build net

package main

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"boothook/initramfs/report"
	"boothook/scripts/programs"
)

// These tests need root: they run the agent's own binary by hand, in one
// network namespace, against a real dnsmasq and the simulated EC2 service in
// another, on a root made of busybox.

// built are the programs of this run.
var built programs.Set

func TestMain(m *testing.M) { os.Exit(built.Main(m)) }

// A lab is two namespaces with a wire between them.
type lab struct {
	t              *testing.T
	dir            string
	server, client string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	id := fmt.Sprintf("%06x", rand.Uint32()&0xffffff)
	l := &lab{t: t, dir: t.TempDir(), server: "bhs" + id, client: "bhc" + id}
	for _, ns := range []string{l.server, l.client} {
		l.must("ip", "netns", "add", ns)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
		l.must("ip", "-n", ns, "link", "set", "lo", "up")
	}
	l.must("ip", "link", "add", "s0", "netns", l.server, "type", "veth", "peer", "name", "eth0", "netns", l.client)
	l.must("ip", "-n", l.server, "addr", "add", "10.9.0.1/24", "dev", "s0")
	l.must("ip", "-n", l.server, "addr", "add", "169.254.169.254/32", "dev", "lo")
	l.must("ip", "-n", l.server, "link", "set", "s0", "up")
	return l
}

func (l *lab) must(name string, args ...string) string {
	l.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// serve starts a program in the server's namespace until the test ends or stop
// is called, and waits for ready in what it prints.
func (l *lab) serve(ready string, args ...string) (stop func()) {
	l.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", l.server}, args...)...)
	r, w, err := os.Pipe()
	if err != nil {
		l.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	w.Close()
	stop = sync.OnceFunc(func() { cmd.Process.Kill(); cmd.Wait(); r.Close() })
	l.t.Cleanup(stop)
	var out strings.Builder
	up := make(chan bool, 1)
	go func() {
		buf := make([]byte, 4096)
		told := false
		for {
			n, err := r.Read(buf)
			out.Write(buf[:n])
			if !told && (strings.Contains(out.String(), ready) || err != nil) {
				told = true
				up <- err == nil
			}
			if err != nil {
				return
			}
		}
	}()
	if ready == "" {
		return stop // it says nothing; who needs it asks until it is up
	}
	select {
	case ok := <-up:
		if !ok {
			l.t.Fatalf("%s ended: %s", args[0], out.String())
		}
	case <-time.After(20 * time.Second):
		l.t.Fatalf("%s is not up: %s", args[0], out.String())
	}
	return stop
}

// dnsmasq serves addresses, and names that only this run knows.
func (l *lab) dnsmasq(name string) {
	l.serve("DHCP, IP range", "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--interface=s0", "--bind-interfaces",
		"--dhcp-range=10.9.0.50,10.9.0.99,255.255.255.0,1h", "--dhcp-leasefile="+filepath.Join(l.dir, "leases"),
		"--no-hosts", "--no-resolv", "--log-dhcp", "--pid-file="+filepath.Join(l.dir, "dnsmasq.pid"),
		"--host-record="+name+",10.9.0.1")
}

// ec2 serves metadata until the test ends or stop is called.
func (l *lab) ec2(userData, id, hostname string) (stop func()) {
	file := filepath.Join(l.dir, "user-data-"+id)
	l.write(file, userData)
	return l.serve("169.254.169.254:80", built.Path(l.t, "boothook"), "serve", "--cloud", "ec2", "--listen", "169.254.169.254:80",
		"--user-data", file, "--instance-id", id, "--hostname", hostname, "--key", "ssh-ed25519 AAAAC3Nz test")
}

// agent runs the whole cycle on a root, and returns the report and the log.
func (l *lab) agent(root, words string, more ...string) (*report.Report, string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	run := filepath.Join(l.dir, "run")
	args := append([]string{"netns", "exec", l.client, built.Path(l.t, "boothook-agent"),
		"run", "--root", root, "--run", run, "--cmdline", words}, more...)
	cmd := exec.CommandContext(ctx, "ip", args...)
	out, err := cmd.CombinedOutput()
	if err != nil && ctx.Err() != nil {
		l.t.Fatalf("the agent did not end: %s", out)
	}
	text, err := os.ReadFile(filepath.Join(run, "report.json"))
	if err != nil {
		l.t.Fatalf("no report: %v\n%s", err, out)
	}
	r, err := report.Decode(text)
	if err != nil {
		l.t.Fatal(err)
	}
	return r, string(out)
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

// newRoot makes a root in which hooks can run: busybox and the account files.
func (l *lab) newRoot() string {
	root := filepath.Join(l.dir, "root")
	for _, dir := range []string{"bin", "sbin", "usr/bin", "etc", "proc", "sys", "dev", "run", "tmp", "root", "var/lib"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			l.t.Fatal(err)
		}
	}
	l.must("cp", "/usr/bin/busybox", filepath.Join(root, "bin/busybox"))
	l.must("chroot", root, "/bin/busybox", "--install", "-s", "/bin")
	l.write(filepath.Join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")
	l.write(filepath.Join(root, "etc/group"), "root:x:0:\n")
	l.write(filepath.Join(root, "etc/os-release"), "ID=testroot\n")
	l.write(filepath.Join(root, "etc/resolv.conf"), "nameserver 192.0.2.1\n")
	if err := os.Symlink("../lib/systemd/systemd", filepath.Join(root, "sbin/init")); err != nil {
		l.t.Fatal(err)
	}
	l.write(filepath.Join(root, "lib/systemd/systemd"), "")
	return root
}

func (l *lab) read(root, path string) string {
	l.t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		l.t.Errorf("%v", err)
	}
	return string(text)
}

// network lists what the agent must leave as it found it.
func (l *lab) network() string {
	return l.must("ip", "-n", l.client, "-o", "addr") + l.must("ip", "-n", l.client, "route", "show", "table", "all") +
		l.must("ip", "-n", l.client, "-6", "route") + l.must("ip", "-n", l.client, "rule")
}

const userData = `Content-Type: multipart/mixed; boundary="b"
MIME-Version: 1.0

--b
Content-Type: text/cloud-config

#cloud-config
hostname: changed
write_files:
- {path: /etc/motd.d/hello, content: "hello\n", permissions: "0640"}
bootcmd:
- echo bootcmd $INSTANCE_ID >>/boot-order
runcmd:
- [touch, "/ran it"]
--b
Content-Type: text/cloud-boothook; name="hook"

#cloud-boothook
#!/bin/sh
echo hook >>/boot-order
nslookup %s | grep -q "Address.*10[.]9[.]0[.]1$" && echo resolved >/resolved
--b
Content-Type: text/x-shellscript; name="late.sh"

#!/bin/sh
echo late
--b--
`

func TestWholeCycleInANamespace(t *testing.T) {
	l := newLab(t)
	name := fmt.Sprintf("n%x.lab", rand.Uint32())
	l.dnsmasq(name)
	l.ec2(fmt.Sprintf(userData, name), "i-0000aaaa", "from-metadata")
	root, before := l.newRoot(), l.network()

	r, log := l.agent(root, "boothook.source=ec2 boothook.timeout=30s")
	if r.Result != report.Applied || !r.NewInstance || r.InstanceID != "i-0000aaaa" {
		t.Fatalf("result %s, instance %s, new %v\n%s", r.Result, r.InstanceID, r.NewInstance, log)
	}
	if len(r.Failures()) > 0 {
		t.Errorf("problems: %v", r.Failures())
	}
	if r.Fetch == nil || r.Fetch.Connections > 4 || r.Fetch.Requests > 8 {
		t.Errorf("fetch: %+v, want at most 8 requests, one of them for a token, over 4 connections", r.Fetch)
	}
	for path, want := range map[string]string{
		"etc/hostname":                   "changed\n",
		"etc/motd.d/hello":               "hello\n",
		"boot-order":                     "hook\nbootcmd i-0000aaaa\n",
		"resolved":                       "resolved\n",
		"etc/resolv.conf":                "nameserver 192.0.2.1\n",
		"var/lib/cloud/data/instance-id": "i-0000aaaa\n",
		"var/lib/cloud/instances/i-0000aaaa/scripts/late.sh": "#!/bin/sh\necho late", // the last line end is the boundary's
		"root/.ssh/authorized_keys":                          "ssh-ed25519 AAAAC3Nz test\n",
	} {
		if got := l.read(root, path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if after := l.network(); after != before {
		t.Errorf("the network was left as\n%s\nand found as\n%s", after, before)
	}

	stamps := l.stamps(root, "etc", "root", "var/lib/cloud")
	r, log = l.agent(root, "boothook.source=ec2 boothook.timeout=30s")
	if r.Result != report.Known || r.NewInstance {
		t.Errorf("second boot: result %s, new %v\n%s", r.Result, r.NewInstance, log)
	}
	if got := l.read(root, "boot-order"); got != "hook\nbootcmd i-0000aaaa\nhook\nbootcmd i-0000aaaa\n" {
		t.Errorf("second boot: hooks ran as %q", got)
	}
	for path, was := range stamps {
		if now := l.stamp(path); now != was {
			t.Errorf("second boot touched %s: %s, was %s", path, now, was)
		}
	}
}

func (l *lab) stamp(path string) string { return l.must("stat", "-c", "%i %z", path) }

// stamps gives inode and ctime of everything below some places of the root.
func (l *lab) stamps(root string, tops ...string) map[string]string {
	out := map[string]string{}
	for _, top := range tops {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				out[path] = l.stamp(path)
			}
			return err
		})
		if err != nil {
			l.t.Fatal(err)
		}
	}
	return out
}

// Unsigned user-data is refused where signed is required: no hook runs, nothing
// is written, and a later boot that does not require it applies it all.
func TestVerifyRequireRefuses(t *testing.T) {
	l := newLab(t)
	l.dnsmasq("unused.lab")
	l.ec2("#cloud-boothook\n#!/bin/sh\necho ran >>/order\n", "i-0000cccc", "meta")
	root := l.newRoot()
	stamps := l.stamps(root, "etc", "root", "bin", "usr")
	r, log := l.agent(root, "boothook.source=ec2 boothook.verify=require")
	if r.Result != report.Failed || !strings.Contains(log, "refused: boothook.verify=require") {
		t.Errorf("result %s\n%s", r.Result, log)
	}
	for path, was := range stamps {
		if now := l.stamp(path); now != was {
			t.Errorf("%s was touched", path)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "order")); err == nil {
		t.Error("the hook ran")
	}
	if r, log = l.agent(root, "boothook.source=ec2"); r.Result != report.Applied || l.read(root, "order") != "ran\n" {
		t.Errorf("afterwards: result %s\n%s", r.Result, log)
	}
}

// A part handler is python; a root without one loses the handler, loudly, and
// nothing else. Templates are rendered with the instance's data.
func TestPartHandlerAndTemplate(t *testing.T) {
	l := newLab(t)
	l.dnsmasq("unused.lab")
	l.ec2("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"+
		"--b\nContent-Type: text/part-handler\n\n#part-handler\ndef list_types(): return ['text/x-own']\ndef handle_part(*a): pass\n"+
		"--b\nContent-Type: text/plain\n\n## template: jinja\n#cloud-boothook\n#!/bin/sh\necho {{ v1.instance_id }} {{ ds.meta_data.nothing }} >>/order\n"+
		"--b--\n", "i-0000eeee", "meta")
	root := l.newRoot()
	r, log := l.agent(root, "boothook.source=ec2")
	if got := l.read(root, "order"); got != "i-0000eeee CI_MISSING_JINJA_VAR/nothing\n" {
		t.Errorf("the template's hook wrote %q\n%s", got, log)
	}
	if f := r.Failures(); len(f) != 1 || !strings.Contains(f[0].Message, "python") {
		t.Errorf("problems %v, want one about python", f)
	}
}

// A dry run decodes and plans, and writes nothing.
func TestDryRun(t *testing.T) {
	l := newLab(t)
	l.dnsmasq("unused.lab")
	l.ec2(fmt.Sprintf(userData, "unused.lab"), "i-0000dddd", "meta")
	root := l.newRoot()
	stamps := l.stamps(root, ".")
	r, log := l.agent(root, "boothook.source=ec2 boothook=dry-run")
	if r.Result != report.DryRun || len(r.Steps) == 0 || len(r.Hooks) > 0 {
		t.Errorf("result %s, %d steps, %d hooks\n%s", r.Result, len(r.Steps), len(r.Hooks), log)
	}
	for path, now := range l.stamps(root, ".") {
		if stamps[path] != now {
			t.Errorf("%s was touched", path)
		}
	}
}

// What is included is fetched beside the root wait, from a name that only this
// network serves; what is included once is kept, and used when the server has
// it no more. A bad include takes no other along.
func TestIncludes(t *testing.T) {
	l := newLab(t)
	name := fmt.Sprintf("n%x.lab", rand.Uint32())
	l.dnsmasq(name)
	www := filepath.Join(l.dir, "www")
	l.write(filepath.Join(www, "hook"), "#cloud-boothook\n#!/bin/sh\necho included >>/order\n")
	l.write(filepath.Join(www, "once"), "#cloud-boothook\n#!/bin/sh\necho once >>/order\n")
	l.serve("", "busybox", "httpd", "-f", "-v", "-p", "10.9.0.1:8000", "-h", www)
	stop := l.ec2(fmt.Sprintf("#include\nhttp://%[1]s:8000/hook\nhttp://%[1]s:8000/gone\nfile:///etc/more\n#include-once\nhttp://%[1]s:8000/once\n", name),
		"i-0000bbbb", "meta")
	root := l.newRoot()
	sysfs, _ := l.machine("i-0000bbbb")
	l.write(filepath.Join(root, "etc/more"), "#cloud-boothook\n#!/bin/sh\necho from the root >>/order\n")

	r, log := l.agent(root, "boothook.timeout=30s", "--sys", sysfs)
	if got := l.read(root, "order"); got != "included\nfrom the root\nonce\n" {
		t.Errorf("hooks ran as %q\n%s", got, log)
	}
	failures := r.Failures()
	if len(failures) != 1 || !strings.Contains(failures[0].String(), "/gone") {
		t.Errorf("problems %v, want that /gone is gone", failures)
	}

	if err := os.Remove(filepath.Join(www, "once")); err != nil {
		t.Fatal(err)
	}
	_, log = l.agent(root, "boothook.timeout=30s", "--sys", sysfs)
	if got := l.read(root, "order"); got != "included\nfrom the root\nonce\nincluded\nfrom the root\nonce\n" {
		t.Errorf("second boot: hooks ran as %q\n%s", got, log)
	}

	// With the service dead, what was included is what it was.
	stop()
	l.write(filepath.Join(www, "hook"), "#cloud-boothook\n#!/bin/sh\necho changed >>/order\n")
	if err := os.Remove(filepath.Join(root, "order")); err != nil {
		t.Fatal(err)
	}
	_, log = l.agent(root, "boothook.timeout=3s", "--sys", sysfs)
	if got := l.read(root, "order"); got != "included\nfrom the root\nonce\n" {
		t.Errorf("dead service: hooks ran as %q\n%s", got, log)
	}
}

func TestNoServiceLeavesTheRootAlone(t *testing.T) {
	l := newLab(t)
	l.dnsmasq("unused.lab")
	root, before := l.newRoot(), l.network()
	// Of boothook itself there will be a report in /var/lib/boothook.
	stamps := l.stamps(root, "etc", "root", "bin", "usr")
	start := time.Now()
	r, log := l.agent(root, "boothook.source=ec2 boothook.timeout=3s")
	if r.Result != report.Failed || len(r.Failures()) == 0 {
		t.Errorf("result %s, problems %v", r.Result, r.Problems)
	}
	if !strings.Contains(log, "no source answered within 3s") {
		t.Errorf("the log does not say what was missing:\n%s", log)
	}
	if spent := time.Since(start); spent > 30*time.Second {
		t.Errorf("a budget of 3 s took %v", spent)
	}
	if after := l.network(); after != before {
		t.Errorf("the network was left as\n%s\nand found as\n%s", after, before)
	}
	for path, was := range stamps {
		if now := l.stamp(path); now != was {
			t.Errorf("%s was touched: %s, was %s", path, now, was)
		}
	}
}

// A machine without a sign of a cloud sends nothing: there is not even a
// server that could answer, and the wire stays down.
func TestNoSignAsksNobody(t *testing.T) {
	l := newLab(t)
	root, before := l.newRoot(), l.network()
	sys := filepath.Join(l.dir, "sys/class/dmi/id")
	l.write(filepath.Join(sys, "sys_vendor"), "QEMU\n")
	l.must("ip", "netns", "exec", l.client, built.Path(t, "boothook-agent"), "run", "--root", root,
		"--run", filepath.Join(l.dir, "run"), "--sys", filepath.Join(l.dir, "sys"), "--cmdline", "")
	if after := l.network(); after != before {
		t.Errorf("the network was left as\n%s\nand found as\n%s", after, before)
	}
	sent := l.must("ip", "netns", "exec", l.client, "cat", "/proc/net/dev")
	for line := range strings.Lines(sent) {
		// RX has eight columns; the tenth is the packets sent.
		if f := strings.Fields(line); f[0] == "eth0:" && f[10] != "0" {
			t.Errorf("%s packets were sent", f[10])
		}
	}
}
