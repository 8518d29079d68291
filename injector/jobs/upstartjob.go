package jobs

import (
	"bytes"
	"errors"
	"path"
	"strings"

	"boothook/injector/jobs/upstart"
	"boothook/injector/plan"
	"boothook/injector/state"
	"boothook/injector/userdata"
)

const upstartDir = "/etc/init"

// upstartJob plans a job for a root that boots upstart as it is, and for
// another root in the words of its init. A job that upstart would reject, or
// that cannot be translated, is kept with the instance and will not run.
func (b *builder) upstartJob(part *userdata.Part) {
	id, override, err := jobName(part.Name)
	if err != nil {
		b.fail(part, 0, "its name cannot be a job's name, so the job is lost")
		return
	}
	body := userdata.UnixLines(part.Body)
	if override {
		b.override(part, id, body)
		return
	}
	job, err := upstart.Parse(body)
	var rejected *upstart.Error
	if errors.As(err, &rejected) {
		b.reject(part, id+".conf", body, rejected.Line, "upstart rejects this job: "+rejected.Error())
		return
	}
	for _, w := range job.Warnings() {
		b.warn(part, w.Line, w.Message)
	}
	if b.Facts.Init == plan.Upstart {
		b.file(part, path.Join(upstartDir, id+".conf"), body, 0o644)
		b.mounts(part, id, job)
		return
	}
	for _, o := range b.overrides[id] {
		if err := job.Override(userdata.UnixLines(o.Body)); errors.As(err, &rejected) {
			b.fail(o, rejected.Line, "upstart rejects this override: "+rejected.Error())
		}
	}
	if !b.translated(part, id, job) {
		b.keep(part, id+".conf", body)
	}
}

// jobName gives a job's name by its part's, and whether the part overrides the
// job of that name (NAME.override) instead of being it.
func jobName(part string) (id string, override bool, err error) {
	ext := path.Ext(part)
	override = strings.EqualFold(ext, overrideExt)
	if override || strings.EqualFold(ext, ".conf") {
		part = part[:len(part)-len(ext)]
	}
	if part == "" {
		return "", false, errNoName
	}
	id, err = state.FileName(part)
	return id, override, err
}

const overrideExt = ".override"

var errNoName = errors.New("no name")

// maxInit bounds what is read of the root's init, in bytes.
const maxInit = 8 << 20

// override plans an override. Elsewhere than on an upstart root it is laid
// over the part that it is for, before that is translated.
func (b *builder) override(part *userdata.Part, id string, body []byte) {
	var rejected *upstart.Error
	if _, err := upstart.Parse(body); errors.As(err, &rejected) {
		b.reject(part, id+overrideExt, body, rejected.Line, "upstart rejects this override: "+rejected.Error())
		return
	}
	if b.Facts.Init == plan.Upstart {
		b.file(part, path.Join(upstartDir, id+overrideExt), body, 0o644)
		if b.Root == nil {
			return
		}
		if init, err := b.Root.ReadFileMax("/sbin/init", maxInit); err == nil && !bytes.Contains(init, []byte(overrideExt)) {
			b.fail(part, 0, "the root's upstart reads no overrides, which came with 1.3: put the whole job into a part "+id+".conf")
		}
		return
	}
	if !b.jobs[id] {
		b.fail(part, 0, "overrides the upstart job "+id+", which is not among the parts, and init here is "+string(b.Facts.Init)+": write a whole job, or what that init reads")
	}
}

// findJobs notes which jobs there will be and what overrides them, since the
// parts may come in any order.
func (b *builder) findJobs(parts []userdata.Part) {
	for i := range parts {
		p := &parts[i]
		if p.Type != userdata.TypeUpstartJob || p.Err != nil {
			continue
		}
		switch id, override, err := jobName(p.Name); {
		case err != nil:
		case override:
			b.overrides[id] = append(b.overrides[id], p)
		default:
			b.jobs[id] = true
		}
	}
}

// reject saves a job that upstart does not take, and says why.
func (b *builder) reject(part *userdata.Part, name string, body []byte, line int, why string) {
	target := path.Join(b.InstanceDir, "upstart", name)
	b.file(part, target, body, 0o644)
	b.fail(part, line, why+"; it is saved as "+target+" and will not run")
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
