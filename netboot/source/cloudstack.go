package source

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// Apache CloudStack's virtual router serves a tree like EC2's, at its own
// address: the DHCP server, or what the name data-server stands for, or the
// default gateway. Exoscale's service descends from it.
//
// A password that was asked for waits on the router's port 8080 until it is
// fetched, and once more until the machine has said that it has it.
const (
	cloudStackKeys     = "meta-data/public-keys"
	cloudStackPassword = "password"
	cloudStackHeader   = "DomU_Request"
	// passwordWait bounds what telling of it may take; few clouds have the
	// service, and what does not answer at all is waited for no longer.
	passwordWait = 2 * time.Second
)

func cloudStack() *Source {
	return &Source{
		Name: "cloudstack", Network: true, fetch: fetchCloudStack, parse: parseCloudStack, tell: tellCloudStack,
		Rules: []platform.Rule{{Platform: "cloudstack", Fact: platform.Fact{Of: "product_name", Is: "CloudStack*"}, HardwareID: platform.ProductUUID}},
	}
}

func exoscale() *Source {
	return &Source{
		Name: "exoscale", Network: true, fetch: fetchExoscale, parse: parseCloudStack, tell: tellExoscale,
		Rules: []platform.Rule{{Platform: "exoscale", Fact: platform.Fact{Of: "product_name", Is: "Exoscale*"}, HardwareID: platform.ProductUUID}},
	}
}

func cloudStackDocs() []doc {
	return []doc{{path: ec2ID}, {path: ec2UserData}, {path: ec2Hostname}, {path: ec2Key}, {path: cloudStackKeys}}
}

// cloudStackHosts are where the router may be.
func cloudStackHosts(env *Env) (hosts []string) {
	// Most often the router is both.
	for _, a := range slices.Compact([]netip.Addr{env.Lease.ServerID, env.Lease.Gateway}) {
		if a.IsValid() {
			hosts = append(hosts, a.String())
		}
	}
	return append(hosts, "data-server")
}

func fetchCloudStack(ctx context.Context, env *Env) (Docs, error) {
	return race(ctx, cloudStackHosts(env), func(ctx context.Context, host string) (Docs, error) {
		return gatherCloudStack(ctx, env, host, "/latest/")
	})
}

const exoscaleHost = "169.254.169.254"

func fetchExoscale(ctx context.Context, env *Env) (Docs, error) {
	return gatherCloudStack(ctx, env, exoscaleHost, "/1.0/")
}

// gatherCloudStack fetches the documents and, beside them, the password. A service
// of passwords that does not answer holds up nobody.
func gatherCloudStack(ctx context.Context, env *Env, host, version string) (Docs, error) {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		host = "[" + host + "]"
	}
	base := "http://" + host + version
	password := make(chan []byte, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		body, _ := askPassword(ctx, env, host, "send_my_password")
		password <- body
	}()
	env.HTTP.Open(base, fetch.MaxConns-1)
	ask := func(want []doc) (Docs, error) { return gather(ctx, env.HTTP, base, nil, want...) }
	got, err := ask(cloudStackDocs())
	if err == nil {
		if list := got[cloudStackKeys]; list != nil {
			got[ec2Keys] = list
		}
		got, err = withKeys(got, ask)
	}
	if err != nil {
		return nil, err
	}
	select {
	case body := <-password:
		if body != nil {
			got[cloudStackPassword] = body
		}
	case <-time.After(optionalGrace):
	}
	return got, nil
}

func askPassword(ctx context.Context, env *Env, host, what string) ([]byte, error) {
	resp, err := env.HTTP.Do(ctx, fetch.Request{
		URL: "http://" + host + ":8080/", Header: map[string]string{cloudStackHeader: what}, Once: true,
	})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// tellCloudStack says that the password has been set, so that nobody gets it
// again.
func tellCloudStack(ctx context.Context, env *Env, out instance.Outcome) error {
	return savedPassword(ctx, env, out, cloudStackHosts(env)[0])
}

func tellExoscale(ctx context.Context, env *Env, out instance.Outcome) error {
	return savedPassword(ctx, env, out, exoscaleHost)
}

func savedPassword(ctx context.Context, env *Env, out instance.Outcome, host string) error {
	ctx, cancel := context.WithTimeout(ctx, passwordWait)
	defer cancel()
	// Whether there was a password is asked again: it is still there then.
	if !out.Applied || !out.NewInstance {
		return nil
	}
	body, err := askPassword(ctx, env, host, "send_my_password")
	if err != nil || passwordOf(string(body)) == "" {
		return nil // there is none to be told of
	}
	_, err = askPassword(ctx, env, host, "saved_password")
	return err
}

// passwordOf gives the password in an answer of the service; "" for none.
func passwordOf(answer string) string {
	switch answer = strings.TrimSpace(answer); answer {
	case "saved_password", "bad_request":
		return ""
	}
	return answer
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
	if password := passwordOf(got.text(cloudStackPassword)); password != "" {
		in.VendorData = cloudConfig(object{"ssh_pwauth": true, "password": password, "chpasswd": object{"expire": false}})
	}
	return in, nil
}
