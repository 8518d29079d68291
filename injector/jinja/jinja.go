// Package jinja renders the templates that user-data may be: text and a tree
// of variables go in, text comes out.
//
// It is the part of Jinja2 that such templates use, as cloud-init sets it up:
// substitution, dotted and indexed paths, if, for, set, raw and comments, the
// operators, most filters and tests, and a few methods of strings and
// mappings. trim_blocks is on, autoescape is off. What is known to Jinja2 and
// not to this package is refused by name, with ErrUnsupported.
//
// A variable that does not exist becomes the text CI_MISSING_JINJA_VAR/NAME,
// as in cloud-init, and is reported. Rendering never does I/O, and a template
// can neither run for ever nor use much memory: its steps and its output are
// bounded.
package jinja

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	// MaxTemplate is the size of the largest template in bytes.
	MaxTemplate = 1 << 20
	// MaxOutput is the most bytes that a template, or one value in it, may
	// come to.
	MaxOutput = 1 << 20
	// MaxSteps is how many operations, list elements and copied kilobytes
	// one rendering may take.
	MaxSteps = 1 << 20
	// MaxDepth is how deep expressions, blocks and values may be nested.
	MaxDepth = 100
	// MissingPrefix stands before the name of a variable that is missing.
	MissingPrefix = "CI_MISSING_JINJA_VAR/"
)

var (
	// ErrUnsupported marks what Jinja2 has and this package has not.
	ErrUnsupported = errors.New("not supported here")
	// ErrLimit marks a template that exceeds MaxTemplate, MaxOutput, MaxSteps or MaxDepth.
	ErrLimit = errors.New("limit exceeded")
)

// An Error is what is wrong with a template, and where.
type Error struct {
	// Line counts from 1 in the text given to Render.
	Line int
	Err  error
}

func (e *Error) Error() string {
	return "template: line " + strconv.Itoa(e.Line) + ": " + e.Err.Error()
}
func (e *Error) Unwrap() error { return e.Err }

// Render gives the text of a template with vars filled in. The values of
// vars are what encoding/json makes of JSON: nil, bool, float64, string,
// []any and map[string]any; int and int64 are understood too. missing names
// the variables that the output lacks. An error is an *Error.
func Render(template []byte, vars map[string]any) (out []byte, missing []string, err error) {
	if len(template) > MaxTemplate {
		return nil, nil, &Error{1, fmt.Errorf("%w: a template of more than %d bytes", ErrLimit, MaxTemplate)}
	}
	text := strings.ReplaceAll(string(template), "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	// Jinja2 takes one line end off the end, and cloud-init puts it back.
	// It makes a difference after a block, which trim_blocks joins to it.
	body, ends := strings.CutSuffix(text, "\n")
	nodes, err := parse(body)
	if err != nil {
		return nil, nil, err
	}
	globals, err := importTree(vars)
	if err != nil {
		return nil, nil, &Error{1, err}
	}
	r := &renderer{}
	if err := r.run(nodes, &scope{vars: globals.vals}); err != nil {
		return nil, nil, err
	}
	if ends {
		r.out.WriteByte('\n')
	}
	return []byte(r.out.String()), r.missing, nil
}
