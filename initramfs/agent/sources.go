package agent

import (
	"context"
	"fmt"
	"io"
	"os"

	"boothook/injector"
	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/nic"
	"boothook/netboot/source"
	"boothook/netboot/volume"
)

// What bake puts into the initrd beside the agent.
const (
	bakedMark = "/usr/lib/boothook/baked.json"
	bakedCAs  = "/etc/boothook/ca.pem"
	ownCAs    = "/etc/ssl/certs" // of an initrd that has some
	bakedSeed = "/etc/boothook/seed"
)

// devices is where device nodes are.
const devices = "/dev"

// maxMark bounds what is read of bakedMark.
const maxMark = 64 << 10

// A seed is a volume that may hold an instance's data.
type seed = volume.Found

// scan looks at the volumes that are there now. Behind them comes what was
// baked in: a volume that somebody attached to this machine is meant for it.
func (e *Env) scan() []seed {
	// A machine whose block devices cannot be listed has no volumes.
	found, _ := volume.Scan(e.Sysfs, devices, source.IsSeedLabel)
	if _, err := os.Stat(bakedSeed); err == nil && !e.ByHand {
		baked := volume.Volume{Type: "initrd", Label: source.SeedLabel, FS: os.DirFS(bakedSeed)}
		found = append(found, seed{Volume: baked, Device: bakedSeed, Closer: io.NopCloser(nil)})
	}
	return found
}

// labels are those of the volumes that are there now.
func (e *Env) labels() []string {
	var labels []string
	for _, v := range e.scan() {
		labels = append(labels, v.Label)
		v.Close()
	}
	return labels
}

// volumes are those that are there now, for sources to read until they are
// closed.
func (e *Env) volumes() (found []source.Volume, closeAll func()) {
	seeds := e.scan()
	for i := range seeds {
		found = append(found, source.Volume{Label: seeds[i].Label, FS: seeds[i].FS})
	}
	return found, func() {
		for i := range seeds {
			seeds[i].Close()
		}
	}
}

// local asks the sources that need no network.
func (b *boot) local(ctx context.Context, volumes []source.Volume) (obtained, bool) {
	ev := b.evidence
	ev.Labels = nil
	for i := range volumes {
		ev.Labels = append(ev.Labels, volumes[i].Label)
	}
	for _, m := range source.Detect(&ev) {
		s, err := source.Find(m.Source)
		if err != nil || !s.Local(&ev, volumes) {
			continue // over the network, then, or in the root
		}
		inst, err := source.Fetch(ctx, m, source.Env{Evidence: ev, Volumes: volumes, Sysfs: b.env.Sysfs, Dev: devices})
		if err != nil {
			b.problem(instance.Problem{Origin: m.Source, Message: err.Error(), Warning: true})
			continue
		}
		p := injector.Prepare(ctx, inst, nil)
		b.mark("instance read from " + m.Because)
		return obtained{prepared: p, match: m}, true
	}
	return obtained{}, false
}

// complete asks once more, over the same lease, where a volume adds to what the
// network says: it was not there when the network was asked.
func (b *boot) complete(ctx context.Context, a obtained, volumes []source.Volume) obtained {
	s, err := source.Find(a.match.Source)
	if a.err != nil || err != nil || !s.Reads(volumes) {
		return a
	}
	inst, err := b.ask(ctx, a.match, &a.lease, a.client, volumes)
	if err != nil {
		return obtained{err: err}
	}
	b.mark("volume read")
	a.instance = inst
	return b.prepare(ctx, a)
}

// wantsNetwork says that some match has to be asked over the network.
func (b *boot) wantsNetwork(volumes []source.Volume) bool {
	for _, m := range b.matches {
		if s, err := source.Find(m.Source); err != nil || s.NeedsNetwork(&b.evidence, volumes) {
			return true
		}
	}
	return b.options.Source.URL != ""
}

// client makes what asks over one lease.
func (b *boot) client(lease *nic.Lease) *fetch.Client {
	cfg := fetch.Config{Dial: lease.DialContext, Version: b.env.Version, Packet: lease.Packet}
	if anyExists(extraPath, extraPath+extraPacked) {
		cfg.TLS = b.secure
	}
	if said := b.options.Net.Proxy; said != "" {
		proxy, err := fetch.ParseProxy(said)
		if err != nil {
			b.problem(instance.Problem{Origin: "kernel command line", Message: err.Error(), Warning: true})
		}
		cfg.Proxy = proxy
	}
	return fetch.New(cfg)
}

// sourceEnv is what a source sees over one lease.
func (b *boot) sourceEnv(lease *nic.Lease, client *fetch.Client, volumes []source.Volume) source.Env {
	return source.Env{HTTP: client, Evidence: b.evidence, Volumes: volumes, Sysfs: b.env.Sysfs,
		Lease: source.Lease{Interface: lease.Name, Address: lease.Prefix.Addr(), ServerID: lease.ServerID,
			Gateway: lease.Gateway, Options: lease.Options},
	}
}

// tellSource lets the cloud know what became of the instance, while the
// network is still there.
func (b *boot) tellSource(ctx context.Context, a *obtained, out instance.Outcome) {
	env := source.Env{Evidence: b.evidence, Sysfs: b.env.Sysfs, Dev: devices}
	switch {
	case a.prepared == nil:
		return
	case a.client != nil:
		env = b.sourceEnv(&a.lease, a.client, nil)
	}
	if err := source.Tell(ctx, a.match.Source, env, out); err != nil {
		b.problem(instance.Problem{Origin: a.match.Source, Message: fmt.Sprintf("tell the source the outcome: %v", err)})
	}
}
