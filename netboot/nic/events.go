package nic

import (
	"context"
	"errors"
	"fmt"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// list considers every link there is.
func (m *Manager) list() error {
	links, err := m.conn.Links()
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	for _, l := range links {
		m.consider(l)
	}
	return nil
}

// watch is the event loop. Events are hints: what they are about is looked at
// anew, so that one that is lost or stands for an older state does no harm.
func (m *Manager) watch() {
	defer m.workers.Done()
	for m.ctx.Err() == nil {
		msgs, err := m.events.Receive()
		switch {
		case isOverrun(err):
			if err := m.list(); err != nil {
				m.opts.Log(err.Error())
			}
			m.poke(0)
			continue
		case err != nil:
			if m.ctx.Err() == nil {
				m.opts.Log("link events: " + err.Error())
			}
			return
		}
		for _, msg := range msgs {
			m.event(msg.Type, msg.Data)
		}
	}
}

// event handles one message of the kernel.
func (m *Manager) event(kind uint16, data []byte) {
	switch kind {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		l, err := rtnl.ParseLink(data)
		switch {
		case err != nil:
			m.opts.Log("link event: " + err.Error())
		case l.Family != unix.AF_UNSPEC: // the link as a bridge's port, or as IPv6 sees it
			m.poke(l.Index)
		case kind == unix.RTM_DELLINK:
			m.forget(l.Index)
		default:
			m.consider(l)
		}
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		if index := rtnl.AddrIndex(data); index != 0 {
			m.poke(index)
		}
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		m.poke(0)
	case unix.RTM_NEWNDUSEROPT:
		index, dns, search := userOptions(data)
		m.mu.Lock()
		defer m.mu.Unlock()
		if l := m.links[index]; l != nil {
			l.announce(dns, search)
		}
	}
}

// poke has a link's worker look again, or with 0 every link's.
func (m *Manager) poke(index int) {
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
		m.opts.Log(fmt.Sprintf("%s: left dark, %d links are enough", a.Name, maxLinks))
		return
	}
	ctx, stop := context.WithCancel(m.ctx)
	l := &link{index: a.Index, stop: stop, done: make(chan struct{}), attrs: a, changed: make(chan struct{})}
	m.links[a.Index] = l
	m.workers.Add(1)
	go func() {
		defer m.workers.Done()
		defer close(l.done)
		m.serve(ctx, l)
	}()
}

// wanted says whether a link counts and is to have an address.
func (m *Manager) wanted(a *rtnl.Link) bool {
	if !counts(a, isDevice(a), isWireless(a), &m.opts) {
		return false
	}
	c := configFor(m.opts.Configs, a)
	return c != nil && c.Method != MethodOff || m.opts.carries(a)
}

// forget ends the work on a link that has disappeared.
func (m *Manager) forget(index int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.links[index]; l != nil {
		l.stop()
		delete(m.links, index)
	}
}

// unwanted ends the work on a link whose name, once udevd had given it, is
// not the one that was asked for.
func (m *Manager) unwanted(l *link) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	attrs, _ := l.now()
	if m.wanted(attrs) {
		return false
	}
	delete(m.links, l.index) // a later rename may bring it back
	return true
}

// isOverrun says that events were lost because they came faster than they were read.
func isOverrun(err error) bool { return errors.Is(err, unix.ENOBUFS) }
