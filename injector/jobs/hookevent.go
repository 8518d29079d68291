package jobs

import (
	"path"
	"slices"
	"sort"
	"strings"

	"boothook/injector/jobs/upstart"
	"boothook/injector/plan"
	"boothook/netboot/instance"
)

// bootHookEvent is emitted before every service of an upstart root.
const bootHookEvent = "ec2-boot-hook"

const (
	// hookDone is the file that says that the event is over. It is in /dev
	// because a file in /run would be covered by the tmpfs that mountall
	// mounts there.
	hookDone = "/dev/.boothook-done"
	// hookSeconds is how long the event may take, in seconds by the clock of
	// /proc/uptime: a boot that goes on late is better than one that does not.
	hookSeconds = "600"
)

// waiting is a shell's wait until the event is over. Where /proc is not there
// yet each round counts as a second, so that the wait ends in any case. The
// first whose time is up says that the event is over: a job that is about to
// start after that must not be held for as long again.
const waiting = `	now() { read -r up rest </proc/uptime && now=${up%%.*} || now=$((now + 1)); } 2>/dev/null
	now=0
	now
	end=$((now + ` + hookSeconds + `))
	while [ ! -e ` + hookDone + ` ] && [ "$now" -lt "$end" ]; do
		sleep 0.1
		now
	done
	[ -e ` + hookDone + ` ] || echo "boothook: the jobs on ` + bootHookEvent + ` have not ended in ` + hookSeconds + ` s, so the boot goes on beside them" >/dev/kmsg || true
	: >` + hookDone + `
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
description "ec2-boot-hook, and startup after it"
start on ` + StartupEvent + `
task
script
	(
		initctl emit ` + bootHookEvent + ` || true
		: >` + hookDone + `
	) &
` + waiting + `end script
post-stop exec initctl emit --no-wait startup
`

// emitter emits the event as soon as there is an init that was not given that.
const emitter = `# Written by boothook: emits ` + bootHookEvent + ` before every service.
description "ec2-boot-hook"
start on startup
task
script
	[ ! -e ` + hookDone + ` ] || exit 0
	initctl emit ` + bootHookEvent + ` || true
	: >` + hookDone + `
end script
`

// barrier holds the jobs that the boot begins with until the event is over:
// those on startup, and those on "starting" of one of them. Everything else
// starts behind one of these, or because a job on the event wanted it, and must
// not be held then: the event would wait for it. So must jobs on the event
// itself not be held, nor what starts with them. Which job is which the barrier
// reads from the job's own files when it is about to start, because jobs may
// have come since the plan was made. Each held job has an instance of the
// barrier of its own, or only the first of them would be held.
const barrier = `# Written by boothook: no job starts before those on ` + bootHookEvent + ` have ended.
description "holds jobs until ec2-boot-hook is over"
start on starting JOB!=boothook*
instance $JOB/$INSTANCE
task
console none
script
	[ ! -e ` + hookDone + ` ] || exit 0
	set +e -f
	# What the job $1 starts on: a line for each event, with its first argument.
	# An override replaces what the job itself says.
	events() {
		for file in "/etc/init/$1.override" "/etc/init/$1.conf"; do
			[ -f "$file" ] || continue
			found=$(sed -e '/^[[:space:]]*\(p[a-z]*-[a-z]*[[:space:]][[:space:]]*\)\{0,1\}script[[:space:]]*\(#.*\)\{0,1\}$/,/^[[:space:]]*end[[:space:]][[:space:]]*script/d' \
				-e 's/#.*//' -e "s/[\"']//g" -e 's/[()]/ & /g' "$file" | {
				said= text= open=0 inside=
				while read -r line; do
					more=
					case $line in *\\) more=1 line=${line%\\} ;; esac
					set -- $line
					if [ -z "$inside" ]; then
						[ "$1" != manual ] || { said=1 text=; }
						[ "$1 $2" = 'start on' ] || continue
						shift 2
						said=1 text= open=0
					fi
					for word; do
						case $word in '(') open=$((open + 1)) ;; ')') open=$((open - 1)) ;; esac
						text="$text $word"
					done
					inside=$more
					[ "$open" -le 0 ] || inside=1
				done
				[ -z "$said" ] || echo "said $text"
			})
			[ -n "$found" ] || continue
			set -- ${found#said} and
			event= argument=
			for word; do
				case $word in
				'(' | ')') ;;
				and | or)
					[ -z "$event" ] || echo "$event ${argument:--}"
					event= argument=
					;;
				*)
					if [ -z "$event" ]; then event=$word; elif [ -z "$argument" ]; then argument=${word#JOB=}; fi
					;;
				esac
			done
			return
		done
	}
	# Whether the job $1 starts with the event: on it, or with a job on it.
	passes() (
		[ "$2" -lt 8 ] || exit 1
		events "$1" | while read -r event argument; do
			case $event in
			` + bootHookEvent + `) exit 3 ;;
			starting | started | stopping | stopped) ! passes "$argument" $(($2 + 1)) || exit 3 ;;
			esac
		done
		[ $? -eq 3 ]
	)
	# Whether the job $1 starts with the boot: on startup, or before a job that does.
	begins() (
		[ "$2" -lt 8 ] || exit 1
		events "$1" | while read -r event argument; do
			case $event in
			startup) exit 3 ;;
			starting) ! begins "$argument" $(($2 + 1)) || exit 3 ;;
			esac
		done
		[ $? -eq 3 ]
	)
	! passes "$JOB" 0 || exit 0
	begins "$JOB" 0 || exit 0
` + waiting + `end script
`

