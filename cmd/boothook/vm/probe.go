package vm

import (
	"bufio"
	"context"
	"strings"
	"sync"
	"time"
)

const (
	// ProbeInterval is the time between two tries of one port.
	ProbeInterval = 200 * time.Millisecond
	// connectTimeout ends a try before TCP sends its SYN a second time.
	connectTimeout = 900 * time.Millisecond
	// speakTimeout bounds the wait for a banner; an emulated guest is slow.
	speakTimeout = 10 * time.Second
	// maxBanner bounds what one try reads, in bytes (RFC 4253 4.2: 255).
	maxBanner = 512
)

// A Banner is the first line that a port of the guest spoke.
type Banner struct {
	At   time.Duration
	Port int
	Text string
}

// A Prober dials ports of the guest again and again and notes what speaks.
// It is careful: every connection makes sshd start a process, and a few of
// them fill an emulated processor. So a port that is connected is not dialled
// again meanwhile, and one that has spoken is left alone.
type Prober struct {
	zero    time.Time
	network *Network
	stop    context.CancelFunc
	all     sync.WaitGroup

	mu        sync.Mutex // guards all below
	banners   []Banner
	tries     map[int]int
	connected map[int]bool
	changed   chan struct{} // closed, and replaced, at every banner
}

// probe starts to dial the ports. Times count from zero.
func (n *Network) probe(zero time.Time, ports []int) *Prober {
	ctx, stop := context.WithCancel(context.Background())
	p := &Prober{zero: zero, network: n, stop: stop, tries: map[int]int{}, connected: map[int]bool{}, changed: make(chan struct{})}
	for _, port := range ports {
		p.all.Go(func() { p.run(ctx, port) })
	}
	return p
}

// run tries one port at every interval. A try without an answer does not hold
// up the next.
func (p *Prober) run(ctx context.Context, port int) {
	tick := time.NewTicker(ProbeInterval)
	defer tick.Stop()
	for len(p.Banners(port)) == 0 {
		p.mu.Lock()
		if !p.connected[port] {
			p.tries[port]++
			p.all.Go(func() { p.try(ctx, port) })
		}
		p.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *Prober) try(ctx context.Context, port int) {
	dialing, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := p.network.DialGuest(dialing, port)
	if err != nil {
		return // nobody there yet: what the probe is for
	}
	defer conn.Close()
	p.setConnected(port, true)
	defer p.setConnected(port, false)
	ctx, cancel = context.WithTimeout(ctx, speakTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	text, err := bufio.NewReaderSize(conn, maxBanner).ReadSlice('\n')
	if err != nil && len(text) == 0 {
		return // silent
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.banners = append(p.banners, Banner{time.Since(p.zero), port, strings.TrimSpace(string(text))})
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Prober) setConnected(port int, now bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connected[port] = now
}

// Tries returns how often the port was dialled.
func (p *Prober) Tries(port int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tries[port]
}

// Banners returns what the port spoke, in the order heard.
func (p *Prober) Banners(port int) []Banner {
	p.mu.Lock()
	defer p.mu.Unlock()
	var of []Banner
	for _, b := range p.banners {
		if b.Port == port {
			of = append(of, b)
		}
	}
	return of
}

// Wait returns the first banner of one of the ports.
func (p *Prober) Wait(ctx context.Context, ports ...int) (Banner, error) {
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		for _, port := range ports {
			if b := p.Banners(port); len(b) > 0 {
				return b[0], nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Banner{}, context.Cause(ctx)
		}
	}
}

// Close ends the probing and waits for the tries under way.
func (p *Prober) Close() {
	p.stop()
	p.all.Wait()
}
