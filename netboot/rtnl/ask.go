package rtnl

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// errInterrupted says that a change came into a listing, which is therefore
// incomplete.
var errInterrupted = errors.New("listing interrupted by a change")

// errTooMany says that a listing does not end.
var errTooMany = errors.New("listing without an end")

// change has the kernel do something.
func (c *Conn) change(kind, flags uint16, body []byte) error {
	return c.ask(kind, flags|unix.NLM_F_ACK, body, func(message) error { return nil })
}

// dump lists something. It begins anew, after reset, when a change came in between.
func (c *Conn) dump(kind uint16, body []byte, reset func(), each func(data []byte) error) (err error) {
	for range maxDumps {
		reset()
		interrupted, count := false, 0
		err = c.ask(kind, unix.NLM_F_DUMP, body, func(m message) error {
			interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
			if count++; count > maxDump {
				return errTooMany
			}
			if m.kind == unix.NLMSG_DONE || len(m.data) == 0 {
				return nil
			}
			return each(m.data)
		})
		if err != nil || !interrupted {
			return err
		}
	}
	return errInterrupted
}

// ask sends a request and gives every message of the answer to each, the one
// that ends a listing included. It reads on after an error of each, so that
// the next request finds no rest of this answer; the first error counts.
func (c *Conn) ask(kind, flags uint16, body []byte, each func(message) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	if err := c.sock.SetDeadline(time.Now().Add(answerWait)); err != nil {
		return err
	}
	if _, err := c.sock.Write(request(kind, flags, c.seq, body)); err != nil {
		return err
	}
	var first error
	for {
		n, err := c.sock.Read(c.buf)
		if err != nil {
			return err
		}
		for _, m := range messages(c.buf[:n]) {
			if m.seq != c.seq { // the rest of a request that has timed out
				continue
			}
			last := m.kind == unix.NLMSG_ERROR || m.kind == unix.NLMSG_DONE
			err := status(m)
			if err == nil && m.kind != unix.NLMSG_ERROR {
				err = each(m)
			}
			if first == nil {
				first = err
			}
			if last {
				return first
			}
		}
	}
}

// status is the error that ends an answer: a negative errno in a message of
// type NLMSG_ERROR or NLMSG_DONE; 0 is none.
func status(m message) error {
	if m.kind != unix.NLMSG_ERROR && m.kind != unix.NLMSG_DONE {
		return nil
	}
	if code := int32(number(m.data)); code < 0 {
		return unix.Errno(-code)
	}
	return nil
}
