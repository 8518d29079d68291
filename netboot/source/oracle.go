package source

import (
	"context"
	"strconv"
	"time"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// Oracle Cloud Infrastructure, "Getting Instance Metadata". Version 2 wants a
// constant header; old machines may have version 1 only. Oracle says that the
// service is away for some milliseconds now and then, and answers 404 then:
// so only 404 from both versions, several times, is believed.
const (
	oracleInstance = "instance/"
	oracleVNICs    = "vnics/"
	oracleMTU      = 9000 // of every network of Oracle's
	oracleTries    = 5
	oraclePause    = 50 * time.Millisecond
)

func oracle() *Source {
	return &Source{
		Name: "oracle", Network: true, fetch: fetchOracle, parse: parseOracle,
		Rules: []platform.Rule{{Platform: "oracle", Fact: platform.Fact{Of: "chassis_asset_tag", Is: "OracleCloud.com"}, HardwareID: platform.ProductUUID}},
	}
}

func oracleBases() []string {
	return []string{"http://169.254.169.254/opc/", "http://[fd00:c1::a9fe:a9fe]/opc/"}
}

func fetchOracle(ctx context.Context, env *Env) (Docs, error) {
	return race(ctx, env.Lease.near(oracleBases()), func(ctx context.Context, base string) (Docs, error) {
		var err error
		for range oracleTries {
			for _, version := range []string{"v2/", "v1/"} {
				var header map[string]string
				if version == "v2/" {
					header = map[string]string{"Authorization": "Bearer Oracle"}
				}
				var got Docs
				got, err = gather(ctx, env.HTTP, base+version, header, doc{path: oracleInstance}, doc{path: oracleVNICs})
				if err != nil {
					return nil, err
				}
				if got[oracleInstance] != nil {
					return got, nil
				}
				err = fetch.ErrNotFound
			}
			select {
			case <-time.After(oraclePause):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return nil, err
	})
}

func parseOracle(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	meta, err := parseJSON(oracleInstance, got[oracleInstance])
	if err != nil {
		return nil, err
	}
	own := meta.object("metadata")
	zero := 0
	in := &instance.Instance{
		ID:          meta.str("id"),
		Hostname:    meta.text("hostname", "displayName"),
		PublicKeys:  keysOf(own["ssh_authorized_keys"]),
		LaunchIndex: &zero,
		MetaData:    meta.without("metadata"),
	}
	in.UserData = promised(in, "user_data", string(own.body(in, "user_data")))
	in.MetaData["metadata"] = own.without("user_data")
	in.MetaData["instance-id"], in.MetaData["local-hostname"] = in.ID, in.Hostname
	if got[oracleVNICs] != nil {
		in.NetworkConfig = oracleNetwork(beside(in, oracleVNICs, []byte(`{"list":`+string(got[oracleVNICs])+"}")))
	}
	return in, nil
}

// oracleNetwork turns the virtual NICs: the first has DHCP, the others the
// addresses given.
func oracleNetwork(vnics object) []byte {
	c := netConfig{}
	for i, nic := range vnics.items("list") {
		l := c.ethernet("nic"+strconv.Itoa(i), nic.str("macAddr"))
		l.set("mtu", oracleMTU)
		ip, six := nic.str("privateIp"), list(nic["ipv6Addresses"])
		switch {
		case i == 0 && ip != "":
			l.set("dhcp4", true)
		case i == 0:
			l.set("dhcp6", true)
		default:
			l.address(ip, nic.str("subnetCidrBlock"))
			if len(six) > 0 {
				first, _ := six[0].(string)
				l.address(first, nic.str("ipv6SubnetCidrBlock"))
			}
		}
	}
	return c.document()
}
