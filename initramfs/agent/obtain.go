package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"boothook/initramfs/modules"
	"boothook/injector"
	netconfig "boothook/injector/network"
	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/nic"
	"boothook/netboot/platform"
	"boothook/netboot/source"
)

// udevWait is how long a NIC waits for udevd to finish with it. Where the
// initrd has a udevd, its coldplug is over within a second or two.
const udevWait = 10 * time.Second

// lastCallTime is how long a NIC may still come, or its cable, when all that
// did have led to a service that said no for good.
const lastCallTime = 5 * time.Second

// errNoAnswer means that every NIC was asked in vain.
var errNoAnswer = errors.New("no source answered")

// What was obtained: an instance and the way it came by.
type obtained struct {
	// instance is what a source on the network has answered, before prepare;
	// prepared is what the injector takes.
	instance instance.Instance
	prepared *injector.Prepared
	match    platform.Match
	lease    nic.Lease
	client   *fetch.Client
	err      error
}

// A network is what was raised to reach the source. Nil: nothing was.
type network struct {
	nics *nic.Manager
	keep bool
	// enough ends the loading of drivers, each of whose looks for more is
	// paid by whatever else the boot does; stop ends all work on the NICs.
	enough, stop context.CancelFunc
}

// end leaves the network as it was found. Where the root is to keep it, the
// leases are handed over in the forms that the root's daemons read.
func (n *network) end(leases []nic.Lease) error {
	if n == nil {
		return nil
	}
	n.stop()
	if !n.keep {
		return n.nics.Restore()
	}
	n.nics.Stop()
	for _, f := range nic.Handover(leases) {
		path := filepath.Join(runMount, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("hand over the lease: %w", err)
		}
		if err := os.WriteFile(path, f.Data, f.Mode); err != nil {
			return fmt.Errorf("hand over the lease: %w", err)
		}
	}
	return nil
}

// raise begins to load drivers and to lease addresses, and returns at once.
func (b *boot) raise(ctx context.Context) (*network, error) {
	o := nic.Options{
		Only:       b.options.Net.NIC,
		Virtual:    b.env.ByHand,
		LinkLocal4: b.matched(func(s *source.Source) bool { return s.LinkLocal4 }),
		LinkLocal6: b.matched(func(s *source.Source) bool { return s.LinkLocal6 }),
		// Some servers send an option only to those who request it.
		DHCPOptions: source.DHCPOptions(b.matches),
		Log:         func(line string) { b.log.Debugf("%s", line) },
	}
	// A recognised cloud's network stands more questions than a switch that
	// guards against floods.
	if !slices.ContainsFunc(b.matches, func(m platform.Match) bool { return m.Platform == "" || m.HardwareID == "" }) {
		o.Pace = nic.CloudPace
	}
	ip := b.options.Net.IP
	if !b.env.ByHand {
		o.AdoptOnly = ip == "" && b.ownStack()
		if ip == "" && !o.AdoptOnly {
			ip = b.options.Net.ForeignIP // nobody else obeys it
		}
		if hasUdevd() {
			o.UdevWait = udevWait
		}
	}
	if b.options.Net.IP == "" && !o.AdoptOnly {
		b.described(&o)
	}
	if ip != "" && len(o.Configs) == 0 {
		cfg, err := nic.ParseIP(ip)
		if err != nil {
			return nil, fmt.Errorf("ip=: %w", err)
		}
		o.Configs = append(o.Configs, cfg)
	}
	for _, word := range b.options.Net.VLANs {
		vlan, err := nic.ParseVLAN(word)
		if err != nil {
			return nil, err
		}
		if !o.AdoptOnly {
			o.VLANs = append(o.VLANs, vlan)
		}
	}
	ctx, stop := context.WithCancel(ctx)
	if o.WantsVLANs() && !b.env.ByHand {
		if err := b.load(ctx, "8021q"); err != nil {
			b.log.Warnf("load drivers: %v", err)
		}
	}
	nics, err := nic.Start(ctx, o)
	if err != nil {
		stop()
		return nil, err
	}
	load, enough := context.WithCancel(ctx)
	if !b.env.ByHand {
		go b.loadDrivers(load)
	}
	return &network{nics: nics, keep: b.options.Net.Keep, stop: stop, enough: enough}, nil
}

