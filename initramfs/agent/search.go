package agent

import (
	"context"
	"sync"
	"time"

	"boothook/initramfs/extra"
	"boothook/initramfs/report"
	"boothook/injector"
	"boothook/netboot"
	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/nic"
	"boothook/netboot/platform"
	"boothook/netboot/source"
)

// newSearch makes a search that still lacks what is at work beside it.
func (b *boot) newSearch() *netboot.Search {
	sources := &netboot.Datasources{Evidence: *b.evidence, Sysfs: b.env.Sysfs, Dev: b.env.initrd(devices),
		UserDataURL: b.options.Source.URL, Version: b.env.Version}
	if extra.There() {
		tls := &extra.TLS{Warn: func(err error) { b.log.Warnf("%v", err) }}
		sources.TLS = tls.Wrap
	}
	if said := b.options.Net.Proxy; said != "" {
		proxy, err := fetch.ParseProxy(said)
		if err != nil {
			b.record.Problem(instance.Problem{Origin: "kernel command line", Message: err.Error(), Warning: true})
		}
		sources.Proxy = proxy
	}
	return &netboot.Search{Evidence: *b.evidence, Matches: b.matches, Sources: sources,
		Options: netboot.Options{Timeout: b.options.Net.Timeout, UserDataURL: b.options.Source.URL}}
}

// A searching is a search at work beside the wait for the root, and the
// decoding of what it finds. It is what the search waits for and tells: its
// netboot.Held, Volumes, Seed and Watcher.
type searching struct {
	env     *Env
	record  *report.Recorder
	network *network

	evidence *platform.Evidence // none of it changes
	timeout  time.Duration
	held     bool      // packets are held back until the root is there
	began    time.Time // when the time for the network began to run
	ctx      context.Context
	end      context.CancelFunc

	rooted chan struct{} // closed when the root is there and has to be customized
	root   string        // where it is

	done  chan struct{} // closed when the search has ended
	found *netboot.Found
	err   error

	lock  sync.Mutex // guards early
	early *decoding  // of what the network has said
}

// begin begins to search. Where packets are held back, none is sent before the
// root is there.
func (b *boot) begin(ctx context.Context, search *netboot.Search, network *network, held bool) *searching {
	s := &searching{env: &b.env, record: b.record, network: network, evidence: b.evidence, timeout: b.options.Net.Timeout, held: held,
		began: time.Now(), rooted: make(chan struct{}), done: make(chan struct{})}
	s.ctx, s.end = context.WithCancel(ctx)
	search.Network, search.Volumes, search.Seed, search.Watcher = network, s, s, s
	if held {
		search.Held = s
	}
	go func() {
		s.found, s.err = search.Find(s.ctx)
		close(s.done)
	}()
	return s
}

// rootIs says that the root is there and has to be customized, and gives the
// time that is left for the network.
func (s *searching) rootIs(dir string) time.Duration {
	if s.held {
		s.began = time.Now()
	}
	s.root = dir
	close(s.rooted)
	return max(time.Until(s.began.Add(s.timeout)), 0)
}

// result waits for what is found and for its documents. What was decoded beside
// the wait for the root counts, unless a volume or a seed has changed the
// answer.
func (s *searching) result() (*netboot.Found, *injector.Prepared, error) {
	<-s.done
	if s.err != nil {
		return nil, nil, s.err
	}
	s.lock.Lock()
	d := s.early
	s.lock.Unlock()
	if d == nil || d.found != s.found {
		d = s.decode(s.found)
	}
	<-d.done
	return s.found, d.documents, nil
}

// stop ends the search and waits for its end.
func (s *searching) stop() {
	s.end()
	<-s.done
}

// A decoding is the decoding of one answer, under way or done.
type decoding struct {
	found     *netboot.Found
	done      chan struct{}
	documents *injector.Prepared
}

// decode begins to decode the documents of an instance, and to fetch what they
// include over the lease by which it came.
func (s *searching) decode(found *netboot.Found) *decoding {
	d := &decoding{found: found, done: make(chan struct{})}
	go func() {
		defer close(d.done)
		if found.Client == nil {
			d.documents = injector.Prepare(s.ctx, found.Instance, nil)
			return
		}
		ctx, cancel := context.WithDeadline(s.ctx, found.Deadline)
		defer cancel()
		d.documents = injector.Prepare(ctx, found.Instance, found.Client)
		s.record.Mark("user-data decoded")
	}()
	return d
}

// Answered implements netboot.Watcher.
func (s *searching) Answered(found *netboot.Found) {
	d := s.decode(found)
	s.lock.Lock()
	s.early = d
	s.lock.Unlock()
}

// Leased, Mark and Problem implement netboot.Watcher.
func (s *searching) Leased(l nic.Lease)         { s.network.leased(l) }
func (s *searching) Mark(stage string)          { s.record.Mark(stage) }
func (s *searching) Problem(p instance.Problem) { s.record.Problem(p) }

// Wait implements netboot.Held: it waits for the root.
func (s *searching) Wait(ctx context.Context) error {
	select {
	case <-s.rooted:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// List implements netboot.Volumes: when the root is there, so are they.
func (s *searching) List(ctx context.Context) ([]source.Volume, func(), error) {
	if err := s.Wait(ctx); err != nil {
		return nil, nil, err
	}
	list, closeAll := s.env.volumes()
	return list, closeAll, nil
}

// Seed implements netboot.Seed.
func (s *searching) Seed(dir string) netboot.Image {
	image, found := s.env.readImage(s.evidence, s.root, dir)
	for _, p := range found {
		s.record.Problem(p)
	}
	return image
}
