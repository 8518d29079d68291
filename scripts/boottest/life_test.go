//go:build boot

package boottest

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boothook/cmd/boothook/vm"
	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

// An order is what one run's user-data asks for.
type order struct {
	instance, hostname string
	port               int
	userData           []byte
	knownHosts         string
}

// newOrder makes user-data afresh, by the demonstration's own script. Without
// hostKeys the guest has to make its own.
func (w *world) newOrder(t *testing.T, hostKeys bool) order {
	t.Helper()
	dir := t.TempDir()
	hostKey, err := vm.NewKey(t.Context(), dir, "hostkey")
	check(t, err)
	port, err := strconv.ParseUint(random(2), 16, 16)
	check(t, err)
	o := order{instance: "i-0" + random(8), hostname: "host-" + random(3), port: 2000 + int(port)%20000}
	text := run(t, "../userdata", o.hostname, strconv.Itoa(o.port), w.name, hostKey.Path, w.login.Path+".pub")
	if hostKeys {
		o.knownHosts = filepath.Join(dir, "known_hosts")
		fields := strings.Fields(hostKey.Public)
		line := "[" + vm.GuestAddress + "]:" + strconv.Itoa(o.port) + " " + fields[0] + " " + fields[1] + "\n"
		check(t, os.WriteFile(o.knownHosts, []byte(line), 0o600))
	} else {
		start, end := strings.Index(text, "ssh_keys:\n"), strings.Index(text, "ssh_authorized_keys:\n")
		text = text[:start] + text[end:]
	}
	o.userData = []byte(text)
	return o
}

// bootOrder boots the world as the instance of an order. The answer "stat" is
// about the paths named, or if there are none about those of the boot's plan.
func (w *world) bootOrder(t *testing.T, o order, paths ...string) *boot {
	t.Helper()
	w.setMachine(simulate.Machine{InstanceID: o.instance, Hostname: "ip-10-77-0-10.ec2.internal", UserData: o.userData})
	return w.boot(t, machine{
		initrd: w.image.baked, dmi: vm.EC2(o.instance), key: w.login, port: o.port, knownHosts: o.knownHosts,
		ask: map[string]string{
			"report":    "cat " + report.RunPath,
			"late":      "cat " + report.LatePath,
			"dmesg":     "dmesg",
			"names":     "ls /sys/class/net",
			"hosts":     hostsScript,
			"sshd":      "journalctl -b -u ssh -o cat --no-pager | grep 'Server listening'",
			"ran":       "cd /var/lib/demo && grep -c . *",
			"hook":      "cat /var/lib/demo/hook",
			"hostkeys":  "sha256sum /etc/ssh/ssh_host_*",
			"keys":      "cat /home/" + account + "/.ssh/authorized_keys",
			"failed":    "systemctl --failed --plain --no-legend",
			"multiuser": "systemctl show -P ActiveEnterTimestampMonotonic multi-user.target",
			"sysinit":   "systemctl show -P ActiveEnterTimestampMonotonic sysinit.target",
			"stat":      statScript(paths),
			// For roots that have a cloud-init.
			"cloud-init":     "timeout 60 cloud-init status --wait; echo exit $?; cat /run/cloud-init/result.json",
			"cloud-init-ran": "cat /var/log/cloud-init.log /var/log/cloud-init-output.log 2>/dev/null; journalctl -b -q -o cat --no-pager -t cloud-init",
		},
	})
}

// statScript tells inode and time of change of paths, or of every path of the
// plan as the report (JSON, one field to a line) has it. Of a directory it
// tells the inode only: its time is that of its entries, such as the report.
func statScript(paths []string) string {
	list := `sed -n 's/^ *"path": "\(.*\)",*$/\1/p' ` + report.RunPath + " | sort -u"
	if len(paths) > 0 {
		list = "printf '%s\\n' '" + strings.Join(paths, "' '") + "'"
	}
	return list + ` | while read -r path; do
		if [ -d "$path" ] && ! [ -L "$path" ]; then stat -c '%n %i' "$path"
		elif [ -e "$path" ] || [ -L "$path" ]; then stat -c '%n %i %z' "$path"
		else echo "$path is not there"; fi
	done`
}

// statPaths are the paths that an answer of statScript is about.
func statPaths(answer string) []string {
	var paths []string
	for line := range strings.Lines(answer) {
		path, _, _ := strings.Cut(line, " ")
		paths = append(paths, strings.TrimSpace(path))
	}
	return paths
}

