// Package latecall is how the late call asks the worker, which the early call
// has left behind, for the customized root: a request and replies on a unix
// socket in the run directory.
//
// The late call says where the root is mounted. The worker replies with one
// line of JSON for each stage, with the time that the stage may take, and a
// last one that says done. So the late call always knows how long to wait, and
// a worker that has died is noticed at once, because its end of the connection
// closes.
package latecall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	// stageGrace is what the late call waits beyond the time a stage asked for.
	stageGrace = 5 * time.Second
	// maxWait bounds the late call, whatever the worker asks for.
	maxWait = time.Hour
	// maxMessage bounds one line on the socket.
	maxMessage = 64 << 10
	// writeTime bounds the sending of one reply.
	writeTime = time.Second
)

// ErrWorkerGone means that the worker's end closed before it said done.
var ErrWorkerGone = errors.New("the worker is gone")

// A request is what the late call says.
type request struct {
	Root string `json:"root"`
}

// A Reply is one line of what the worker says.
type Reply struct {
	Stage    string `json:"stage,omitempty"`
	WithinMS int64  `json:"within_ms,omitempty"`
	Done     bool   `json:"done,omitempty"`
	// Failures counts the problems that lost something.
	Failures int `json:"failures,omitempty"`
}

// Listen makes the socket. The early call does so before it starts the worker,
// so that the late call finds it however early it comes. The file is for the
// worker to inherit.
func Listen(path string) (*os.File, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen for the late call: %w", err)
	}
	defer l.Close()
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, fmt.Errorf("close the socket to others: %w", err)
	}
	return l.File()
}

// Inherited is the worker's listener, made of the file that Listen has given.
func Inherited(fd uintptr) (net.Listener, error) {
	f := os.NewFile(fd, "late call")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("listen for the late call: %w", err)
	}
	return l, nil
}

// A Caller is the late call as the worker sees it. A nil one has not called
// yet.
type Caller struct {
	// Root is where the root is mounted.
	Root string
	conn net.Conn
}

// Accept waits for the late call and reads where the root is.
func Accept(ctx context.Context, l net.Listener) (*Caller, error) {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	conn, err := l.Accept()
	if err != nil {
		return nil, fmt.Errorf("wait for the late call: %w", err)
	}
	var asked request
	dec := json.NewDecoder(io.LimitReader(conn, maxMessage))
	if err := dec.Decode(&asked); err != nil {
		conn.Close()
		return nil, fmt.Errorf("read the late call: %w", err)
	}
	return &Caller{Root: asked.Root, conn: conn}, nil
}

// Stage tells what begins and how long it may take.
func (c *Caller) Stage(stage string, within time.Duration) {
	c.reply(Reply{Stage: stage, WithinMS: within.Milliseconds()})
}

// Done ends the call, and says how many problems lost something.
func (c *Caller) Done(failures int) { c.reply(Reply{Done: true, Failures: failures}) }

// reply sends one line. A late call that went away does not stop the work.
func (c *Caller) reply(r Reply) {
	if c == nil || c.conn == nil {
		return
	}
	line, err := json.Marshal(r)
	if err == nil {
		_ = c.conn.SetWriteDeadline(time.Now().Add(writeTime))
		_, err = c.conn.Write(append(line, '\n'))
	}
	if err != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// Call is the late call's half: it hands over the root and waits for done,
// never longer than the stages ask for.
func Call(ctx context.Context, path, root string, progress func(Reply)) (Reply, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if errors.Is(err, syscall.ECONNREFUSED) { // nobody listens any more
		return Reply{}, fmt.Errorf("before it was asked: %w", ErrWorkerGone)
	}
	if err != nil {
		return Reply{}, fmt.Errorf("call the worker: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	return exchange(conn, root, progress)
}

// exchange sends the request and takes the replies. Whatever ends it, the
// worker can do nothing more with the root.
func exchange(conn net.Conn, root string, progress func(Reply)) (Reply, error) {
	end := time.Now().Add(maxWait)
	if err := json.NewEncoder(conn).Encode(request{Root: root}); err != nil {
		return Reply{}, fmt.Errorf("while handing over the root: %w", ErrWorkerGone)
	}
	within, stage := time.Duration(0), "answering"
	dec := json.NewDecoder(conn)
	for {
		deadline := time.Now().Add(within + stageGrace)
		if deadline.After(end) {
			deadline = end
		}
		_ = conn.SetReadDeadline(deadline)
		var r Reply
		switch err := dec.Decode(&r); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return r, fmt.Errorf("the worker did not finish %s within %v", stage, within+stageGrace)
		case err != nil:
			return r, fmt.Errorf("while %s: %w", stage, ErrWorkerGone)
		case r.Done:
			return r, nil
		}
		within, stage = time.Duration(r.WithinMS)*time.Millisecond, r.Stage
		progress(r)
	}
}
