package injector

import (
	"boothook/injector/cloudconfig"
	"boothook/injector/jobs"
	"boothook/injector/network"
	"boothook/injector/plan"
	"boothook/netboot/instance"
)

// planNetwork plans the root's own network configuration, from the first that
// has a word on it, in cloud-init's order: the kernel command line, the root's
// cloud.cfg, the source; user-data has none. Where cloud-init is disabled by
// boothook alone and nothing else configures the network, it gets what cloud-init
// would have made up.
func planNetwork(inst *instance.Instance, facts *plan.Facts, o *Options) network.Result {
	if o.KeepCloudInit && facts.HasCloudInit {
		return network.Result{}
	}
	base, _ := cloudconfig.Merge(nil, nil, nil, facts.CloudConfig) // its problems are known already
	var priority []string
	for _, name := range base.Get("system_info").Get("network").Get("renderers").Items() {
		priority = append(priority, name.Scalar())
	}
	doc, found := networkDocument(inst, facts, base, o)
	if doc == nil {
		doc, found = fallback(facts, priority, o)
	}
	r := network.Plan(doc, facts, o.Renderer, priority)
	found.add(r.Problems...)
	r.Problems = found
	return r
}

// networkDocument reads what is said of the network; nil where nothing is.
func networkDocument(inst *instance.Instance, facts *plan.Facts, base cloudconfig.Config, o *Options) (doc *cloudconfig.Value, found problems) {
	origin, body := "network-config", []byte(nil)
	switch given := o.NetworkConfig; {
	case given == "disabled":
		return &cloudconfig.Value{}, nil
	case given != "":
		origin = "kernel command line"
		var err error
		if body, err = network.Word(given); err != nil {
			found.add(instance.Problem{Origin: origin, Message: err.Error()})
		}
		if len(body) == 0 {
			return &cloudconfig.Value{}, found
		}
	default:
		if own := base.Get("network"); own.Kind == cloudconfig.Map {
			return own, nil
		}
		if body = inst.NetworkConfig; len(body) == 0 {
			return nil, nil
		}
	}
	doc, more := network.Read(body, origin)
	found.add(more...)
	return doc, found
}

// upgradedNetwork is the file that forbids cloud-init to configure the network
// of a machine that was there before it did so.
const upgradedNetwork = "/var/lib/cloud/data/upgraded-network"

// fallback gives what a root gets that relies on its cloud-init to make up a
// network: one that would have run, had boothook not disabled it.
func fallback(facts *plan.Facts, priority []string, o *Options) (doc *cloudconfig.Value, found problems) {
	if facts.HasCloudInit && !jobs.CloudInitIsOff(facts) && !facts.Exists[upgradedNetwork] {
		body, why := network.Fallback(o.FallbackNIC, facts, o.Renderer, priority)
		found.add(why...)
		if len(body) > 0 {
			doc, why = network.Read(body, "boothook")
			found.add(why...)
			return doc, found
		}
	}
	return &cloudconfig.Value{}, found
}
