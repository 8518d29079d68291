package rtnl

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// An Event is the kernel's announcement that something has changed.
type Event struct {
	Type  uint16 // RTM_NEWLINK, RTM_DELADDR, RTM_NEWROUTE …
	Index int    // of the link that it is about; 0: it does not say, as with routes
	Link  *Link  // with RTM_NEWLINK and RTM_DELLINK
	// Options are, with RTM_NEWNDUSEROPT, the options of a router's
	// advertisement that the kernel leaves to programs (RFC 4861 §4.6), valid
	// until the next call of Receive.
	Options []byte
}

// Events are the kernel's announcements of what has changed.
type Events struct {
	sock *os.File
	buf  []byte
}

// Subscribe joins multicast groups: RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR …, of
// which those up to 32 can be had. It must be closed.
func Subscribe(groups ...uint) (*Events, error) {
	var mask uint32
	for _, g := range groups {
		mask |= 1 << (g - 1)
	}
	sock, err := open(mask)
	if err != nil {
		return nil, err
	}
	return &Events{sock: sock, buf: make([]byte, readSize)}, nil
}

// Receive waits for events. ENOBUFS says that some were lost; after any other
// error there are no more. One whose message is cut off is left out.
func (e *Events) Receive() (list []Event, err error) {
	n, err := e.sock.Read(e.buf)
	if err != nil {
		return nil, err
	}
	for _, m := range messages(e.buf[:n]) {
		if ev, ok := parseEvent(m); ok {
			list = append(list, ev)
		}
	}
	return list, nil
}

// parseEvent reads one message; false if it is cut off or says nothing of use.
func parseEvent(m message) (e Event, ok bool) {
	e.Type = m.kind
	switch m.kind {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		l, err := parseLink(m.data)
		if err != nil {
			return e, false
		}
		e.Link, e.Index = l, l.Index
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		if len(m.data) < unix.SizeofIfAddrmsg {
			return e, false
		}
		e.Index = addrIndex(m.data)
	case unix.RTM_NEWNDUSEROPT: // struct nduseroptmsg, linux/rtnetlink.h
		const header = 16
		if len(m.data) < header || m.data[0] != unix.AF_INET6 {
			return e, false
		}
		e.Index = int(int32(binary.NativeEndian.Uint32(m.data[4:])))
		opts := m.data[header:]
		e.Options = opts[:min(len(opts), int(binary.NativeEndian.Uint16(m.data[2:])))]
	}
	return e, true
}

// Close ends the subscription and whoever waits in Receive.
func (e *Events) Close() error { return e.sock.Close() }
