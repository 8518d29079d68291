package source

import (
	"context"
	"strings"

	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// Scaleway's metadata API. User-data and vendor-data are only for who asks
// from a port below 1024, which only root can.
const (
	scalewayConf   = "conf?format=json"
	scalewayUser   = "user_data/cloud-init"
	scalewayVendor = "vendor_data/cloud-init"
)

func scaleway() *Source {
	return &Source{
		Name: "scaleway", Network: true, LowPort: true, fetch: fetchScaleway, parse: parseScaleway,
		Rules: []platform.Rule{
			{Platform: "scaleway", Fact: platform.Fact{Of: "sys_vendor", Is: "Scaleway"}, HardwareID: platform.ProductUUID},
			{Platform: "scaleway", Fact: platform.Fact{Of: platform.Word, Is: "scaleway"}, HardwareID: platform.ProductUUID},
		},
	}
}

func scalewayBases() []string {
	return []string{"http://169.254.42.42/", "http://[fd00:42::42]/"}
}

func fetchScaleway(ctx context.Context, env *Env) (Docs, error) {
	return race(ctx, env.Lease.near(scalewayBases()), func(ctx context.Context, base string) (Docs, error) {
		return gather(ctx, env.HTTP, base, nil, doc{path: scalewayConf}, doc{path: scalewayUser}, doc{path: scalewayVendor})
	})
}

func parseScaleway(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	meta, err := parseJSON("conf", got[scalewayConf])
	if err != nil {
		return nil, err
	}
	in, err := describe(meta, description{id: meta.text("id"), hostname: "hostname"})
	if err != nil {
		return nil, err
	}
	in.UserData, in.VendorData = got[scalewayUser], got[scalewayVendor]
	keys, _ := meta["ssh_public_keys"].([]any)
	for _, k := range keys {
		if k, ok := k.(map[string]any); ok {
			in.PublicKeys = append(in.PublicKeys, keysOf(k["key"])...)
		}
	}
	tags, _ := meta["tags"].([]any)
	for _, t := range tags {
		t, _ := t.(string)
		if key, ok := strings.CutPrefix(t, "AUTHORIZED_KEY="); ok {
			in.PublicKeys = append(in.PublicKeys, strings.ReplaceAll(key, "_", " "))
		}
	}
	return in, nil
}
