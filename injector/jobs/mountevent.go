package jobs

import (
	"path"

	"boothook/injector/jobs/upstart"
	"boothook/injector/plan"
	"boothook/injector/userdata"
)

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

// planMountEvent plans what emits mount, where a job of user-data starts on it,
// whether it came as a part or was written.
func (b *builder) planMountEvent(jobs []rootJob) {
	for i := range jobs {
		if named, _ := startsOn(jobs[i].job.StartOn, mountEvent); named && jobs[i].step != nil {
			b.mount = true
		}
	}
	if b.mount {
		b.step(&plan.Step{Kind: plan.File, Path: upstartDir + "/boothook-mount.conf", Body: []byte(mountEmitter), Mode: 0o644,
			Why: plan.Why{Part: "boothook", Key: mountEvent}})
	}
}
