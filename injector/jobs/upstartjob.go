package jobs

import (
	"errors"
	"path"
	"strings"

	"boothook/injector/jobs/upstart"
	"boothook/injector/plan"
	"boothook/injector/state"
	"boothook/injector/userdata"
)

const upstartDir = "/etc/init"

// bootHookEvent is emitted before every service of an upstart root.
const bootHookEvent = "ec2-boot-hook"

// upstartJob plans a job for a root that boots upstart as it is, and for
// another root in the words of its init. A job that upstart would reject, or
// that cannot be translated, is kept with the instance and will not run.
func (b *builder) upstartJob(part *userdata.Part) {
	name := part.Name
	if !strings.EqualFold(path.Ext(name), ".conf") {
		name += ".conf"
	}
	name, err := state.FileName(name)
	if err != nil || name == ".conf" {
		b.fail(part, 0, "its name cannot be a job's name, so the job is lost")
		return
	}
	body := userdata.UnixLines(part.Body)
	job, err := upstart.Parse(body)
	var rejected *upstart.Error
	if errors.As(err, &rejected) {
		b.fail(part, rejected.Line, "upstart rejects this job: "+rejected.Error())
		b.keep(part, name, body)
		return
	}
	for _, w := range job.Warnings() {
		b.warn(part, w.Line, w.Message)
	}
	id := name[:len(name)-len(".conf")]
	if b.Facts.Init != plan.Upstart {
		if !b.translated(part, id, job) {
			b.keep(part, name, body)
		}
		return
	}
	b.file(part, path.Join(upstartDir, name), body, 0o644)
	b.mounts(part, id, job)
	if waits, alone := startsOn(job.StartOn, bootHookEvent); waits {
		b.hooked = append(b.hooked, id)
		if !alone {
			b.warn(part, job.Line("start on"), bootHookEvent+" is emitted before anything else has happened; an event that is awaited with it holds the boot until it comes")
		}
	}
}

// networkInterface is ifupdown's job, which raises an interface as soon as
// udev has it, before the file systems are mounted.
const networkInterface = upstartDir + "/network-interface.conf"

// mountEvent is what older jobs call mountall's "mounted"; mountall does not.
const mountEvent = "mount"

// mountEmitter emits it. Nobody waits for the jobs on it, while those on
// "mounted" hold mountall until they have ended.
const mountEmitter = `# Written by boothook: emits ` + mountEvent + ` whenever mountall emits mounted.
description "mount for jobs of user-data"
start on mounted MOUNTPOINT=*
instance $MOUNTPOINT
task
exec initctl emit --no-wait ` + mountEvent + ` "MOUNTPOINT=$MOUNTPOINT"
`

// mounts sees to jobs that await the mounting of the root. One that awaits the
// network as well holds mountall until there is one; where networking starts
// behind mountall, that would be for ever, so there the job is given mount in
// the place of mounted.
func (b *builder) mounts(part *userdata.Part, id string, job *upstart.Job) {
	if named, _ := startsOn(job.StartOn, mountEvent); named {
		b.mount = true
	}
	mounted, enough := startsOn(job.StartOn, "mounted")
	up, alone := startsOn(job.StartOn, "net-device-up")
	if mounted && up && !enough && !alone && !b.Facts.Exists[networkInterface] {
		b.mount = true
		b.file(part, path.Join(upstartDir, id+".override"), []byte("start on "+unheld(job.StartOn).String()+"\n"), 0o644)
		b.warn(part, job.Line("start on"), "holds mountall until the network is up, which here comes later; it starts on mount instead of mounted and holds nothing")
	}
}

// unheld is an expression with mount in the place of mounted.
func unheld(e *upstart.Expr) *upstart.Expr {
	if e == nil {
		return nil
	}
	c := *e
	c.Left, c.Right = unheld(e.Left), unheld(e.Right)
	if c.Event == "mounted" {
		c.Event = mountEvent
	}
	return &c
}

