package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
)

// The EC2 instance metadata service, as the EC2 user guide describes it under
// "Instance metadata and user data". Version 2 wants a session token, which a
// PUT gives; version 1 does without. The whole takes one PUT and one round of
// GETs, over connections that are opened beside the PUT.
const (
	ec2Base      = "http://169.254.169.254/latest/"
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

func fetchEC2(ctx context.Context, env Env) (instance.Instance, error) {
	env.HTTP.Open(ec2Base, fetch.MaxConns)
	got, err := gatherEC2(ctx, env.HTTP)
	if fetch.Status(err) == 401 {
		// The token has gone stale, or was made before the instance
		// moved: a new one, once.
		got, err = gatherEC2(ctx, env.HTTP)
	}
	if err != nil {
		return instance.Instance{}, err
	}
	return ParseEC2(got)
}

// gatherEC2 fetches a token and with it everything else.
func gatherEC2(ctx context.Context, c *fetch.Client) (docs, error) {
	header, err := ec2Session(ctx, c)
	if err != nil {
		return nil, err
	}
	return gather(ctx, c, ec2Base, header,
		doc{path: ec2ID},
		doc{path: ec2UserData},
		doc{path: ec2Hostname},
		doc{path: ec2Key},
		doc{path: ec2Index},
		doc{path: ec2Document, optional: true})
}

// ec2Session gives the header of a session. A service that refuses tokens, in
// whatever words, is asked the way of version 1 at once.
func ec2Session(ctx context.Context, c *fetch.Client) (map[string]string, error) {
	resp, err := c.Do(ctx, fetch.Request{
		Method: "PUT", URL: ec2Base + "api/token",
		Header: map[string]string{ec2TokenTTL: ec2TTL},
	})
	if refused := new(fetch.StatusError); errors.As(err, &refused) && refused.Code >= 400 && refused.Code < 500 && ctx.Err() == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return map[string]string{ec2Token: trim(resp.Body)}, nil
}

// ParseEC2 understands the documents of an EC2 metadata service, by their
// path below "latest/".
func ParseEC2(d map[string][]byte) (instance.Instance, error) {
	got := docs(d)
	in := instance.Instance{
		ID:         got.text(ec2ID),
		Hostname:   got.text(ec2Hostname),
		PublicKeys: keyLines(got.text(ec2Key)),
		UserData:   maybeBase64(got[ec2UserData]),
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
			return instance.Instance{}, fmt.Errorf("%w: ami-launch-index is not a number", ErrMalformed)
		}
		in.LaunchIndex = &n
		in.MetaData["ami-launch-index"] = n
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