// described obeys network-config=, where it gives links addresses of their own
// or makes VLANs. Whatever else there is does DHCP: names may be others here
// than in the booted system. What is wrong with the word the injector says.
func (b *boot) described(o *nic.Options) {
	body, err := netconfig.Word(b.options.Source.NetworkConfig)
	if err != nil || len(body) == 0 {
		return
	}
	doc, _ := netconfig.Read(body, "")
	for _, l := range netconfig.ForNow(doc) {
		if l.Tag != 0 {
			o.VLANs = append(o.VLANs, nic.VLAN{Name: l.Device, Over: l.Over, Tag: l.Tag})
		}
		if l.Prefix.IsValid() {
			o.Configs = append(o.Configs, nic.Config{Device: l.Device, Method: nic.MethodStatic, Prefix: l.Prefix, Gateway: l.Gateway, DNS: l.DNS, MTU: l.MTU})
		}
	}
	if len(o.Configs) > 0 {
		o.Configs = append(o.Configs, nic.Config{Method: nic.MethodDHCP})
	}
}

// matched says that such a source is among those to be asked.
func (b *boot) matched(such func(*source.Source) bool) bool {
	return slices.ContainsFunc(b.matches, func(m platform.Match) bool {
		s, err := source.Find(m.Source)
		return err == nil && such(s)
	})
}

// ownStack says that the initrd's own network stack is at work, or will be:
// the root is on the network, or something in here is reached over it.
func (b *boot) ownStack() bool {
	if b.options.Net.Foreign {
		return true
	}
	if b.options.Net.ForeignIP == "" {
		return false
	}
	return anyExists("/usr/sbin/dropbear", "/sbin/dropbear", "/usr/bin/dropbear", "/sbin/iscsistart", "/usr/sbin/iscsistart",
		"/usr/lib/dracut/hooks/cmdline", "/lib/dracut/hooks/cmdline")
}

// hasUdevd says that this initrd has a udevd, running or about to be started.
func hasUdevd() bool {
	return anyExists("/usr/lib/systemd/systemd-udevd", "/lib/systemd/systemd-udevd", "/sbin/udevd", "/usr/bin/udevd")
}

func anyExists(paths ...string) bool {
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return false
}

// drivers gives what loads kernel modules; nil where there are none.
func (b *boot) drivers() *modules.Loader {
	b.loading.Do(func() {
		loader, err := modules.Running(func(line string) { b.log.Debugf("%s", line) })
		if err != nil {
			b.log.Warnf("load drivers: %v", err)
			return
		}
		b.loader = loader
	})
	return b.loader
}

// coldplugTime bounds how long drivers wait for udevd's coldplug; see
// Env.Coldplug.
const coldplugTime = 20 * time.Second

// loadDrivers loads what the network devices want, without waiting for udev to
// do it.
func (b *boot) loadDrivers(ctx context.Context) {
	loader := b.drivers()
	if loader == nil {
		return
	}
	var coldplug time.Duration
	if b.env.Coldplug {
		coldplug = coldplugTime
	}
	if err := loader.Watch(ctx, modules.Network, coldplug); err != nil && ctx.Err() == nil {
		b.log.Warnf("load drivers: %v", err)
	}
}

// load loads a module that no device asks for.
func (b *boot) load(ctx context.Context, name string) error {
	if loader := b.drivers(); loader != nil {
		return loader.Load(ctx, name)
	}
	return nil
}

