package jobs

import (
	"strings"

	"boothook/injector/plan"
)

// legacyOrdering makes /etc/init.d/rc go by the numbers of the links. Without
// it Debian's rc starts only what insserv has written down, which cannot be
// run on a root that is not running.
const legacyOrdering = "/etc/init.d/.legacy-bootordering"

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
	links := t.sysvLinks()
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
	steps = append(steps, plan.Step{Kind: plan.File, Path: script, Mode: 0o755, Body: []byte(initScript(t, start, stop))})
	for _, l := range links {
		steps = append(steps, plan.Step{Kind: plan.Link, Path: l + t.name, Target: "../init.d/" + t.name})
	}
	return steps
}

// initScript has the header that insserv needs to keep the links.
func initScript(t *task, start, stop string) string {
	return "#!/bin/sh\n### BEGIN INIT INFO\n# Provides:          " + t.name +
		"\n# Required-Start:\n# Required-Stop:\n# Default-Start:     2 3 4 5\n# Default-Stop:      0 1 6" +
		"\n# Short-Description: " + oneLine(strings.TrimSpace(t.Description+" (upstart job of user-data)")) + "\n### END INIT INFO\n" +
		"# Written by boothook from an upstart job of user-data.\ncase \"$1\" in\nstart)\n\t" + start +
		"\n\t;;\nstop)\n\t" + stop + "\n\t;;\nrestart|force-reload)\n\t\"$0\" stop\n\t\"$0\" start\n\t;;\n" +
		"*)\n\techo \"usage: $0 start|stop|restart\" >&2\n\texit 2\n\t;;\nesac\n"
}

func (t *task) sysvUser() string {
	switch {
	case t.SetUID == "" && t.SetGID == "":
		return ""
	case t.SetGID == "" || t.SetUID == "":
		t.refuse("setuid", "setuid and setgid are only expressed together")
	}
	return "setpriv --reuid " + quoteWords([]string{t.SetUID}) + " --regid " + quoteWords([]string{t.SetGID}) + " --init-groups "
}

// bootJobs run from /etc/rcS.d, before the runlevels.
const bootJobs = " udev mountall hostname networking procps mountnfs mountkernfs "

// sysvLinks gives the links without the job's name.
func (t *task) sysvLinks() []string {
	if len(t.when) == 0 {
		return nil
	}
	if len(t.when) > 1 {
		t.refuse("start on", "several events cannot be awaited together")
	}
	levels, number := "2345", "S98"
	switch a := t.when[0]; a.moment {
	case early:
		levels, number = "S", "S00"
	case filesystems, mount:
		levels, number = "S", "S99"
	case allFilesystems, network:
		number = "S00"
	case services, late:
	case before:
		number = "S00"
		if strings.Contains(bootJobs, " "+a.name+" ") {
			levels = "S"
		}
	case after:
		if strings.Contains(bootJobs, " "+a.name+" ") {
			levels, number = "S", "S99"
		}
	default:
		t.refuse("start on", "this event is not known to sysvinit")
	}
	var links []string
	for _, level := range levels {
		links = append(links, "/etc/rc"+string(level)+".d/"+number)
	}
	if !t.Task && levels != "S" {
		for _, level := range "016" {
			links = append(links, "/etc/rc"+string(level)+".d/K01")
		}
	}
	return links
}
