package fetch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// TFTP reads a file as RFC 1350 has it, with the block size of RFC 2348.
const (
	tftpRead  = 1
	tftpData  = 3
	tftpAck   = 4
	tftpError = 5
	tftpOAck  = 6

	tftpNotFound = 1 // the error code

	tftpPort     = "69"
	tftpBlock    = 512  // unless the server agrees to another
	tftpAsk      = 1428 // fills a packet on Ethernet
	tftpFirst    = 250 * time.Millisecond
	tftpLongest  = 2 * time.Second
	maxTFTPName  = 400
	maxTFTPBlock = 65464
)

// tftp fetches a file. What is lost is asked for again until ctx is done.
func (c *Client) tftp(ctx context.Context, u *url.URL) ([]byte, error) {
	name := strings.TrimPrefix(u.Path, "/")
	if u.Hostname() == "" || name == "" || len(name) > maxTFTPName || strings.Contains(name, "\x00") {
		return nil, ErrBadURL
	}
	port := u.Port()
	if port == "" {
		port = tftpPort
	}
	ctx, cancel := context.WithTimeout(ctx, Budget)
	defer cancel()
	conn, server, err := c.cfg.Packet(ctx, net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	t := transfer{conn: conn, to: server, block: tftpBlock, next: 1}
	c.requests.Add(1)
	body, err := t.run(ctx, readRequest(name))
	c.received.Add(int64(len(body)))
	return body, err
}

func readRequest(name string) []byte {
	b := []byte{0, tftpRead}
	for _, s := range []string{name, "octet", "blksize", strconv.Itoa(tftpAsk)} {
		b = append(append(b, s...), 0)
	}
	return b
}

// A transfer is one file on its way.
type transfer struct {
	conn  net.PacketConn
	to    net.Addr
	known bool // to is the port that the server answers from
	block int
	next  uint16 // the block that is due; it wraps
	body  bytes.Buffer
}

// run sends request and then acknowledgements, each until it is answered.
func (t *transfer) run(ctx context.Context, packet []byte) ([]byte, error) {
	buf := make([]byte, maxTFTPBlock+4)
	wait := tftpFirst
	for {
		if _, err := t.conn.WriteTo(packet, t.to); err != nil {
			return nil, err
		}
		reply, done, err := t.answer(ctx, buf, wait)
		switch {
		case err != nil:
			return nil, err
		case done:
			t.conn.WriteTo(reply, t.to) // if it is lost, the server's loss
			return t.body.Bytes(), nil
		case reply == nil: // nothing came
			wait = min(2*wait, tftpLongest)
		default:
			packet, wait = reply, tftpFirst
		}
	}
}

// answer waits for what moves the transfer on, and gives what to say to it.
func (t *transfer) answer(ctx context.Context, buf []byte, wait time.Duration) (reply []byte, done bool, err error) {
	deadline := time.Now().Add(wait)
	for {
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		if err := t.conn.SetReadDeadline(deadline); err != nil {
			return nil, false, err
		}
		n, from, err := t.conn.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, false, ctx.Err()
		}
		if err != nil {
			return nil, false, err
		}
		if !t.isServer(from) {
			continue
		}
		reply, done, err = t.packet(buf[:n])
		if reply != nil || err != nil {
			return reply, done, err
		}
	}
}

// isServer tells the server's packets from others'. The server answers from a
// port of its choice, and keeps to it.
func (t *transfer) isServer(from net.Addr) bool {
	if t.known {
		return from.String() == t.to.String()
	}
	a, aErr := hostOf(from)
	b, bErr := hostOf(t.to)
	if aErr != nil || bErr != nil || a != b {
		return false
	}
	t.to, t.known = from, true
	return true
}

// hostOf gives the host of an address.
func hostOf(a net.Addr) (string, error) {
	host, _, err := net.SplitHostPort(a.String())
	return host, err
}

// packet understands a packet. A nil reply means that it does not count.
func (t *transfer) packet(p []byte) (reply []byte, done bool, err error) {
	if len(p) < 4 {
		return nil, false, nil
	}
	number := binary.BigEndian.Uint16(p[2:])
	switch binary.BigEndian.Uint16(p) {
	case tftpError:
		if number == tftpNotFound {
			return nil, false, &StatusError{Code: 404}
		}
		return nil, false, fmt.Errorf("%w: tftp error %d", ErrRefused, number)
	case tftpOAck:
		if t.next != 1 || t.body.Len() > 0 {
			return nil, false, nil
		}
		if err := t.options(p[2:]); err != nil {
			return nil, false, err
		}
		return acknowledge(0), false, nil
	case tftpData:
		if number != t.next {
			return nil, false, nil // sent twice
		}
		data := p[4:]
		if len(data) > t.block {
			return nil, false, fmt.Errorf("%w: a block of %d bytes", ErrMalformed, len(data))
		}
		if t.body.Len()+len(data) > MaxDocument {
			return nil, false, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxDocument)
		}
		t.body.Write(data)
		t.next++
		done = len(data) < t.block
		if done && t.body.Len() == 0 {
			return nil, false, &StatusError{Code: 200}
		}
		return acknowledge(number), done, nil
	}
	return nil, false, nil
}

// options reads what the server agrees to: no larger blocks than asked for.
func (t *transfer) options(b []byte) error {
	fields := strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		if !strings.EqualFold(fields[i], "blksize") {
			continue
		}
		n, err := strconv.Atoi(fields[i+1])
		if err != nil || n < 8 || n > tftpAsk {
			return fmt.Errorf("%w: tftp block size", ErrMalformed)
		}
		t.block = n
	}
	return nil
}

func acknowledge(number uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{0, tftpAck}, number)
}
