package agent

import (
	"strings"
	"testing"
	"time"

	"boothook/initramfs/machine"
	"boothook/initramfs/report"
)

// latePanics are NICs on which decoding panics while they are left.
type latePanics struct {
	machine.NICs
	count int
}

func (p *latePanics) Panics() int { return p.count }

func (p *latePanics) Restore() error { p.count++; return nil }

// The work on the links goes on until they are left, and so do panics.
func TestPanicWhileLeavingIsReported(t *testing.T) {
	b := &boot{record: report.NewRecorder(report.Report{}, func() time.Duration { return 0 })}
	b.leaveNetwork(&network{nics: &latePanics{count: 2}})
	problems := b.record.Snapshot().Problems
	if len(problems) != 1 || !problems[0].Warning || !strings.Contains(problems[0].Message, "panicked on 3 messages") {
		t.Errorf("problems %+v", problems)
	}
}
