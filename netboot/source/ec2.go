package source

import (
	"context"
	"encoding/json"
	"maps"
	"strconv"
	"strings"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// The EC2 instance metadata service, as the EC2 user guide describes it under
// "Instance metadata and user data". Version 2 wants a session token, which a
// PUT gives; version 1 does without. The whole takes one PUT and one round of
// GETs, over connections that are opened beside the PUT.
const (
	ec2Token     = "X-aws-ec2-metadata-token"
	ec2TokenTTL  = "X-aws-ec2-metadata-token-ttl-seconds"
	ec2TTL       = "21600" // seconds, the longest there is
	ec2ID        = "meta-data/instance-id"
	ec2Hostname  = "meta-data/local-hostname"
	ec2Key       = "meta-data/public-keys/0/openssh-key"
	ec2Index     = "meta-data/ami-launch-index"
	ec2UserData  = "user-data"
	ec2Document  = "dynamic/instance-identity/document"
	maxEC2Launch = 1 << 20 // instances in one launch
)

// ec2 also serves the clouds that have copied it. An EC2 machine's UUID begins
// with "ec2", or with the same bytes in SMBIOS's little-endian order
// ("45e12aec-…" for "ec2ae145-…"), as Amazon's guide "Detect whether a host is
// an EC2 instance" describes.
func ec2() *Source {
	return &Source{
		Name: "ec2", Network: true, fetch: fetchEC2, parse: parseEC2, more: fetchEC2Docs,
		Rules: []platform.Rule{
			{Platform: "brightbox", Fact: platform.Fact{Of: "product_serial", Is: "*.brightbox.com"}, HardwareID: platform.ProductUUID},
			{Platform: "zstack", Fact: platform.Fact{Of: "chassis_asset_tag", Is: "*.zstack.io"}, HardwareID: platform.ProductUUID},
			{Platform: "e24cloud", Fact: platform.Fact{Of: "sys_vendor", Is: "e24cloud"}, HardwareID: platform.ProductUUID},
			{Platform: "tilaa", Fact: platform.Fact{Of: "sys_vendor", Is: "Tilaa"}, HardwareID: platform.ProductUUID},
			{Platform: "outscale", Fact: platform.Fact{Of: "product_name", Is: "3DS Outscale VM"},
				Also: platform.Fact{Of: "sys_vendor", Is: "3DS Outscale"}, HardwareID: platform.ProductUUID},
			{Platform: "aws", Fact: platform.Fact{Of: platform.Hypervisor, Is: "ec2*"}, HardwareID: awsHardwareID},
			{Platform: "aws", Fact: platform.Fact{Of: "product_uuid", Is: "ec2?????-*"}, HardwareID: awsHardwareID},
			{Platform: "aws", Fact: platform.Fact{Of: "product_uuid", Is: "????2?ec-*"}, HardwareID: awsHardwareID},
			{Platform: "aws", Fact: platform.Fact{Of: "sys_vendor", Is: "Amazon EC2"}, HardwareID: awsHardwareID},
		},
	}
}

// awsHardwareID prefers the instance-id, which Nitro's firmware gives as the
// board's asset tag.
func awsHardwareID(ev *platform.Evidence) string {
	isID := func(tag string) bool { return strings.HasPrefix(tag, "i-") }
	if s := platform.Field(ev, "board_asset_tag", isID); s != "" {
		return s
	}
	return platform.ProductUUID(ev)
}

// ec2Bases are the addresses of the service, over IPv4 and IPv6.
func ec2Bases() []string {
	return []string{"http://169.254.169.254/latest/", "http://[fd00:ec2::254]/latest/"}
}

func fetchEC2(ctx context.Context, env *Env) (Docs, error) {
	return fetchEC2Docs(ctx, env, append(nicDocs(env, ec2Device, ec2IPv4s, ec2IPv6s, ec2Subnet4, ec2Subnet6),
		doc{path: ec2ID},
		doc{path: ec2UserData},
		doc{path: ec2Hostname},
		doc{path: ec2Key},
		doc{path: ec2Keys, lenient: true},
		doc{path: ec2Index},
		doc{path: ec2Document, optional: true},
	))
}

// withKeys fetches the keys beside the first, which few machines have.
func withKeys(got Docs, ask func([]doc) (Docs, error)) (Docs, error) {
	want := furtherKeys(got)
	if want == nil {
		return got, nil
	}
	keys, err := ask(want)
	maps.Copy(got, keys)
	return got, err
}

func fetchEC2Docs(ctx context.Context, env *Env, want []doc) (Docs, error) {
	got, err := gatherEC2(ctx, env, want)
	if fetch.Status(err) == 401 {
		// The token has gone stale, or was made before the instance
		// moved: a new one, once.
		got, err = gatherEC2(ctx, env, want)
	}
	return got, err
}

// An ec2Session is where the service answered, and the header it wants.
type ec2Session struct {
	base   string
	header map[string]string
}

// gatherEC2 fetches a token and with it the documents.
func gatherEC2(ctx context.Context, env *Env, want []doc) (Docs, error) {
	c := env.HTTP
	s, err := race(ctx, env.Lease.near(env.addresses("latest/", ec2Bases()...)), func(ctx context.Context, base string) (ec2Session, error) {
		c.Open(base, fetch.MaxConns)
		header, err := tokenHeader(ctx, c, base, ec2TokenTTL, ec2Token)
		return ec2Session{base, header}, err
	})
	if err != nil {
		return nil, err
	}
	ask := func(want []doc) (Docs, error) { return gather(ctx, c, s.base, s.header, want...) }
	got, err := ask(want)
	if err != nil {
		return nil, err
	}
	return withKeys(got, ask)
}

// tokenHeader opens a session of version 2 and gives its header. A service
// that refuses tokens, in whatever words, is asked the way of version 1.
func tokenHeader(ctx context.Context, c *fetch.Client, base, ttlName, tokenName string) (map[string]string, error) {
	resp, err := c.Do(ctx, fetch.Request{
		Method: "PUT", URL: base + "api/token", Header: map[string]string{ttlName: ec2TTL},
	})
	if code := fetch.Status(err); code >= 400 && code < 500 && ctx.Err() == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return map[string]string{tokenName: strings.TrimSpace(string(resp.Body))}, nil
}

func parseEC2(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	in, err := parseEC2Tree(got)
	if err != nil {
		return nil, err
	}
	in.UserData = maybeBase64(in.UserData)
	in.NetworkConfig = ec2Network(got, true)
	return in, nil
}

// parseEC2Tree understands the documents of EC2 and of the services modelled
// on it, by their path below the version.
func parseEC2Tree(got Docs) (*instance.Instance, error) {
	in := &instance.Instance{
		ID:         got.text(ec2ID),
		Hostname:   got.text(ec2Hostname),
		PublicKeys: treeKeys(got),
		UserData:   got[ec2UserData],
		MetaData:   map[string]any{},
	}
	in.MetaData["instance-id"] = in.ID
	if in.Hostname != "" {
		in.MetaData["local-hostname"] = in.Hostname
	}
	if in.PublicKeys != nil {
		in.MetaData["public-keys"] = in.PublicKeys
	}
	if s := got.text(ec2Index); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > maxEC2Launch {
			in.Bad("ami-launch-index", "is not a number, and left out")
		} else {
			in.LaunchIndex, in.MetaData["ami-launch-index"] = &n, n
		}
	}
	addEC2Document(in.MetaData, got[ec2Document])
	return in, nil
}

// addEC2Document enters what the instance identity document knows under the
// names that the metadata tree uses. The document is a convenience: one that
// cannot be read adds nothing.
func addEC2Document(meta map[string]any, body []byte) {
	var d struct {
		AvailabilityZone, Region, ImageID, InstanceType, PrivateIP string
	}
	if json.Unmarshal(body, &d) != nil {
		return
	}
	placement := map[string]any{}
	for _, e := range []struct {
		to         map[string]any
		key, value string
	}{
		{placement, "availability-zone", d.AvailabilityZone},
		{placement, "region", d.Region},
		{meta, "ami-id", d.ImageID},
		{meta, "instance-type", d.InstanceType},
		{meta, "local-ipv4", d.PrivateIP},
	} {
		if e.value != "" {
			e.to[e.key] = e.value
		}
	}
	if len(placement) > 0 {
		meta["placement"] = placement
	}
}
