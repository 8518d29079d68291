package upstart

import (
	"slices"
	"strings"
)

// Warnings names what upstart accepts and what then goes wrong.
func (j *Job) Warnings() []Warning {
	out := slices.Clone(j.warnings)
	if j.Task && j.Main == nil {
		out = append(out, Warning{j.Line("task"), "a task without a process never ends, and holds the event that started it for ever"})
	}
	for _, name := range variables(j.Instance) {
		if !j.mayKnow(name) {
			out = append(out, Warning{j.Line("instance"), "instance uses $" + name +
				", which no env stanza sets and no event of start on is known to carry: without it upstart stops telling other jobs of the event"})
		}
	}
	for _, e := range j.StartOn.Events() {
		for _, a := range e.Args {
			if _, value, _ := strings.Cut(a, "="); len(variables(value)) > 0 {
				out = append(out, Warning{e.Line, "a variable in start on never matches: there is no environment yet"})
			}
		}
	}
	for _, e := range slices.Concat(j.StartOn.Events(), j.StopOn.Events()) {
		for _, a := range append([]string{e.Event}, e.Args...) {
			if slices.Contains([]string{"AND", "OR", "&&", "||", "not", ","}, a) {
				out = append(out, Warning{e.Line, "\"" + a + "\" is no operator but a plain word; there are and, or and parentheses"})
			}
		}
	}
	if j.SetUID != "" && j.SetGID == "" {
		out = append(out, Warning{j.Line("setuid"), "setuid without setgid keeps group 0 among the groups"})
	}
	return out
}

// mayKnow says whether a variable can be there when the job starts. Of an
// event that upstart does not send itself any variable may come.
func (j *Job) mayKnow(name string) bool {
	for _, e := range j.Env {
		if key, _, _ := strings.Cut(e, "="); key == name {
			return true
		}
	}
	events := j.StartOn.Events()
	for _, e := range events {
		for _, a := range e.Args {
			if key, _, named := strings.Cut(a, "="); named && strings.TrimSuffix(key, "!") == name {
				return true
			}
		}
		known, ok := carried(e.Event)
		if !ok || slices.Contains(known, name) {
			return true
		}
	}
	return len(events) == 0 || slices.Contains([]string{"TERM", "PATH", "UPSTART_EVENTS"}, name)
}

// carried lists the variables of the events that init itself sends.
func carried(event string) ([]string, bool) {
	switch event {
	case "startup", "control-alt-delete", "keyboard-request", "power-status-changed":
		return nil, true
	case "runlevel":
		return []string{"RUNLEVEL", "PREVLEVEL", "INIT_HALT"}, true
	}
	return nil, false
}

// variables lists the names in a text's $NAME and ${NAME…}.
func variables(s string) []string {
	var out []string
	for i := 0; i+1 < len(s); i++ {
		if s[i] != '$' {
			continue
		}
		rest := s[i+1:]
		rest = strings.TrimPrefix(rest, "{")
		n := 0
		for n < len(rest) && (rest[n] == '_' || 'a' <= rest[n] && rest[n] <= 'z' || 'A' <= rest[n] && rest[n] <= 'Z' || n > 0 && '0' <= rest[n] && rest[n] <= '9') {
			n++
		}
		after := strings.TrimPrefix(rest[n:], ":")
		if n > 0 && !(strings.HasPrefix(s[i+1:], "{") && (strings.HasPrefix(after, "-") || strings.HasPrefix(after, "+"))) {
			out = append(out, rest[:n])
		}
	}
	return out
}
