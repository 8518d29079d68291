package jobs

import (
	"errors"
	"path"
	"slices"
	"sort"
	"strings"

	"boothook/injector/jobs/upstart"
	"boothook/injector/plan"
	"boothook/injector/userdata"
)

// A task is one upstart job on its way to another init: the job, when it is
// to run, and what has been refused of it so far.
type task struct {
	*upstart.Job
	name string
	when []anchor
	// brought are the variables that the events carry.
	brought []string
	endWith []string
	// debian says that a root without systemd has Debian's init scripts.
	debian bool
	// cancels says that pre-start may call off the start.
	cancels bool
	refused []refusal
}

func (t *task) refuse(stanza, reason string) {
	t.refused = append(t.refused, refusal{stanza, t.Line(stanza), reason})
}

// A renderer writes a task for one init: its files, or refusals.
type renderer func(t *task) []plan.Step

// renderers is the table of the inits that upstart jobs are translated for.
func rendererFor(init plan.Init) renderer {
	switch init {
	case plan.Systemd:
		return renderSystemd
	case plan.OpenRC:
		return renderOpenRC
	case plan.Sysvinit:
		return renderSysvinit
	case plan.Runit:
		return renderRunit
	}
	return nil
}

// scriptDir holds the shell parts of translated jobs. It is on the root file
// system, where an early job finds it.
const scriptDir = "/etc/boothook/jobs"

// newTask translates what is the same for every init.
func newTask(name string, job *upstart.Job) *task {
	t := &task{Job: job, name: name}
	when, err := anchors(job.StartOn)
	if err != nil {
		t.take(err)
	}
	for _, a := range when {
		t.brought = append(t.brought, a.env...)
	}
	t.when = latest(when)
	if t.endWith, err = stops(job.StopOn); err != nil {
		t.take(err)
	}
	if job.Task && job.Main == nil {
		t.refuse("task", "a task without a process never ends")
	}
	if job.Instance != "" && strings.Contains(job.Instance, "$") {
		t.refuse("instance", "instances that an event names cannot be expressed")
	}
	if job.Expect == "stop" {
		t.refuse("expect", "no other init waits for a process to stop itself")
	}
	if len(job.CGroups) > 0 {
		t.refuse("cgroup", "there is no cgroup manager of upstart's")
	}
	for _, p := range processes(job) {
		word, stops := needsUpstart(p.process)
		if stops && p.stanza == "pre-start" {
			t.cancels, stops = true, false
		}
		if word == "" && stops {
			word = "stop"
		}
		if word != "" {
			stanza := p.stanza
			if stanza == "" {
				stanza = "exec"
				if p.process.Script {
					stanza = "script"
				}
			}
			t.refuse(stanza, "uses "+word+", which is upstart's")
		}
	}
	return t
}

// latest leaves out the moments that have come anyway when the others have:
// a job that awaits the file systems and the network awaits the network.
func latest(when []anchor) []anchor {
	later := func(than moment) bool {
		return slices.ContainsFunc(when, func(a anchor) bool { return a.moment > than })
	}
	return slices.DeleteFunc(slices.Clone(when), func(a anchor) bool {
		return (a.moment == early || a.moment == filesystems) && later(a.moment)
	})
}

func (t *task) take(err error) {
	var r refusal
	if errors.As(err, &r) {
		t.refused = append(t.refused, r)
	}
}

// environment is what the job's processes find set, but for PATH.
func (t *task) environment() []string {
	env := []string{"UPSTART_JOB=" + t.name, "UPSTART_INSTANCE=" + t.Instance}
	for _, e := range t.Env {
		if strings.Contains(e, "=") {
			env = append(env, e)
		}
	}
	var events []string
	for _, e := range t.StartOn.Events() {
		events = append(events, e.Event)
	}
	env = append(env, t.brought...)
	if len(events) > 0 {
		env = append(env, "UPSTART_EVENTS="+strings.Join(events, " "))
	}
	return env
}

// upstartPath is the PATH that upstart gives its jobs.
const upstartPath = "/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/sbin:/bin"

// A namedProcess is a process and the stanza it comes from; "" for the main.
type namedProcess struct {
	stanza  string
	process *upstart.Process
}

func processes(j *upstart.Job) []namedProcess {
	return []namedProcess{{"", j.Main}, {"pre-start", j.PreStart}, {"post-start", j.PostStart}, {"pre-stop", j.PreStop}, {"post-stop", j.PostStop}}
}

// scripts plans the files that hold the shell parts, for the processes that
// need one, and tells where each is.
func (t *task) scripts() (steps []plan.Step, where map[string]string) {
	where = map[string]string{}
	for _, p := range processes(t.Job) {
		if p.process == nil || simple(p.process) {
			continue
		}
		stanza := p.stanza
		if stanza == "" {
			stanza = "main"
		}
		where[p.stanza] = path.Join(scriptDir, t.name, stanza)
		steps = append(steps, plan.Step{Kind: plan.File, Path: where[p.stanza], Body: []byte(scriptOf(p.process)), Mode: 0o755})
	}
	return steps, where
}

// translated plans an upstart job for a root that boots another init. All of
// it works as written, or nothing is written and every obstacle is named.
func (b *builder) translated(part *userdata.Part, name string, job *upstart.Job) bool {
	render := rendererFor(b.Facts.Init)
	if render == nil {
		b.fail(part, 0, "an upstart job, and jobs cannot be translated for init "+string(b.Facts.Init))
		return false
	}
	t := newTask(strings.ReplaceAll(name, "/", "_"), job)
	t.debian = b.Facts.Exists[debianScript]
	steps := render(t)
	// Package sort and not slices: the agent pays for every type it sorts.
	sort.SliceStable(t.refused, func(i, j int) bool {
		a, c := t.refused[i], t.refused[j]
		return a.line < c.line || a.line == c.line && a.stanza < c.stanza
	})
	for _, r := range t.refused {
		b.fail(part, r.line, "cannot be translated for "+string(b.Facts.Init)+": "+r.Error())
	}
	if len(t.refused) > 0 {
		return false
	}
	if len(job.Export) > 0 {
		b.warn(part, job.Line("export"), "export: there is no event to carry the variables")
	}
	for _, s := range steps {
		s.Why = plan.Why{Part: part.Name, Origin: part.Origin}
		b.step(&s)
	}
	return true
}
