//go:build boot

package boottest

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boothook/cmd/boothook/vm"
	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

// The tests of this file are Show 3: boots in which boothook must hold still.

// inventory asks for all that must be equal with and without boothook. What
// differs between any two boots is left out or masked: logs, random names and
// ids, times, process numbers, and sizes that follow from the free memory.
var inventory = map[string]string{
	"names":  "ls /sys/class/net",
	"mounts": "findmnt -rn -o TARGET,SOURCE,FSTYPE,OPTIONS | sed 's/,size=[0-9]*k//; s/,nr_inodes=[0-9]*//; s/pgrp=[0-9]*,//; s/,pipe_ino=[0-9]*//' | sort",
	"failed": "systemctl --failed --plain --no-legend",
	"units":  "systemctl list-unit-files --plain --no-legend",
	"run":    "cd /run && find . -mindepth 1 -maxdepth 2 | grep -v 'systemd/\\|udev/\\|/sshd.*pid\\|user/\\|log/\\|sudo/' | sort",
	// Type, mode, owner, size (of files) and link target, then contents.
	"tree": `find / -xdev -type d \( -path /var/log -o -path /tmp -o -path /var/tmp \) -prune -o \
		\( -type f -printf '%p %y %m %U:%G %s\n' -o -printf '%p %y %m %U:%G %l\n' \) | sort`,
	"content": `find /etc /home /root /usr/local /boot /var/lib -xdev -type f ! -path /etc/machine-id \
		! -path '/var/lib/systemd/random-seed' ! -path '/var/lib/systemd/timers/*' \
		! -path '*/.ssh/authorized_keys' -exec sha256sum {} + | sort -k 2`,
	"dmesg": "dmesg",
}

// quiet are the answers that must be equal.
var quiet = []string{"names", "mounts", "failed", "units", "run", "tree", "content"}

func TestOff(t *testing.T) {
	image := makeImage(t, "plain")
	bootWith := func(initrd, words string) *boot {
		w := newWorld(t, image)
		w.serveEC2(t)
		w.setMachine(simulate.Machine{InstanceID: "i-0" + random(8), UserData: w.newOrder(t, true).userData})
		w.letIn(t)
		b := w.boot(t, machine{initrd: initrd, words: words, dmi: vm.EC2("i-0" + random(8)), key: w.seed, port: 22, ask: inventory})
		if asked := w.asked(); len(asked) > 0 {
			t.Errorf("metadata were asked for: %v", asked)
		}
		return b
	}
	unbaked := bootWith(image.initrd, "")
	off := bootWith(image.baked, "boothook=off")
	checkNoEarlyPacket(t, unbaked)
	checkNoEarlyPacket(t, off)
	if !strings.Contains(off.answer["dmesg"], "boothook: off") {
		t.Error("the kernel log does not say that boothook is off: was it there at all?")
	}
	if n := strings.Count(off.answer["tree"], "\n"); n < 5000 {
		t.Errorf("the file tree has %d entries only", n)
	}
	for _, name := range quiet {
		if diff := cmp.Diff(unbaked.answer[name], off.answer[name]); diff != "" {
			t.Errorf("%s (-unbaked +off):\n%s", name, diff)
		}
	}
}

// checkNoEarlyPacket: nothing left the guest before systemd said hello. That
// line comes after systemd became PID 1, so this also catches a packet sent
// while the line was on its way; networkd comes seconds later.
func checkNoEarlyPacket(t *testing.T, b *boot) {
	t.Helper()
	hello := systemdHello(t, b)
	frames := b.Capture.FromGuest()
	if len(frames) == 0 {
		t.Fatal("nothing was captured of the guest, although it answered")
	}
	if frames[0].At < hello {
		t.Errorf("first packet after %v, systemd became PID 1 at %v: % x", frames[0].At, hello, frames[0].Data)
	}
}

// systemdHello is when systemd first spoke as PID 1 of the root: the last time
// that one said hello, for the initrd may have one, too.
func systemdHello(t *testing.T, b *boot) time.Duration {
	t.Helper()
	for _, l := range slices.Backward(b.Console.Lines()) {
		if strings.Contains(l.Text, "systemd[1]: systemd ") {
			return l.At
		}
	}
	t.Fatal("systemd never spoke on the console")
	return 0
}