// TestInstance is the life of an instance: Show 1 and Show 2 of the walking
// skeleton.
func TestInstance(t *testing.T) {
	image := makeImage(t, "plain")
	unbaked := newWorld(t, image)
	unbaked.letIn(t)
	plain := unbaked.boot(t, machine{initrd: image.initrd, dmi: vm.EC2("i-0" + random(8)), key: unbaked.seed, port: 22,
		ask: map[string]string{"names": "ls /sys/class/net"}})

	w := newWorld(t, image)
	w.serveEC2(t)
	first := w.newOrder(t, true)
	born := w.bootOrder(t, first)
	t.Run("first boot", func(t *testing.T) {
		checkFirst(t, w, first, born)
		if got, want := born.answer["names"], plain.answer["names"]; got != want {
			t.Errorf("interfaces are %q, in the unbaked boot %q", got, want)
		}
	})
	again := w.bootOrder(t, first, statPaths(born.answer["stat"])...)
	t.Run("second boot", func(t *testing.T) { checkSecond(t, first, born, again) })

	second := w.newOrder(t, false)
	clone := w.bootOrder(t, second)
	t.Run("new instance", func(t *testing.T) { checkClone(t, w, second, born, clone) })
}

// checkFirst is Show 1.
func checkFirst(t *testing.T, w *world, o order, b *boot) {
	checkHostname(t, o, b)
	checkPort(t, o, b)
	checkHook(t, w, b)
	checkOrder(t, o, b)
	// So the other tests' "no packet" means something: here there are some.
	if hello := systemdHello(t, b); len(b.Capture.FromGuest()) == 0 || b.Capture.FromGuest()[0].At > hello {
		t.Errorf("no packet was captured before systemd's first line at %v", hello)
	}
	r := decodeReport(t, b)
	if r.Result != report.Applied || !r.NewInstance || r.InstanceID != o.instance || len(r.Failures()) > 0 {
		t.Errorf("report: %s, new %v, instance %s, problems %v", r.Result, r.NewInstance, r.InstanceID, r.Problems)
	}
	if got := b.answer["ran"]; got != "hook:1\nruncmd:1\nscript:1\n" {
		t.Errorf("ran %q, want each once", got)
	}
	for _, key := range []vm.Key{w.login, w.cloud} {
		if !strings.Contains(b.answer["keys"], key.Public) {
			t.Errorf("authorized_keys lacks %q: %s", key.Public, b.answer["keys"])
		}
	}
	if b.answer["failed"] != "" {
		t.Errorf("failed units: %s", b.answer["failed"])
	}
}

// hostsScript counts the journal's lines by hostname, and by how often systemd
// has said hello before: a systemd of the initrd's own was another one.
const hostsScript = `journalctl -b -o short --no-pager |
	awk '/ systemd\[1\]: systemd .* running in system mode/ { hellos++ } /^[A-Z]/ { lines[hellos+0 " " $4]++ } END { for (l in lines) print l, lines[l] }' | sort`

// checkHostname: the journal knows no other name, from its first line on; if
// the initrd has a systemd, from the first line of the root's.
func checkHostname(t *testing.T, o order, b *boot) {
	answer := b.answer["hosts"]
	initrd := strings.Contains(answer, "\n2 ")
	for line := range strings.Lines(answer) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[1] != o.hostname && !(initrd && fields[0] != "2") {
			t.Errorf("journal with another hostname than %s (hellos of systemd, name, lines): %s", o.hostname, line)
		}
	}
	if !strings.Contains(answer, "1 "+o.hostname+" ") && !strings.Contains(answer, "2 "+o.hostname+" ") {
		t.Errorf("the journal never knows hostname %s: %q", o.hostname, answer)
	}
}

// checkPort: sshd never spoke on 22, and listens where it was told to.
func checkPort(t *testing.T, o order, b *boot) {
	if spoke := b.Prober.Banners(22); len(spoke) > 0 {
		t.Errorf("port 22 spoke: %v", spoke)
	}
	due := int(b.took / vm.ProbeInterval)
	if tries := b.Prober.Tries(22); tries < due*8/10 {
		t.Errorf("port 22 was tried %d times in %v, want about %d", tries, b.took, due)
	}
	if spoke := b.Prober.Banners(o.port); len(spoke) == 0 || !strings.HasPrefix(spoke[0].Text, "SSH-2.0-") {
		t.Errorf("port %d spoke %v", o.port, spoke)
	}
	port := " port " + strconv.Itoa(o.port) + "."
	for line := range strings.Lines(b.answer["sshd"]) {
		if !strings.Contains(line, port) {
			t.Errorf("sshd's journal: %s", line)
		}
	}
	if !strings.Contains(b.answer["sshd"], port) {
		t.Errorf("sshd's journal has no word of port %d: %q", o.port, b.answer["sshd"])
	}
}

var hookLine = regexp.MustCompile(`demo-hook: (\S+) is (\S+), nonce (\S+), pid 1 is (\S+) on device (\d+), root on (\d+)`)

