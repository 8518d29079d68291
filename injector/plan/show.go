package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrVersion marks the JSON of a plan that this program does not know.
var ErrVersion = errors.New("unknown plan version")

// maxJSON is the largest plan that Decode reads, in bytes.
const maxJSON = 256 << 20

// Encode writes p as JSON, the same bytes for the same plan.
func Encode(w io.Writer, p Plan) error {
	p.Version = Version
	if p.Steps == nil {
		p.Steps = []Step{} // a list, also when it is empty
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		return fmt.Errorf("encode plan: %w", err)
	}
	return nil
}

// Decode reads what Encode wrote. A field that is not known is an error: to
// leave it out would be to apply something else than was planned.
func Decode(r io.Reader) (Plan, error) {
	dec := json.NewDecoder(io.LimitReader(r, maxJSON))
	dec.DisallowUnknownFields()
	var p Plan
	if err := dec.Decode(&p); err != nil {
		return Plan{}, fmt.Errorf("decode plan: %w", err)
	}
	if p.Version != Version {
		return Plan{}, fmt.Errorf("decode plan: %w %d, not %d", ErrVersion, p.Version, Version)
	}
	return p, nil
}

// List writes p for people: a line for each step, with what asked for it.
func List(w io.Writer, p Plan) error {
	rows := make([][3]string, 0, len(p.Steps))
	var wide [2]int
	for _, s := range p.Steps {
		row := [3]string{verb(s), subject(s), s.Why.String()}
		for i := range wide {
			wide[i] = max(wide[i], min(len(row[i]), 72))
		}
		rows = append(rows, row)
	}
	for _, row := range rows {
		line := fmt.Sprintf("%-*s  %-*s  # %s", wide[0], row[0], wide[1], row[1], row[2])
		if _, err := fmt.Fprintln(w, strings.TrimRight(strings.TrimSuffix(line, "# "), " ")); err != nil {
			return err
		}
	}
	return nil
}

// verb is what a step does, in a word or two.
func verb(s Step) string {
	v := string(s.Kind)
	switch {
	case s.Kind == File && s.Append:
		v = "append"
	case s.KeepExisting:
		v += " (if absent)"
	}
	return v
}

// subject is what a step is about, with what can be said without its content.
func subject(s Step) string {
	text := printable(s.Subject())
	switch s.Kind {
	case File:
		return fmt.Sprintf("%s (%s%s, %d bytes)", text, mode(s), owner(s), len(s.Body))
	case Dir:
		return fmt.Sprintf("%s (%s%s)", text, mode(s), owner(s))
	case Link:
		return text + " -> " + printable(s.Target)
	case Hostname:
		return text + " (" + printable(strings.TrimSpace(string(s.Body))) + ")"
	case Sudo, Doas:
		return text + " (" + printable(s.Account.Name) + ")"
	case User, Group:
		if more := append(append([]string{}, s.Account.Groups...), s.Account.Members...); len(more) > 0 {
			return text + " (" + printable(strings.Join(more, ", ")) + ")"
		}
	}
	return text
}

func mode(s Step) string {
	if s.Mode == 0 {
		return "mode as is"
	}
	return fmt.Sprintf("%04o", s.Mode)
}

func owner(s Step) string {
	if s.Owner == "" && s.Group == "" {
		return ""
	}
	return " " + printable(orRoot(s.Owner)+":"+orRoot(s.Group))
}

func orRoot(name string) string {
	if name == "" {
		return "root"
	}
	return name
}

// printable keeps a terminal safe from names that user-data chooses.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 || c == 0xfffd {
			return '?'
		}
		return c
	}, s)
}

// String gives "PART:LINE KEY (ORIGIN)", leaving out what is not known.
func (w Why) String() string {
	s := w.Part
	if w.Line > 0 {
		s += fmt.Sprintf(":%d", w.Line)
	}
	if w.Key != "" {
		s += " " + w.Key
	}
	if w.Origin != "" && w.Origin != w.Part {
		s += " (" + w.Origin + ")"
	}
	return printable(strings.TrimSpace(s))
}
