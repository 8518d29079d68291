package vm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// ErrNotRoot says that the laboratory was asked for without root.
var ErrNotRoot = errors.New("needs root, for a network namespace and a tap device (try sudo)")

// A namespace is a network namespace, kept by one thread of this process.
type namespace struct {
	handle netns.NsHandle
	calls  chan func()
}

// newNamespace makes an empty network namespace.
func newNamespace() (*namespace, error) {
	if os.Geteuid() != 0 {
		return nil, ErrNotRoot
	}
	n := &namespace{calls: make(chan func())}
	made := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine and takes
		// the changed namespace with it. It lives as long as the
		// namespace, so that the parent-death signal of a child started
		// on it means the death of this process.
		runtime.LockOSThread()
		var err error
		if n.handle, err = netns.New(); err != nil {
			made <- fmt.Errorf("make network namespace: %w", err)
			return
		}
		made <- nil
		for f := range n.calls {
			f()
		}
	}()
	if err := <-made; err != nil {
		return nil, err
	}
	return n, nil
}

// do runs f in the namespace. What f starts or opens stays there. f must be
// short: there is one thread for all calls.
func (n *namespace) do(f func() error) error {
	done := make(chan error)
	n.calls <- func() { done <- f() }
	return <-done
}

// listen is net.Listen in the namespace.
func (n *namespace) listen(network, address string) (l net.Listener, err error) {
	err = n.do(func() error {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// dial connects by TCP from within the namespace. A socket belongs to the
// namespace it was made in, so only that needs the namespace's thread.
func (n *namespace) dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	var fd int
	err := n.do(func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dial %v: %w", to, err)
	}
	file := os.NewFile(uintptr(fd), to.String())
	defer file.Close() // FileConn makes its own
	if from.IsValid() {
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: from.As4()}); err != nil {
			return nil, fmt.Errorf("dial %v from %v: %w", to, from, err)
		}
	}
	if err := connect(ctx, file, to); err != nil {
		return nil, fmt.Errorf("dial %v: %w", to, err)
	}
	return net.FileConn(file)
}

// connect connects a non-blocking socket (connect(2), EINPROGRESS).
func connect(ctx context.Context, file *os.File, to netip.AddrPort) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = file.SetDeadline(time.Unix(1, 0)) })()
	address := &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	var result error
	err = raw.Write(func(fd uintptr) (done bool) {
		// Called again when the socket can be written: a second connect
		// then tells how the first one ended.
		result = unix.Connect(int(fd), address)
		return result != unix.EINPROGRESS && result != unix.EALREADY
	})
	if result == unix.EISCONN {
		result = nil
	}
	return errors.Join(err, result)
}

// close ends the namespace once nothing runs in it any more.
func (n *namespace) close() error {
	close(n.calls)
	return n.handle.Close()
}
