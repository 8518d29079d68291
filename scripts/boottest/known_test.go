//go:build boot

package boottest

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boothook/cmd/boothook/vm"
	"boothook/initramfs/report"
	"boothook/injector/state"
	"boothook/netboot/simulate"
)

// knownPort is where the guest's sshd listens in these tests, at each boot.
const knownPort = 2222

// knownData is user-data that leaves a line for each run of what runs once per
// instance, and of a boothook if there is one.
func (w *world) knownData(word string, hook bool) []byte {
	config := "#cloud-config\nhostname: " + word + "\nssh_genkeytypes: [ed25519]\n" +
		"ssh_authorized_keys:\n- " + w.login.Public + "\n" +
		"write_files:\n- {path: /etc/ssh/sshd_config.d/50-port.conf, content: \"Port 2222\\n\"}\n" +
		"runcmd:\n- mkdir -p /var/lib/demo; echo " + word + " >>/var/lib/demo/runcmd\n"
	if !hook {
		return []byte(config)
	}
	return []byte("Content-Type: multipart/mixed; boundary=b\nMIME-Version: 1.0\n\n" +
		"--b\nContent-Type: text/cloud-config\n\n" + config +
		"--b\nContent-Type: text/cloud-boothook\n\n#cloud-boothook\n#!/bin/sh\n" +
		"mkdir -p /var/lib/demo; echo " + word + " >>/var/lib/demo/hook\n--b--\n")
}

// bootKnown boots the world on the machine of that instance, with EFI firmware.
func (w *world) bootKnown(t *testing.T, initrd, instance, words string, userData []byte) *boot {
	t.Helper()
	w.setMachine(simulate.Machine{InstanceID: instance, Hostname: "ip-10-77-0-10.ec2.internal", UserData: userData})
	if userData == nil {
		w.mu.Lock()
		w.handler = http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) { out.WriteHeader(http.StatusServiceUnavailable) })
		w.mu.Unlock()
	}
	vars := filepath.Join(w.dir, "efivars")
	check(t, vm.MakeEFIVars(vars, vm.AMD64))
	return w.boot(t, machine{
		initrd: initrd, dmi: vm.EC2(instance), efiVars: vars, words: words, key: w.login, port: knownPort,
		ask: map[string]string{
			"report":    "cat " + report.RunPath,
			"runcmd":    "cat /var/lib/demo/runcmd",
			"hook":      "cat /var/lib/demo/hook",
			"hint":      "cat " + state.HintPath,
			"variable":  "cd /sys/firmware/efi/efivars; mountpoint -q . || { mount -t efivarfs efivarfs .; cd .; }; cat BoothookKnown-* | tail -c +5",
			"machineid": "cat /etc/machine-id",
			"hostkeys":  "cd /etc/ssh && cat ssh_host_*.pub",
			"instances": "ls /var/lib/cloud/instances",
			"instance":  "readlink -f /var/lib/cloud/instance",
			"data":      "cat /var/lib/cloud/instance/user-data.txt",
			"sems":      "ls /var/lib/cloud/instance/sem",
		},
	})
}

// early gives the frames that the guest sent before it pivoted.
func (b *boot) early(t *testing.T) []vm.Frame {
	t.Helper()
	hello := systemdHello(t, b)
	frames := b.Capture.FromGuest()
	n := slices.IndexFunc(frames, func(f vm.Frame) bool { return f.At > hello })
	if n < 0 {
		t.Error("no packet was captured at all")
		n = len(frames)
	}
	return frames[:n]
}