// checkHook: the boothook used this run's DNS and web server while PID 1 was
// still the initrd's. That one may be a systemd, too, and says hello as well.
func checkHook(t *testing.T, w *world, b *boot) {
	lines := strings.Split(b.answer["dmesg"], "\n")
	hook, systemd, hellos := -1, -1, 0
	for i, line := range lines {
		switch {
		case strings.Contains(line, "demo-hook: "):
			hook = i
		case strings.Contains(line, " systemd[1]: systemd "):
			systemd, hellos = i, hellos+1
		}
	}
	if hook < 0 || systemd < 0 || hook > systemd {
		t.Fatalf("kernel log: the hook's line is number %d, the hello of the root's systemd %d", hook, systemd)
	}
	m := hookLine.FindStringSubmatch(lines[hook])
	if m == nil || m[1] != w.name || m[2] != vm.ServerAddress || m[3] != w.nonce {
		t.Errorf("the hook said %q, want name %s, address %s, nonce %s", lines[hook], w.name, vm.ServerAddress, w.nonce)
	}
	if m != nil && (strings.Contains(m[4], "systemd") != (hellos > 1) || m[5] == m[6]) {
		t.Errorf("PID 1 was not the initrd's: %q", lines[hook])
	}
}

// checkOrder: the injected unit before sysinit.target, the script after
// multi-user.target, by the kernel log's own clock.
func checkOrder(t *testing.T, o order, b *boot) {
	early, script := kernelTime(t, b, "demo-early: on "+o.hostname), kernelTime(t, b, "demo-script: multi-user.target is active")
	sysinit, multiUser := monotonic(t, b, "sysinit"), monotonic(t, b, "multiuser")
	if early > sysinit {
		t.Errorf("the injected unit ran at %v, sysinit.target was reached at %v", early, sysinit)
	}
	// The two clocks differ by up to 40 ms where all is emulated.
	if script < multiUser-40*time.Millisecond {
		t.Errorf("the script ran at %v, multi-user.target was reached at %v", script, multiUser)
	}
}

var kernelStamp = regexp.MustCompile(`^\[ *(\d+\.\d+)\]`)

// kernelTime is when the kernel log's first line with this text was written.
func kernelTime(t *testing.T, b *boot, text string) time.Duration {
	t.Helper()
	for line := range strings.Lines(b.answer["dmesg"]) {
		if m := kernelStamp.FindStringSubmatch(line); m != nil && strings.Contains(line, text) {
			d, err := time.ParseDuration(m[1] + "s")
			check(t, err)
			return d
		}
	}
	t.Fatalf("kernel log has no %q", text)
	return 0
}

// monotonic reads an answer that is a time in microseconds.
func monotonic(t *testing.T, b *boot, name string) time.Duration {
	t.Helper()
	us, err := strconv.ParseInt(strings.TrimSpace(b.answer[name]), 10, 64)
	check(t, err)
	return time.Duration(us) * time.Microsecond
}

func decodeReport(t *testing.T, b *boot) *report.Report {
	t.Helper()
	r, err := report.Decode([]byte(b.answer["report"]))
	if err != nil {
		t.Fatalf("%v: %q", err, b.answer["report"])
	}
	return r
}

// checkSecond is Show 2's first half: the same instance again.
func checkSecond(t *testing.T, o order, born, again *boot) {
	checkPort(t, o, again)
	if got := again.answer["ran"]; got != "hook:2\nruncmd:1\nscript:1\n" {
		t.Errorf("ran %q, want the hook again and nothing else", got)
	}
	if r := decodeReport(t, again); r.Result != report.Known || r.NewInstance {
		t.Errorf("report: %s, new %v", r.Result, r.NewInstance)
	}
	before, after := born.answer["stat"], again.answer["stat"]
	if strings.Count(before, "\n") < 20 {
		t.Errorf("the first boot's plan has few paths: %q", before)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("planned paths changed in the second boot (-first +second):\n%s", diff)
	}
}

// checkClone is Show 2's second half: the same disk as another instance.
func checkClone(t *testing.T, w *world, o order, born, clone *boot) {
	checkHostname(t, o, clone)
	checkPort(t, o, clone)
	checkHook(t, w, clone)
	checkOrder(t, o, clone)
	if got := clone.answer["ran"]; got != "hook:3\nruncmd:2\nscript:2\n" {
		t.Errorf("ran %q, want everything once more", got)
	}
	if got := tail(strings.Fields(clone.answer["hook"]), 1); len(got) != 1 || got[0] != o.instance {
		t.Errorf("the hook's INSTANCE_ID is %q, want %s", got, o.instance)
	}
	if r := decodeReport(t, clone); r.Result != report.Applied || !r.NewInstance || r.InstanceID != o.instance {
		t.Errorf("report: %s, new %v, instance %s", r.Result, r.NewInstance, r.InstanceID)
	}
	old := map[string]bool{}
	for line := range strings.Lines(born.answer["hostkeys"]) {
		old[strings.Fields(line)[0]] = true
	}
	for line := range strings.Lines(clone.answer["hostkeys"]) {
		if old[strings.Fields(line)[0]] {
			t.Errorf("host key of the former instance: %s", line)
		}
	}
	if len(strings.Fields(clone.answer["hostkeys"])) < 4 {
		t.Errorf("host keys: %q", clone.answer["hostkeys"])
	}
}
