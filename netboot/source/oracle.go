package source

import (
	"context"
	"errors"
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
				var resp *fetch.Response
				resp, err = env.HTTP.Do(ctx, fetch.Request{URL: base + version + oracleInstance, Header: header})
				if err == nil {
					return Docs{oracleInstance: resp.Body}, nil
				}
				if !errors.Is(err, fetch.ErrNotFound) {
					return nil, err
				}
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
	user, err := mustBase64("user_data", own.text("user_data"))
	if err != nil {
		return nil, err
	}
	zero := 0
	in := &instance.Instance{
		ID:          meta.text("id"),
		Hostname:    meta.text("hostname", "displayName"),
		PublicKeys:  keysOf(own["ssh_authorized_keys"]),
		LaunchIndex: &zero,
		UserData:    user,
		MetaData:    meta.without("metadata"),
	}
	in.MetaData["metadata"] = own.without("user_data")
	in.MetaData["instance-id"], in.MetaData["local-hostname"] = in.ID, in.Hostname
	return in, nil
}
