package netboot

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/nic"
	"boothook/netboot/platform"
	"boothook/netboot/source"
)

// Datasources are the Sources of package source.
type Datasources struct {
	Evidence platform.Evidence
	// Sysfs and Dev are where sysfs and devices are, "/sys" and "/dev".
	Sysfs, Dev string
	// UserDataURL is that of Options.
	UserDataURL string
	// Version goes into the User-Agent.
	Version string
	// TLS speaks TLS over a connection; nil: https is refused.
	TLS func(ctx context.Context, conn net.Conn, host string) (net.Conn, error)
	// Proxy is what documents go by that user-data names.
	Proxy *url.URL
	// Dial connects over a lease, perhaps from a low port; nil: through the
	// lease's NIC.
	Dial func(lease *nic.Lease, lowPort bool) DialFunc
}

// A DialFunc is that of a fetch.Config.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

func (d *Datasources) dial(lease *nic.Lease, lowPort bool) DialFunc {
	switch {
	case d.Dial != nil:
		return d.Dial(lease, lowPort)
	case lowPort:
		return fetch.LowPort(lease.Dialer())
	}
	return lease.DialContext
}

// Connect implements Sources.
func (d *Datasources) Connect(lease *nic.Lease) *fetch.Client {
	return fetch.New(fetch.Config{Dial: d.dial(lease, false), TLS: d.TLS, Packet: lease.Packet, Proxy: d.Proxy, Version: d.Version})
}

// Ask implements Sources.
func (d *Datasources) Ask(ctx context.Context, over Over, m platform.Match, volumes []source.Volume) (instance.Instance, error) {
	env := d.env(over, m, volumes)
	inst, err := source.Fetch(ctx, m, env)
	leave(env, over)
	if err != nil || over.Client == nil {
		return inst, err
	}
	return d.otherUserData(ctx, over.Client, inst)
}

// More implements Sources.
func (d *Datasources) More(ctx context.Context, over Over, m platform.Match, names []string) (source.Docs, error) {
	env := d.env(over, m, nil)
	defer leave(env, over)
	return source.More(ctx, m, env, names)
}

// Tell implements Sources.
func (d *Datasources) Tell(ctx context.Context, over Over, m platform.Match, out instance.Outcome) error {
	env := d.env(over, m, nil)
	err := source.Tell(ctx, m.Source, env, out)
	leave(env, over)
	return err
}

// env is what a source sees over one lease. It is to be left.
func (d *Datasources) env(over Over, m platform.Match, volumes []source.Volume) source.Env {
	env := source.Env{HTTP: over.Client, Evidence: d.Evidence, Volumes: volumes, Sysfs: d.Sysfs, Dev: d.Dev}
	l := over.Lease
	if over.Client == nil {
		return env
	}
	env.Lease = source.Lease{Interface: l.Name, Address: l.Prefix.Addr(), ServerID: l.ServerID, Gateway: l.Gateway, Options: l.Options}
	if src, err := source.Find(m.Source); err == nil && src.LowPort {
		env.HTTP = fetch.New(fetch.Config{Dial: d.dial(l, true), Version: d.Version})
	}
	return env
}

// leave closes what was made for this one question.
func leave(env source.Env, over Over) {
	if env.HTTP != over.Client {
		env.HTTP.Close()
	}
}

// otherUserData obeys boothook.url=. User-data that cannot be had is not the
// same as none: the instance is then not provisioned at all.
func (d *Datasources) otherUserData(ctx context.Context, client *fetch.Client, inst instance.Instance) (instance.Instance, error) {
	if d.UserDataURL == "" {
		return inst, nil
	}
	var err error
	if path, ok := strings.CutPrefix(d.UserDataURL, "file://"); ok {
		inst.UserData, err = readFile(path)
	} else {
		inst.UserData, err = client.Get(ctx, d.UserDataURL)
	}
	if err != nil {
		return inst, fmt.Errorf("boothook.url=: %w", err)
	}
	return inst, nil
}

// readFile reads a file of at most fetch.MaxDocument bytes.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, fetch.MaxDocument))
}