// keep saves a job that cannot run.
func (b *builder) keep(part *userdata.Part, name string, body []byte) {
	target := path.Join(b.InstanceDir, "upstart", name)
	b.file(part, target, body, 0o644)
	b.fail(part, 0, "the job is saved as "+target+" and will not run")
}

// startsOn says whether an expression names an event, and whether that event
// alone makes it true.
func startsOn(e *upstart.Expr, event string) (named, alone bool) {
	if e == nil {
		return false, false
	}
	if e.Op == "" {
		return e.Event == event, e.Event == event
	}
	leftNamed, leftAlone := startsOn(e.Left, event)
	rightNamed, rightAlone := startsOn(e.Right, event)
	if e.Op == "or" {
		return leftNamed || rightNamed, leftAlone || rightAlone
	}
	return leftNamed || rightNamed, leftAlone && rightAlone
}

// hookDone is the barrier's flag. It is in /dev because a file in /run would
// be covered by the tmpfs that mountall mounts there.
const hookDone = "/dev/.boothook-done"

// hookPatience is how many tenths of a second the barrier waits at most: a
// boot that goes on late is better than one that does not.
const hookPatience = "6000"

// waiting is a shell's wait until the event is over.
const waiting = `	tenths=` + hookPatience + `
	while [ ! -e ` + hookDone + ` ] && [ $tenths -gt 0 ]; do
		sleep 0.1
		tenths=$((tenths - 1))
	done
`

// StartupEvent is what upstart is to begin with in the place of "startup", so
// that no other job knows of the boot until the event is over. It may be asked
// for (--startup-event, upstart 1.3) where StartupJob is in the root.
const (
	StartupEvent = "boothook-startup"
	StartupJob   = upstartDir + "/boothook-startup.conf"
)

// starter emits the event, and startup when it is over. The jobs on the event
// have ended, or run if they are services, when initctl returns. Whatever
// becomes of its process, upstart goes on with post-stop.
const starter = `# Written by boothook: emits ` + bootHookEvent + ` before every service, where init was given --startup-event.
description "ec2-boot-hook of user-data, and startup after it"
start on ` + StartupEvent + `
task
script
	(
		initctl emit ` + bootHookEvent + ` || true
		: >` + hookDone + `
	) &
` + waiting + `	: >` + hookDone + `
end script
post-stop exec initctl emit --no-wait startup
`

// emitter emits the event as soon as there is an init that was not given that.
const emitter = `# Written by boothook: emits ` + bootHookEvent + ` before every service.
description "ec2-boot-hook of user-data"
start on startup
task
script
	[ ! -e ` + hookDone + ` ] || exit 0
	initctl emit ` + bootHookEvent + ` || true
	: >` + hookDone + `
end script
`

// barrierText holds every other job until then. Each held job has an instance
// of its own, or only the first of them would be held. The jobs that start on
// the event, named in %s, must pass: held, they would never end the event.
const barrierText = `# Written by boothook: no job starts before those on ` + bootHookEvent + ` have ended.
description "holds jobs until ec2-boot-hook is over"
start on starting JOB!=boothook*
instance $JOB/$INSTANCE
task
console none
script
	case "$JOB" in
	'%s') exit 0 ;;
	esac
` + waiting + `end script
`

// events plans what emits the events that upstart itself does not know, on an
// upstart root where a job starts on them.
func (b *builder) events() {
	why := plan.Why{Part: "boothook", Key: mountEvent}
	if b.mount {
		b.step(&plan.Step{Kind: plan.File, Path: upstartDir + "/boothook-mount.conf", Body: []byte(mountEmitter), Mode: 0o644, Why: why})
	}
	if len(b.hooked) == 0 {
		return
	}
	why.Key = bootHookEvent
	barrier := strings.Replace(barrierText, "%s", strings.Join(b.hooked, "'|'"), 1)
	for _, job := range [...][2]string{
		{StartupJob, starter},
		{upstartDir + "/boothook-event.conf", emitter},
		{upstartDir + "/boothook-barrier.conf", barrier},
	} {
		b.step(&plan.Step{Kind: plan.File, Path: job[0], Body: []byte(job[1]), Mode: 0o644, Why: why})
	}
}
