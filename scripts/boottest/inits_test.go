//go:build boot

package boottest

import (
	"context"
	"errors"

	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"boothook/cmd/boothook/vm"

	"boothook/netboot/simulate"
)

// TestSysvinit is one of the four that TestInits boots: that init which has
// least in common with systemd, which the other boots have.
func TestSysvinit(t *testing.T) { testInit(t, "sysvinit") }

// testInit boots a root of an init twice with testdata/inits.mime, which has
// something for every moment of a boot, and compares when each came.
func testInit(t *testing.T, init string) {
	userData, err := os.ReadFile("testdata/inits.mime")
	check(t, err)
	i := makeImage(t, "plain")
	i.disk = filepath.Join(strings.TrimSpace(run(t, "../inits/image", init)), init+".img")
	w := newWorld(t, i)
	w.serveEC2(t)
	instance := "i-0" + random(8)
	w.setMachine(simulate.Machine{InstanceID: instance, Hostname: "ip-10-77-0-10.ec2.internal", UserData: userData})

	k := kindOf(init)
	first := w.bootToEnd(t, init, instance)
	t.Run("first boot", func(t *testing.T) {
		checkMoments(t, first)
		checkLate(t, first)
		first.checkFile(t, "status", k.failed)
	})
	second := w.bootToEnd(t, init, instance)
	t.Run("second boot", func(t *testing.T) {
		checkMoments(t, second)
		for _, once := range []string{"script", "unlucky", "runcmd"} {
			if at, again := second.at(once); again {
				t.Errorf("%s ran again, at %.2f s", once, at)
			}
		}
		second.checkFile(t, "status", k.succeeded)
	})
	if init == "sysvinit" { // whose image has a cloud-init
		first.checkFile(t, "cloud-init", `^\s*status: error\n$`)
		second.checkFile(t, "cloud-init", `^\s*status: done\n$`)
	}
}

// A bootLog is what one boot has left.
type bootLog struct {
	init   string
	guest  *vm.Guest
	tool   string            // boothook
	files  map[string]string // in /var/log/inits, by name
	stamps []stamp
}

// A stamp is what the images' "stamp" wrote, after the kernel's own clock.
type stamp struct {
	at   float64 // seconds
	what string
}

// bootToEnd boots the world's disk until the guest switches itself off.
func (w *world) bootToEnd(t *testing.T, init, instance string) *bootLog {
	t.Helper()
	ctx, cut := context.WithTimeout(t.Context(), 2*bootTimeout) // all runs, with waits
	defer cut()
	guest := w.start(ctx, t, machine{initrd: w.image.baked, dmi: vm.EC2(instance), port: 22})
	<-guest.Done()
	b := &bootLog{init: init, guest: guest, tool: built.Path(t, "boothook"), files: map[string]string{}}
	if ctx.Err() != nil {
		showEnd(t, guest)
		t.Fatal("the guest did not switch itself off")
	}
	for _, name := range []string{"stamps", "late", "report.json", "boot-finished", "output", "status", "units", "cloud-init"} {
		body, err := w.root.ReadFile(t.Context(), "/var/log/inits/"+name, 1<<20)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		b.files[name] = string(body)
	}
	if b.files["stamps"] == "" {
		showEnd(t, guest)
		t.Fatal("nothing was taken down")
	}
	b.stamps = readStamps(t, b.files["stamps"])
	t.Logf("%s, %.0f s:\n%s", init, guest.Console.Elapsed().Seconds(), b.files["stamps"])
	return b
}

func readStamps(t *testing.T, text string) []stamp {
	t.Helper()
	var stamps []stamp
	for line := range strings.Lines(text) {
		at, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		seconds, err := strconv.ParseFloat(at, 64)
		check(t, err)
		stamps = append(stamps, stamp{seconds, what})
	}
	return stamps
}

// at is when something stamped first.
func (b *bootLog) at(what string) (seconds float64, found bool) {
	i := slices.IndexFunc(b.stamps, func(s stamp) bool { return s.what == what })
	if i < 0 {
		return 0, false
	}
	return b.stamps[i].at, true
}

// An initKind is what differs in the judgement of the inits.
type initKind struct {
	// console are lines of the init's own: of its start, and of the moment
	// when it comes to the services.
	start, services string
	// failed and succeeded are patterns of what its own status says of the
	// late scripts.
	failed, succeeded string
}

func kindOf(init string) initKind {
	switch init {
	case "systemd":
		return initKind{"systemd 252", "Reached target basic.target", `failed \(Result: exit-code\)`, `active \(exited\)`}
	case "openrc":
		return initKind{"INIT: version", "INIT: Entering runlevel: 2", "status: stopped", "status: started"}
	case "runit":
		return initKind{"runit: enter stage: /etc/runit/1", "runit: enter stage: /etc/runit/2", `^down: boothook-final: \d+s, normally up\n$`, `^down: boothook-final: \d+s\n$`}
	}
	return initKind{"INIT: version", "INIT: Entering runlevel: 2", `^1 late scripts failed\n$`, `^late scripts have finished\n$`}
}

