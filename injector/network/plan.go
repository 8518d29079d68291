package network

import (
	"strings"

	"boothook/injector/cloudconfig"
	"boothook/injector/plan"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// A Result is what the document comes to.
type Result struct {
	// Renderer is cloud-init's name of the renderer that wrote the steps;
	// empty for none.
	Renderer string
	Steps    []plan.Step
	Problems []instance.Problem
}

// Read reads a network-config document. The origin is its name in problems.
func Read(body []byte, origin string) (*cloudconfig.Value, []instance.Problem) {
	return cloudconfig.Parse(userdata.Part{Origin: origin, Body: body})
}

// Disabled says that the document forbids all configuration of the network.
func Disabled(doc *cloudconfig.Value) bool {
	return inner(doc).Get("config").Scalar() == "disabled"
}

// inner is the document without the key "network" that may be around it.
func inner(doc *cloudconfig.Value) *cloudconfig.Value {
	if v := doc.Get("network"); v.Kind == cloudconfig.Map {
		return v
	}
	return doc
}

// version is the document's; 0 for none that is known. In quotes it counts too.
func version(doc *cloudconfig.Value) int64 {
	switch strings.TrimSpace(doc.Get("version").Text) {
	case "1":
		return 1
	case "2":
		return 2
	}
	return 0
}

// parse reads a document into links that fit together.
func parse(top *cloudconfig.Value) *reader {
	doc := inner(top)
	r := &reader{pos: top.Pos}
	v := doc.Get("version")
	switch {
	case doc.Missing():
		return r
	case doc.Kind != cloudconfig.Map:
		r.problem(top.Pos.Line, "network-config is not a mapping")
		return r
	case Disabled(doc):
		return r
	}
	if v.Kind == cloudconfig.String && version(doc) != 0 {
		r.warn(v.Pos.Line, "version: the number stands in quotes, which cloud-init refuses")
	}
	switch version(doc) {
	case 1:
		r.v1 = true
		for _, e := range doc.Map {
			if k := e.Key.Scalar(); k != "version" && k != "config" {
				r.problem(e.Key.Pos.Line, "%s is no key of version 1; it is left out", k)
			}
		}
		r.version1(doc)
	case 2:
		for _, e := range doc.Map {
			if e.Key.Scalar() == "renderer" {
				r.renderer(e)
			}
		}
		r.version2(doc)
	default:
		line := v.Pos.Line
		if line == 0 {
			line = doc.Pos.Line
		}
		r.problem(line, "version: network-config must say version: 1 or version: 2")
	}
	r.check()
	return r
}

// Plan makes the steps of a document that Read read. The renderer is the one of
// that name (cloud-init's, or the daemon's), or else the first of priority that
// the root has.
func Plan(top *cloudconfig.Value, facts *plan.Facts, choice string, priority []string) Result {
	r := parse(top)
	doc := inner(top)
	if doc.Kind != cloudconfig.Map || Disabled(doc) || version(doc) == 0 {
		return Result{Problems: r.problems}
	}
	re, found := r.choose(facts, choice, priority, top.Pos.Line)
	if !found {
		return Result{Problems: r.problems}
	}
	var steps []plan.Step
	if re.name == "netplan" {
		steps = r.netplan(doc)
		if len(steps) > 0 && facts != nil {
			steps = append(steps, r.resolver(re, facts)...)
		}
	} else {
		r.netplanOnly(doc, re)
		r.fit(re)
		if len(r.links) > 0 {
			steps = r.render(re, facts)
		}
	}
	if len(steps) > 0 && facts != nil {
		steps = append(r.leftovers(re, facts, steps), steps...)
	}
	for i := range steps {
		steps[i].Why = plan.Why{Part: "network-config", Origin: top.Pos.Origin, Line: doc.Pos.Line}
	}
	return Result{re.name, steps, r.problems}
}

// netplan writes version 2 as it came, and version 1 in version 2's words.
func (r *reader) netplan(doc *cloudconfig.Value) []plan.Step {
	out := r.given(doc)
	if r.v1 {
		out = r.links.document()
	}
	secret := false
	for _, e := range out.Map {
		kind := e.Key.Scalar()
		secret = secret || kind == "wifis" || kind == "modems" || kind == "nm-devices"
	}
	for _, l := range r.links {
		secret = secret || l.secret()
	}
	if len(out.Map) <= 1 {
		return nil
	}
	return []plan.Step{netplanStep(out, secret)}
}

// netplanOnly names kinds of links that no other renderer has.
func (r *reader) netplanOnly(doc *cloudconfig.Value, re renderer) {
	for _, e := range doc.Map {
		switch kind := e.Key.Scalar(); kind {
		case "wifis", "modems", "nm-devices", "openvswitch":
			if r.v1 {
				continue
			}
			r.problem(e.Key.Pos.Line, "%s: for roots with netplan only, this one has %s; they are left out", kind, re.daemon)
		case "renderer":
			if s := e.Value.Scalar(); (s == "networkd" || s == "NetworkManager") && !strings.HasSuffix(re.daemon, s) && !r.v1 {
				r.warn(e.Key.Pos.Line, "renderer: the root's daemon is %s", re.daemon)
			}
		}
	}
}

// render writes the files of every renderer but netplan.
func (r *reader) render(re renderer, facts *plan.Facts) []plan.Step {
	all := r.links
	var steps []plan.Step
	switch re.name {
	case "eni":
		r.missing(facts)
		folder, source := included(facts)
		steps = append(source, ifupdown(all, folder)...)
	case "sysconfig":
		suse, scripts := sysconfigKind(facts)
		if suse {
			for _, l := range all {
				r.keep(renderer{daemon: "wicked", letters: "u"}, l, &l.said)
			}
		}
		steps = sysconfig(all, suse, scripts)
	case "network-manager":
		steps = keyfiles(all)
	case "networkd":
		steps = networkd(all, networkdGroup(facts))
		// Debian ships networkd disabled.
		if facts != nil {
			steps = append(steps, plan.Step{
				Kind: plan.Link, Target: networkdUnit, KeepExisting: true,
				Path: "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service",
			})
		}
	}
	steps = append(steps, renames(all)...)
	if facts != nil {
		steps = append(steps, r.resolver(re, facts)...)
	}
	return steps
}

// networkdGroup is the group that may read networkd's secrets, if the root has
// it.
func networkdGroup(facts *plan.Facts) string {
	const group = "systemd-network"
	if facts == nil {
		return group
	}
	for _, g := range facts.Groups {
		if g.Name == group {
			return group
		}
	}
	return ""
}