// TestKnownInstance is the second boot: without hooks it sends nothing before
// the pivot; with hooks changed user-data takes effect, and a dead service is
// answered from what is stored. In between, the disk becomes another machine's.
func TestKnownInstance(t *testing.T) {
	image := makeImage(t, "plain")
	initrd := withEFI(t, image)
	w := newWorld(t, image)
	w.serveEC2(t)
	one, two := "i-0"+random(8), "i-0"+random(8)

	born := w.bootKnown(t, initrd, one, "", w.knownData("born", false))
	hint := state.Hint("board_asset_tag=" + one)
	t.Run("first boot", func(t *testing.T) {
		if r := decodeReport(t, born); r.Result != report.Applied || r.InstanceID != one || len(r.Failures()) > 0 {
			t.Errorf("report: %s, instance %s, problems %v", r.Result, r.InstanceID, r.Problems)
		}
		if len(born.early(t)) == 0 {
			t.Error("it sent nothing before the pivot: silence would prove nothing")
		}
		if born.answer["hint"] != hint+"\n" || born.answer["variable"] != hint {
			t.Errorf("the root keeps the hint %q, the firmware %q; want %s", born.answer["hint"], born.answer["variable"], hint)
		}
	})

	again := w.bootKnown(t, initrd, one, "", w.knownData("again", true))
	t.Run("second boot", func(t *testing.T) {
		if sent := again.early(t); len(sent) > 0 {
			t.Errorf("%d packets before the pivot, the first at %v: %x", len(sent), sent[0].At, sent[0].Data)
		}
		if asked := w.asked(); len(asked) > 0 {
			t.Errorf("the service was asked: %v", asked)
		}
		r := decodeReport(t, again)
		if r.Result != report.Known || r.Unasked == "" || r.InstanceID != one || len(r.Problems) > 0 || len(r.Network) > 0 {
			t.Errorf("report: %s, unasked %q, instance %s, network %v, problems %v", r.Result, r.Unasked, r.InstanceID, r.Network, r.Problems)
		}
		if !slices.ContainsFunc(r.Timeline, func(m report.Mark) bool { return m.Stage == "network held back: EFI variable BoothookKnown" }) {
			t.Errorf("timeline: %v", r.Timeline)
		}
		if got := again.answer["runcmd"]; got != "born\n" {
			t.Errorf("once per instance ran %q", got)
		}
		for _, same := range []string{"machineid", "hostkeys", "instances", "instance", "data", "sems", "variable"} {
			if was, is := born.answer[same], again.answer[same]; was != is || was == "" {
				t.Errorf("%s is %q, was %q", same, is, was)
			}
		}
		t.Logf("the late call came at, and the work ended: %v", tail(r.Timeline, 4))
	})

	clone := w.bootKnown(t, initrd, two, "", w.knownData("clone", true))
	t.Run("another machine, with a hook", func(t *testing.T) { checkKnownClone(t, one, two, again, clone) })

	userData := w.knownData("changed", true)
	changed := w.bootKnown(t, initrd, two, "", userData)
	t.Run("changed user-data", func(t *testing.T) {
		if r := decodeReport(t, changed); r.Result != report.Known || r.NewInstance || r.Unasked != "" || len(r.Failures()) > 0 {
			t.Errorf("report: %s, new %v, unasked %q, problems %v", r.Result, r.NewInstance, r.Unasked, r.Problems)
		}
		if got := changed.answer["hook"]; got != "clone\nchanged\n" {
			t.Errorf("hooks ran as %q", got)
		}
		if got := changed.answer["runcmd"]; got != "born\nclone\n" {
			t.Errorf("once per instance ran %q", got)
		}
		if changed.answer["data"] != string(userData) {
			t.Errorf("stored is %q", changed.answer["data"])
		}
	})

	dead := w.bootKnown(t, initrd, two, "boothook.timeout=20s", nil)
	t.Run("dead service", func(t *testing.T) { checkDead(t, w, two, dead) })
}

// checkKnownClone: everything is done anew, the other machine's identity is
// gone, what it was is kept, and nothing outside the root tells of it.
func checkKnownClone(t *testing.T, one, two string, before, b *boot) {
	if r := decodeReport(t, b); r.Result != report.Applied || !r.NewInstance || r.InstanceID != two || len(r.Failures()) > 0 {
		t.Errorf("report: %s, new %v, instance %s, problems %v", r.Result, r.NewInstance, r.InstanceID, r.Problems)
	}
	for _, other := range []string{"machineid", "hostkeys"} {
		if was, is := before.answer[other], b.answer[other]; was == is || is == "" {
			t.Errorf("%s is %q, was %q", other, is, was)
		}
	}
	if id := strings.TrimSpace(b.answer["machineid"]); len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		t.Errorf("machine-id is %q", id)
	}
	if got := b.answer["runcmd"]; got != "born\nclone\n" {
		t.Errorf("once per instance ran %q", got)
	}
	want := []string{one, two}
	slices.Sort(want)
	if got := strings.Fields(b.answer["instances"]); !slices.Equal(got, want) {
		t.Errorf("instances kept: %v, want %v", got, want)
	}
	if got := b.answer["instance"]; got != "/var/lib/cloud/instances/"+two+"\n" {
		t.Errorf("the link leads to %s", got)
	}
	for _, name := range []string{"hint", "variable"} {
		if got := b.answer[name]; !strings.Contains(got, "No such file") {
			t.Errorf("with a hook, the %s is still there: %q", name, got)
		}
	}
}

// checkDead: the stored data were used, and everybody who looks is told.
func checkDead(t *testing.T, w *world, instance string, b *boot) {
	r := decodeReport(t, b)
	if r.Result != report.Known || r.NewInstance || r.InstanceID != instance {
		t.Errorf("report: %s, new %v, instance %s", r.Result, r.NewInstance, r.InstanceID)
	}
	if got := b.answer["hook"]; got != "clone\nchanged\nchanged\n" {
		t.Errorf("hooks ran as %q", got)
	}
	if got := b.answer["runcmd"]; got != "born\nclone\n" {
		t.Errorf("once per instance ran %q", got)
	}
	for _, want := range []string{"no source answered within 20s", "the data stored in the root are used"} {
		if !slices.ContainsFunc(r.Problems, func(p report.Problem) bool { return strings.Contains(p.Message, want) }) {
			t.Errorf("report without %q: %v", want, r.Problems)
		}
		if !slices.ContainsFunc(b.Console.Lines(), func(l vm.Line) bool { return strings.Contains(l.Text, want) }) {
			t.Errorf("console without %q", want)
		}
	}
	if len(w.asked()) == 0 {
		t.Error("the service was not asked")
	}
}

// withEFI bakes the initrd with the modules of the image's own kernel, because
// Debian's lacks efivarfs.
func withEFI(t *testing.T, i image) string {
	t.Helper()
	dir := t.TempDir()
	run(t, "debugfs", "-R", "rdump /usr/lib/modules "+dir, i.disk)
	versions, err := filepath.Glob(filepath.Join(dir, "modules", "*"))
	check(t, err)
	if len(versions) != 1 {
		t.Fatalf("the image has modules for %v", versions)
	}
	out := filepath.Join(filepath.Dir(i.baked), "efi.img")
	run(t, built.Path(t, "boothook"), "bake", "--initrd", i.initrd, "--out", out, "--modules", versions[0])
	return out
}
