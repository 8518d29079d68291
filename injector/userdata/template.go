package userdata

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
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
	parts = slices.Clone(parts)
	for i := range parts {
		p := &parts[i]
		if p.Type != TypeJinja || p.Err != nil {
			continue
		}
		problem := instance.Problem{Origin: p.Origin, Part: p.Name}
		missing, err := p.render(vars)
		if len(missing) > 0 {
			problem.Message, problem.Warning = "template: no such variables: "+strings.Join(missing, ", "), true
			problems = append(problems, problem)
		}
		if p.Err = err; err != nil {
			problem.Message, problem.Warning, problem.Line = err.Error(), false, 1
			var at *jinja.Error
			if errors.As(err, &at) {
				problem.Line = at.Line
			}
			problems = append(problems, problem)
		}
	}
	return parts, problems
}

// render puts what the template p gives in its place.
func (p *Part) render(vars map[string]any) (missing []string, err error) {
	template, err := templateText(p.Body)
	if err != nil {
		return nil, err
	}
	text, missing, err := jinja.Render(template, vars)
	if err != nil {
		var at *jinja.Error
		if errors.As(err, &at) {
			at.Line++ // for the line that is not part of the template
		}
		return nil, err
	}
	p.Body, p.Type = text, Sniff(text)
	switch p.Type {
	case TypeCloudConfig, TypeScript, TypeBoothook:
		return missing, nil
	case "":
		if p.Type = TypeUnknown; len(text) == 0 {
			return missing, nil
		}
		return missing, fmt.Errorf("%w: once rendered, %s", ErrUnhandled, announcesNothing(text))
	}
	return missing, fmt.Errorf("%w: %s cannot be a template", ErrUnhandled, p.Type)
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
