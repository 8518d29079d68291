// Package cputime measures what tests that bound the cost of hostile input cost.
//
// The clock measures who else is busy, too: on a loaded machine, or under the race
// detector, whatever is in order takes minutes. Processor time does not.
package cputime

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Bound is more than anything in order costs, under the race detector too, which
// makes it ten to twenty times as dear; and less than what grows with the square
// of a document's size would cost.
const Bound = 5 * time.Minute

// Used is the processor time that this process has used so far, the kernel's for
// it included.
func Used() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(fmt.Sprintf("getrusage: %v", err)) // it takes no argument that could be wrong
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
