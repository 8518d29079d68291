package vm

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func texts(lines []Line) []string {
	var all []string
	for _, l := range lines {
		all = append(all, l.Text)
	}
	return all
}

func TestConsoleLines(t *testing.T) {
	for _, tt := range []struct {
		name   string
		writes []string
		want   []string
	}{
		{"whole", []string{"one\r\ntwo\r\n"}, []string{"one", "two"}},
		{"in pieces", []string{"on", "e\r", "\ntw", "o\n"}, []string{"one", "two"}},
		{"a prompt has no end", []string{"Debian\n", "debian login: "}, []string{"Debian", "debian login: "}},
		{"empty lines count", []string{"\n\na\n"}, []string{"", "", "a"}},
		{"colours", []string{"[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mssh\x1b[0m.\n"}, []string{"[  OK  ] Started ssh."}},
		{"escape cut off", []string{"a\x1b[0;3\n", "b\x1b\n"}, []string{"a", "b"}},
		{"other controls", []string{"\x1bca\x00b\tc\x07\n"}, []string{"ab\tc"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newConsole(time.Now(), io.Discard)
			for _, w := range tt.writes {
				if n, err := io.WriteString(c, w); n != len(w) || err != nil {
					t.Fatalf("Write(%q) = %d, %v", w, n, err)
				}
			}
			if diff := cmp.Diff(tt.want, texts(c.Lines())); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConsoleWait(t *testing.T) {
	c := newConsole(time.Now(), io.Discard)
	io.WriteString(c, "first\n")
	found := make(chan string)
	go func() {
		l, err := c.Wait(t.Context(), "never", "log")
		if err != nil {
			t.Error(err)
		}
		found <- l.Text
	}()
	io.WriteString(c, "a ")
	io.WriteString(c, "login: ")
	if got := <-found; !strings.Contains(got, "a log") {
		t.Errorf("Wait found %q", got)
	}
	if l, err := c.Wait(t.Context(), "first"); err != nil || l.Text != "first" {
		t.Errorf("Wait for a line of before = %q, %v", l.Text, err)
	}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := c.Wait(ctx, "never"); !errors.Is(err, cause) {
		t.Errorf("Wait with its context ended: %v", err)
	}
	c.end()
	if _, err := c.Wait(t.Context(), "never"); !errors.Is(err, ErrEnded) {
		t.Errorf("Wait after the end: %v", err)
	}
}

func TestConsoleFollow(t *testing.T) {
	c := newConsole(time.Now(), io.Discard)
	var seen []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Follow(func(l Line) { seen = append(seen, l.Text) })
	}()
	io.WriteString(c, "one\ntwo\nth")
	io.WriteString(c, "ree\nand a prompt")
	c.end()
	<-done
	if diff := cmp.Diff([]string{"one", "two", "three", "and a prompt"}, seen); diff != "" {
		t.Errorf("followed (-want +got):\n%s", diff)
	}
}

// A guest that writes without end costs no memory without end.
func TestConsoleBounds(t *testing.T) {
	c := newConsole(time.Now(), io.Discard)
	block := strings.Repeat("x", 1<<20)
	for range 2 * maxConsole >> 20 {
		io.WriteString(c, block)
	}
	for range 2 * maxConsole >> 20 {
		io.WriteString(c, block+"\n")
	}
	kept := 0
	for _, l := range c.Lines() {
		kept += len(l.Text)
	}
	if kept > 2*maxConsole {
		t.Errorf("%d bytes kept, want at most %d", kept, 2*maxConsole)
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("[\x1b[0;32m  OK  \x1b[0m]")
	f.Add("\x1b[")
	f.Add("\x1b")
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range []byte(plain(s)) {
			if c < ' ' && c != '\t' {
				t.Errorf("plain(%q) has %#x", s, c)
			}
		}
	})
}
