package nic

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"

	"boothook/netboot/nic/dhcp"
	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// A link is one interface as the kernel's events describe it. The event loop
// writes it; the link's worker reads it and waits for changes.
type link struct {
	index int
	stop  context.CancelFunc // ends the worker
	done  chan struct{}      // closed when the worker has ended

	// before is how the link was found; nil as long as it is untouched.
	// Only the worker writes it, and only before done is closed.
	before *snapshot
	// reply is what a DHCPv6 server granted, which must be released. It is the
	// worker's until done is closed.
	reply *dhcp.Message6
	// leased says that no lease for IPv4 is awaited: the link has one, another
	// program's counts, or it is to have none.
	leased atomic.Bool

	mu      sync.Mutex // guards what follows
	attrs   *rtnl.Link
	losses  int          // how often the carrier was lost
	dns6    []netip.Addr // what routers have announced
	search6 []string
	changed chan struct{} // closed and replaced whenever something about the link changes
}

func newLink(a *rtnl.Link, stop context.CancelFunc) *link {
	return &link{index: a.Index, stop: stop, done: make(chan struct{}), attrs: a, changed: make(chan struct{})}
}

// now gives the latest known state, and a channel that closes when it is old.
func (l *link) now() (*rtnl.Link, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attrs, l.changed
}

// update records a new state, or, with nil, that something beside the
// link's own attributes changed.
func (l *link) update(attrs *rtnl.Link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if attrs != nil {
		if hasCarrier(l.attrs) && !hasCarrier(attrs) {
			l.losses++
		}
		l.attrs = attrs
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// carrierLosses counts how often the carrier was lost. It tells of a loss that
// now does not show, as the carrier is back before anyone looks.
func (l *link) carrierLosses() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.losses
}

// announce records the name servers and search domains that a router announced.
func (l *link) announce(dns []netip.Addr, search []string) {
	l.mu.Lock()
	if len(dns) > 0 {
		l.dns6 = dns
	}
	if len(search) > 0 {
		l.search6 = search
	}
	l.mu.Unlock()
	l.update(nil)
}

// announced gives what announce has recorded.
func (l *link) announced() ([]netip.Addr, []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dns6, l.search6
}

// until waits until cond holds of the link. It looks again at every event.
func (l *link) until(ctx context.Context, cond func(*rtnl.Link) bool) error {
	for {
		attrs, changed := l.now()
		if cond(attrs) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hasCarrier says whether the link is up and its cable, or a virtual link's
// other end, is connected (IFF_LOWER_UP).
func hasCarrier(a *rtnl.Link) bool {
	return isUp(a) && a.Flags&unix.IFF_LOWER_UP != 0
}

func isUp(a *rtnl.Link) bool { return a.Flags&unix.IFF_UP != 0 }
