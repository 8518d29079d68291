package nic

import (
	"context"
	"fmt"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// list considers every link there is.
func (m *Manager) list() error {
	links, err := m.machine.netlink.Links()
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	for _, l := range links {
		m.consider(l)
	}
	return nil
}

// watch is the event loop. An event is taken as a hint: the workers read anew
// what it is about, so that one that is lost or describes an older state does
// no harm.
func (m *Manager) watch() {
	defer m.workers.Done()
	for m.ctx.Err() == nil {
		list, err := m.machine.events.Receive()
		switch {
		case isOverrun(err):
			if err := m.list(); err != nil {
				m.opts.Log(err.Error())
			}
			m.recheck(0)
			continue
		case err != nil:
			if m.ctx.Err() == nil {
				m.opts.Log("link events: " + err.Error())
			}
			return
		}
		for i := range list {
			m.event(&list[i])
		}
	}
}

// event handles one event of the kernel.
func (m *Manager) event(e *rtnl.Event) {
	switch e.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		switch {
		case e.Link.Family != unix.AF_UNSPEC: // the link as a bridge's port, or as IPv6 sees it
			m.recheck(e.Index)
		case e.Type == unix.RTM_DELLINK:
			m.forget(e.Index)
		default:
			m.consider(e.Link)
		}
	case unix.RTM_NEWADDR, unix.RTM_DELADDR, unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		m.recheck(e.Index)
	case unix.RTM_NEWNDUSEROPT:
		m.mu.Lock()
		defer m.mu.Unlock()
		if l := m.links[e.Index]; l != nil {
			l.announce(namesOf(e.Options))
		}
	}
}

// recheck has a link's worker look again, or with 0 every link's.
func (m *Manager) recheck(index int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, l := range m.links {
		if index == 0 || i == index {
			l.update(nil)
		}
	}
}

// consider takes in the latest state of a link, and starts a worker on it if
// it counts and has none.
func (m *Manager) consider(a *rtnl.Link) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.links[a.Index]; l != nil {
		l.update(a)
		return
	}
	if m.ctx.Err() != nil || m.settled != 0 && m.settled != a.Index || !m.wanted(a) {
		return
	}
	if len(m.links) >= maxLinks {
		m.opts.Log(fmt.Sprintf("%s: not used, %d links are in use", a.Name, maxLinks))
		return
	}
	ctx, stop := context.WithCancel(m.ctx)
	l := newLink(a, stop)
	m.links[a.Index] = l
	m.workers.Add(1)
	go func() {
		defer m.workers.Done()
		defer close(l.done)
		m.serve(ctx, l)
	}()
}

// forget ends the work on a link that has disappeared.
func (m *Manager) forget(index int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.links[index]; l != nil {
		l.stop()
		delete(m.links, index)
		m.claims.release(index)
	}
	for _, l := range m.links { // one may want what the link had
		l.update(nil)
	}
}

// unwanted ends the work on a link whose name, once udevd had given it, is
// not the one that was asked for. It asks the kernel for the name: the event of
// the renaming may come after udevd's message, which comes by another socket.
func (m *Manager) unwanted(l *link) bool {
	m.mu.Lock() // until its end no event changes the link, so that the answer is the newest state
	defer m.mu.Unlock()
	if m.udev != nil {
		if fresh, err := m.machine.netlink.Link(l.index); err == nil {
			l.update(fresh)
		}
	}
	attrs, _ := l.now()
	if m.wanted(attrs) {
		return false
	}
	delete(m.links, l.index) // a later rename may bring it back
	return true
}

// claim says whether a link may have a Config.
func (m *Manager) claim(c *Config, index int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.claims.take(c, index)
}
