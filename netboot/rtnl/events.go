package rtnl

import "os"

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

// Receive waits for messages. They are valid until the next call. ENOBUFS says
// that some were lost; after any other error there are no more.
func (e *Events) Receive() ([]Message, error) {
	n, err := e.sock.Read(e.buf)
	if err != nil {
		return nil, err
	}
	return messages(e.buf[:n]), nil
}

// Close ends the subscription and whoever waits in Receive.
func (e *Events) Close() error { return e.sock.Close() }
