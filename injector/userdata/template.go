package userdata

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"boothook/injector/jinja"
	"boothook/netboot/instance"
)

// errNoTemplate says that a part is declared to be a template and is none.
var errNoTemplate = errors.New(`template: its first line has to be "## template: jinja"`)

// Render gives the parts with every template among them rendered; vars are
// jinja.Variables of the instance data. What a template gives is judged by its
// first words: cloud-config, a script or a boothook; anything else, and a
// template that cannot be rendered, carries an error and takes no other part
// along. Missing variables are warnings. parts is not changed.
func Render(parts []Part, vars map[string]any) ([]Part, []instance.Problem) {
	var problems []instance.Problem
	out := make([]Part, len(parts))
	for i, p := range parts {
		if p.Type == TypeJinja && p.Err == nil {
			var missing []string
			p, missing = p.render(vars)
			if p.Err != nil {
				problems = append(problems, p.problem(p.Err))
			}
			if len(missing) > 0 {
				warning := p.problem(fmt.Errorf("template: no such variables: %s", strings.Join(missing, ", ")))
				warning.Line, warning.Warning = 0, true
				problems = append(problems, warning)
			}
		}
		out[i] = p
	}
	return out, problems
}

// problem reports err of a part, at the line that a template's error names.
func (p Part) problem(err error) instance.Problem {
	out := instance.Problem{Origin: p.Origin, Part: p.Name, Line: 1, Message: err.Error()}
	var at *jinja.Error
	if errors.As(err, &at) {
		out.Line = at.Line + 1 // the template's own first line
		out.Message = "template: " + at.Err.Error()
	}
	return out
}

func (p Part) render(vars map[string]any) (_ Part, missing []string) {
	template, err := templateText(p.Body)
	if err != nil {
		p.Err = err
		return p, nil
	}
	text, missing, err := jinja.Render(template, vars)
	if err != nil {
		p.Err = err
		return p, nil
	}
	p.Body, p.Type = text, Sniff(text)
	switch p.Type {
	case TypeCloudConfig, TypeScript, TypeBoothook:
	case "":
		p.Type = TypeUnknown
		if len(text) > 0 {
			p.Err = fmt.Errorf("%w: once rendered, %s", ErrUnhandled, announcesNothing(text))
		}
	default:
		p.Err = fmt.Errorf("%w: %s cannot be a template", ErrUnhandled, p.Type)
	}
	return p, missing
}

// Holds gives the type that a part has once it is rendered, as far as its
// text tells before that, "" if it does not; for a part that is no template
// it is p.Type.
func (p Part) Holds() string {
	if p.Type != TypeJinja {
		return p.Type
	}
	text, err := templateText(p.Body)
	if err != nil {
		return ""
	}
	return Sniff(text)
}

// templateText gives a template without its first line. Unlike Sniff, which
// knows but one spelling of it, cloud-init's renderer is lenient here.
func templateText(body []byte) ([]byte, error) {
	line, rest, _ := bytes.Cut(body, []byte("\n"))
	after, ok := bytes.CutPrefix(line, []byte("##"))
	after = bytes.TrimLeftFunc(after, isSpace)
	if !ok || !hasPrefixFold(after, "template:") {
		return nil, errNoTemplate
	}
	if name := strings.ToLower(strings.TrimFunc(string(after[len("template:"):]), isSpace)); name != "jinja" {
		return nil, fmt.Errorf("template: unknown engine %q", name)
	}
	return rest, nil
}