// obtain asks the sources over every lease that comes, all at once; the first
// answer wins and ends the rest. Then it fetches what user-data includes. When
// all have said no for good, and no other lease is on its way, it does not
// wait for the end of the budget.
func (b *boot) obtain(ctx context.Context, n *network, volumes []source.Volume) obtained {
	ask, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		leases   = n.nics.Leases()
		answers  = make(chan obtained)
		asking   int
		lastErr  error
		lastCall <-chan time.Time
	)
	for leases != nil || asking > 0 {
		select {
		case lease, more := <-leases:
			if !more {
				leases = nil
				continue
			}
			b.leased(lease)
			asking++
			go func() { answers <- b.askOver(ask, &lease, volumes) }()
		case a := <-answers:
			asking--
			if a.err == nil {
				cancel()
				n.enough()
				b.letGo(leases, answers, asking)
				b.mark("instance fetched")
				if err := n.nics.Settle(a.lease.Index); err != nil {
					b.problem(instance.Problem{Origin: "network", Message: err.Error(), Warning: true})
				}
				return b.prepare(ctx, a)
			}
			lastErr = a.err
		case <-lastCall:
			if n.nics.Idle() {
				return obtained{err: fmt.Errorf("%w: %w", errNoAnswer, lastErr)}
			}
		}
		if lastCall = nil; asking == 0 && lastErr != nil {
			lastCall = time.After(lastCallTime)
		}
	}
	return obtained{err: b.noAnswer(lastErr)}
}

// letGo of those who lost, without waiting for them. What the winner's NIC gets
// besides is noted.
func (b *boot) letGo(leases <-chan nic.Lease, answers <-chan obtained, asking int) {
	go func() {
		for range asking {
			<-answers
		}
	}()
	if leases == nil {
		return
	}
	go func() {
		for lease := range leases {
			b.leased(lease)
		}
	}()
}

// noAnswer says that the budget is spent, and what the last NIC said.
func (b *boot) noAnswer(last error) error {
	err := fmt.Errorf("%w within %v", errNoAnswer, b.options.Net.Timeout)
	if last == nil || errors.Is(last, errNoAnswer) {
		return err
	}
	return fmt.Errorf("%w: %w", err, last)
}

// askOver asks the sources in their order over one NIC.
func (b *boot) askOver(ctx context.Context, lease *nic.Lease, volumes []source.Volume) obtained {
	client := b.client(lease)
	err := errNoAnswer
	for _, match := range b.matches {
		var inst instance.Instance
		if inst, err = b.ask(ctx, match, lease, client, volumes); err == nil {
			return obtained{instance: inst, match: match, lease: *lease, client: client}
		}
	}
	client.Close()
	return obtained{err: fmt.Errorf("over %s: %w", lease.Name, err)}
}

// ask asks one source.
func (b *boot) ask(ctx context.Context, m platform.Match, lease *nic.Lease, client *fetch.Client, volumes []source.Volume) (instance.Instance, error) {
	env := b.sourceEnv(lease, client, volumes)
	if s, err := source.Find(m.Source); err == nil && s.LowPort {
		env.HTTP = fetch.New(fetch.Config{Dial: fetch.LowPort(lease.Dialer()), Version: b.env.Version})
		defer env.HTTP.Close()
	}
	inst, err := source.Fetch(ctx, m, env)
	if err != nil {
		return inst, err
	}
	return b.otherUserData(ctx, client, inst)
}

// prepare decodes what came, and fetches what it includes.
func (b *boot) prepare(ctx context.Context, a obtained) obtained {
	a.prepared = injector.Prepare(ctx, a.instance, a.client)
	b.mark("user-data decoded")
	return a
}

// otherUserData obeys boothook.url=. User-data that cannot be had is not the
// same as none: the instance is then not provisioned at all.
func (b *boot) otherUserData(ctx context.Context, client *fetch.Client, inst instance.Instance) (instance.Instance, error) {
	url := b.options.Source.URL
	if url == "" {
		return inst, nil
	}
	var err error
	if path, ok := strings.CutPrefix(url, "file://"); ok {
		inst.UserData, err = readSome(path, fetch.MaxDocument)
	} else {
		inst.UserData, err = client.Get(ctx, url)
	}
	if err != nil {
		return inst, fmt.Errorf("boothook.url=: %w", err)
	}
	return inst, nil
}
