package jobs

import (
	"strings"

	"boothook/injector/plan"
)

// runitDefault is the directory of the services that runit keeps running,
// on Debian and Void alike.
const runitDefault = "/etc/runit/runsvdir/default/"

// awaitOthers waits until every other service is up, or has had its time.
const awaitOthers = `self=${PWD##*/}
set --
for service in ../*; do
	[ "${service##*/}" = "$self" ] || set -- "$@" "$service"
done
sv -w 7 check "$@" >/dev/null 2>&1
`

// renderRunit writes a service directory. runit starts all services at once
// and starts again whatever ends: one that is to end says so in its finish
// script. Only what comes before all services has an order, by /etc/rcS.d.
func renderRunit(t *task) []plan.Step {
	t.refuseUnitsOnly()
	if t.Main == nil {
		return nil
	}
	if t.Respawn && (t.RespawnLimit == nil || t.RespawnLimit.Count != 0 && t.RespawnLimit.Interval != 0) {
		t.refuse("respawn", "runit starts again without a limit; say \"respawn limit unlimited\"")
	}
	if t.Expect == "fork" || t.Expect == "daemon" {
		t.refuse("expect", "the process behind a fork cannot be found")
	}
	prefix := ""
	if t.SetUID == "" && t.SetGID != "" {
		t.refuse("setgid", "a group without a user cannot be expressed")
	} else if user := t.owner(); user != "" {
		prefix = "chpst -u " + quoteWords([]string{user}) + " "
	}
	file, step := t.wrap("main", t.Main, prefix)
	steps := []plan.Step{step}
	if len(t.when) == 1 && (t.when[0].moment <= filesystems || t.when[0].moment == before) {
		return append(steps, t.runitBoot(file)...)
	}
	run, finish := "#!/bin/sh\n", ""
	for _, a := range t.when {
		switch a.moment {
		case services, allFilesystems:
		case late:
			run += awaitOthers
		case after:
			run += "sv check " + quoteWords([]string{a.name}) + " >/dev/null || exit 1\n"
		default:
			t.refuse("start on", "runit starts services without an order and does not know this event")
		}
	}
	if t.PreStart != nil {
		before, step := t.wrap("pre-start", t.PreStart, prefix)
		steps = append(steps, step)
		run += "/bin/sh " + before + " || { sv down \"$PWD\"; exit 1; }\n"
	}
	run += "exec /bin/sh " + file + "\n"
	if t.PostStop != nil {
		behind, step := t.wrap("post-stop", t.PostStop, prefix)
		steps = append(steps, step)
		finish += "/bin/sh " + behind + "\n"
	}
	if !t.Respawn {
		finish += "exec sv down \"$PWD\"\n"
	}
	dir := "/etc/sv/" + t.name
	steps = append(steps, plan.Step{Kind: plan.File, Path: dir + "/run", Body: []byte(run), Mode: 0o755})
	if finish != "" {
		steps = append(steps, plan.Step{Kind: plan.File, Path: dir + "/finish", Body: []byte("#!/bin/sh\n" + finish), Mode: 0o755})
	}
	if len(t.when) > 0 {
		steps = append(steps, plan.Step{Kind: plan.Link, Path: runitDefault + t.name, Target: dir})
	}
	return steps
}

// runitBoot runs a task in stage 1, where Debian's runit runs /etc/rcS.d. What
// is to come before one service comes before all, since they start at once.
func (t *task) runitBoot(file string) []plan.Step {
	if !t.Task || t.PreStart != nil || t.PostStop != nil {
		t.refuse("start on", "only a plain task can run before runit's services")
	}
	at := t.sysvPlace()
	if !at.boot {
		at.boot, at.number = true, "S99"
	}
	script := "/etc/init.d/" + t.name
	return []plan.Step{
		{Kind: plan.File, Path: script, Mode: 0o755, Body: []byte(initScript(t, at, "/bin/sh "+file, ":"))},
		{Kind: plan.Link, Path: "/etc/rcS.d/" + at.number + t.name, Target: strings.Replace(script, "/etc/", "../", 1)},
	}
}
