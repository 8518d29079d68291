package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	outside, inside = 3, 4
	// How the handshake went.
	well, refused, brokenOff = 0, 1, 2
	// handshakeTimeout bounds the handshake; whoever runs this has bounds
	// of its own.
	handshakeTimeout = 30 * time.Second
	// maxCA bounds the certificates read, in bytes; a distribution's whole
	// bundle has some 250 kB.
	maxCA = 4 << 20
)

// pipe speaks TLS over the connected socket that is descriptor 3, and plain
// bytes over descriptor 4, whose other end whoever runs this holds.
//
// The first byte that is written to descriptor 4 tells how the handshake went:
// 0 for well, and what follows are the server's bytes; 1 for refused by either
// side and 2 for broken off, and what follows is a message. The certificate
// must be good for the host's name, by the certificates of the file or
// directory that -ca names, at the present time, or at -not-before (seconds
// after 1970) if the clock is before that.
//
// It ends when either side does. It never opens a connection, resolves no
// names, and writes nothing but what is said here.
func pipe(args []string) error {
	flags := flag.NewFlagSet("boothook-extra tls", flag.ContinueOnError)
	host := flags.String("host", "", "the server's `name`")
	ca := flags.String("ca", "", "the `file` or directory with the certificates to trust")
	notBefore := flags.Int64("not-before", 0, "the earliest time that it can be, in `seconds` since 1970")
	if err := flags.Parse(args); err != nil {
		return err
	}
	near, err := descriptor(inside)
	if err != nil {
		return err
	}
	defer near.Close()
	far, err := descriptor(outside)
	if err != nil {
		return err
	}
	defer far.Close()
	secure, err := connect(far, *host, *ca, time.Unix(*notBefore, 0))
	if err != nil {
		_, tellErr := near.Write(append([]byte{verdict(err)}, err.Error()...))
		return errors.Join(err, tellErr)
	}
	if _, err := near.Write([]byte{well}); err != nil {
		return err
	}
	return pump(near, secure)
}

// verdict tells a refusal, which is final, from trouble with the connection,
// which may be over the next time.
func verdict(err error) byte {
	var (
		alert tls.AlertError
		inNet *net.OpError
	)
	switch {
	case errors.As(err, &alert):
		return refused
	case errors.As(err, &inNet), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.DeadlineExceeded):
		return brokenOff
	}
	return refused
}

// descriptor makes a connection of an inherited descriptor.
func descriptor(fd uintptr) (net.Conn, error) {
	f := os.NewFile(fd, fmt.Sprintf("descriptor %d", fd))
	if f == nil {
		return nil, fmt.Errorf("descriptor %d is not valid", fd)
	}
	defer f.Close()
	return net.FileConn(f)
}

// connect does the handshake.
func connect(far net.Conn, host, ca string, notBefore time.Time) (*tls.Conn, error) {
	roots, err := readCA(ca)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(far, &tls.Config{
		ServerName: host,
		RootCAs:    roots,
		MinVersion: tls.VersionTLS12,
		Time: func() time.Time {
			if now := time.Now(); now.After(notBefore) {
				return now
			}
			return notBefore
		},
	})
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return conn, nil
}

// readCA reads the certificates of a PEM file, or of all files of a directory.
func readCA(path string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	budget := int64(maxCA)
	found := false
	err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := readFile(name, budget)
		if err != nil {
			return err
		}
		budget -= int64(len(body))
		found = pool.AppendCertsFromPEM(body) || found
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	if !found {
		return nil, fmt.Errorf("certificates: none in %s", path)
	}
	return pool, nil
}

func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, limit+1))
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%s: more than %d bytes in all", name, maxCA)
	}
	return body, err
}

// pump carries bytes both ways until the server has said all, or whoever runs
// this has gone.
func pump(near net.Conn, secure *tls.Conn) error {
	go func() {
		io.Copy(secure, near) // ends when near is closed, and with the process
		secure.Close()
	}()
	_, err := io.Copy(near, secure)
	return err
}
