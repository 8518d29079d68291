package source

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// Apache CloudStack's virtual router serves a tree like EC2's, at its own
// address: the DHCP server, or what the name data-server stands for, or the
// default gateway. Exoscale's service descends from it.
const cloudStackKeys = "meta-data/public-keys"

func cloudStack() *Source {
	return &Source{
		Name: "cloudstack", Network: true, fetch: fetchCloudStack, parse: parseCloudStack,
		Rules: []platform.Rule{{Platform: "cloudstack", Fact: platform.Fact{Of: "product_name", Is: "CloudStack*"}, HardwareID: platform.ProductUUID}},
	}
}

func exoscale() *Source {
	return &Source{
		Name: "exoscale", Network: true, fetch: fetchExoscale, parse: parseCloudStack,
		Rules: []platform.Rule{{Platform: "exoscale", Fact: platform.Fact{Of: "product_name", Is: "Exoscale*"}, HardwareID: platform.ProductUUID}},
	}
}

func cloudStackDocs() []doc {
	return []doc{{path: ec2ID}, {path: ec2UserData}, {path: ec2Hostname}, {path: ec2Key}, {path: cloudStackKeys}}
}

func fetchCloudStack(ctx context.Context, env *Env) (Docs, error) {
	var bases []string
	// Most often the router is both.
	for _, a := range slices.Compact([]netip.Addr{env.Lease.ServerID, env.Lease.Gateway}) {
		if a.IsValid() {
			bases = append(bases, "http://"+netip.AddrPortFrom(a, 80).String()+"/latest/")
		}
	}
	bases = append(bases, "http://data-server/latest/")
	return from(bases, nil, cloudStackDocs()...)(ctx, env)
}

func fetchExoscale(ctx context.Context, env *Env) (Docs, error) {
	return from([]string{"http://169.254.169.254/1.0/"}, nil, cloudStackDocs()...)(ctx, env)
}

// parseCloudStack differs from EC2 in that the router may give the key where
// EC2 lists keys by number ("0=name").
func parseCloudStack(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	in, err := parseEC2Tree(got)
	if err != nil {
		return nil, err
	}
	if in.PublicKeys == nil {
		for _, line := range keyLines(got.text(cloudStackKeys)) {
			if strings.Contains(line, " ") {
				in.PublicKeys = append(in.PublicKeys, line)
			}
		}
		if in.PublicKeys != nil {
			in.MetaData["public-keys"] = in.PublicKeys
		}
	}
	return in, nil
}
