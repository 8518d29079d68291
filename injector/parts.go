package injector

import (
	"slices"
	"sort"

	"boothook/injector/cloudconfig"
	"boothook/injector/plan"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// sortedParts are the parts that are meant for this machine.
type sortedParts struct {
	user, vendor, vendor2 []userdata.Part
	// prefix is the command that vendor scripts are run through.
	prefix []string
}

// sortParts leaves out what another launch index is for, and renders
// templates.
func sortParts(p *Prepared, vars map[string]any) (sortedParts, []instance.Problem) {
	var problems []instance.Problem
	usable := func(parts []userdata.Part, index *int) []userdata.Part {
		var out []userdata.Part
		for _, part := range parts {
			if index != nil && part.LaunchIndex != nil && *part.LaunchIndex != *index {
				continue
			}
			out = append(out, part)
		}
		out, more := userdata.Render(out, vars)
		problems = append(problems, more...)
		return out
	}
	return sortedParts{
		user:    usable(p.user.Parts, p.instance.LaunchIndex),
		vendor:  usable(p.vendor.Parts, nil),
		vendor2: usable(p.vendor2.Parts, nil),
	}, problems
}

// obey drops vendor parts that the configuration switches off.
func (s *sortedParts) obey(cfg cloudconfig.Config) {
	vendor := cfg.Get("vendor_data")
	if !vendor.Get("enabled").Truth(true) {
		s.vendor = nil
	}
	if !cfg.Get("vendor_data2").Get("enabled").Truth(true) {
		s.vendor2 = nil
	}
	for _, word := range vendor.Get("prefix").Items() {
		s.prefix = append(s.prefix, word.Scalar())
	}
}

// lists gives each document's parts, to be changed.
func (s *sortedParts) lists() []*[]userdata.Part {
	return []*[]userdata.Part{&s.user, &s.vendor, &s.vendor2}
}

// take removes the parts with these indexes, which part handlers have dealt
// with. The decoder leaves it to the handlers to know any type; what none of
// them took and nobody else knows is a problem.
func take(parts *[]userdata.Part, taken []int) []instance.Problem {
	var problems []instance.Problem
	*parts = slices.DeleteFunc(*parts, func(p userdata.Part) bool {
		if slices.Contains(taken, p.Index) {
			return true
		}
		if p.Err == nil && !slices.Contains(handledTypes(), p.Type) {
			problems = append(problems, instance.Problem{Origin: p.Origin, Part: p.Name,
				Message: "no part handler took this part of type " + p.Type})
		}
		return false
	})
	return problems
}

// handledTypes are the types of which something becomes without a handler.
func handledTypes() []string {
	return []string{
		userdata.TypeCloudConfig, userdata.TypeCloudConfigJSONP, userdata.TypeBoothook, userdata.TypePartHandler,
		userdata.TypeScript, userdata.TypeScriptPerBoot, userdata.TypeScriptPerInstance, userdata.TypeScriptPerOnce,
		userdata.TypeUpstartJob,
	}
}

// isHandler says whether a part handles others, on every boot.
func isHandler(p userdata.Part) bool { return p.Type == userdata.TypePartHandler && p.Err == nil }

// all lists the parts in the order in which cloud-init handles them.
func (s sortedParts) all() []userdata.Part {
	return slices.Concat(s.user, s.vendor, s.vendor2)
}

// cacheSteps keep what #include-once fetched, so that it is not asked again
// in this instance's life.
func (p *Prepared) cacheSteps(instanceDir string) []plan.Step {
	var steps []plan.Step
	for _, d := range p.documents() {
		for url, body := range d.cached {
			steps = append(steps, plan.Step{Kind: plan.File, Path: cachePath(instanceDir, url), Body: body,
				Mode: 0o600, Secret: true, Frequency: plan.PerBoot, Why: plan.Why{Part: d.origin, Key: "#include-once"}})
		}
	}
	sort.Slice(steps, func(i, j int) bool { return steps[i].Path < steps[j].Path })
	return steps
}
