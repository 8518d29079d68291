package klog

import (
	"bytes"
	"strings"
	"testing"
)

func TestLogKeepsToOneBoundedLine(t *testing.T) {
	var out bytes.Buffer
	l := New(false, &out)
	l.Errorf("a\nb\x1b[2J %s", strings.Repeat("x", 2000))
	text := out.String()
	if strings.Count(text, "\n") != 1 || strings.Contains(text, "\x1b") || len(text) > maxLine+40 {
		t.Errorf("log line of %d bytes: %.60q", len(text), text)
	}
	out.Reset()
	l.Debugf("unseen")
	if out.Len() > 0 {
		t.Error("debug was written without boothook.log=debug")
	}
	New(true, &out).Debugf("seen")
	l.Infof("and %d", 1)
	l.Warnf("and %d", 2)
	if got := out.String(); got != "boothook: seen\nboothook: and 1\nboothook: and 2\n" {
		t.Errorf("log %q", got)
	}
}
