package latecall

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// listen makes the socket as the early call does, and listens as the worker.
func listen(t *testing.T) (path string, l net.Listener) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "sock")
	f, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if l, err = Inherited(f.Fd()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return path, l
}

func TestCall(t *testing.T) {
	path, l := listen(t)
	go func() {
		c, err := Accept(context.Background(), l)
		if err != nil {
			t.Error(err)
			return
		}
		c.Stage("one", time.Second)
		c.Stage("two at "+c.Root, time.Second)
		c.Done(2)
	}()
	var stages []string
	last, err := Call(t.Context(), path, "/sysroot", func(r Reply) { stages = append(stages, r.Stage) })
	if err != nil || !last.Done || last.Failures != 2 {
		t.Errorf("last reply %+v, error %v", last, err)
	}
	if got := strings.Join(stages, ", "); got != "one, two at /sysroot" {
		t.Errorf("stages %q", got)
	}
}

func TestWorkerThatDiesIsNoticedAtOnce(t *testing.T) {
	path, l := listen(t)
	go func() {
		c, err := Accept(context.Background(), l)
		if err != nil {
			t.Error(err)
			return
		}
		c.Stage("running hooks", time.Hour)
		c.conn.Close()
	}()
	_, err := Call(t.Context(), path, "/root", func(Reply) {})
	if !errors.Is(err, ErrWorkerGone) || !strings.Contains(err.Error(), "running hooks") {
		t.Errorf("error %v, want ErrWorkerGone while running hooks", err)
	}
}

func TestNoWorker(t *testing.T) {
	path, l := listen(t)
	l.Close()
	if _, err := Call(t.Context(), path, "/root", nil); !errors.Is(err, ErrWorkerGone) {
		t.Errorf("a socket that nobody listens on: %v, want ErrWorkerGone", err)
	}
	if _, err := Call(t.Context(), path+"-none", "/root", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no socket: %v", err)
	}
}

// A worker may end between the late call's connection and its request.
func TestWorkerThatDiesBeforeItHears(t *testing.T) {
	ours, theirs := net.Pipe()
	theirs.Close()
	if _, err := exchange(ours, "/root", nil); !errors.Is(err, ErrWorkerGone) {
		t.Errorf("error %v, want ErrWorkerGone", err)
	}
}

// A worker that hangs costs the time of its stage and no more.
func TestWorkerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		go io.Copy(io.Discard, theirs)
		go (&Caller{conn: theirs}).Stage("running hooks", time.Minute)
		start := time.Now()
		_, err := exchange(ours, "/root", func(Reply) {})
		if err == nil || !strings.Contains(err.Error(), "did not finish running hooks within 1m5s") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != time.Minute+stageGrace {
			t.Errorf("it took %v", took)
		}
		ours.Close()
		theirs.Close()
	})
}

// One that asks for ever more time ends, too.
func TestWorkerThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		go io.Copy(io.Discard, theirs)
		ended := make(chan bool)
		go func() {
			for c := (&Caller{conn: theirs}); c.conn != nil; time.Sleep(50 * time.Second) {
				c.Stage("working", time.Minute)
			}
			close(ended)
		}()
		start := time.Now()
		if _, err := exchange(ours, "/root", func(Reply) {}); err == nil || time.Since(start) != maxWait {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		ours.Close()
		theirs.Close()
		<-ended
	})
}

// A late call that goes away does not stop the work.
func TestReplyToNobody(t *testing.T) {
	a, b := net.Pipe()
	b.Close()
	c := &Caller{conn: a}
	c.Stage("one", time.Second)
	c.Done(0)
	if c.conn != nil {
		t.Error("the connection is still held")
	}
	(*Caller)(nil).Stage("nobody has called", time.Second)
}

// What is no request is an error, and so is the end of the wait.
func TestAcceptFails(t *testing.T) {
	path, l := listen(t)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("GET / HTTP/1.1\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := Accept(t.Context(), l); err == nil || !strings.Contains(err.Error(), "read the late call") {
		t.Errorf("no request: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Accept(ctx, l); err == nil {
		t.Error("accepted after the end")
	}
	if _, err := Inherited(1 << 20); err == nil {
		t.Error("a descriptor that is none was listened on")
	}
	if _, err := Listen(filepath.Join(path, "sock")); err == nil {
		t.Error("listened below a file")
	}
}
