package network

import (
	"net/netip"
	"strconv"
	"strings"

	"boothook/injector/plan"
)

// A text is a configuration file being written.
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

func (t *text) number(before string, n int64) {
	if n != 0 {
		t.line(before, strconv.FormatInt(n, 10))
	}
}

// step is the plan's step that writes the text.
func (t *text) step(path string, mode uint32) plan.Step {
	return plan.Step{Kind: plan.File, Path: path, Body: []byte(t.String()), Mode: mode}
}

const heading = "# Written by boothook from network-config.\n"

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// addrs gives the addresses of one family, or of both (0), as text.
func addrs(list []netip.Addr, family int) []string {
	var out []string
	for _, a := range list {
		if family == 0 || family == 4 == a.Is4() {
			out = append(out, a.String())
		}
	}
	return out
}

// master is the bond or bridge that has the link among its members.
func master(links []*link, l *link) (*link, bool) {
	for _, m := range links {
		for _, name := range m.members {
			if name == l.id || name == l.rename {
				return m, true
			}
		}
	}
	return nil, false
}

// vlansOn lists the vlans on top of a link.
func vlansOn(links []*link, l *link) []string {
	var out []string
	for _, v := range links {
		if v.kind == vlan && (v.parent == l.id || v.parent == l.rename) {
			out = append(out, v.device())
		}
	}
	return out
}

// deviceOf is the name of the interface that the document calls id.
func deviceOf(links []*link, id string) string {
	for _, l := range links {
		if l.id == id {
			return l.device()
		}
	}
	return id
}
