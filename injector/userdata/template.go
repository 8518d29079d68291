package userdata

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// errNoTemplate says that a part is declared to be a template and is none.
var errNoTemplate = errors.New(`template: it does not begin with "## template: jinja"`)

// TemplateText gives the text of a template without its first line, which
// has to be "## template: jinja" in whatever spacing.
func TemplateText(body []byte) ([]byte, error) {
	line, rest, _ := bytes.Cut(body, []byte("\n"))
	after, ok := bytes.CutPrefix(line, []byte("##"))
	engine, ok2 := bytes.CutPrefix(bytes.TrimLeft(after, " \t"), []byte("template:"))
	if !ok || !ok2 {
		return nil, errNoTemplate
	}
	if name := strings.ToLower(strings.TrimSpace(string(engine))); name != "jinja" {
		return nil, fmt.Errorf("template: unknown engine %q", name)
	}
	return rest, nil
}

// Holds gives the type that a part has once it is rendered, as far as its
// text tells before that; for a part that is no template it is p.Type.
func (p Part) Holds() string {
	if p.Type != TypeJinja {
		return p.Type
	}
	text, err := TemplateText(p.Body)
	if err != nil {
		return p.Type
	}
	return Sniff(text)
}

// Rendered is p with the text that its template gave. Only cloud-config,
// scripts and boothooks may be templates; anything else carries an error.
func (p Part) Rendered(text []byte) Part {
	p.Body, p.Type = text, Sniff(text)
	switch p.Type {
	case TypeCloudConfig, TypeScript, TypeBoothook:
	case "":
		p.Type = TypeUnknown
		if len(text) > 0 {
			p.Err = fmt.Errorf("%w: once rendered, %s", ErrUnhandled, announcesNothing(text))
		}
	default:
		p.Err = fmt.Errorf("%w: template: %s cannot be a template", ErrUnhandled, p.Type)
	}
	return p
}
