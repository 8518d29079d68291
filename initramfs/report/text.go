package report

import (
	"fmt"
	"io"
	"strings"
)

// Text writes the report for a person at a console: the verdict first, then
// what went wrong, then the details.
func (r *Report) Text(w io.Writer) {
	fmt.Fprintf(w, "boothook %s: %s\n", r.Version, r.Summary())
	for _, p := range r.Problems {
		label := "problem"
		if p.Warning {
			label = "warning"
		}
		fmt.Fprintf(w, "  %s: %s\n", label, p)
	}
	r.textNetwork(w)
	r.textParts(w)
	r.textSteps(w)
	r.textTimeline(w)
}

// Summary is the verdict in one line.
func (r *Report) Summary() string {
	switch r.Result {
	case Applied, Known, DryRun:
		s := fmt.Sprintf("%s, instance %s from %s", r.Result, r.InstanceID, r.Source)
		if r.NewInstance {
			s += " (new)"
		}
		if r.Unasked != "" {
			s += ": nothing was fetched, " + r.Unasked
		}
		return s
	case NoPlatform:
		return "no sign of a cloud; nothing was asked and nothing changed"
	}
	return string(r.Result)
}

func (r *Report) textNetwork(w io.Writer) {
	if r.Platform != "" {
		fmt.Fprintf(w, "platform: %s (%s)\n", r.Platform, strings.Join(r.Evidence, ", "))
	}
	for _, n := range r.Network {
		how := ""
		if n.Adopted {
			how += " adopted"
		}
		if n.Used {
			how += " used"
		}
		fmt.Fprintf(w, "network: %s %s %s via %s%s\n", n.Name, n.MAC, n.Address, n.Gateway, how)
	}
	if r.Fetch != nil {
		fmt.Fprintf(w, "fetch: %d requests over %d connections\n", r.Fetch.Requests, r.Fetch.Connections)
	}
}

func (r *Report) textParts(w io.Writer) {
	if len(r.Parts) > 0 {
		fmt.Fprintln(w, "parts:")
	}
	for _, p := range r.Parts {
		fmt.Fprintf(w, "  %3d  %-28s %-26s %6d bytes  %s", p.Index, p.Name, p.Type, p.Size, p.Origin)
		if p.Error != "" {
			fmt.Fprintf(w, "  error: %s", p.Error)
		}
		fmt.Fprintln(w)
	}
	if len(r.Hooks) > 0 {
		fmt.Fprintln(w, "hooks, before the pivot:")
	}
	for _, h := range r.Hooks {
		fmt.Fprintf(w, "  %-28s exit %d after %.2f s", h.Name, h.Exit, h.Seconds)
		if h.Error != "" {
			fmt.Fprintf(w, "  %s", h.Error)
		}
		fmt.Fprintln(w)
	}
}

func (r *Report) textSteps(w io.Writer) {
	if len(r.Steps) > 0 {
		fmt.Fprintln(w, "written to the root:")
	}
	for _, s := range r.Steps {
		why := s.Part
		if s.Key != "" {
			why += " " + s.Key
		}
		fmt.Fprintf(w, "  %-9s %-16s %-58s %s\n", s.Result, s.Kind, s.Path, why)
	}
	if len(r.Late) > 0 {
		fmt.Fprintln(w, "late, in the booted system:")
	}
	for _, l := range r.Late {
		// Package time's Format would bring the zones along, 55 KB of the agent.
		at := int64(l.At)
		fmt.Fprintf(w, "  %02d:%02d:%02d  %-28s exit %d\n", at/3600%24, at/60%60, at%60, l.Name, l.Exit)
	}
}

func (r *Report) textTimeline(w io.Writer) {
	if len(r.Timeline) > 0 {
		fmt.Fprintln(w, "timeline, seconds since the kernel started:")
	}
	for _, m := range r.Timeline {
		fmt.Fprintf(w, "  %8.3f  %s\n", m.Seconds, m.Stage)
	}
}