// TestNoMetadata: the machine says EC2, but no service answers.
func TestNoMetadata(t *testing.T) {
	const budget = 15 * time.Second
	image := makeImage(t, "plain")
	w := newWorld(t, image)
	w.letIn(t)
	ask := map[string]string{"dmesg": "dmesg", "report": "cat " + report.RunPath, "hostname": "uname -n", "failed": "systemctl --failed --plain --no-legend"}
	b := w.boot(t, machine{
		initrd: image.baked, words: "quiet boothook.timeout=" + budget.String(), dmi: vm.EC2("i-0" + random(8)),
		key: w.seed, port: 22, ask: ask,
	})
	if got := b.answer["hostname"]; got != "debian\n" {
		t.Errorf("hostname is %q, want the image's", got)
	}
	if b.answer["failed"] != "" {
		t.Errorf("failed units: %s", b.answer["failed"])
	}
	r := decodeReport(t, b)
	if r.Result != report.Failed || len(r.Failures()) == 0 {
		t.Errorf("report: %s, problems %v", r.Result, r.Problems)
	}
	loud := false
	for _, l := range b.Console.Lines() {
		loud = loud || strings.Contains(l.Text, "boothook: ")
	}
	if !loud {
		t.Error("a quiet console shows nothing of the failure")
	}
	// From the early call on; some seconds for an emulated guest to end it.
	began, ended := r.Timeline[0].Seconds, r.Timeline[len(r.Timeline)-1].Seconds
	for _, m := range r.Timeline {
		began, ended = min(began, m.Seconds), max(ended, m.Seconds)
	}
	if took := ended - began; took > (budget + 5*time.Second).Seconds() {
		t.Errorf("boothook took %.1f s, its budget is %v", took, budget)
	}
}

// TestNoSign: nothing in the machine's DMI says that it is in a cloud.
func TestNoSign(t *testing.T) {
	const limit = 20 * time.Millisecond
	image := makeImage(t, "plain")
	w := newWorld(t, image)
	w.serveEC2(t)
	w.setMachine(simulate.Machine{InstanceID: "i-0" + random(8), UserData: w.newOrder(t, true).userData})
	w.letIn(t)
	b := w.boot(t, machine{initrd: image.baked, key: w.seed, port: 22,
		ask: map[string]string{"report": "cat " + report.RunPath, "hostname": "uname -n"}})
	checkNoEarlyPacket(t, b)
	if asked := w.asked(); len(asked) > 0 {
		t.Errorf("metadata were asked for: %v", asked)
	}
	if got := b.answer["hostname"]; got != "debian\n" {
		t.Errorf("hostname is %q, want the image's", got)
	}
	if r := decodeReport(t, b); r.Result != report.NoPlatform {
		t.Errorf("report: %s", r.Result)
	}
	spent := spentWithoutSign(t, w)
	t.Logf("spent %v", spent)
	if spent > limit {
		t.Errorf("boothook spent %v, want at most %v", spent, limit)
	}
}

var noSignLine = regexp.MustCompile(`boothook: no sign of a cloud.*\((\d+\.\d+) ms\)`)

// spentWithoutSign is how long boothook says that it took, on a clock that
// counts instructions: emulated, most of a short program's time goes into its
// own translation. That boot ends when boothook has.
func spentWithoutSign(t *testing.T, w *world) time.Duration {
	t.Helper()
	ctx, cut := context.WithTimeout(t.Context(), bootTimeout)
	defer cut()
	guest, err := vm.Start(ctx, vm.Machine{
		Network: w.network, Dir: t.TempDir(), Disk: w.disk, Kernel: w.image.kernel, Initrd: w.image.baked,
		Words: []string{"root=" + w.root.Device(), "console=ttyS0", "mitigations=off"}, Accel: vm.Counted, MemoryMB: 768,
	})
	check(t, err)
	defer func() { cut(); <-guest.Done() }()
	line, err := guest.Console.Wait(ctx, " ms)") // the line's end: it may come in pieces
	check(t, err)
	m := noSignLine.FindStringSubmatch(line.Text)
	if m == nil {
		t.Fatalf("no time in %q", line.Text)
	}
	spent, err := time.ParseDuration(m[1] + "ms")
	check(t, err)
	return spent
}
