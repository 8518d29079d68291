package jobs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"boothook/injector/jobs/upstart"
	"boothook/injector/plan"
)

const systemdUnits = "/etc/systemd/system"

// renderSystemd writes a unit. What it promises is upstart's behaviour: a
// task's end, not its start, is what others wait for; everything runs under
// sh -e; a service without a process is a state. Two things differ and cannot
// be told apart by the job: a process that dies of TERM, HUP, INT or PIPE
// counts as ended well, and stopping reaches all processes of the job and not
// only those of the main one's group.
func renderSystemd(t *task) []plan.Step {
	u := &unit{task: t, defaults: true}
	u.prologues()
	u.files, u.where = t.scripts()
	u.order()
	u.processes()
	u.restart()
	u.ending()
	u.surroundings()
	u.limits()
	file := systemdUnits + "/" + t.name + ".service"
	steps := append(u.files, plan.Step{Kind: plan.File, Path: file, Body: []byte(u.text()), Mode: 0o644})
	for _, wanted := range u.wantedBy {
		steps = append(steps, plan.Step{Kind: plan.Link, Path: systemdUnits + "/" + wanted + ".wants/" + t.name + ".service", Target: file})
	}
	return steps
}

// cancelling lets a pre-start script call off the start with "stop", as under
// upstart: as an ExecCondition it ends with 1, which skips the unit, and any
// failure with 255, which fails it.
const cancelling = `cancelled=
stop() { cancelled=1; }
trap 's=$?; [ -z "$cancelled" ] || exit 1; [ $s -eq 0 ] || exit 255' EXIT
`

// running keeps a pre-stop script from running for a process that is gone.
const running = "[ -n \"$MAINPID\" ] || exit 0\n"

// prologues puts into the scripts what systemd has to be helped with.
func (u *unit) prologues() {
	job := *u.Job
	if u.cancels {
		job.PreStart = &upstart.Process{Script: true, Text: cancelling + scriptOf(job.PreStart)}
	}
	if job.Main == nil {
		job.PreStop = nil // upstart has nobody to run it for either
	}
	if job.PreStop != nil {
		job.PreStop = &upstart.Process{Script: true, Text: running + scriptOf(job.PreStop)}
	}
	u.Job = &job
}

// A unit collects the lines of one.
type unit struct {
	*task
	files         []plan.Step
	where         map[string]string
	unit, service strings.Builder
	wantedBy      []string
	defaults      bool
}

func (u *unit) text() string {
	description := u.Description
	if description == "" {
		description = "Upstart job " + u.name
	}
	head := "# Written by boothook from an upstart job of user-data.\n[Unit]\nDescription=" +
		strings.ReplaceAll(oneLine(description), "%", "%%") + "\n"
	if !u.defaults {
		head += "DefaultDependencies=no\nConflicts=shutdown.target\nBefore=shutdown.target\n"
	}
	tail := ""
	if len(u.wantedBy) > 0 {
		tail = "\n[Install]\nWantedBy=" + strings.Join(u.wantedBy, " ") + "\n"
	}
	return head + u.unit.String() + "\n[Service]\n" + u.service.String() + tail
}

func (u *unit) inUnit(key, value string)    { fmt.Fprintf(&u.unit, "%s=%s\n", key, value) }
func (u *unit) inService(key, value string) { fmt.Fprintf(&u.service, "%s=%s\n", key, value) }

func (u *unit) want(target string) {
	if !slices.Contains(u.wantedBy, target) {
		u.wantedBy = append(u.wantedBy, target)
	}
}

// order writes when the unit starts and what pulls it in.
func (u *unit) order() {
	for _, a := range u.when {
		switch a.moment {
		case early:
			u.defaults = false
			u.inUnit("After", "systemd-remount-fs.service")
			u.inUnit("Wants", "local-fs-pre.target")
			u.inUnit("Before", "local-fs-pre.target sysinit.target")
			u.want("sysinit.target")
		case filesystems:
			u.defaults = false
			u.inUnit("After", "sysinit.target")
			u.inUnit("Requires", "sysinit.target")
			u.inUnit("Before", "basic.target")
			u.want("basic.target")
		case allFilesystems:
			u.inUnit("After", "local-fs.target remote-fs.target")
			u.want("multi-user.target")
		case network:
			u.inUnit("Wants", "network-online.target")
			u.inUnit("After", "network-online.target")
			if a.name != "" {
				u.inUnit("After", deviceUnit(a.name))
			}
			u.want("multi-user.target")
		case services:
			u.want("multi-user.target")
		case rescue:
			u.want("rescue.target")
		case graphical:
			u.want("graphical.target")
		case late:
			u.inUnit("After", "multi-user.target")
			u.want("multi-user.target")
		case before, after:
			u.around(a)
		case device:
			u.inUnit("After", deviceUnit(a.name))
			u.want(deviceUnit(a.name))
		case mount:
			u.inUnit("After", escapeUnit(strings.Trim(a.name, "/"))+".mount")
			u.inUnit("RequiresMountsFor", escapeSpecifiers(a.name))
			u.want("multi-user.target")
		}
	}
	for _, name := range u.endWith {
		u.inUnit("PartOf", serviceUnit(name))
		u.inUnit("After", serviceUnit(name))
	}
}

