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
		got, err := gather(ctx, env.HTTP, base, nil, doc{path: scalewayConf}, doc{path: scalewayUser}, doc{path: scalewayVendor})
		if err == nil {
			env.addLease(got)
		}
		return got, err
	})
}

func parseScaleway(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	meta, err := parseJSON("conf", got[scalewayConf])
	if err != nil {
		return nil, err
	}
	in := describe(meta, description{id: meta.str("id"), hostname: "hostname"})
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
	if mac := got.text(leaseMAC); mac != "" {
		in.NetworkConfig = scalewayNetwork(meta, mac, got.text(leaseAddress))
	}
	return in, nil
}

// scalewayNetwork is that of the one NIC: the address that came by DHCP comes that
// way again, all others are given. An older machine has a private address by DHCP
// and perhaps one of IPv6.
func scalewayNetwork(meta object, mac, leased string) []byte {
	c := netConfig{}
	l := c.ethernet("nic0", mac)
	if meta["private_ip"] != nil {
		l.set("dhcp4", true)
		six := meta.object("ipv6")
		l.address(six.str("address"), six.str("netmask"))
		l.route("", six.str("gateway"))
		return c.document()
	}
	for _, ip := range meta.items("public_ips") {
		six := ip.str("family") == "inet6"
		if ip.str("address") == leased && !six {
			l.set("dhcp4", true)
			// The service stays within reach when that address has gone.
			l.more("routes", object{"to": "169.254.42.42/32", "via": "62.210.0.1", "on-link": true})
			continue
		}
		l.address(ip.str("address"), ip.str("netmask"))
		if six {
			l.route("", ip.str("gateway"))
		}
	}
	if len(l) == 1 {
		return nil // the match alone: nothing is said
	}
	return c.document()
}
