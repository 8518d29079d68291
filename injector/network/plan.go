package network

import (
	"boothook/injector/cloudconfig"
	"boothook/injector/plan"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// The daemons' programs, by which a root says which of them it has.
const (
	netplanProgram   = "/usr/sbin/netplan"
	ifupProgram      = "/sbin/ifup"
	ifupUsrProgram   = "/usr/sbin/ifup"
	interfacesFolder = "/etc/network/interfaces.d"
	managerProgram   = "/usr/sbin/NetworkManager"
	networkdProgram  = "/lib/systemd/systemd-networkd"
	networkdUnit     = "/lib/systemd/system/systemd-networkd.service"
)

// AskExists lists the paths that Plan looks up in Facts.Exists.
func AskExists() []string {
	return []string{netplanProgram, ifupProgram, ifupUsrProgram, interfacesFolder, managerProgram, networkdProgram}
}

// A Result is what the document comes to.
type Result struct {
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

// Plan makes the steps of a document that Read read. The body is its bytes,
// which netplan gets as they are; nil where they are not its alone.
func Plan(top *cloudconfig.Value, body []byte, facts *plan.Facts) Result {
	var (
		r     = &reader{}
		doc   = inner(top)
		steps []plan.Step
	)
	switch version := doc.Get("version"); {
	case doc.Missing():
	case doc.Kind != cloudconfig.Map:
		r.problem(top, "network-config is not a mapping")
	case Disabled(doc):
	case version.Int == 2 && body != nil && facts.Exists[netplanProgram]:
		steps = netplanAsIs(body, doc != top)
	case version.Int == 2:
		r.version2(doc)
		steps = r.render(facts, top)
	case version.Int == 1:
		r.version1(doc)
		steps = r.render(facts, top)
	default:
		r.problem(version, "network-config must say version: 1 or version: 2")
	}
	for i := range steps {
		steps[i].Why = plan.Why{Part: "network-config", Origin: top.Pos.Origin, Line: doc.Pos.Line}
	}
	return Result{steps, r.problems}
}

// render writes the links for the daemon that the root has, in the order in
// which cloud-init chooses on Debian and Ubuntu.
func (r *reader) render(facts *plan.Facts, doc *cloudconfig.Value) []plan.Step {
	has := facts.Exists
	switch {
	case len(r.links) == 0:
		return nil
	case has[netplanProgram]:
		return netplan(r.links)
	case has[ifupProgram] || has[ifupUsrProgram]:
		return ifupdown(r.links, has[interfacesFolder])
	case has[managerProgram]:
		return keyfiles(r.links)
	case has[networkdProgram]:
		// Debian ships networkd disabled.
		return append(networkd(r.links), plan.Step{
			Kind: plan.Link, Target: networkdUnit, KeepExisting: true,
			Path: "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service",
		})
	}
	r.problem(doc, "the root has neither netplan, ifupdown, NetworkManager nor systemd-networkd to read it")
	r.problems[len(r.problems)-1].Warning = true // the root's own way may need none
	return nil
}
