package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// maxPipeMessage bounds what boothook-extra may say about a failure, in bytes.
const maxPipeMessage = 512

// A TLSPipe makes TLS connections by way of "boothook-extra tls", a process that
// stands between a connected socket and us. Its Wrap is a Config.TLS. The
// agent does without a TLS library that way, which weighs as much as all the
// rest of it.
type TLSPipe struct {
	// Path is where boothook-extra is.
	Path string
	// CA is a PEM file with the certificates to trust, or a directory of
	// such files.
	CA string
	// NotBefore is the earliest that the time can be: a machine whose clock
	// has not been set yet would take every certificate for one of the
	// future.
	NotBefore time.Time
}

// Wrap starts a process that speaks TLS as a client of host over conn, which
// is its own from then on. What it refuses, or is refused, is ErrTLS; that
// there is no such process is ErrNeedsTLS.
func (p TLSPipe) Wrap(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	tcp, ok := conn.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("%w: not a connection with a descriptor", ErrTLS)
	}
	outside, err := tcp.File()
	if err != nil {
		return nil, err
	}
	defer outside.Close()
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(p.Path, "tls", "-host", host, "-ca", p.CA, "-not-before", strconv.FormatInt(p.NotBefore.Unix(), 10))
	cmd.ExtraFiles = []*os.File{outside, theirs} // descriptors 3 and 4
	err = cmd.Start()
	theirs.Close() // so that its end is seen when the process ends
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("%w: %w", ErrNeedsTLS, err)
	}
	go cmd.Wait() // its exit status says no more than the connection does
	conn.Close()
	pipe := pipeConn{ours, cmd.Process}
	if err := pipe.handshake(ctx); err != nil {
		pipe.Close()
		return nil, err
	}
	return pipe, nil
}

// socketpair gives two connected stream sockets, the first as a net.Conn.
func socketpair() (net.Conn, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	near, far := os.NewFile(uintptr(fds[0]), "tls"), os.NewFile(uintptr(fds[1]), "tls")
	defer near.Close()
	conn, err := net.FileConn(near)
	if err != nil {
		far.Close()
		return nil, nil, err
	}
	return conn, far, nil
}

// A pipeConn is the near end of a pipe, and the process at its far end.
type pipeConn struct {
	net.Conn
	process *os.Process
}

// handshake waits until the process says how the TLS handshake went: a byte of
// 0 for well, 1 for refused, 2 for broken off, and then why.
func (c pipeConn) handshake(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	var status [1]byte
	if _, err := io.ReadFull(c, status[:]); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("tls handshake: %w", unexpected(err))
	}
	if status[0] == 0 {
		return nil
	}
	why, err := io.ReadAll(io.LimitReader(c, maxPipeMessage))
	if err != nil {
		return err
	}
	if status[0] != 1 {
		return fmt.Errorf("tls handshake: %s", why)
	}
	return fmt.Errorf("%w: %s", ErrTLS, why)
}

// Close ends the process too.
func (c pipeConn) Close() error {
	err := c.Conn.Close()
	if kill := c.process.Kill(); !errors.Is(kill, os.ErrProcessDone) {
		err = errors.Join(err, kill)
	}
	return err
}
