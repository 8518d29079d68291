package agent

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"boothook/initramfs/report"
)

// open opens a door as the early call does, and gives it as the worker has it.
func open(t *testing.T) (path string, l net.Listener) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "sock")
	f, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if l, err = net.FileListener(f); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return path, l
}

func TestLateCallIsAnswered(t *testing.T) {
	path, l := open(t)
	go func() {
		v, err := await(context.Background(), l)
		if err != nil {
			t.Error(err)
			return
		}
		v.tell(reply{Stage: "one", WithinMS: 1000})
		v.tell(reply{Stage: "two at " + v.root, WithinMS: 1000})
		v.tell(reply{Done: true, Failures: 2})
	}()
	var stages []string
	answer, err := knock(context.Background(), path, "/sysroot", func(r reply) { stages = append(stages, r.Stage) })
	if err != nil || !answer.Done || answer.Failures != 2 {
		t.Errorf("answer %+v, error %v", answer, err)
	}
	if got := strings.Join(stages, ", "); got != "one, two at /sysroot" {
		t.Errorf("stages %q", got)
	}
}

func TestWorkerThatDiesIsNoticedAtOnce(t *testing.T) {
	path, l := open(t)
	go func() {
		v, err := await(context.Background(), l)
		if err != nil {
			t.Error(err)
			return
		}
		v.tell(reply{Stage: "running hooks", WithinMS: time.Hour.Milliseconds()})
		v.conn.Close()
	}()
	_, err := knock(context.Background(), path, "/root", func(reply) {})
	if !errors.Is(err, errWorkerGone) || !strings.Contains(err.Error(), "running hooks") {
		t.Errorf("error %v, want errWorkerGone while running hooks", err)
	}
}

func TestNoWorker(t *testing.T) {
	path, l := open(t)
	l.Close()
	if _, err := knock(context.Background(), path, "/root", func(reply) {}); !errors.Is(err, errWorkerGone) {
		t.Errorf("error %v, want errWorkerGone", err)
	}
}

// A worker may end between the late call's knock and its word.
func TestWorkerThatDiesBeforeItHears(t *testing.T) {
	ours, theirs := net.Pipe()
	theirs.Close()
	if _, err := converse(ours, "/root", func(reply) {}); !errors.Is(err, errWorkerGone) {
		t.Errorf("error %v, want errWorkerGone", err)
	}
}

// A late call that goes away does not stop the work.
func TestTellSurvivesAClosedDoor(t *testing.T) {
	a, b := net.Pipe()
	b.Close()
	v := &visitor{conn: a}
	v.tell(reply{Stage: "one"})
	v.tell(reply{Stage: "two"})
	if v.conn != nil {
		t.Error("the connection is still held")
	}
	(&visitor{}).tell(reply{Stage: "nobody called"})
}

func TestLateWithoutAWorkerReportsAndGoesOn(t *testing.T) {
	run := t.TempDir()
	var log bytes.Buffer
	e := Env{Version: "test", Run: run, ByHand: true, Cmdline: "", LogTo: &log}
	if err := os.WriteFile(filepath.Join(run, workerLogName), []byte("panic: in a library\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Late(context.Background(), e, "/nonexistent"); err != nil {
		t.Errorf("the late call failed: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(run, reportName))
	if err != nil {
		t.Fatal(err)
	}
	r, err := report.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if r.Result != report.Failed || len(r.Problems) != 2 || !strings.Contains(r.Problems[1].Message, "panic: in a library") {
		t.Errorf("report %+v", r)
	}
	if !strings.Contains(log.String(), "the boot goes on without customization") {
		t.Errorf("log: %s", log.String())
	}
}

func TestLateIsQuietWhenThereIsNothingToDo(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, e *Env){
		"off": func(_ *testing.T, e *Env) { e.Cmdline = "boothook=off" },
		"no sign of a cloud": func(t *testing.T, e *Env) {
			e.Sysfs = t.TempDir()
			if err := Early(*e); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			e := Env{Version: "test", Run: t.TempDir(), ByHand: true, LogTo: &log}
			prepare(t, &e)
			log.Reset()
			if err := Late(context.Background(), e, "/nonexistent"); err != nil || log.Len() > 0 {
				t.Errorf("error %v, log %q; want silence", err, log.String())
			}
		})
	}
}

func TestLogKeepsToOneBoundedLine(t *testing.T) {
	var out bytes.Buffer
	NewLog(false, &out).Errorf("a\nb\x1b[2J %s", strings.Repeat("x", 2000))
	text := out.String()
	if strings.Count(text, "\n") != 1 || strings.Contains(text, "\x1b") || len(text) > maxLogLine+40 {
		t.Errorf("log line of %d bytes: %.60q", len(text), text)
	}
	out.Reset()
	NewLog(false, &out).Debugf("unseen")
	if out.Len() > 0 {
		t.Error("debug was written without boothook.log=debug")
	}
}
