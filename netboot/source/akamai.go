package source

import (
	"context"
	"strings"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// Akamai's (Linode's) Metadata Service API: a token, then three documents.
const (
	akamaiInstance = "v1/instance"
	akamaiUser     = "v1/user-data"
	akamaiKeys     = "v1/ssh-keys"
)

func akamai() *Source {
	return &Source{
		Name: "akamai", Network: true, fetch: fetchAkamai, parse: parseAkamai,
		Rules: []platform.Rule{
			{Platform: "akamai", Fact: platform.Fact{Of: "sys_vendor", Is: "Linode"}, HardwareID: platform.ProductSerial},
			{Platform: "akamai", Fact: platform.Fact{Of: "sys_vendor", Is: "Akamai"}, HardwareID: platform.ProductSerial},
		},
	}
}

func akamaiBases() []string {
	return []string{"http://169.254.169.254/", "http://[fd00:a9fe:a9fe::1]/"}
}

func fetchAkamai(ctx context.Context, env *Env) (Docs, error) {
	return race(ctx, env.Lease.near(akamaiBases()), func(ctx context.Context, base string) (Docs, error) {
		env.HTTP.Open(base, 3)
		token, err := env.HTTP.Do(ctx, fetch.Request{
			Method: "PUT", URL: base + "v1/token", Header: map[string]string{"Metadata-Token-Expiry-Seconds": "300"},
		})
		if err != nil {
			return nil, err
		}
		json := map[string]string{"Accept": "application/json"}
		return gather(ctx, env.HTTP, base, map[string]string{"Metadata-Token": strings.TrimSpace(string(token.Body))},
			doc{path: akamaiInstance, header: json}, doc{path: akamaiUser}, doc{path: akamaiKeys, header: json})
	})
}

func parseAkamai(got Docs, ev *platform.Evidence) (*instance.Instance, error) {
	meta, err := parseJSON("instance", got[akamaiInstance])
	if err != nil {
		return nil, err
	}
	id := meta.str("id")
	if id == "" {
		id = ev.DMI["product_serial"] // the same number, from the firmware
	}
	in := describe(meta, description{id: id, hostname: "label"})
	in.PublicKeys = keysOf(beside(in, "ssh-keys", got[akamaiKeys]).object("users")["root"])
	in.UserData = promised(in, "user-data", got.text(akamaiUser))
	return in, nil
}
