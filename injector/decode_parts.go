package injector

import (
	"slices"

	"boothook/injector/cloudconfig"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// Parts are lists of parts, one for each document.
type parts [3][]userdata.Part

// partsFor leaves out what another launch index is for, and renders
// templates.
func partsFor(inst *instance.Instance, docs *documents, vars map[string]any) (out parts, found problems) {
	for i := range docs {
		var list []userdata.Part
		for _, p := range docs[i].Parts {
			if i == user && inst.LaunchIndex != nil && p.LaunchIndex != nil && *p.LaunchIndex != *inst.LaunchIndex {
				continue
			}
			list = append(list, p)
		}
		rendered, more := userdata.Render(list, vars)
		out[i] = rendered
		found.add(more...)
	}
	return out, found
}

// enabled leaves out the vendor's parts where the configuration says so.
func (p parts) enabled(cfg cloudconfig.Config) parts {
	if !cfg.Get("vendor_data").Get("enabled").Truth(true) {
		p[vendor] = nil
	}
	if !cfg.Get("vendor_data2").Get("enabled").Truth(true) {
		p[vendor2] = nil
	}
	return p
}

// all lists the parts in the order in which cloud-init handles them.
func (p *parts) all() []userdata.Part {
	return slices.Concat(p[user], p[vendor], p[vendor2])
}

// vendorPrefix is the command that vendor scripts are run through.
func vendorPrefix(cfg cloudconfig.Config) (prefix []string) {
	for _, word := range cfg.Get("vendor_data").Get("prefix").Items() {
		prefix = append(prefix, word.Scalar())
	}
	return prefix
}
