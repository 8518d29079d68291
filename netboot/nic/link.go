package nic

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"boothook/netboot/rtnl"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"golang.org/x/sys/unix"
)

// A link is one interface as the kernel's events describe it. The event loop
// writes it, its worker reads it and waits for changes.
type link struct {
	index int
	stop  context.CancelFunc // ends the worker
	done  chan struct{}      // closed when the worker has ended

	// before is how the link was found; nil as long as it is untouched.
	// Only the worker writes it, and only before done is closed.
	before *snapshot
	// reply is what a DHCPv6 server has given and must be given back.
	reply *dhcpv6.Message
	// leased says that it has brought a lease for IPv4, of others' making, or
	// is to bring none.
	leased atomic.Bool

	mu      sync.Mutex // guards what follows
	attrs   *rtnl.Link
	dns6    []netip.Addr // what routers have announced
	search6 []string
	changed chan struct{} // closed and replaced whenever something about the link changes
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
		l.attrs = attrs
	}
	close(l.changed)
	l.changed = make(chan struct{})
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

// announcedNames gives what announce has recorded.
func (l *link) announcedNames() ([]netip.Addr, []string) {
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

// hasCarrier says whether the link is up and its cable, or what stands for
// it, is connected (IFF_LOWER_UP).
func hasCarrier(a *rtnl.Link) bool {
	return isUp(a) && a.Flags&unix.IFF_LOWER_UP != 0
}

func isUp(a *rtnl.Link) bool { return a.Flags&unix.IFF_UP != 0 }

// counts says whether a link is one that boothook uses. It is when it speaks
// Ethernet, is no loopback, belongs to no bridge, bond or team and is none,
// and, unless it was asked for by name or Virtual is set, stands for a device:
// a veth, a dummy or a VLAN does not, but for the VLANs made here. A wireless link never does: it has no
// network before somebody joins one.
func counts(a *rtnl.Link, isDevice, wireless bool, o *Options) bool {
	switch {
	case a.Flags&unix.IFF_LOOPBACK != 0, a.Type != unix.ARPHRD_ETHER:
		return false
	case o.AdoptOnly && o.Only == "":
		return true // what has no address of its own is not touched
	case a.Master != 0, wireless:
		return false
	case a.Kind == "bridge", a.Kind == "bond", a.Kind == "team":
		return false
	case o.isOurs(a):
		return true
	case o.Only != "":
		return named(a, o.Only)
	}
	return isDevice || o.Virtual
}

// named says whether s is the link's name, one of its other names, or its
// hardware address in any usual spelling, PXE's BOOTIF=01-… included.
func named(a *rtnl.Link, s string) bool {
	if s == a.Name || slices.Contains(a.AltNames, s) {
		return true
	}
	hw := parseHW(s)
	return hw != nil && (bytes.Equal(hw, a.Addr) || bytes.Equal(hw, a.PermAddr))
}

// parseHW reads an Ethernet address, nil if s is none. PXE's BOOTIF puts the
// hardware type, 01, before it.
func parseHW(s string) net.HardwareAddr {
	if len(s) == len("01-00-00-00-00-00-00") && strings.HasPrefix(s, "01-") {
		s = s[len("01-"):]
	}
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != 6 {
		return nil
	}
	return hw
}

// isDevice says whether a bus has the link: the kernel tells (Linux 5.14 on),
// or sysfs does.
func isDevice(a *rtnl.Link) bool {
	return a.ParentDev != "" || sysfsHas(a.Name, "device")
}

func isWireless(a *rtnl.Link) bool { return sysfsHas(a.Name, "phy80211") }

func sysfsHas(name, file string) bool {
	_, err := os.Lstat(filepath.Join("/sys/class/net", name, file))
	return err == nil
}