// checkMoments: everything that is to come in every boot came, and when it
// was to.
func checkMoments(t *testing.T, b *bootLog) {
	first := b.firstService(t)
	for _, order := range [][]string{
		{"hook", "early", "early ended", first, "before-ssh", "before-ssh ended", "sshd", "last"},
		{"hook", "on-hook", first, "per-boot"},
		{"early ended", "with-files", "sshd", "per-boot"},
		{"before-ssh ended", "after-ssh"},
		{first, "server pre-start", "server with two words"},
	} {
		for i := range order[1:] {
			b.checkOrder(t, order[i], order[i+1])
		}
	}
	// Under runit a service has started when its run script has, and sshd is
	// what that script comes to in the end.
	if b.init != "runit" {
		b.checkOrder(t, "sshd", "after-ssh")
	}
	began, _ := b.at("before-ssh")
	if ended, _ := b.at("before-ssh ended"); ended-began < 3 {
		t.Errorf("before-ssh took %.2f s of its 3", ended-began)
	}
	if at, stale := b.at("boot-finished is stale"); stale {
		t.Errorf("the boot was taken for finished at %.2f s", at)
	}
	if b.files["boot-finished"] == "" {
		t.Error("boot-finished was not written")
	}
	k := kindOf(b.init)
	b.checkConsole(t, "inits: hook", k.start, "inits: early", k.services)
}

// firstService names the first service of the root's own. Under systemd it is
// the first that has the dependencies of ordinary services.
func (b *bootLog) firstService(t *testing.T) string {
	t.Helper()
	first := stamp{at: 1e9}
	for _, block := range strings.Split(b.files["units"], "\n\n") {
		if !strings.Contains(block, "DefaultDependencies=yes") {
			continue
		}
		_, rest, _ := strings.Cut(block, "InactiveExitTimestampMonotonic=")
		usec, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
		if usec > 0 && usec/1e6 < first.at {
			_, id, _ := strings.Cut(block, "Id=")
			first = stamp{usec / 1e6, "service " + strings.Fields(id)[0]}
		}
	}
	for _, s := range b.stamps {
		if strings.HasPrefix(s.what, "service ") && s.at < first.at {
			first = s
		}
	}
	if first.what == "" {
		t.Fatal("no service has left a trace")
	}
	if _, have := b.at(first.what); !have {
		b.stamps = append(b.stamps, first)
	}
	return first.what
}

func (b *bootLog) checkFile(t *testing.T, name, pattern string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(b.files[name]) {
		t.Errorf("%s is not as in %q:\n%s", name, pattern, b.files[name])
	}
}

func (b *bootLog) checkOrder(t *testing.T, earlier, later string) {
	t.Helper()
	e, found := b.at(earlier)
	l, foundToo := b.at(later)
	if !found || !foundToo || e > l {
		t.Errorf("%q at %.2f s (%t), %q at %.2f s (%t)", earlier, e, found, later, l, foundToo)
	}
}

// checkConsole: the serial console has these texts, in this order.
func (b *bootLog) checkConsole(t *testing.T, texts ...string) {
	t.Helper()
	for _, l := range b.guest.Console.Lines() {
		if len(texts) > 0 && strings.Contains(l.Text, texts[0]) {
			texts = texts[1:]
		}
	}
	if len(texts) > 0 {
		t.Errorf("the console has no %q, or not in its place", texts)
	}
}

// checkLate: the scripts of the first boot, of which one fails, and everybody
// who tells so.
func checkLate(t *testing.T, b *bootLog) {
	for _, order := range [][]string{{"sshd", "script"}, {"per-boot", "runcmd"}, {"runcmd", "script"}, {"script", "unlucky"}} {
		b.checkOrder(t, order[0], order[1])
	}
	b.checkConsole(t, kindOf(b.init).services, "inits: script", "unlucky failed with exit status 3")
	for _, text := range []string{"inits: script\n", "unlucky failed with exit status 3\n"} {
		if !strings.Contains(b.files["output"], text) {
			t.Errorf("cloud-init-output.log has no %q:\n%s", text, b.files["output"])
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"report.json", "late"} {
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(b.files[name]), 0o600))
	}
	text := run(t, b.tool, "report", "--file", filepath.Join(dir, "report.json"), "--late", filepath.Join(dir, "late"))
	if !strings.Contains(text, "scripts/unlucky") {
		t.Errorf("boothook report does not name the failed script:\n%s", text)
	}
}
