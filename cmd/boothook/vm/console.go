package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// maxConsole bounds what is kept of one guest's serial output, in bytes.
const maxConsole = 16 << 20

// ErrEnded says that the guest ended before what was waited for.
var ErrEnded = errors.New("guest ended")

// A Line is one line of the serial console, without colours, and when its
// first byte came.
type Line struct {
	At   time.Duration
	Text string
}

// A Console keeps what a guest writes to its serial port. It is an io.Writer
// for QEMU's output; all methods may be called at once.
type Console struct {
	zero time.Time
	log  io.Writer

	mu      sync.Mutex // guards all below
	lines   []Line
	partial []byte // the last line, not yet ended
	since   time.Duration
	size    int
	ended   bool
	changed chan struct{} // closed, and replaced, at every change
}

func newConsole(zero time.Time, log io.Writer) *Console {
	return &Console{zero: zero, log: log, changed: make(chan struct{})}
}

// Elapsed is the time since power-on.
func (c *Console) Elapsed() time.Duration { return time.Since(c.zero) }

// Write takes the next bytes; it never fails.
func (c *Console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Since(c.zero)
	for rest := b; len(rest) > 0; {
		if len(c.partial) == 0 {
			c.since = now
		}
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			c.partial = append(c.partial, rest...)
			break
		}
		c.partial = append(c.partial, rest[:i]...)
		c.endLine()
		rest = rest[i+1:]
	}
	if len(c.partial) > maxConsole {
		c.partial = c.partial[:0]
	}
	c.wake()
	return len(b), nil
}

// endLine files the partial line. Beyond the bound lines go to the log only.
func (c *Console) endLine() {
	text := plain(string(c.partial))
	c.partial = c.partial[:0]
	fmt.Fprintf(c.log, "%9.3f %s\n", c.since.Seconds(), text)
	if c.size += len(text); c.size <= maxConsole {
		c.lines = append(c.lines, Line{c.since, text})
	}
}

func (c *Console) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// end says that nothing more will come.
func (c *Console) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.partial) > 0 {
		c.endLine()
	}
	c.ended = true
	c.wake()
}

// Lines returns all lines so far, a prompt without line end included.
func (c *Console) Lines() []Line {
	lines, _, _ := c.from(0)
	return lines
}

// from returns the lines from number i on, whether the guest has ended, and
// a channel that is closed when there is more.
func (c *Console) from(i int) (lines []Line, ended bool, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines = append(lines, c.lines[i:]...)
	if len(c.partial) > 0 {
		lines = append(lines, Line{c.since, plain(string(c.partial))})
	}
	return lines, c.ended, c.changed
}

// Wait returns the first line that holds one of the texts, of those already
// there or still to come. It ends with ErrEnded or with the context's cause.
func (c *Console) Wait(ctx context.Context, texts ...string) (Line, error) {
	next := 0
	for {
		lines, ended, changed := c.from(next)
		for _, l := range lines {
			for _, t := range texts {
				if strings.Contains(l.Text, t) {
					return l, nil
				}
			}
		}
		if ended {
			return Line{}, fmt.Errorf("wait for %q: %w", texts, ErrEnded)
		}
		if len(lines) > 1 {
			next += len(lines) - 1 // the last may be partial: look again
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Line{}, fmt.Errorf("wait for %q: %w", texts, context.Cause(ctx))
		}
	}
}

// Follow calls f for every whole line, from the first, until the guest ends.
func (c *Console) Follow(f func(Line)) {
	next := 0
	for {
		c.mu.Lock()
		lines, ended, changed := c.lines[next:], c.ended, c.changed
		c.mu.Unlock()
		for _, l := range lines {
			f(l)
		}
		next += len(lines)
		if ended {
			return
		}
		<-changed
	}
}

// plain takes carriage returns and terminal escapes out of a line.
func plain(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == 0x1b:
			i = skipEscape(s, i)
		case c < ' ' && c != '\t':
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// skipEscape returns the index of the last byte of the escape sequence that
// starts at i: ECMA-48's CSI, or ESC and one byte.
func skipEscape(s string, i int) int {
	if i++; i >= len(s) || s[i] != '[' {
		return i
	}
	for i++; i < len(s) && (s[i] < 0x40 || s[i] > 0x7e); i++ {
	}
	return i
}
