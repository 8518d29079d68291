package upstart

import (
	"slices"
	"strconv"
	"strings"
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

func (p *parser) respawn() error {
	if !p.hasToken() {
		p.job.Respawn = true
		return p.endLine()
	}
	if err := p.second("limit"); err != nil {
		return err
	}
	at := p.mark()
	s, err := p.argument()
	if err != nil {
		return err
	}
	limit := RespawnLimit{}
	if s != "unlimited" {
		n, ok := parseLong(s)
		// upstart keeps an int, which the number is cut down to.
		if limit.Count = int32(n); !ok || limit.Count < 0 {
			return p.failAt(IllegalLimit, at)
		}
		if limit.Interval, err = p.long(IllegalInterval, 0, 1<<63-1); err != nil {
			return err
		}
	}
	p.job.RespawnLimit = &limit
	return p.endLine()
}

// long reads one argument as C's strtol does, and its range.
func (p *parser) long(kind Kind, low, high int64) (int64, error) {
	at := p.mark()
	s, err := p.argument()
	if err != nil {
		return 0, err
	}
	n, ok := parseLong(s)
	if !ok || n < low || n > high {
		return 0, p.failAt(kind, at)
	}
	return n, nil
}

func (p *parser) normal() error {
	if err := p.second("exit"); err != nil {
		return err
	}
	for first := true; first || p.hasToken(); first = false {
		at := p.mark()
		s, err := p.argument()
		if err != nil {
			return err
		}
		status, ok := parseSignal(s)
		if !ok {
			return p.failAt(IllegalExit, at)
		}
		if signals[strings.TrimPrefix(s, "SIG")] != 0 {
			status <<= 8
		}
		p.job.NormalExit = append(p.job.NormalExit, status)
	}
	return p.endLine()
}

func (p *parser) kill() error {
	if err := p.second("timeout", "signal"); err != nil {
		return err
	}
	if p.sub == "signal" {
		return p.signal(&p.job.KillSignal)
	}
	n, err := p.long(IllegalInterval, 0, 1<<63-1)
	if err != nil {
		return err
	}
	p.job.KillTimeout = &n
	return p.endLine()
}

func (p *parser) reload() error {
	if err := p.second("signal"); err != nil {
		return err
	}
	return p.signal(&p.job.ReloadSignal)
}

func (p *parser) signal(field **int) error {
	at := p.mark()
	s, err := p.argument()
	if err != nil {
		return err
	}
	n, ok := parseSignal(s)
	if !ok {
		return p.failAt(IllegalSignal, at)
	}
	*field = &n
	return p.endLine()
}

func (p *parser) umask() error {
	at := p.mark()
	s, err := p.argument()
	if err != nil {
		return err
	}
	n, ok := parseUnsigned(s, 8)
	if !ok || n > 0o777 {
		return p.failAt(IllegalUmask, at)
	}
	mask := int64(n)
	p.job.Umask = &mask
	return p.endLine()
}

func (p *parser) nice() error {
	n, err := p.long(IllegalNice, -20, 19)
	if err != nil {
		return err
	}
	p.job.Nice = &n
	return p.endLine()
}

func (p *parser) oom() error {
	at := p.mark()
	s, err := p.argument()
	if err != nil {
		return err
	}
	low, high, kind := int64(-17), int64(15), IllegalOOM
	score := s == "score"
	if score {
		low, high, kind = -1000, 1000, IllegalOOMScore
		at = p.mark()
		if s, err = p.argument(); err != nil {
			return err
		}
	}
	n, ok := parseLong(s)
	switch {
	case s == "never":
		n = -1000
	case !ok || n < low || n > high:
		return p.failAt(kind, at)
	case !score && n < 0:
		n = n * 1000 / 17 // the old scale, as upstart converts it
	case !score:
		n = n * 1000 / 15
	}
	p.job.OOMScore = &n
	return p.endLine()
}

// resources are what limit can be about.
var resources = []string{"as", "core", "cpu", "data", "fsize", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "sigpending", "stack"}

func (p *parser) limit() error {
	at := p.mark()
	name, err := p.argument()
	if err != nil {
		return err
	}
	if !slices.Contains(resources, name) {
		return p.failAt(UnknownStanza, at)
	}
	l := Limit{Resource: name}
	for _, value := range []*uint64{&l.Soft, &l.Hard} {
		at := p.mark()
		s, err := p.argument()
		if err != nil {
			return err
		}
		n, ok := parseUnsigned(s, 10)
		if s == "unlimited" {
			n, ok = Unlimited, true
		}
		if !ok {
			return p.failAt(IllegalLimit, at)
		}
		*value = n
	}
	p.job.Limits = slices.DeleteFunc(p.job.Limits, func(o Limit) bool { return o.Resource == name })
	p.job.Limits = append(p.job.Limits, l)
	p.sub = name
	return p.endLine()
}

func (p *parser) apparmor() error {
	if err := p.second("load", "switch"); err != nil {
		return err
	}
	s, err := p.argument()
	if err != nil {
		return err
	}
	if p.sub == "load" {
		p.job.AppArmorLoad = s
	} else {
		p.job.AppArmorSwitch = s
	}
	return p.endLine()
}

func (p *parser) cgroup() error {
	const most = 4
	var args []string
	for first := true; first || p.hasToken() && len(args) < most; first = false {
		s, err := p.argument()
		if err != nil {
			return err
		}
		args = append(args, s)
	}
	if err := p.endLine(); err != nil {
		return err
	}
	p.job.CGroups = append(p.job.CGroups, args)
	return nil
}

// signals are those that upstart knows by name.
var signals = map[string]int{
	"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "IOT": 6, "BUS": 7, "FPE": 8, "KILL": 9,
	"USR1": 10, "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CLD": 17,
	"CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21, "TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26,
	"PROF": 27, "WINCH": 28, "IO": 29, "POLL": 29, "PWR": 30, "SYS": 31,
}

// parseSignal reads NAME, SIGNAME or a number that fits an int.
func parseSignal(s string) (int, bool) {
	if n := signals[strings.TrimPrefix(s, "SIG")]; n != 0 {
		return n, true
	}
	n, ok := parseUnsigned(s, 10)
	return int(n), ok && n <= 1<<31-1
}

// parseLong is strtol in base 10, all of the text taken.
func parseLong(s string) (int64, bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	if i := strings.TrimLeft(s, "+-"); len(s)-len(i) > 1 || i == "" || !digitsOf(i, 10) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// parseUnsigned is strtoul: a minus sign wraps around.
func parseUnsigned(s string, base int) (uint64, bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	minus := strings.HasPrefix(s, "-")
	digits := s
	if minus || strings.HasPrefix(s, "+") {
		digits = s[1:]
	}
	if digits == "" || !digitsOf(digits, base) {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if minus {
		n = -n
	}
	return n, err == nil
}

// digitsOf keeps out what strconv takes and C does not, such as "_".
func digitsOf(s string, base int) bool {
	for i := range len(s) {
		if s[i] < '0' || int(s[i]-'0') >= base {
			return false
		}
	}
	return true
}
