package injector

import (
	"context"
	"slices"

	"boothook/injector/cloudconfig"
	"boothook/injector/plan"
	"boothook/injector/state"
	"boothook/injector/userdata"
)

// A decoded value is what an instance's documents come to.
type decoded struct {
	documents documents
	// parts are those that are meant for this machine.
	parts parts
	// config is the cloud-config of all parts, merged over what lies below it.
	config cloudconfig.Config
	// base is the fingerprint of what lies below user-data.
	base     string
	problems problems
}

// decode finishes the documents and merges the cloud-config.
func decode(ctx context.Context, files fileReader, who *identity, facts *plan.Facts, o *Options) *decoded {
	out := &decoded{}
	for i, d := range who.documents {
		d = d.finish(ctx, files, state.InstanceDir(who.decision.ID), o.Get)
		out.documents[i] = d
		out.problems.add(d.Problems...)
	}
	below := configBelow(facts, o.CloudConfig)
	out.base = state.Base(below)
	all, found := partsFor(who.instance, &out.documents, variables(who.instance, facts))
	out.problems.add(found...)
	config, merged := cloudconfig.Merge(all[user], all[vendor], all[vendor2], below)
	out.config = config
	out.problems.add(merged...)
	out.parts = all.enabled(out.config)
	return out
}

// configBelow gives the cloud-config that lies below user-data, lowest first:
// the root's own, then that of the kernel's command line.
func configBelow(facts *plan.Facts, words string) []plan.Document {
	below := slices.Clone(facts.CloudConfig)
	if words != "" {
		below = append(below, plan.Document{Path: "kernel command line", Body: []byte(words)})
	}
	return below
}

// parts lists the parts of all documents, whomever they are meant for.
func (d *documents) parts() []userdata.Part {
	return slices.Concat(d[user].Parts, d[vendor].Parts, d[vendor2].Parts)
}