const (
	// maxRootJobs bounds the files of /etc/init that are read, and
	// maxJobDepth how deep its directories are looked into.
	maxRootJobs = 4096
	maxJobDepth = 8
)

// A rootJob is a job as the root will have it.
type rootJob struct {
	name string
	job  *upstart.Job
	// body is what its script and the processes around it are looked for in.
	body string
	// step is what writes it; nil for a job of the image.
	step *plan.Step
}

// rootJobs gives the jobs that the root will have: those that lie in it, with
// their overrides, and those that steps write. What upstart rejects is none.
func (b *builder) rootJobs() []rootJob {
	files := map[string]*plan.Step{}
	bodies := map[string][]byte{}
	if b.Root != nil {
		b.readJobs(bodies, "", 0)
	}
	for _, steps := range [...][]plan.Step{b.Planned, b.result.Steps} {
		for i := range steps {
			s := &steps[i]
			name, below := strings.CutPrefix(s.Path, upstartDir+"/")
			if !below {
				continue
			}
			switch {
			case s.Kind == plan.Remove:
				delete(bodies, name)
			case s.Kind == plan.File && s.Append:
				bodies[name], files[name] = slices.Concat(bodies[name], s.Body), s
			case s.Kind == plan.File:
				bodies[name], files[name] = s.Body, s
			}
		}
	}
	var jobs []rootJob
	for name, body := range bodies {
		id, isJob := strings.CutSuffix(name, ".conf")
		if !isJob || id == "" || strings.HasPrefix(id, "boothook-") {
			continue
		}
		job, err := upstart.Parse(body)
		if err != nil {
			continue
		}
		if over := bodies[id+".override"]; len(over) > 0 {
			_ = job.Override(over) // what stands before an error counts, as in upstart
			body = slices.Concat(body, []byte("\n"), over)
		}
		jobs = append(jobs, rootJob{id, job, string(body), files[name]})
	}
	// slices.SortFunc would be made once more for this type: 17 KB of the agent.
	sort.Slice(jobs, func(i, k int) bool { return jobs[i].name < jobs[k].name })
	return jobs
}

// readJobs reads the files of a directory below /etc/init, and of those in it.
func (b *builder) readJobs(bodies map[string][]byte, dir string, depth int) {
	names, err := b.Root.ReadDir(path.Join(upstartDir, dir))
	if err != nil || depth > maxJobDepth {
		return
	}
	for _, name := range names {
		name = path.Join(dir, name)
		if ext := path.Ext(name); ext != ".conf" && ext != ".override" {
			if !strings.HasPrefix(path.Base(name), ".") {
				b.readJobs(bodies, name, depth+1)
			}
			continue
		}
		if len(bodies) == maxRootJobs {
			return
		}
		if body, err := b.Root.ReadFileMax(path.Join(upstartDir, name), upstart.MaxSize); err == nil {
			bodies[name] = body
		}
	}
}

// emits says that a job emits the event itself.
func (j *rootJob) emits() bool {
	for line := range strings.Lines(j.body) {
		line, _, _ = strings.Cut(line, "#")
		_, arguments, called := strings.Cut(line, "initctl emit ")
		if !called {
			continue
		}
		for _, word := range strings.Fields(arguments) {
			if strings.HasPrefix(word, "-") {
				continue
			}
			if strings.Trim(word, `"';`) == bootHookEvent {
				return true
			}
			break
		}
	}
	return false
}

// problem is a warning about a job of the root, with the line of a stanza.
func (j *rootJob) problem(stanza, message string) instance.Problem {
	p := instance.Problem{Origin: path.Join(upstartDir, j.name+".conf"), Line: j.job.Line(stanza), Message: message, Warning: true}
	if j.step != nil {
		p.Origin, p.Part = j.step.Why.Origin, j.step.Why.Part
		if j.step.Why.Line > 0 { // the job's own lines are not the document's
			p.Line = j.step.Why.Line
		}
	}
	return p
}

// planHookEvent plans what emits ec2-boot-hook before everything else, on an
// upstart root in which a job starts on it, whoever brought that job. Where a
// job emits the event itself, as Ubuntu's specification of it has it, that is
// left to that job, or the jobs on the event would run twice in a boot.
func (b *builder) planHookEvent(jobs []rootJob) {
	listened := false
	var emitters []rootJob
	for _, j := range jobs {
		if j.emits() {
			emitters = append(emitters, j)
		}
		named, alone := startsOn(j.job.StartOn, bootHookEvent)
		if !named {
			continue
		}
		listened = true
		if !alone {
			b.result.Problems = append(b.result.Problems, j.problem("start on",
				bootHookEvent+" is emitted before anything else has happened; an event that is awaited with it holds the boot until it comes"))
		}
	}
	if !listened {
		return
	}
	for _, j := range emitters {
		b.result.Problems = append(b.result.Problems, j.problem("start on",
			"emits "+bootHookEvent+" itself, so it is not emitted before every service: the jobs on it begin when this one says so; without it they would begin first of all"))
	}
	if len(emitters) > 0 {
		return
	}
	why := plan.Why{Part: "boothook", Key: bootHookEvent}
	for _, job := range [...][2]string{
		{StartupJob, starter},
		{upstartDir + "/boothook-event.conf", emitter},
		{upstartDir + "/boothook-barrier.conf", barrier},
	} {
		b.step(&plan.Step{Kind: plan.File, Path: job[0], Body: []byte(job[1]), Mode: 0o644, Why: why})
	}
}
