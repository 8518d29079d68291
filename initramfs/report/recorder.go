package report

import (
	"sync"
	"time"
)

// A Recorder writes a report while several goroutines have something to say. It
// owns the report and its lock: what it gives out are copies.
type Recorder struct {
	clock func() time.Duration

	lock   sync.Mutex // guards report
	report Report
}

// NewRecorder begins a report. The clock tells the time since the kernel
// started.
func NewRecorder(first Report, clock func() time.Duration) *Recorder {
	return &Recorder{report: first, clock: clock}
}

// Mark notes that a stage is reached now.
func (r *Recorder) Mark(stage string) { r.MarkAt(r.clock(), stage) }

// MarkAt notes that a stage was reached at that time.
func (r *Recorder) MarkAt(at time.Duration, stage string) {
	r.lock.Lock()
	r.report.Mark(at, stage)
	r.lock.Unlock()
}

// Problem notes what went wrong.
func (r *Recorder) Problem(p ...Problem) {
	r.lock.Lock()
	r.report.Problems = append(r.report.Problems, p...)
	r.lock.Unlock()
}

// Fail notes what kept the root from being customized.
func (r *Recorder) Fail(origin string, err error) {
	r.Problem(Problem{Origin: origin, Message: err.Error()})
	r.lock.Lock()
	r.report.Result = Failed
	r.lock.Unlock()
}

// Change lets f change the report, and nobody else meanwhile. f must not use
// the recorder, nor keep what it is given.
func (r *Recorder) Change(f func(*Report)) {
	r.lock.Lock()
	f(&r.report)
	r.lock.Unlock()
}

// Snapshot gives the report as it is now. What happens later does not change
// it.
func (r *Recorder) Snapshot() Report {
	r.lock.Lock()
	s := r.report
	// append, because each slices.Clone would be a function of its own.
	s.Evidence = append([]string(nil), s.Evidence...)
	s.Network = append([]NIC(nil), s.Network...)
	s.Parts = append([]Part(nil), s.Parts...)
	s.Hooks = append([]Hook(nil), s.Hooks...)
	s.Steps = append([]Step(nil), s.Steps...)
	s.Problems = append([]Problem(nil), s.Problems...)
	s.Timeline = append([]Mark(nil), s.Timeline...)
	s.Late = append([]LateLine(nil), s.Late...)
	if s.Fetch != nil {
		fetch := *s.Fetch
		s.Fetch = &fetch
	}
	r.lock.Unlock()
	return s
}
