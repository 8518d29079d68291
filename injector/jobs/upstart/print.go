package upstart

import (
	"fmt"
	"strconv"
	"strings"
)

// Print writes a job file that Parse reads back as the same job. Comments
// and the order of stanzas are not kept.
func Print(j *Job) []byte {
	var w printer
	for _, t := range []struct{ name, value string }{
		{"description", j.Description}, {"author", j.Author}, {"version", j.Version}, {"usage", j.Usage},
	} {
		w.argument(t.name, t.value)
	}
	w.events("start on", j.StartOn)
	w.events("stop on", j.StopOn)
	w.argument("instance", j.Instance)
	for _, v := range j.Env {
		w.argument("env", v)
	}
	w.list("export", j.Export)
	w.list("emits", j.Emits)
	w.argument("expect", j.Expect)
	w.flag("task", j.Task)
	w.flag("respawn", j.Respawn)
	if l := j.RespawnLimit; l != nil {
		fmt.Fprintf(&w, "respawn limit %d %d\n", l.Count, l.Interval)
	}
	for _, n := range j.NormalExit {
		fmt.Fprintf(&w, "normal exit %d\n", n)
	}
	if j.KillSignal != nil {
		fmt.Fprintf(&w, "kill signal %d\n", *j.KillSignal)
	}
	w.number("kill timeout", j.KillTimeout, 10)
	if j.ReloadSignal != nil {
		fmt.Fprintf(&w, "reload signal %d\n", *j.ReloadSignal)
	}
	w.settings(j)
	w.process("pre-start ", j.PreStart)
	w.process("", j.Main)
	w.process("post-start ", j.PostStart)
	w.process("pre-stop ", j.PreStop)
	w.process("post-stop ", j.PostStop)
	w.flag("debug", j.Debug)
	return []byte(w.String())
}

type printer struct{ strings.Builder }

// settings writes what surrounds the processes.
func (w *printer) settings(j *Job) {
	w.argument("console", j.Console)
	w.number("umask", j.Umask, 8)
	w.number("nice", j.Nice, 10)
	w.number("oom score", j.OOMScore, 10)
	for _, l := range j.Limits {
		fmt.Fprintf(w, "limit %s %s %s\n", l.Resource, limitValue(l.Soft), limitValue(l.Hard))
	}
	w.argument("chroot", j.Chroot)
	w.argument("chdir", j.Chdir)
	w.argument("setuid", j.SetUID)
	w.argument("setgid", j.SetGID)
	w.argument("apparmor load", j.AppArmorLoad)
	w.argument("apparmor switch", j.AppArmorSwitch)
	for _, args := range j.CGroups {
		w.list("cgroup", args)
	}
}

func limitValue(n uint64) string {
	if n == Unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

func (w *printer) flag(name string, set bool) {
	if set {
		w.WriteString(name + "\n")
	}
}

func (w *printer) argument(name, value string) {
	if value != "" {
		w.WriteString(name + " " + quote(value) + "\n")
	}
}

func (w *printer) number(name string, n *int64, base int) {
	if n != nil {
		w.WriteString(name + " " + strconv.FormatInt(*n, base) + "\n")
	}
}

func (w *printer) list(name string, values []string) {
	if len(values) == 0 {
		return
	}
	w.WriteString(name)
	for _, v := range values {
		w.WriteString(" " + quote(v))
	}
	w.WriteString("\n")
}

func (w *printer) process(name string, p *Process) {
	switch {
	case p == nil:
	case p.Script:
		w.WriteString(name + "script\n" + p.Text + "end script\n")
	case p.raw != "":
		w.WriteString(name + "exec " + p.raw + "\n")
	default:
		w.WriteString(name + "exec " + p.Text + "\n")
	}
}

func (w *printer) events(name string, e *Expr) {
	if e != nil {
		w.WriteString(name + " ")
		w.expr(e)
		w.WriteString("\n")
	}
}

func (w *printer) expr(e *Expr) {
	if e.Op == "" {
		w.WriteString(quote(e.Event))
		for _, a := range e.Args {
			w.WriteString(" " + quote(a))
		}
		return
	}
	w.expr(e.Left)
	w.WriteString(" " + e.Op + " ")
	if e.Right.Op == "" {
		w.expr(e.Right)
		return
	}
	w.WriteString("(")
	w.expr(e.Right)
	w.WriteString(")")
}

// String writes the expression as in a job file.
func (e *Expr) String() string {
	var w printer
	w.expr(e)
	return w.String()
}

// quote writes an argument so that it is read back as it is.
func quote(s string) string {
	const special = blanks + endings + "()\"'\\\x00"
	if !strings.ContainsAny(s, special) && s != "and" && s != "or" {
		return s
	}
	var out strings.Builder
	var open byte
	for i := range len(s) {
		c := s[i]
		want := byte('"')
		if c == '"' {
			want = '\''
		}
		// A backslash must not come directly after a blank, or upstart
		// loses the blank: the quotes are closed and opened between them.
		afterBlank := c == '\\' && i > 0 && among(blanks, s[i-1])
		if open != 0 && (open != want && (c == '"' || c == '\'') || afterBlank) {
			out.WriteByte(open)
			open = 0
		}
		if open == 0 {
			open = want
			out.WriteByte(open)
		}
		out.WriteByte(c)
		if c == '\\' && escapes(s, i+1) {
			out.WriteByte('\\')
		}
	}
	out.WriteByte(open)
	return out.String()
}

// escapes says whether a backslash before s[i] would be read as an escape of
// it, and so has to be doubled.
func escapes(s string, i int) bool {
	return i >= len(s) || among(blanks, s[i]) || s[i] == '\\' || s[i] == '"' || s[i] == '\''
}
