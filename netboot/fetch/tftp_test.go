package fetch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// A tftpServer sends one file, and misbehaves as its fields say.
type tftpServer struct {
	file []byte
	old  bool // knows no options
	lose int  // every so many packets one is lost
	err  int  // answers with this error
	wide bool // sends more than the agreed block size
	mute bool
}

// start gives the server's address.
func (s tftpServer) start(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		s.serve(conn)
	}()
	return conn.LocalAddr().String()
}

func (s tftpServer) serve(listener net.PacketConn) {
	buf := make([]byte, 1000)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0") // answers come from another port
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		n, client, err := listener.ReadFrom(buf)
		if err != nil {
			return
		}
		if !s.mute && bytes.HasPrefix(buf[:n], []byte("\x00\x01")) {
			s.transfer(conn, client, bytes.Contains(buf[:n], []byte("blksize\x001428\x00")))
		}
	}
}

// transfer sends the file, each packet until it is acknowledged.
func (s tftpServer) transfer(conn net.PacketConn, client net.Addr, options bool) {
	block, sent := 512, 0
	send := func(p []byte) bool {
		for range 20 {
			if sent++; s.lose == 0 || sent%s.lose != 0 {
				conn.WriteTo(p, client)
			}
			conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			ack := make([]byte, 100)
			for {
				n, _, err := conn.ReadFrom(ack)
				if err != nil {
					break
				}
				want := binary.BigEndian.Uint16(p[2:])
				if p[1] == tftpOAck {
					want = 0
				}
				if n == 4 && ack[1] == tftpAck && binary.BigEndian.Uint16(ack[2:]) == want {
					return true
				}
			}
		}
		return false
	}
	if s.err != 0 {
		conn.WriteTo([]byte{0, tftpError, 0, byte(s.err), 'n', 'o', 0}, client)
		return
	}
	if options && !s.old {
		block = 1428
		if !send([]byte("\x00\x06blksize\x001428\x00")) {
			return
		}
	}
	if s.wide {
		block++
	}
	for number, rest := uint16(1), s.file; ; number++ {
		part := rest[:min(block, len(rest))]
		rest = rest[len(part):]
		if !send(append(binary.BigEndian.AppendUint16([]byte{0, tftpData}, number), part...)) || len(part) < block {
			return
		}
	}
}

func TestTFTP(t *testing.T) {
	long := []byte(strings.Repeat("0123456789abcdef", 1000))
	tests := []struct {
		name   string
		server tftpServer
		path   string
		want   error
	}{
		{"a short file", tftpServer{file: []byte("#!/bin/sh\n")}, "/boot/user-data", nil},
		{"many blocks", tftpServer{file: long}, "/f", nil},
		{"just a block", tftpServer{file: long[:1428]}, "/f", nil},
		{"an old server", tftpServer{file: long, old: true}, "/f", nil},
		{"packets are lost", tftpServer{file: long[:5000], lose: 3}, "/f", nil},
		{"no such file", tftpServer{err: 1}, "/f", ErrNotFound},
		{"an empty file", tftpServer{}, "/f", ErrNotFound},
		{"no permission", tftpServer{err: 2}, "/f", ErrRefused},
		{"blocks too large", tftpServer{file: long, wide: true}, "/f", ErrMalformed},
		{"silent", tftpServer{mute: true}, "/f", context.DeadlineExceeded},
		{"no name", tftpServer{}, "/", ErrBadURL},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr := tt.server.start(t)
			c := New(Config{Packet: func(_ context.Context, addr string) (net.PacketConn, net.Addr, error) {
				to, err := net.ResolveUDPAddr("udp", addr)
				if err != nil {
					return nil, nil, err
				}
				conn, err := net.ListenPacket("udp", "127.0.0.1:0")
				return conn, to, err
			}})
			defer c.Close()
			bound := 10 * time.Second
			if tt.server.mute {
				bound = 600 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), bound)
			defer cancel()
			body, err := c.Get(ctx, "tftp://"+addr+tt.path)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %d bytes, %v, want %v", len(body), err, tt.want)
			}
			if err == nil && !bytes.Equal(body, tt.server.file) {
				t.Errorf("got %d bytes, want %d", len(body), len(tt.server.file))
			}
		})
	}
	full := transfer{block: tftpBlock, next: 7}
	full.body.Write(make([]byte, MaxDocument))
	if _, _, err := full.packet([]byte("\x00\x03\x00\x07x")); !errors.Is(err, ErrTooLarge) {
		t.Errorf("an endless file: %v", err)
	}
	if _, err := New(Config{}).Get(t.Context(), "tftp://host/f"); !errors.Is(err, ErrBadURL) {
		t.Errorf("without sockets: %v", err)
	}
}

func FuzzTFTP(f *testing.F) {
	f.Add([]byte("\x00\x06blksize\x00512\x00"), []byte("\x00\x03\x00\x01hello"))
	f.Add([]byte("\x00\x05\x00\x01no\x00"), []byte{})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		tr := transfer{block: tftpBlock, next: 1}
		for _, p := range [][]byte{first, second} {
			if _, _, err := tr.packet(p); err != nil {
				return
			}
		}
		if tr.block > tftpAsk || tr.body.Len() > len(first)+len(second) {
			t.Errorf("blocks of %d, %d bytes", tr.block, tr.body.Len())
		}
	})
}
