package agent

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

// The door is where the late call meets the process that the early call left
// behind: a unix socket in the run directory. The late call says where the
// root is mounted; the worker answers with one line per stage, each with the
// time it may take, and a last line that says done. So the late call always
// knows how long to wait, and a worker that died is noticed at once because
// its end of the connection closes.

// stageGrace is what the late call waits beyond the time a stage asked for.
const stageGrace = 5 * time.Second

// maxWait bounds the late call, whatever the worker asks for.
const maxWait = time.Hour

// maxMessage bounds one line on the socket.
const maxMessage = 64 << 10

// errWorkerGone means the worker's end closed before it said done.
var errWorkerGone = errors.New("the worker is gone")

// A request is what the late call says.
type request struct {
	Root string `json:"root"`
}

// A reply is one line of the worker's answer.
type reply struct {
	Stage    string `json:"stage,omitempty"`
	WithinMS int64  `json:"within_ms,omitempty"`
	Done     bool   `json:"done,omitempty"`
	// Failures counts the problems that lost something.
	Failures int `json:"failures,omitempty"`
}

// listen opens the door. The early call does so before it starts the worker,
// so that the late call finds it however early it comes.
func listen(path string) (*os.File, error) {
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

// A visitor is the late call as the worker sees it.
type visitor struct {
	root string
	conn net.Conn
}

// await waits for the late call and reads where the root is.
func await(ctx context.Context, l net.Listener) (*visitor, error) {
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
	return &visitor{root: asked.Root, conn: conn}, nil
}

// tell sends one line. A late call that went away does not stop the work.
func (v *visitor) tell(r reply) {
	if v.conn == nil {
		return
	}
	line, err := json.Marshal(r)
	if err == nil {
		_ = v.conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, err = v.conn.Write(append(line, '\n'))
	}
	if err != nil {
		v.conn.Close()
		v.conn = nil
	}
}

// knock is the late call's half: it hands over the root and waits for done,
// never longer than the stages ask for.
func knock(ctx context.Context, path, root string, progress func(reply)) (reply, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if errors.Is(err, syscall.ECONNREFUSED) { // nobody has the door any more
		return reply{}, fmt.Errorf("before it was asked: %w", errWorkerGone)
	}
	if err != nil {
		return reply{}, fmt.Errorf("call the worker: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	return converse(conn, root, progress)
}

// converse is what follows on the connection. Whatever ends it, the worker can
// do nothing more with the root.
func converse(conn net.Conn, root string, progress func(reply)) (reply, error) {
	end := time.Now().Add(maxWait)
	if err := json.NewEncoder(conn).Encode(request{Root: root}); err != nil {
		return reply{}, fmt.Errorf("while handing over the root: %w", errWorkerGone)
	}
	within, stage := time.Duration(0), "answering"
	dec := json.NewDecoder(conn)
	for {
		deadline := time.Now().Add(within + stageGrace)
		if deadline.After(end) {
			deadline = end
		}
		_ = conn.SetReadDeadline(deadline)
		var r reply
		switch err := dec.Decode(&r); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return r, fmt.Errorf("the worker did not finish %s within %v", stage, within+stageGrace)
		case err != nil:
			return r, fmt.Errorf("while %s: %w", stage, errWorkerGone)
		case r.Done:
			return r, nil
		}
		within, stage = time.Duration(r.WithinMS)*time.Millisecond, r.Stage
		progress(r)
	}
}
