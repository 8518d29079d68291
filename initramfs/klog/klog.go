// Package klog writes boothook's lines to the kernel log.
package klog

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// The rules of the log. Lines go to the kernel log, one write each, as
// "boothook: TEXT", lower case and without a final stop; the kernel cuts at
// about 976 bytes, so we cut at 900. Warnings (level 4) and errors (level 3)
// reach the console of a default boot; info (6) does so without "quiet"; debug
// (7) is written only under boothook.log=debug. No line holds a secret: no
// user-data, no token, no key, no URL's query.
const maxLine = 900

// A Log writes such lines, from any goroutine.
type Log struct {
	// w takes the lines; nil means the kernel log.
	w     io.Writer
	debug bool
}

// New logs to the kernel, or to w where that is not nil.
func New(debug bool, w io.Writer) *Log { return &Log{w: w, debug: debug} }

func (l *Log) Errorf(format string, args ...any) { l.write(3, format, args...) }
func (l *Log) Warnf(format string, args ...any)  { l.write(4, format, args...) }
func (l *Log) Infof(format string, args ...any)  { l.write(6, format, args...) }
func (l *Log) Debugf(format string, args ...any) {
	if l.debug {
		l.write(7, format, args...)
	}
}

func (l *Log) write(level int, format string, args ...any) {
	text := strings.Map(printable, fmt.Sprintf(format, args...))
	if len(text) > maxLine {
		text = text[:maxLine] + "…"
	}
	// A log that cannot be written has nowhere to say so.
	line := "boothook: " + text + "\n"
	if l.w != nil {
		_, _ = io.WriteString(l.w, line)
		return
	}
	// Opened anew for each line, because the kernel lets each open file of
	// /dev/kmsg have ten lines in five seconds and drops the rest.
	f, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	// Facility 3 (daemon) makes journald file the line under "boothook".
	_, _ = fmt.Fprintf(f, "<%d>%s", 3<<3|level, line)
}

// printable keeps a message on one line and a terminal in its senses.
func printable(r rune) rune {
	if r == '\n' || r == '\t' {
		return ' '
	}
	if r < ' ' || r == 0x7f {
		return '?'
	}
	return r
}
