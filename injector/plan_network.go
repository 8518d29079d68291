package injector

import (
	"boothook/injector/cloudconfig"
	"boothook/injector/network"
	"boothook/injector/plan"
	"boothook/netboot/instance"
)

// planNetwork plans the root's own network configuration, from the first that
// has a word on it, in cloud-init's order: the kernel command line, the root's
// cloud.cfg, the source; user-data has none. Where cloud-init is disabled and
// nothing else configures the network, it gets what cloud-init would have made
// up.
func planNetwork(inst *instance.Instance, facts *plan.Facts, o *Options) network.Result {
	if o.KeepCloudInit && facts.HasCloudInit {
		return network.Result{}
	}
	doc, body, found := networkDocument(inst, facts, o)
	r := network.Plan(doc, body, facts)
	found.add(r.Problems...)
	r.Problems = found
	return r
}

func networkDocument(inst *instance.Instance, facts *plan.Facts, o *Options) (doc *cloudconfig.Value, body []byte, found problems) {
	origin := "network-config"
	switch given := o.NetworkConfig; {
	case given == "disabled":
		return &cloudconfig.Value{}, nil, nil
	case given != "":
		origin = "kernel command line"
		var err error
		if body, err = network.Word(given); err != nil {
			found.add(instance.Problem{Origin: origin, Message: err.Error()})
		}
	default:
		base, _ := cloudconfig.Merge(nil, nil, nil, facts.CloudConfig) // its problems are known already
		if own := base.Get("network"); own.Kind == cloudconfig.Map {
			return own, nil, nil
		}
		if body = inst.NetworkConfig; len(body) == 0 && facts.HasCloudInit && !facts.HasNetwork {
			origin, body = "boothook", o.FallbackNetwork
		}
	}
	if len(body) == 0 {
		return &cloudconfig.Value{}, nil, found
	}
	doc, more := network.Read(body, origin)
	found.add(more...)
	return doc, body, found
}
