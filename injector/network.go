package injector

import (
	"boothook/injector/cloudconfig"
	"boothook/injector/network"
	"boothook/injector/plan"
	"boothook/netboot/instance"
)

// network plans the root's own network configuration, from the first that has
// a word on it, in cloud-init's order: the kernel command line, the root's
// cloud.cfg, the source; user-data has none. Where cloud-init is disabled and
// nothing else configures the network, it gets what cloud-init would have made
// up.
func (w *work) network(facts *plan.Facts) []plan.Step {
	if w.KeepCloudInit && facts.HasCloudInit {
		return nil
	}
	doc, body := w.networkDocument(facts)
	r := network.Plan(doc, body, facts)
	w.problem(r.Problems...)
	return r.Steps
}

func (w *work) networkDocument(facts *plan.Facts) (doc *cloudconfig.Value, body []byte) {
	origin := "network-config"
	switch given := w.NetworkConfig; {
	case given == "disabled":
		return &cloudconfig.Value{}, nil
	case given != "":
		origin = "kernel command line"
		var err error
		if body, err = network.Word(given); err != nil {
			w.problem(instance.Problem{Origin: origin, Message: err.Error()})
		}
	default:
		base, _ := cloudconfig.Merge(nil, nil, nil, facts.CloudConfig) // its problems are known already
		if own := base.Get("network"); own.Kind == cloudconfig.Map {
			return own, nil
		}
		if body = w.prepared.instance.NetworkConfig; len(body) == 0 && facts.HasCloudInit && !facts.HasNetwork {
			origin, body = "boothook", w.FallbackNetwork
		}
	}
	if len(body) == 0 {
		return &cloudconfig.Value{}, nil
	}
	doc, problems := network.Read(body, origin)
	w.problem(problems...)
	return doc, body
}
