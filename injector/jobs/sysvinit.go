package jobs

import (
	"strings"

	"boothook/injector/plan"
)

// legacyOrdering makes /etc/init.d/rc go by the numbers of the links. Without
// it Debian's rc starts only what insserv has written down, which cannot be
// run on a root that is not running.
const legacyOrdering = "/etc/init.d/.legacy-bootordering"

// debianScript is one that every Debian without systemd has.
const debianScript = "/etc/init.d/mountall.sh"

// renderSysvinit writes an init script and its links. Scripts run one after
// the other, in the order of their numbers: 00 is before, 98 after all others.
func renderSysvinit(t *task) []plan.Step {
	t.refuseUnitsOnly()
	if t.Respawn {
		t.refuse("respawn", "sysvinit has limits of its own, which cannot be set")
	}
	if t.Main == nil {
		return nil
	}
	at := t.sysvPlace()
	file, step := t.wrap("main", t.Main, t.sysvUser())
	steps := []plan.Step{step, {Kind: plan.File, Path: legacyOrdering, Mode: 0o644}}
	start := "/bin/sh " + file
	if !t.Task {
		if t.Expect == "fork" || t.Expect == "daemon" {
			t.refuse("expect", "the process behind a fork cannot be found")
		}
		start = "start-stop-daemon --start --background --make-pidfile --pidfile /run/" + t.name + ".pid --exec /bin/sh -- " + file
	}
	if t.PreStart != nil {
		before, step := t.wrap("pre-start", t.PreStart, t.sysvUser())
		steps = append(steps, step)
		start = "/bin/sh " + before + " && " + start
	}
	stop := "start-stop-daemon --stop --oknodo --retry TERM/5/KILL/5 --pidfile /run/" + t.name + ".pid"
	if t.Task {
		stop = ":"
	}
	if t.PostStop != nil {
		behind, step := t.wrap("post-stop", t.PostStop, t.sysvUser())
		steps = append(steps, step)
		stop += "; /bin/sh " + behind
	}
	script := "/etc/init.d/" + t.name
	steps = append(steps, plan.Step{Kind: plan.File, Path: script, Mode: 0o755, Body: []byte(initScript(t, at, start, stop))})
	for _, l := range t.sysvLinks(at) {
		steps = append(steps, plan.Step{Kind: plan.Link, Path: l + t.name, Target: "../init.d/" + t.name})
	}
	return steps
}

// initScript has the header by which insserv numbers all links anew when a
// package is installed: the order that is not in it would be lost then.
func initScript(t *task, at sysvPlace, start, stop string) string {
	levels := "2 3 4 5\n# Default-Stop:      0 1 6"
	if at.boot {
		levels = "S\n# Default-Stop:"
	}
	return "#!/bin/sh\n### BEGIN INIT INFO\n# Provides:          " + t.name +
		"\n# Required-Start:\n# Required-Stop:     $remote_fs\n# Should-Start:      " + at.after +
		"\n# X-Start-Before:    " + at.before + "\n# Default-Start:     " + levels +
		"\n# Short-Description: " + oneLine(strings.TrimSpace(t.Description+" (upstart job of user-data)")) + "\n### END INIT INFO\n" +
		"# Written by boothook from an upstart job of user-data.\ncase \"$1\" in\nstart)\n\t" + start +
		"\n\t;;\nstop)\n\t" + stop + "\n\t;;\nrestart|force-reload)\n\t\"$0\" stop\n\t\"$0\" start\n\t;;\n" +
		"*)\n\techo \"usage: $0 start|stop|restart\" >&2\n\texit 2\n\t;;\nesac\n"
}

func (t *task) sysvUser() string {
	switch {
	case t.SetUID == "" && t.SetGID == "":
		return ""
	case t.SetGID == "":
		t.refuse("setuid", "setuid and setgid are only expressed together")
	case t.SetUID == "":
		t.refuse("setgid", "setuid and setgid are only expressed together")
	}
	return "setpriv --reuid " + quoteWords([]string{t.SetUID}) + " --regid " + quoteWords([]string{t.SetGID}) + " --init-groups "
}

// bootJobs run from /etc/rcS.d, before the runlevels.
const bootJobs = " udev mountall hostname networking procps mountnfs mountkernfs "

// A sysvPlace is where a job stands among the scripts of the runlevels.
type sysvPlace struct {
	boot   bool   // in rcS.d, before the runlevels
	number string // of its links
	// after and before are the scripts it keeps to when insserv numbers anew.
	after, before string
}

// sysvPlace finds the place. A job without an event has one too, and no links.
func (t *task) sysvPlace() sysvPlace {
	if len(t.when) > 1 {
		t.refuse("start on", "several events cannot be awaited together")
	}
	if len(t.when) == 0 {
		return sysvPlace{}
	}
	a := t.when[0]
	boot := strings.Contains(bootJobs, " "+a.name+" ")
	switch a.moment {
	case early:
		return sysvPlace{true, "S00", "", "hostname hwclock mountkernfs udev"}
	case filesystems, mount:
		return sysvPlace{true, "S99", "$local_fs", ""}
	case allFilesystems, network:
		return sysvPlace{number: "S00"}
	case services:
		return sysvPlace{number: "S98"}
	case late:
		return sysvPlace{number: "S98", after: "$all"}
	case before:
		return sysvPlace{boot, "S00", "", a.name}
	case after:
		if boot {
			return sysvPlace{boot, "S99", a.name, ""}
		}
		return sysvPlace{boot, "S98", a.name, ""}
	}
	t.refuse("start on", "this event is not known to sysvinit")
	return sysvPlace{}
}

// sysvLinks gives the links of a place without the job's name.
func (t *task) sysvLinks(at sysvPlace) []string {
	if len(t.when) == 0 {
		return nil
	}
	if at.boot {
		return []string{"/etc/rcS.d/" + at.number}
	}
	var links []string
	for _, level := range "2345" {
		links = append(links, "/etc/rc"+string(level)+".d/"+at.number)
	}
	if !t.Task {
		for _, level := range "016" {
			links = append(links, "/etc/rc"+string(level)+".d/K00")
		}
	}
	return links
}