// around holds to another unit's start.
func (u *unit) around(a anchor) {
	key := "Before"
	if a.moment == after {
		key = "After"
	}
	other := serviceUnit(a.name)
	if target := map[string]string{"networking": "network-pre.target", "network-manager": "network-pre.target"}[a.name]; target != "" && a.moment == before {
		u.defaults = false
		u.inUnit("Wants", target)
		u.inUnit("After", "local-fs.target")
		u.inUnit("Before", target+" "+other)
		u.want("multi-user.target")
		return
	}
	if other == "systemd-udevd.service" {
		u.defaults = false
	}
	u.inUnit(key, other)
	u.want(other)
}

// processes writes what is run.
func (u *unit) processes() {
	kind := "simple"
	switch {
	case u.Task:
		kind = "oneshot"
	case u.Main == nil:
		kind = "oneshot"
		u.inService("RemainAfterExit", "yes")
	case u.Expect == "fork" || u.Expect == "daemon":
		kind = "forking"
	}
	u.inService("Type", kind)
	if u.AppArmorLoad != "" {
		u.inService("ExecStartPre", "/sbin/apparmor_parser -r -W "+quoteUnit(u.AppArmorLoad))
	}
	if u.PreStart != nil {
		key := "ExecStartPre"
		if u.cancels {
			key = "ExecCondition"
		}
		u.inService(key, u.command("pre-start", u.PreStart))
	}
	main := "/bin/true"
	if u.Main != nil {
		main = u.command("", u.Main)
	}
	u.inService("ExecStart", main)
	if u.PostStart != nil {
		u.inService("ExecStartPost", "-"+u.command("post-start", u.PostStart))
	}
	if u.PreStop != nil {
		u.inService("ExecStop", "-"+u.command("pre-stop", u.PreStop))
	}
	if u.PostStop != nil {
		u.inService("ExecStopPost", u.command("post-stop", u.PostStop))
	}
}

// command is a process as the value of ExecStart.
func (u *unit) command(stanza string, p *upstart.Process) string {
	switch {
	case simple(p):
		return escapeSpecifiers(p.Text)
	case u.Chroot != "":
		// The file is not there inside of the other root.
		return "/bin/sh -e -c " + strings.ReplaceAll(quoteUnit(scriptOf(p)), "$", "$$")
	}
	return "/bin/sh -e " + u.where[stanza]
}

// restart writes respawn, its limit and what counts as a good end.
func (u *unit) restart() {
	var statuses []string
	for _, n := range u.NormalExit {
		status := strconv.Itoa(n)
		if n >= 256 {
			name := signalName(n >> 8)
			if name == "" {
				u.refuse("normal exit", "signal "+strconv.Itoa(n>>8)+" has no name")
			}
			status = "SIG" + name
		}
		statuses = append(statuses, status)
	}
	if len(statuses) > 0 {
		u.inService("SuccessExitStatus", strings.Join(statuses, " "))
	}
	if !u.Respawn {
		u.inUnit("StartLimitIntervalSec", "0")
		return
	}
	how := "always"
	if u.Task {
		how = "on-failure"
	}
	u.inService("Restart", how)
	u.inService("RestartSec", "0")
	if len(statuses) > 0 {
		u.inService("RestartPreventExitStatus", strings.Join(statuses, " "))
	}
	limit := upstart.RespawnLimit{Count: 10, Interval: 5}
	if u.RespawnLimit != nil {
		limit = *u.RespawnLimit
	}
	if limit.Count == 0 || limit.Interval == 0 {
		u.inUnit("StartLimitIntervalSec", "0")
		return
	}
	u.inUnit("StartLimitIntervalSec", strconv.FormatInt(limit.Interval, 10))
	u.inUnit("StartLimitBurst", strconv.FormatInt(int64(limit.Count)+1, 10))
}

