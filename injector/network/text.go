package network

import (
	"strings"

	"boothook/injector/plan"
)

const heading = "# Written by boothook from network-config.\n"

// A text is a configuration file being written line by line.
type text struct{ strings.Builder }

func (t *text) line(parts ...string) {
	for _, p := range parts {
		t.WriteString(p)
	}
	t.WriteByte('\n')
}

// set writes a setting, unless it has no value.
func (t *text) set(before, value string) {
	if value != "" {
		t.line(before, value)
	}
}

// step is the plan's step that writes the text.
func (t *text) step(path string, mode uint32) plan.Step {
	return plan.Step{Kind: plan.File, Path: path, Body: []byte(t.String()), Mode: mode}
}

// An ini is a file of sections with KEY=VALUE lines, as systemd and
// NetworkManager read it.
type ini struct{ sections []section }

type section struct {
	name  string
	lines []string
}

// begin starts a section of a name that may be there already.
func (f *ini) begin(name string) { f.sections = append(f.sections, section{name: name}) }

// set writes a setting into the last section of a name; nothing where there is
// no value.
func (f *ini) set(name, key, value string) {
	if value == "" {
		return
	}
	at := -1
	for i := range f.sections {
		if f.sections[i].name == name {
			at = i
		}
	}
	if at < 0 {
		f.begin(name)
		at = len(f.sections) - 1
	}
	f.sections[at].lines = append(f.sections[at].lines, key+"="+value)
}

func (f *ini) step(path string, mode uint32) plan.Step {
	t := text{}
	t.WriteString(heading)
	for _, s := range f.sections {
		if len(s.lines) == 0 {
			continue
		}
		t.line("\n[", s.name, "]")
		for _, l := range s.lines {
			t.line(l)
		}
	}
	return t.step(path, mode)
}

// settings writes what is said by a table with lines "FILE KEY SECTION NAME",
// of which FILE must be the one given. What may follow changes the value: "!"
// is the opposite, "ms" a unit, "yn" yes and no, "onoff" on and off, "01"
// numbers, "," and ";" other separators of a list, FROM=TO another word.
func (f *ini) settings(table, file string, said mentions) {
	translate(table, file, said, func(where, name, value string) { f.set(where, name, value) })
}

// translate calls set for each line of such a table of which something is said.
func translate(table, file string, said mentions, set func(where, name, value string)) {
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, file) || line[len(file)] != ' ' {
			continue
		}
		w := strings.Fields(line)
		value := said.get(w[1])
		if value == "" {
			continue
		}
		for _, how := range w[4:] {
			value = changed(value, how)
		}
		set(w[2], w[3], value)
	}
}

// either is what Go has no operator for.
func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// oneOf gives what stands behind KEY= in a text of such words; empty for none.
func oneOf(words, key string) string {
	for w := range strings.FieldsSeq(words) {
		if name, value, _ := strings.Cut(w, "="); name == key {
			return value
		}
	}
	return ""
}

func changed(value, how string) string {
	from, to, word := strings.Cut(how, "=")
	switch {
	case word && value == from:
		return to
	case word:
	case how == "!":
		return either(value == "true", "false", "true")
	case how == "ms":
		return value + "ms"
	case how == "," || how == ";":
		return strings.ReplaceAll(value, " ", how)
	case value == "true":
		return oneOf("yn=yes onoff=on 01=1", how)
	case value == "false":
		return oneOf("yn=no onoff=off 01=0", how)
	}
	return value
}
