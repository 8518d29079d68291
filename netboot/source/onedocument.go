package source

import (
	"cmp"
	"context"

	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// The clouds of this file tell everything in one JSON document, or in that
// and one beside it for the user-data.

const v1JSON = "v1.json"

// DigitalOcean: "Metadata API", https://docs.digitalocean.com/reference/api/metadata/.
func digitalOcean() *Source {
	return &Source{
		Name: "digitalocean", Network: true, LinkLocal4: true, fetch: fetchDigitalOcean, parse: parseDigitalOcean,
		Rules: []platform.Rule{{Platform: "digitalocean", Fact: platform.Fact{Of: "sys_vendor", Is: "DigitalOcean"}, HardwareID: platform.ProductSerial}},
	}
}

func fetchDigitalOcean(ctx context.Context, env *Env) (Docs, error) {
	return from([]string{"http://169.254.169.254/metadata/"}, nil, doc{path: v1JSON})(ctx, env)
}

func parseDigitalOcean(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	meta, err := parseJSON(v1JSON, got[v1JSON])
	if err != nil {
		return nil, err
	}
	in := describe(meta, description{
		id: meta.str("droplet_id"), hostname: "hostname", keys: "public_keys", user: "user_data", vendor: "vendor_data",
		secret: []string{"auth_key"},
	})
	in.NetworkConfig = digitalOceanNetwork(in, meta)
	return in, nil
}

// UpCloud: "Metadata service" of https://developers.upcloud.com/1.3/8-servers/.
func upCloud() *Source {
	return &Source{
		Name: "upcloud", Network: true, fetch: fetchUpCloud, parse: parseUpCloud,
		Rules: []platform.Rule{{Platform: "upcloud", Fact: platform.Fact{Of: "sys_vendor", Is: "UpCloud"}, HardwareID: platform.ProductUUID}},
	}
}

func fetchUpCloud(ctx context.Context, env *Env) (Docs, error) {
	return from([]string{"http://169.254.169.254/metadata/"}, nil, doc{path: v1JSON})(ctx, env)
}

func parseUpCloud(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	meta, err := parseJSON(v1JSON, got[v1JSON])
	if err != nil {
		return nil, err
	}
	in := describe(meta, description{
		id: meta.str("instance_id"), hostname: "hostname", keys: "public_keys", user: "user_data", vendor: "vendor_data",
	})
	in.NetworkConfig = upCloudNetwork(in, meta)
	return in, nil
}

// Vultr: https://www.vultr.com/metadata/. Its token is a constant.
func vultr() *Source {
	return &Source{
		Name: "vultr", Network: true, fetch: fetchVultr, parse: parseVultr,
		Rules: []platform.Rule{
			{Platform: "vultr", Fact: platform.Fact{Of: "sys_vendor", Is: "Vultr"}, HardwareID: platform.ProductUUID},
			{Platform: "vultr", Fact: platform.Fact{Of: platform.Word, Is: "vultr"}, HardwareID: platform.ProductUUID},
		},
	}
}

func fetchVultr(ctx context.Context, env *Env) (Docs, error) {
	return from([]string{"http://169.254.169.254/"}, map[string]string{"Metadata-Token": "cloudinit"}, doc{path: v1JSON})(ctx, env)
}

func parseVultr(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	meta, err := parseJSON(v1JSON, got[v1JSON])
	if err != nil {
		return nil, err
	}
	in := describe(meta, description{
		id: meta.text("instance-v2-id", "instanceid"), hostname: "hostname", keys: "public-keys", user: "user-data", vendor: "vendor-data",
		secret: []string{"startup-script", "root-password"},
	})
	if in.Hostname == "" {
		in.Hostname = "guest" // as cloud-init has it for resold machines
	}
	// A bare-metal machine has the whole in network-config's own form.
	if in.NetworkConfig = networkDocument(in, meta["cloud_interfaces"]); in.NetworkConfig == nil {
		in.NetworkConfig = vultrNetwork(in, meta)
	}
	return in, nil
}

// NWCS: https://nwcs.sh.
func nwcs() *Source {
	return &Source{
		Name: "nwcs", Network: true, fetch: fetchNWCS, parse: parseNWCS,
		Rules: []platform.Rule{{Platform: "nwcs", Fact: platform.Fact{Of: "sys_vendor", Is: "NWCS"}, HardwareID: platform.ProductUUID}},
	}
}

func fetchNWCS(ctx context.Context, env *Env) (Docs, error) {
	return from([]string{"http://169.254.169.254/api/v1/"}, nil, doc{path: "metadata"})(ctx, env)
}

func parseNWCS(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	meta, err := parseJSON("metadata", got["metadata"])
	if err != nil {
		return nil, err
	}
	in := describe(meta, description{
		id: meta.str("instance-id"), hostname: "hostname", keys: "public-keys", user: "userdata", vendor: "vendordata",
	})
	// The names that it gives are not those of this machine.
	c := netConfig{}
	c.version1(meta.object("network").items("config"))
	in.NetworkConfig = c.document()
	return in, nil
}

// CloudCIX: https://www.cloudcix.com.
func cloudCIX() *Source {
	return &Source{
		Name: "cloudcix", Network: true, fetch: fetchCloudCIX, parse: parseCloudCIX,
		Rules: []platform.Rule{{Platform: "cloudcix", Fact: platform.Fact{Of: "product_name", Is: "CloudCIX"}, HardwareID: platform.ProductUUID}},
	}
}

func fetchCloudCIX(ctx context.Context, env *Env) (Docs, error) {
	return from([]string{"http://169.254.169.254/v1/"}, nil, doc{path: "metadata"}, doc{path: "userdata"})(ctx, env)
}

func parseCloudCIX(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	meta, err := parseJSON("metadata", got["metadata"])
	if err != nil {
		return nil, err
	}
	in := describe(meta, description{
		id: meta.text("instance_id", "instance-id"), hostname: "hostname", keys: "ssh_keys",
	})
	if in.PublicKeys == nil {
		in.PublicKeys = keysOf(meta["public-keys"])
	}
	in.Hostname = cmp.Or(meta.str("local-hostname"), in.Hostname)
	in.UserData = maybeBase64(got["userdata"])
	in.NetworkConfig = networkDocument(in, meta["network"])
	return in, nil
}

// A description says under which names a document gives what.
type description struct {
	id                           string // the value itself
	hostname, keys, user, vendor string
	// secret names are not kept with the metadata.
	secret []string
}

// describe makes an instance of one document. Bodies are not repeated in its
// MetaData.
func describe(meta object, d description) *instance.Instance {
	in := &instance.Instance{
		ID:         d.id,
		Hostname:   meta.text(d.hostname),
		PublicKeys: keysOf(meta[d.keys]),
		MetaData:   meta.without(append(d.secret, d.user, d.vendor)...),
	}
	in.UserData, in.VendorData = meta.body(in, d.user), vendorData(in, meta[d.vendor])
	in.MetaData["instance-id"], in.MetaData["local-hostname"] = in.ID, in.Hostname
	return in
}
