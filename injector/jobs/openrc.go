package jobs

import (
	"strconv"
	"strings"

	"boothook/injector/plan"
)

// renderOpenRC writes an openrc-run script and puts it into a runlevel.
// OpenRC starts what a runlevel names in the order of "before" and "after",
// and each script's start ends before the next begins: so a task holds what
// comes after it, as under upstart.
func renderOpenRC(t *task) []plan.Step {
	t.refuseUnitsOnly()
	if t.Main == nil {
		return nil
	}
	runlevel, depend := t.openRCOrder()
	file, step := t.wrap("main", t.Main, "")
	steps := []plan.Step{step}
	var s strings.Builder
	s.WriteString("#!/sbin/openrc-run\n# Written by boothook from an upstart job of user-data.\n")
	s.WriteString("description=" + quoteWords([]string{oneLine(t.Description)}) + "\n")
	s.WriteString("depend() {\n" + depend + "\t:\n}\n")
	if t.PreStart != nil {
		file, step := t.wrap("pre-start", t.PreStart, "")
		steps = append(steps, step)
		s.WriteString("start_pre() { /bin/sh " + file + "; }\n")
	}
	if t.PostStop != nil {
		file, step := t.wrap("post-stop", t.PostStop, "")
		steps = append(steps, step)
		s.WriteString("stop_post() { /bin/sh " + file + "; }\n")
	}
	s.WriteString(t.openRCCommand(file))
	script := "/etc/init.d/" + t.name
	steps = append(steps, plan.Step{Kind: plan.File, Path: script, Body: []byte(s.String()), Mode: 0o755})
	if runlevel != "" {
		steps = append(steps, plan.Step{Kind: plan.Link, Path: "/etc/runlevels/" + runlevel + "/" + t.name, Target: script})
	}
	return steps
}

// openRCCommand is how the main process is started.
func (t *task) openRCCommand(file string) string {
	user := t.owner()
	if t.Task {
		if t.Respawn {
			t.refuse("respawn", "a task that is run again cannot be expressed")
		}
		if user != "" {
			t.refuse("setuid", "a task of another user cannot be expressed")
		}
		return "start() { ebegin \"Running " + t.name + "\"; /bin/sh " + file + "; eend $?; }\n"
	}
	out := "command=/bin/sh\ncommand_args=" + file + "\npidfile=/run/" + t.name + ".pid\nretry=TERM/5/KILL/5\n"
	if user != "" {
		out += "command_user=" + quoteWords([]string{user}) + "\n"
	}
	switch {
	case t.Expect == "fork" || t.Expect == "daemon":
		t.refuse("expect", "the process behind a fork cannot be found")
	case t.Respawn:
		limit := [2]int64{10, 5}
		if l := t.RespawnLimit; l != nil {
			if limit = [2]int64{int64(l.Count), l.Interval}; l.Count == 0 || l.Interval == 0 {
				limit = [2]int64{0, 0}
			}
		}
		out += "supervisor=supervise-daemon\nrespawn_delay=0\nrespawn_max=" + strconv.FormatInt(limit[0], 10) +
			"\nrespawn_period=" + strconv.FormatInt(limit[1], 10) + "\n"
	default:
		// The process is no /bin/sh any more, by which OpenRC would look for it.
		out += "command_background=yes\nstop() { ebegin \"Stopping " + t.name + "\"; start-stop-daemon --stop --retry $retry --pidfile $pidfile; eend $?; }\n"
	}
	return out
}

// openRCOrder gives the runlevel and the lines of depend(). Debian's OpenRC
// runs Debian's init scripts: their names are others, and all that is Gentoo's
// runlevel boot is in sysinit.
func (t *task) openRCOrder() (runlevel, depend string) {
	boot, mounted, net := "boot", "need localmount", "need net"
	if t.debian {
		boot, mounted, net = "sysinit", "need mountall", "use networking network-manager dhcpcd connman"
	}
	for _, a := range t.when {
		level := "default"
		switch a.moment {
		case early:
			level = "sysinit"
			depend += "\tbefore *\n"
		case filesystems:
			level = boot
			depend += "\t" + mounted + "\n"
		case allFilesystems:
			depend += "\t" + mounted + "\n\tafter netmount mountnfs\n"
		case network:
			depend += "\t" + net + "\n"
		case services:
		case late:
			depend += "\tafter *\n"
		case before:
			depend += "\tbefore " + a.name + "\n"
		case after:
			depend += "\tneed " + a.name + "\n"
		default:
			t.refuse("start on", "this event is not known to OpenRC")
		}
		if runlevel == "" || runlevel == "sysinit" || level == "default" {
			runlevel = level
		}
	}
	return runlevel, depend
}
