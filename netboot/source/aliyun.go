package source

import (
	"context"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// Alibaba Cloud's service has EC2's tree under a version of its own, and
// tokens under a name of its own ("security hardening mode").
const (
	aliyunTokenBase  = "http://100.100.100.200/latest/"
	aliyunBase       = "http://100.100.100.200/2016-01-01/"
	aliyunToken      = "X-aliyun-ecs-metadata-token"
	aliyunTokenTTL   = "X-aliyun-ecs-metadata-token-ttl-seconds"
	aliyunHostname   = "meta-data/hostname"
	aliyunVendorData = "vendor-data"
	aliyunNIC        = "/network-interface-id" // which every NIC has
)

func aliyun() *Source {
	return &Source{
		Name: "aliyun", Network: true, fetch: fetchAliYun, parse: parseAliYun,
		Rules: []platform.Rule{{Platform: "aliyun", Fact: platform.Fact{Of: "product_name", Is: "Alibaba Cloud ECS"}, HardwareID: platform.ProductUUID}},
	}
}

func fetchAliYun(ctx context.Context, env *Env) (Docs, error) {
	env.HTTP.Open(aliyunBase, fetch.MaxConns)
	header, err := tokenHeader(ctx, env.HTTP, aliyunTokenBase, aliyunTokenTTL, aliyunToken)
	if err != nil {
		return nil, err
	}
	ask := func(want []doc) (Docs, error) { return gather(ctx, env.HTTP, aliyunBase, header, want...) }
	got, err := ask(append(nicDocs(env, aliyunNIC, ec2IPv6s),
		doc{path: ec2ID},
		doc{path: ec2UserData},
		doc{path: aliyunVendorData},
		doc{path: aliyunHostname},
		doc{path: ec2Keys, lenient: true},
		doc{path: ec2Key}))
	if err != nil {
		return nil, err
	}
	return withKeys(got, ask)
}

func parseAliYun(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	in, err := parseEC2Tree(got)
	if err != nil {
		return nil, err
	}
	if in.Hostname = got.text(aliyunHostname); in.Hostname != "" {
		in.MetaData["hostname"] = in.Hostname
	}
	in.VendorData = got[aliyunVendorData]
	in.NetworkConfig = ec2Network(got, false)
	return in, nil
}
