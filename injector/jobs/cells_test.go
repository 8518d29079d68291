package jobs

import (
	"strings"
	"testing"

	"boothook/injector/internal/golden"
	"boothook/injector/plan"
	"boothook/injector/userdata"
)

// stanzaCases has every stanza of upstart, and every event that means
// something elsewhere, in a job that would be translated without it.
var stanzaCases = []struct{ name, job string }{
	{"exec", "exec /usr/bin/demo"},
	{"exec with shell characters", "exec demo >/dev/null"},
	{"script", "script\ndemo\nend script"},
	{"no process", ""},
	{"task", "task\nexec demo"},
	{"task without a process", "task"},
	{"pre-start", "pre-start exec true\nexec demo"},
	{"pre-start with stop", "pre-start script\nstop\nend script\nexec demo"},
	{"post-start", "post-start exec true\nexec demo"},
	{"pre-stop", "pre-stop exec true\nexec demo"},
	{"post-stop", "post-stop exec true\nexec demo"},
	{"initctl in a script", "exec initctl emit x"},
	{"$RUNLEVEL in a script", "exec echo $RUNLEVEL"},
	{"description, author, version, usage", "description a\nauthor b\nversion c\nusage d\nexec demo"},
	{"emits", "emits x\nexec demo"},
	{"export", "env A=b\nexport A\nexec demo"},
	{"env KEY=VALUE", "env A=b\nexec demo"},
	{"env KEY", "env A\nexec demo"},
	{"instance, fixed", "instance a\nexec demo"},
	{"instance, from an event", "env A=b\ninstance $A\nexec demo"},
	{"manual", "manual\nexec demo"},
	{"expect none", "expect none\nexec demo"},
	{"expect stop", "expect stop\nexec demo"},
	{"expect fork", "expect fork\nexec demo"},
	{"expect daemon", "expect daemon\nexec demo"},
	{"respawn", "respawn\nexec demo"},
	{"respawn limit", "respawn\nrespawn limit 3 10\nexec demo"},
	{"respawn limit unlimited", "respawn\nrespawn limit unlimited\nexec demo"},
	{"respawn of a task", "task\nrespawn\nexec demo"},
	{"normal exit", "normal exit 1 TERM\nexec demo"},
	{"kill timeout", "kill timeout 3\nexec demo"},
	{"kill timeout with post-stop", "kill timeout 3\npost-stop exec true\nexec demo"},
	{"kill signal", "kill signal INT\nexec demo"},
	{"kill signal without a name", "kill signal 40\nexec demo"},
	{"reload signal", "reload signal USR1\nexec demo"},
	{"console log", "console log\nexec demo"},
	{"console none", "console none\nexec demo"},
	{"console output", "console output\nexec demo"},
	{"console owner", "console owner\nexec demo"},
	{"umask", "umask 027\nexec demo"},
	{"nice", "nice 5\nexec demo"},
	{"oom, oom score", "oom score 5\nexec demo"},
	{"limit", "limit nofile 1 2\nexec demo"},
	{"limit, soft above hard", "limit nofile 2 1\nexec demo"},
	{"chroot", "chroot /a\nexec demo"},
	{"chdir", "chdir /a\nexec demo"},
	{"setuid, setgid", "setuid a\nsetgid b\nexec demo"},
	{"setuid alone", "setuid a\nexec demo"},
	{"setgid alone", "setgid b\nexec demo"},
	{"setuid of a task", "task\nsetuid a\nsetgid b\nexec demo"},
	{"apparmor load", "apparmor load /a\nexec demo"},
	{"apparmor switch", "apparmor switch a\nexec demo"},
	{"cgroup", "cgroup cpu\nexec demo"},
	{"debug", "debug\nexec demo"},
}

var eventCases = []string{
	"startup", "ec2-boot-hook", "virtual-filesystems", "local-filesystems", "filesystem", "remote-filesystems",
	"static-network-up", "cloud-config", "net-device-up", "net-device-up IFACE=eth0", "net-device-up IFACE!=lo", "net-device-up IFACE=lo",
	"net-device-added INTERFACE=eth0", "mounted MOUNTPOINT=/", "mounted MOUNTPOINT=/srv", "mount MOUNTPOINT=/srv", "mounted TYPE=nfs", "mounting MOUNTPOINT=/srv",
	"runlevel [2345]", "runlevel [!06]", "runlevel 1", "runlevel [06]", "runlevel", "runlevel 2 S", "starting ssh", "starting networking", "starting mountall", "starting JOB!=x",
	"started ssh", "stopped rc RUNLEVEL=[2345]", "stopped ssh", "stopping ssh", "desktop-session-start", "control-alt-delete", "anything-else",
	"(mount MOUNTPOINT=/ and net-device-up IFACE=eth0)", "(mounted MOUNTPOINT=/ and net-device-up IFACE=eth0)", "(local-filesystems and net-device-up IFACE!=lo)", "(started dbus and runlevel [2345])",
	"(runlevel 2 or runlevel 3)", "(startup or runlevel 2)",
}

// TestCells writes the table of stanzas and events against inits and compares
// it with testdata/cells.md: every cell is a job that was translated, or the
// reason why it was refused.
func TestCells(t *testing.T) {
	var s strings.Builder
	row := func(name, job string) {
		s.WriteString("| " + strings.ReplaceAll(name, "|", "\\|"))
		for _, init := range inits() {
			s.WriteString(" | " + cell(t, init, job))
		}
		s.WriteString(" |\n")
	}
	s.WriteString("| stanza | systemd | OpenRC | sysvinit | runit |\n|---|---|---|---|---|\n")
	for _, c := range stanzaCases {
		row(c.name, "start on runlevel [2345]\n"+c.job+"\n")
	}
	s.WriteString("\n| start on | systemd | OpenRC | sysvinit | runit |\n|---|---|---|---|---|\n")
	for _, e := range eventCases {
		row("`"+e+"`", "start on "+e+"\ntask\nexec demo\n")
	}
	s.WriteString("\n| stop on | systemd | OpenRC | sysvinit | runit |\n|---|---|---|---|---|\n")
	for _, e := range []string{"runlevel [016]", "runlevel [!2345]", "stopping ssh", "stopped ssh", "anything-else", "runlevel [016] and stopping ssh"} {
		row("`"+e+"`", "start on runlevel [2345]\nstop on "+e+"\nexec demo\n")
	}
	golden.File(t, "testdata/cells.md", []byte(s.String()))
}

// cell is "yes", or what is refused.
func cell(t *testing.T, init plan.Init, job string) string {
	r := planOf(init, userdata.Part{Name: "demo", Type: userdata.TypeUpstartJob, Body: []byte(job)})
	var reasons []string
	for _, p := range r.Problems {
		if reason, ok := strings.CutPrefix(p.Message, "cannot be translated for "+string(init)+": "); ok {
			_, reason, _ = strings.Cut(reason, ": ")
			reasons = append(reasons, reason)
			if p.Line == 0 {
				t.Errorf("%s: %q: refused without a line: %s", init, job, reason)
			}
		}
	}
	_, kept := stepAt(r, instanceDir+"/upstart/demo.conf")
	_, unit := stepAt(r, systemdUnits+"/demo.service")
	_, script := stepAt(r, "/etc/init.d/demo")
	_, service := stepAt(r, "/etc/sv/demo/run")
	if written := unit || script || service; written == kept || kept != (len(reasons) > 0) {
		t.Errorf("%s: %q: written %t, kept %t, refused %q", init, job, written, kept, reasons)
	}
	if len(reasons) > 0 {
		return "refused: " + strings.Join(reasons, "; ")
	}
	return "yes"
}