// ending writes how the job is stopped and told to reload.
func (u *unit) ending() {
	u.inService("TimeoutStartSec", "infinity")
	timeout := "5s"
	if u.KillTimeout != nil {
		if timeout = strconv.FormatInt(*u.KillTimeout, 10) + "s"; *u.KillTimeout == 0 {
			timeout = "1ms" // 0 would mean for ever
		}
	}
	if u.PreStop == nil && u.PostStop == nil {
		u.inService("TimeoutStopSec", timeout)
	} else {
		// systemd's time counts for the scripts too, upstart's does not.
		u.refuseTimeout()
	}
	u.signalLine("kill signal", u.KillSignal, func(name string) { u.inService("KillSignal", "SIG"+name) })
	if u.Main != nil && !u.Task {
		reload := 1
		if u.ReloadSignal != nil {
			reload = *u.ReloadSignal
		}
		u.signalLine("reload signal", &reload, func(name string) { u.inService("ExecReload", "/bin/kill -"+name+" $MAINPID") })
	}
}

// refuseTimeout: with pre-stop or post-stop a timeout of its own for the kill
// alone cannot be said; the default is generous enough for scripts.
func (u *unit) refuseTimeout() {
	if u.KillTimeout != nil {
		u.refuse("kill timeout", "cannot be told apart from the time that pre-stop and post-stop take")
	}
}

func (u *unit) signalLine(stanza string, n *int, write func(name string)) {
	if n == nil {
		return
	}
	name := signalName(*n)
	if name == "" {
		u.refuse(stanza, "signal "+strconv.Itoa(*n)+" has no name")
		return
	}
	write(name)
}

// surroundings writes environment, console, credentials and places.
func (u *unit) surroundings() {
	u.inService("Environment", quoteUnit("PATH="+upstartPath))
	for _, e := range u.environment() {
		u.inService("Environment", quoteUnit(e))
	}
	for _, e := range u.Env {
		if !strings.Contains(e, "=") {
			u.inService("PassEnvironment", e)
		}
	}
	switch u.Console {
	case "none":
		u.inService("StandardOutput", "null")
		u.inService("StandardError", "null")
	case "output":
		u.inService("StandardOutput", "journal+console")
		u.inService("StandardError", "inherit")
	case "owner":
		u.inService("StandardInput", "tty")
		u.inService("StandardOutput", "tty")
		u.inService("StandardError", "inherit")
		u.inService("TTYPath", "/dev/console")
	}
	if u.Chroot != "" {
		u.inService("RootDirectory", escapeSpecifiers(u.Chroot))
	}
	if u.Chdir != "" {
		u.inService("WorkingDirectory", escapeSpecifiers(u.Chdir))
	}
	if u.SetUID != "" {
		u.inService("User", escapeSpecifiers(u.SetUID))
	}
	if u.SetGID != "" {
		u.inService("Group", escapeSpecifiers(u.SetGID))
	}
	if u.AppArmorSwitch != "" {
		if strings.Contains(u.AppArmorSwitch, "$") {
			u.refuse("apparmor switch", "a variable in the profile's name cannot be expressed")
		}
		u.inService("AppArmorProfile", escapeSpecifiers(u.AppArmorSwitch))
	}
	if strings.ContainsAny(u.Chroot+u.Chdir+u.SetUID+u.SetGID+u.AppArmorSwitch, "\n\r") {
		u.refuse("chdir", "a line end in a path or a name cannot be expressed")
	}
}

// limits writes what the kernel is told.
func (u *unit) limits() {
	if u.Umask != nil {
		u.inService("UMask", fmt.Sprintf("%04o", *u.Umask))
	}
	if u.Nice != nil {
		u.inService("Nice", strconv.FormatInt(*u.Nice, 10))
	}
	if u.OOMScore != nil {
		u.inService("OOMScoreAdjust", strconv.FormatInt(*u.OOMScore, 10))
	}
	for _, l := range u.Limits {
		if l.Soft > l.Hard {
			u.refuse("limit "+l.Resource, "the soft limit is above the hard one")
			continue
		}
		u.inService("Limit"+strings.ToUpper(l.Resource), systemdLimit(l.Soft)+":"+systemdLimit(l.Hard))
	}
}

func systemdLimit(n uint64) string {
	if n == upstart.Unlimited {
		return "infinity"
	}
	return strconv.FormatUint(n, 10)
}
