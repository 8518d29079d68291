package hooks

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"boothook/netboot/instance"
)

// A Result is what became of one hook.
type Result struct {
	Name   string `json:"name"`
	Kind   Kind   `json:"kind"`
	Origin string `json:"origin,omitempty"`
	// Status is the exit status; -1 for a hook that a signal ended or that
	// never ran.
	Status int `json:"status"`
	// Signal names the signal that ended it ("killed"), if one did.
	Signal string `json:"signal,omitempty"`
	// TimedOut says that its time was up.
	TimedOut bool `json:"timed_out,omitempty"`
	// Started is when it began, Duration how long it ran.
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration_ns"`
	// Output counts the bytes it printed, Dropped those not kept.
	Output  int64 `json:"output"`
	Dropped int64 `json:"dropped,omitempty"`
	// Left names processes that it left running and that were killed.
	Left []string `json:"left,omitempty"`
	// Taken are the indexes of the parts that part handlers took.
	Taken []int `json:"taken,omitempty"`
	// Error says why it did not run, or what else went wrong.
	Error string `json:"error,omitempty"`
	// Notes are what was not as the package comment promises, each to be read
	// after "the hook ran": "from memory, since it could not be written".
	Notes []string `json:"notes,omitempty"`
}

// OK says that the hook ran and succeeded.
func (r Result) OK() bool { return r.Error == "" && r.Status == 0 && !r.TimedOut }

// Problems gives what the report has to say of the hook.
func (r Result) Problems() []instance.Problem {
	var ps []instance.Problem
	add := func(warning bool, format string, args ...any) {
		ps = append(ps, instance.Problem{
			Origin: r.Origin, Part: r.Name, Warning: warning,
			Message: string(r.Kind) + " " + fmt.Sprintf(format, args...),
		})
	}
	switch {
	case r.TimedOut:
		add(false, "was killed: its time was up after %s", r.Duration.Round(time.Millisecond))
	case r.Error != "":
		add(false, "failed: %s", r.Error)
	case r.Signal != "":
		add(false, "was ended by a signal: %s", r.Signal)
	case r.Status != 0:
		add(false, "failed with exit status %d", r.Status)
	}
	if len(r.Left) > 0 {
		add(true, "left processes running, which were killed: %s", strings.Join(r.Left, ", "))
	}
	if r.Dropped > 0 {
		add(true, "printed %d bytes, of which %d were dropped", r.Output, r.Dropped)
	}
	for _, n := range r.Notes {
		add(true, "ran %s", n)
	}
	return ps
}

// summary says in a few words how the hook ended.
func (r Result) summary() string {
	took := " after " + r.Duration.Round(time.Millisecond).String()
	switch {
	case r.TimedOut:
		return "killed, its time was up" + took
	case r.Error != "":
		return r.Error
	case r.Signal != "":
		return r.Signal + took
	}
	return "exit status " + strconv.Itoa(r.Status) + took
}

// ended takes over how a process ended; err is what waiting for it gave.
func (r *Result) ended(ps *os.ProcessState, err error) error {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("wait: %w", err)
	}
	ws := ps.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		r.Signal = ws.Signal().String()
		return nil
	}
	r.Status = ws.ExitStatus()
	return nil
}
