package jobs

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/plan"
)

// A fakeRoot is a Reader of files in memory. Names are without the first "/".
type fakeRoot struct{ fstest.MapFS }

func (r fakeRoot) ReadDir(path string) ([]string, error) {
	entries, err := r.MapFS.ReadDir(strings.Trim(path, "/"))
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (r fakeRoot) ReadFileMax(path string, _ int64) ([]byte, error) {
	return fs.ReadFile(r.MapFS, strings.Trim(path, "/"))
}

// rootOf makes a root of "PATH" or "PATH=CONTENT".
func rootOf(files ...string) fakeRoot {
	root := fstest.MapFS{}
	for _, f := range files {
		name, body, _ := strings.Cut(f, "=")
		root[name] = &fstest.MapFile{Data: []byte(body)}
	}
	return fakeRoot{root}
}

// stepsFor plans "VERB NAME" actions and writes down what they come to.
func stepsFor(init plan.Init, root Reader, planned []plan.Step, actions ...string) []string {
	ctx := Context{Facts: plan.Facts{Init: init}, Root: root, Planned: planned}
	for _, w := range actions {
		do, name, _ := strings.Cut(w, " ")
		ctx.Services = append(ctx.Services, ServiceAction{Do: do, Name: name, Why: &plan.Why{Part: "p", Key: "boothook", Line: 3}})
	}
	b := &builder{Context: ctx, written: map[string]string{}}
	b.services()
	var out []string
	for _, s := range b.result.Steps {
		line := fmt.Sprintf("%s %s", s.Kind, s.Path)
		if s.Target != "" {
			line += " -> " + s.Target
		}
		if s.Kind == plan.File {
			line += fmt.Sprintf(" %q", s.Body)
		}
		if s.Append {
			line += " append"
		}
		out = append(out, line)
	}
	for _, p := range b.result.Problems {
		kind := "problem: "
		if p.Warning {
			kind = "warning: "
		}
		out = append(out, kind+p.Message)
	}
	return out
}

const demoUnit = "[Unit]\nDescription=x\n[Install]\n# a comment\nWantedBy = multi-user.target \\\n  sysinit.target\nRequiredBy=a.service\nAlias=d.service\nAlso=demo.socket\n"

// TestServices is the table of what user-data may ask of services, under each
// init system.
func TestServices(t *testing.T) {
	systemdRoot := rootOf(
		"lib/systemd/system/ssh.service=[Install]\nWantedBy=multi-user.target\nAlias=sshd.service\n",
		"lib/systemd/system/dbus.service=[Unit]\n",
		"lib/systemd/system/multi-user.target", "lib/systemd/system/runlevel3.target",
		"lib/systemd/system/getty@.service=[Install]\nWantedBy=getty-%i.target\n",
		"etc/systemd/system/multi-user.target.wants/ssh.service",
		"etc/systemd/system/other.target.requires/ssh.service",
		"etc/systemd/system/other.target.wants/cron.service",
	)
	planned := []plan.Step{
		{Kind: plan.File, Path: systemdUnits + "/demo.service", Body: []byte(demoUnit)},
		{Kind: plan.File, Path: systemdUnits + "/demo.socket", Body: []byte("[Install]\nWantedBy=sockets.target\nAlso=demo.service\n")},
		{Kind: plan.File, Path: systemdUnits + "/my.target"},
	}
	rc := rootOf("etc/init.d/new", "etc/init.d/ssh", "etc/rc2.d/S01ssh", "etc/rc5.d/S20ssh", "etc/rc0.d/K01ssh", "etc/rc2.d/S01sshd", "etc/rcS.d/S10x", "etc/ssh",
		"etc/inittab=id:2:initdefault:\n#id:4:initdefault:\nsi::sysinit:/etc/init.d/rcS\n")
	for _, c := range []struct {
		name    string
		init    plan.Init
		root    fakeRoot
		actions []string
		want    []string
	}{
		{"systemd: a unit of user-data", plan.Systemd, systemdRoot, []string{"enable demo"}, []string{
			"link /etc/systemd/system/multi-user.target.wants/demo.service -> /etc/systemd/system/demo.service",
			"link /etc/systemd/system/sysinit.target.wants/demo.service -> /etc/systemd/system/demo.service",
			"link /etc/systemd/system/a.service.requires/demo.service -> /etc/systemd/system/demo.service",
			"link /etc/systemd/system/d.service -> /etc/systemd/system/demo.service",
			"link /etc/systemd/system/sockets.target.wants/demo.socket -> /etc/systemd/system/demo.socket",
			`file /etc/systemd/system-preset/10-boothook.preset "enable demo.service\nenable demo.socket\n"`,
		}},
		{"systemd: units of the root", plan.Systemd, systemdRoot, []string{"enable ssh.service", "enable getty@tty5.service"}, []string{
			"link /etc/systemd/system/multi-user.target.wants/ssh.service -> /lib/systemd/system/ssh.service",
			"link /etc/systemd/system/sshd.service -> /lib/systemd/system/ssh.service",
			"link /etc/systemd/system/getty-tty5.target.wants/getty@tty5.service -> /lib/systemd/system/getty@.service",
			`file /etc/systemd/system-preset/10-boothook.preset "enable ssh.service\nenable getty@tty5.service\n"`,
		}},
		{"systemd: disable", plan.Systemd, systemdRoot, []string{"disable ssh", "disable cron", "disable gone"}, []string{
			"remove /etc/systemd/system/multi-user.target.wants/ssh.service",
			"remove /etc/systemd/system/other.target.requires/ssh.service",
			"remove /etc/systemd/system/sshd.service",
			"remove /etc/systemd/system/other.target.wants/cron.service",
			`file /etc/systemd/system-preset/10-boothook.preset "disable ssh.service\ndisable cron.service\n"`,
			"warning: disable gone.service: nothing starts it here",
		}},
		{"systemd: mask", plan.Systemd, systemdRoot, []string{"mask apt-daily.timer", "mask a.b"}, []string{
			"link /etc/systemd/system/apt-daily.timer -> /dev/null",
			"link /etc/systemd/system/a.b.service -> /dev/null",
		}},
		{"systemd: target", plan.Systemd, systemdRoot, []string{"target multi-user", "target my.target", "target 3", "target none"}, []string{
			"link /etc/systemd/system/default.target -> /lib/systemd/system/multi-user.target",
			"link /etc/systemd/system/default.target -> /etc/systemd/system/my.target",
			"link /etc/systemd/system/default.target -> /lib/systemd/system/runlevel3.target",
			"problem: target none.target: there is no such unit",
		}},
		{"systemd: what cannot be", plan.Systemd, systemdRoot, []string{"enable dbus", "enable nothing", "enable getty@", "mask ../x", "disable ", "mask .x"}, []string{
			"problem: enable dbus.service: its [Install] section does not say by what it is wanted",
			"problem: enable nothing.service: there is no such unit",
			"problem: enable getty@.service: is a template: name an instance of it",
			"problem: mask ../x: is no name of a service",
			"problem: disable : is no name of a service",
			"problem: mask .x: is no name of a service",
		}},
		{"sysvinit: disable, mask", plan.Sysvinit, rc, []string{"disable ssh.service", "mask x", "disable gone"}, []string{
			"remove /etc/rc2.d/S01ssh", "link /etc/rc2.d/K01ssh -> ../init.d/ssh",
			"remove /etc/rc5.d/S20ssh", "link /etc/rc5.d/K01ssh -> ../init.d/ssh",
			"remove /etc/rcS.d/S10x", "link /etc/rcS.d/K01x -> ../init.d/x",
			"warning: disable gone: nothing starts it here",
		}},
		{"sysvinit: enable", plan.Sysvinit, rc, []string{"enable new", "enable ssh", "enable gone"}, []string{
			`file /etc/init.d/.legacy-bootordering ""`,
			"link /etc/rc2.d/S98new -> ../init.d/new", "link /etc/rc3.d/S98new -> ../init.d/new",
			"link /etc/rc4.d/S98new -> ../init.d/new", "link /etc/rc5.d/S98new -> ../init.d/new",
			"problem: enable gone: there is no such service",
		}},
		{"sysvinit: runlevel", plan.Sysvinit, rc, []string{"target 3", "target 6", "target multi-user"}, []string{
			`file /etc/inittab "id:3:initdefault:\n#id:4:initdefault:\nsi::sysinit:/etc/init.d/rcS\n"`,
			"problem: target 6: a runlevel is a number from 1 to 5",
			"problem: target multi-user: a runlevel is a number from 1 to 5",
		}},
		{"OpenRC", plan.OpenRC, rootOf("etc/init.d/new", "etc/runlevels/default/sshd", "etc/runlevels/boot/sshd", "etc/runlevels/boot/x"),
			[]string{"disable sshd", "mask x", "enable new", "target 3"}, []string{
				"remove /etc/runlevels/boot/sshd", "remove /etc/runlevels/default/sshd", "remove /etc/runlevels/boot/x",
				"link /etc/runlevels/default/new -> /etc/init.d/new",
				"problem: target 3: init openrc has no numbered runlevels",
			}},
		{"runit", plan.Runit, rootOf("etc/sv/new/run", "etc/runit/runsvdir/default/ssh", "etc/rc2.d/S02cron"), []string{"mask ssh", "enable new", "disable cron"}, []string{
			"remove /etc/runit/runsvdir/default/ssh", "link /etc/runit/runsvdir/default/new -> /etc/sv/new",
			"remove /etc/rc2.d/S02cron", "link /etc/rc2.d/K01cron -> ../init.d/cron",
		}},
		{"upstart", plan.Upstart, rootOf(), []string{"disable cron", "mask ssh", "enable x", "target 3"}, []string{
			`file /etc/init/cron.override "manual\n" append`, `file /etc/init/ssh.override "manual\n" append`,
			`file /etc/init/rc-sysinit.override "env DEFAULT_RUNLEVEL=3\n" append`,
			"problem: enable x: upstart starts every job that is there",
		}},
		{"busybox", plan.BusyboxInit, rootOf(), []string{"disable cron"}, []string{"problem: disable cron: init busybox has no services"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, stepsFor(c.init, c.root, planned, c.actions...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestServicesAreBounded: units that pull each other in come to an end.
func TestServicesAreBounded(t *testing.T) {
	var files []string
	for i := range 2 * maxServices {
		files = append(files, fmt.Sprintf("lib/systemd/system/u%d.service=[Install]\nWantedBy=x.target\nAlso=u%d.service\n", i, i+1))
	}
	out := stepsFor(plan.Systemd, rootOf(files...), nil, "enable u0")
	if got := len(out); got != maxServices+1 {
		t.Errorf("%d steps, want one link for each of %d services and the presets", got, maxServices)
	}
}

// FuzzInstall: whatever a unit says, there are links and no panic.
func FuzzInstall(f *testing.F) {
	f.Add(demoUnit)
	f.Add("[Install]\nAlso=a.service a@.service\nWantedBy=%i.target ../../x\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, line := range stepsFor(plan.Systemd, rootOf("lib/systemd/system/a.service="+text, "lib/systemd/system/a@.service="+text), nil,
			"enable a", "enable a@b", "disable a") {
			kind, rest, _ := strings.Cut(line, " ")
			if (kind == "link" || kind == "remove") && !strings.HasPrefix(rest, systemdUnits+"/") {
				t.Errorf("%q", line)
			}
			if strings.Contains(rest, "/../") {
				t.Errorf("%q leaves the directory", line)
			}
		}
	})
}
