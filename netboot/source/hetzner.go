package source

import (
	"context"
	"fmt"
	"strconv"

	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// Hetzner Cloud: "Server Metadata" of https://docs.hetzner.cloud. The metadata
// are YAML; the user-data may be base64, because the API takes only text.
const (
	hetznerMeta = "metadata"
	hetznerUser = "userdata"
)

func hetzner() *Source {
	return &Source{
		Name: "hetzner", Network: true, LinkLocal6: true, fetch: fetchHetzner, parse: parseHetzner,
		Rules: []platform.Rule{{Platform: "hetzner", Fact: platform.Fact{Of: "sys_vendor", Is: "Hetzner"}, HardwareID: platform.ProductSerial}},
	}
}

func fetchHetzner(ctx context.Context, env *Env) (Docs, error) {
	bases := []string{"http://169.254.169.254/hetzner/v1/"}
	if env.Lease.Interface != "" {
		bases = append(bases, "http://[fe80::a9fe:a9fe%25"+env.Lease.Interface+"]/hetzner/v1/")
	}
	return from(bases, nil, doc{path: hetznerMeta}, doc{path: hetznerUser})(ctx, env)
}

func parseHetzner(got Docs, ev *platform.Evidence) (*instance.Instance, error) {
	meta, err := parseYAML(hetznerMeta, got[hetznerMeta])
	if err != nil {
		return nil, err
	}
	in := describe(meta, description{
		id: meta.str("instance-id"), hostname: "hostname", keys: "public-keys", vendor: "vendor_data",
		secret: []string{"network-config"},
	})
	if serial := ev.DMI["product_serial"]; serial != "" && in.ID != serial {
		return nil, fmt.Errorf("%w: the service says %q, the firmware %q", ErrBadID, in.ID, serial)
	}
	in.UserData = maybeBase64(got[hetznerUser])
	in.NetworkConfig = networkDocument(in, meta["network-config"])
	private := meta.items("private-networks")
	if network := meta.object("network-config"); len(private) > 0 && network.str("version") != "2" {
		c := netConfig{}
		c.version1(network.items("config"))
		for i, p := range private {
			c.ethernet("private"+strconv.Itoa(i), p.str("mac_address"))["dhcp4"] = true
		}
		in.NetworkConfig = c.document()
	}
	return in, nil
}
