package source

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"path"
	"path/filepath"
	"strings"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// LXD (and Incus) answer HTTP on a socket in /dev ("Instance API" of LXD's
// manual). In a virtual machine their agent makes the socket, often later than
// an initrd runs; so the source has no rule, and a kernel word must name it.
const (
	lxdSocket = "lxd/sock"
	lxdMeta   = "meta-data"
	lxdConfig = "config"
	lxdBase   = "http://lxd/1.0/"
	// lxdUserMeta is metadata of the user's own, which count more.
	lxdUserMeta = "user.meta-data"
)

func lxd() *Source {
	return &Source{Name: "lxd", fetch: fetchLXD, parse: parseLXD, tell: tellLXD}
}

// lxdKeys are what is read of an instance's configuration. Of each pair the
// first counts more.
func lxdKeys() [][2]string {
	return [][2]string{
		{"cloud-init.user-data", "user.user-data"},
		{"cloud-init.vendor-data", "user.vendor-data"},
		{"cloud-init.network-config", "user.network-config"},
		{lxdUserMeta, lxdUserMeta},
	}
}

// lxdClient speaks through the socket, whatever the name.
func lxdClient(env *Env) *fetch.Client {
	socket := filepath.Join(env.Dev, lxdSocket)
	return fetch.New(fetch.Config{Dial: func(context.Context, string, string) (net.Conn, error) {
		return net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	}})
}

func fetchLXD(ctx context.Context, env *Env) (Docs, error) {
	// A socket that is not there now is not waited for.
	if _, err := os.Stat(filepath.Join(env.Dev, lxdSocket)); err != nil {
		return nil, err
	}
	c := lxdClient(env)
	defer c.Close()
	got, err := gather(ctx, c, lxdBase, nil, doc{path: lxdMeta}, doc{path: lxdConfig})
	if err != nil {
		return nil, err
	}
	// A key that is not listed is not asked for: that would be an error.
	var listed []string
	if err := json.Unmarshal(got[lxdConfig], &listed); err != nil {
		return nil, fmt.Errorf("%w: config is not a list", ErrMalformed)
	}
	var want []doc
	for _, pair := range lxdKeys() {
		for _, p := range listed {
			if key := path.Base(p); key == pair[0] || key == pair[1] {
				want = append(want, doc{path: lxdConfig + "/" + key})
			}
		}
	}
	bodies, err := gather(ctx, c, lxdBase, nil, want...)
	if err != nil {
		return nil, err
	}
	bodies[lxdMeta] = got[lxdMeta]
	return bodies, nil
}

func parseLXD(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	meta, err := parseYAML(lxdMeta, got[lxdMeta])
	if err != nil {
		return nil, err
	}
	own, err := parseYAML(lxdUserMeta, got[lxdConfig+"/"+lxdUserMeta])
	maps.Copy(meta, own)
	in := &instance.Instance{
		ID:         meta.str("instance-id"),
		Hostname:   meta.str("local-hostname"),
		PublicKeys: keysOf(meta["public-keys"]),
		MetaData:   meta,
	}
	if err != nil {
		in.Bad(lxdUserMeta, "is no yaml mapping, and left out")
	}
	for i, to := range []*[]byte{&in.UserData, &in.VendorData, &in.NetworkConfig} {
		for _, key := range lxdKeys()[i] {
			if body := got[lxdConfig+"/"+key]; *to == nil && len(body) > 0 {
				*to = body
			}
		}
	}
	return in, nil
}

// tellLXD says that the instance is ready, for "lxc list" and whoever waits.
func tellLXD(ctx context.Context, env *Env, out instance.Outcome) error {
	if !out.Applied {
		return nil // it stays "Started"
	}
	c := lxdClient(env)
	defer c.Close()
	_, err := c.Do(ctx, fetch.Request{
		Method: "PATCH", URL: strings.TrimSuffix(lxdBase, "/"), Body: []byte(`{"state": "Ready"}`),
		Header: map[string]string{"Content-Type": "application/json"},
	})
	return err
}
