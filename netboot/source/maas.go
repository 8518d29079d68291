package source

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"time"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// MAAS tells a machine by the kernel word cloud-config-url= where there is a
// cloud-config that holds the metadata service's address and OAuth keys
// ("MAAS" in cloud-init's manual). Requests are signed by OAuth 1.0's method
// PLAINTEXT (RFC 5849 §3.4.4), each with a nonce of its own; MAAS refuses one
// whose time is more than some minutes wrong.
const (
	maasWord    = "cloud-config-url"
	maasVersion = "2012-03-01/"
	maasKeys    = "meta-data/public-keys"
	maasVendor  = "meta-data/vendor-data"
)

// maas is named by cc: {datasource_list: [MAAS]} beside the address.
func maas() *Source {
	return &Source{
		Name: "maas", Network: true, fetch: fetchMAAS, parse: parseMAAS,
		Rules: []platform.Rule{{Platform: "maas", Fact: platform.Fact{Of: platform.Word, Is: maasWord}, Also: platform.Fact{Of: platform.CloudConfig, Is: "MAAS"}}},
	}
}

func fetchMAAS(ctx context.Context, env *Env) (Docs, error) {
	var address string
	for _, w := range env.Evidence.Words {
		if a, ok := strings.CutPrefix(w, maasWord+"="); ok {
			address = a
		}
	}
	settings := env.settings // an image that MAAS has installed holds them
	if settings.str("metadata_url") != "" && address == "" {
		return fetchMAASWith(ctx, env, settings)
	}
	if address == "" {
		return nil, fmt.Errorf("%w: no kernel word %s=", ErrMalformed, maasWord)
	}
	resp, err := env.HTTP.Do(ctx, fetch.Request{URL: address})
	if err != nil {
		return nil, err
	}
	if settings, err = maasSettings(resp.Body); err != nil {
		return nil, err
	}
	return fetchMAASWith(ctx, env, settings)
}

// fetchMAASWith asks the service that the settings name.
func fetchMAASWith(ctx context.Context, env *Env, settings object) (Docs, error) {
	base := strings.TrimSuffix(settings.str("metadata_url"), "/") + "/" + maasVersion
	env.HTTP.Open(base, fetch.MaxConns)
	got, err := gatherMAAS(ctx, env, base, settings)
	if fetch.Status(err) == 401 {
		// The answer to a request was lost, and its nonce is used up.
		got, err = gatherMAAS(ctx, env, base, settings)
	}
	return got, err
}

func gatherMAAS(ctx context.Context, env *Env, base string, settings object) (Docs, error) {
	var want []doc
	for _, path := range []string{ec2ID, ec2UserData, ec2Hostname, maasKeys, maasVendor} {
		want = append(want, doc{path: path, header: map[string]string{"Authorization": maasAuth(settings, time.Now())}})
	}
	return gather(ctx, env.HTTP, base, nil, want...)
}

// maasSettings reads the cloud-config. Its body holds secrets: no error
// quotes it.
func maasSettings(body []byte) (object, error) {
	if !bytes.HasPrefix(body, []byte("#cloud-config")) {
		return nil, fmt.Errorf("%w: what %s= leads to is no cloud-config", ErrMalformed, maasWord)
	}
	config, err := parseYAML("cloud-config", body)
	if err != nil {
		return nil, err
	}
	settings := config.object("datasource").object("MAAS")
	if settings.str("metadata_url") == "" {
		return nil, fmt.Errorf("%w: no metadata_url of MAAS in the cloud-config", ErrMalformed)
	}
	return settings, nil
}

// maasAuth signs one request.
func maasAuth(settings object, now time.Time) string {
	var b strings.Builder
	b.WriteString(`OAuth realm="", oauth_version="1.0", oauth_signature_method="PLAINTEXT"`)
	secret := url.QueryEscape(settings.str("consumer_secret")) + "&" + url.QueryEscape(settings.str("token_secret"))
	for _, f := range [...][2]string{
		{"oauth_consumer_key", settings.str("consumer_key")},
		{"oauth_token", settings.str("token_key")},
		{"oauth_signature", secret},
		{"oauth_nonce", strconv.FormatUint(rand.Uint64(), 36)},
		{"oauth_timestamp", strconv.FormatInt(now.Unix(), 10)},
	} {
		b.WriteString(", " + f[0] + `="` + url.QueryEscape(f[1]) + `"`)
	}
	return b.String()
}

func parseMAAS(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	in := &instance.Instance{
		ID:         got.text(ec2ID),
		Hostname:   got.text(ec2Hostname),
		PublicKeys: keyLines(got.text(maasKeys)),
		UserData:   got[ec2UserData],
	}
	in.MetaData = map[string]any{"instance-id": in.ID, "local-hostname": in.Hostname}
	vendor, err := anyYAML(maasVendor, got[maasVendor])
	if err != nil {
		in.VendorData = got[maasVendor] // whoever decodes it will say what is wrong
		return in, nil
	}
	// Text, a list, or a mapping with cloud-init in it, as OpenStack has it.
	in.VendorData = vendorData(in, vendor)
	return in, nil
}
