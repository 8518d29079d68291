package lint

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"boothook/netboot/instance"
)

// A Finding is a problem that also has a column, 1-based, where the part is
// YAML; the agent's reader does without, for the bytes that it would cost.
type Finding struct {
	instance.Problem
	Column int `json:"column,omitempty"`
}

// Findings are what is wrong with a document, in the order of its parts and
// their lines.
type Findings struct {
	List []Finding

	file    string
	several bool // parts
}

// Failed reports whether anything but warnings was found.
func (f *Findings) Failed() bool {
	return slices.ContainsFunc(f.List, func(f Finding) bool { return !f.Warning })
}

// Text writes a line for each finding. In a document of several parts it names
// the part; a line is that of the part, which alone is that of the file.
func (f *Findings) Text(w io.Writer) error {
	for _, p := range f.List {
		if _, err := fmt.Fprintln(w, f.line(p)); err != nil {
			return err
		}
	}
	return nil
}

func (f *Findings) line(p Finding) string {
	var where strings.Builder
	where.WriteString(f.file + ":")
	if f.several && p.Part != "" {
		where.WriteString(" " + p.Part + ":")
	}
	if p.Line > 0 {
		fmt.Fprintf(&where, "%d:", p.Line)
	}
	if p.Column > 0 {
		fmt.Fprintf(&where, "%d:", p.Column)
	}
	if p.Warning {
		where.WriteString(" warning:")
	}
	return where.String() + " " + p.Message
}

// JSON writes the findings as data, with a version that grows when a field
// changes its meaning.
func (f *Findings) JSON(w io.Writer) error {
	list := f.List
	if list == nil {
		list = []Finding{}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(map[string]any{"version": 1, "findings": list})
}
