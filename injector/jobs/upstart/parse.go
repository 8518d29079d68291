package upstart

import (
	"slices"
)

// MaxSize bounds a job file in bytes.
const MaxSize = 1 << 20

// Parse reads a job file. The error is an *Error; upstart then has no such
// job.
func Parse(file []byte) (*Job, error) {
	j := &Job{lines: map[string]int{}}
	if err := j.read(file); err != nil {
		return nil, err
	}
	return j, nil
}

// Override reads a NAME.override file on top of the job. After an error the
// stanzas before it have been applied, as in upstart.
func (j *Job) Override(file []byte) error { return j.read(file) }

func (j *Job) read(file []byte) error {
	r := &reader{file: string(file), line: 1}
	if len(file) > MaxSize {
		return r.fail(TooLarge)
	}
	p := &parser{reader: r, job: j}
	defer func() { j.warnings = append(j.warnings, r.warnings...) }()
	for r.pos < len(r.file) {
		for r.pos < len(r.file) && among(blanks, r.file[r.pos]) {
			r.pos++
		}
		if !r.hasToken() {
			if err := r.endLine(); err != nil {
				return err
			}
			continue
		}
		at := r.mark()
		name, err := r.word()
		if err != nil {
			return err
		}
		read := stanza(name)
		if read == nil {
			return r.failAt(UnknownStanza, mark{at.pos, r.line})
		}
		p.sub = ""
		if err := read(p); err != nil {
			return err
		}
		if p.sub != "" {
			name += " " + p.sub
		}
		j.lines[name] = at.line
	}
	return nil
}

// A parser fills a job stanza by stanza. sub is a stanza's second word.
type parser struct {
	*reader
	job *Job
	sub string
}

// stanza returns the reader of a stanza; these are all that upstart 1.13.2
// knows. They are matched exactly.
func stanza(name string) func(p *parser) error {
	switch name {
	case "description":
		return text(func(j *Job) *string { return &j.Description })
	case "author":
		return text(func(j *Job) *string { return &j.Author })
	case "version":
		return text(func(j *Job) *string { return &j.Version })
	case "usage":
		return text(func(j *Job) *string { return &j.Usage })
	case "instance":
		return text(func(j *Job) *string { return &j.Instance })
	case "chroot":
		return text(func(j *Job) *string { return &j.Chroot })
	case "chdir":
		return text(func(j *Job) *string { return &j.Chdir })
	case "setuid":
		return text(func(j *Job) *string { return &j.SetUID })
	case "setgid":
		return text(func(j *Job) *string { return &j.SetGID })
	case "expect":
		return choice(func(j *Job) *string { return &j.Expect }, "none", "stop", "daemon", "fork")
	case "console":
		return choice(func(j *Job) *string { return &j.Console }, "none", "log", "output", "owner")
	case "env":
		return (*parser).env
	case "export":
		return list(func(j *Job) *[]string { return &j.Export })
	case "emits":
		return list(func(j *Job) *[]string { return &j.Emits })
	case "start":
		return func(p *parser) error { return p.on(&p.job.StartOn) }
	case "stop":
		return func(p *parser) error { return p.on(&p.job.StopOn) }
	case "manual": // the line's end is not looked at, here and for debug
		return func(p *parser) error { p.job.StartOn = nil; return nil }
	case "debug":
		return func(p *parser) error { p.job.Debug = true; return nil }
	case "exec":
		return func(p *parser) error { return p.process(&p.job.Main, "exec") }
	case "script":
		return func(p *parser) error { return p.process(&p.job.Main, "script") }
	case "pre-start":
		return func(p *parser) error { return p.around(&p.job.PreStart) }
	case "post-start":
		return func(p *parser) error { return p.around(&p.job.PostStart) }
	case "pre-stop":
		return func(p *parser) error { return p.around(&p.job.PreStop) }
	case "post-stop":
		return func(p *parser) error { return p.around(&p.job.PostStop) }
	case "task":
		return func(p *parser) error { p.job.Task = true; return p.endLine() }
	}
	return setting(name)
}

// setting returns the reader of a stanza that sets a process's surroundings.
func setting(name string) func(p *parser) error {
	switch name {
	case "respawn":
		return (*parser).respawn
	case "normal":
		return (*parser).normal
	case "kill":
		return (*parser).kill
	case "reload":
		return (*parser).reload
	case "umask":
		return (*parser).umask
	case "nice":
		return (*parser).nice
	case "oom":
		return (*parser).oom
	case "limit":
		return (*parser).limit
	case "apparmor":
		return (*parser).apparmor
	case "cgroup":
		return (*parser).cgroup
	}
	return nil
}

// text is a stanza of one argument.
func text(field func(*Job) *string) func(*parser) error {
	return func(p *parser) error {
		s, err := p.argument()
		if err != nil {
			return err
		}
		*field(p.job) = s
		return p.endLine()
	}
}

// choice is a stanza of one argument out of few.
func choice(field func(*Job) *string, allowed ...string) func(*parser) error {
	return func(p *parser) error {
		at := p.mark()
		s, err := p.argument()
		if err != nil {
			return err
		}
		if !slices.Contains(allowed, s) {
			return p.failAt(UnknownStanza, at)
		}
		*field(p.job) = s
		return p.endLine()
	}
}

// list is a stanza of one or more arguments that adds to those before.
func list(field func(*Job) *[]string) func(*parser) error {
	return func(p *parser) error {
		for first := true; first || p.hasToken(); first = false {
			s, err := p.argument()
			if err != nil {
				return err
			}
			*field(p.job) = append(*field(p.job), s)
		}
		return p.endLine()
	}
}

// around reads a process that surrounds the main one.
func (p *parser) around(field **Process) error {
	at := p.mark()
	kind, err := p.word()
	if err != nil {
		return err
	}
	if kind != "exec" && kind != "script" {
		return p.failAt(UnknownStanza, at)
	}
	return p.process(field, kind)
}

// process reads a command or a script.
func (p *parser) process(field **Process, kind string) error {
	if kind == "exec" {
		text, raw, err := p.command()
		if err == nil {
			*field = &Process{Text: text, raw: raw}
		}
		return err
	}
	if err := p.endLine(); err != nil {
		return err
	}
	text, err := p.block("script")
	if err == nil {
		*field = &Process{Text: text, Script: true}
	}
	return err
}

func (p *parser) env() error {
	s, err := p.argument()
	if err != nil {
		return err
	}
	p.job.Env = append(p.job.Env, s)
	return p.endLine()
}

func (p *parser) on(field **Expr) error {
	if err := p.second("on"); err != nil {
		return err
	}
	e, err := p.expression()
	if err == nil {
		*field = e
	}
	return err
}

// second reads the second word of a stanza, one of those allowed.
func (p *parser) second(allowed ...string) error {
	at := p.mark()
	s, err := p.word()
	if err != nil {
		return err
	}
	if !slices.Contains(allowed, s) {
		return p.failAt(UnknownStanza, at)
	}
	p.sub = s
	return nil
}
